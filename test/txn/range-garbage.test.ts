/** What range deletions make superfluous goes without being rewritten; nothing comes back by it. */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { IngestOptions } from '../../src/index.ts';
import { memoryDirectory, openDatabase, type TextDb, TINY } from '../base/database.ts';
import { numbered, tableFiles, writeSst } from '../base/sst-files.ts';

/** The machine may be busy with other tests. */
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 60_000 });

interface Made {
  readonly db: TextDb;
  readonly dir: string;
  /** Ingests numbered entries as one file. */
  ingest(from: number, to: number, options?: IngestOptions): Promise<void>;
  counts(): { tables: number; tombstones: number };
  /** In tables, whoever may see them. */
  entries(): number;
}

async function make(options = TINY): Promise<Made> {
  const home = memoryDirectory();
  const dir = join(home, 'db');
  const db = await openDatabase(dir, options);
  let files = 0;
  return {
    db,
    dir,
    ingest: async (from, to, ingestOptions) => {
      const path = join(home, `${files++}.sst`);
      await writeSst(path, numbered(from, to), { blockBytes: 64 });
      await db.ingest(path, ingestOptions);
    },
    entries: () => db.stats().keyspaces[0]?.levels.reduce((sum, { entries }) => sum + entries, 0) ?? 0,
    counts: () => {
      const stats = db.stats().keyspaces[0];
      return {
        tables: stats?.levels.reduce((sum, level) => sum + level.tables, 0) ?? 0,
        tombstones: stats?.rangeTombstones ?? 0,
      };
    },
  };
}

test('tables that are covered whole go, then the tombstone, and the files', async () => {
  const { db, dir, ingest, counts } = await make();
  await ingest(0, 100);
  await ingest(200, 300);
  await db.deleteRange({ gte: 'k', lt: 'k000200' });
  await eventually(() => expect(counts()).toEqual({ tables: 1, tombstones: 0 }));
  await eventually(() => expect(tableFiles(dir)).toHaveLength(1));
  expect(await db.keys().all()).toHaveLength(100);
  expect((await db.verify({ full: true })).problems).toEqual([]);
  await db.close();
  const again = await openDatabase(dir, TINY);
  expect(await again.keys().all()).toHaveLength(100);
});

test('a table that is covered in small part stays, and the tombstone with it, until more of it is', async () => {
  const { db, ingest, counts, entries } = await make();
  await ingest(0, 400);
  await db.deleteRange({ gte: 'k000340' });
  await db.deleteRange({ gte: 'x' });
  await eventually(() => expect(counts().tombstones).toBe(1));
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect([counts(), entries()]).toEqual([{ tables: 1, tombstones: 1 }, 400]);
  expect(await db.keys().all()).toHaveLength(340);
  await db.deleteRange({ gte: 'k000100', lt: 'k000160' });
  // Now it is written again, as several: of which one may keep a little.
  await eventually(() => expect(entries()).toBeLessThan(300));
  expect(await db.keys().all()).toHaveLength(280);
});

test('what is covered of a table is given back without being asked for, once nobody sees it', async () => {
  const { db, dir, ingest, counts, entries } = await make();
  await ingest(0, 400);
  await ingest(1000, 1400);
  const bytes = () =>
    tableFiles(dir).reduce((sum, name) => sum + statSync(join(dir, 'tables', name)).size, 0);
  const before = bytes();
  const snapshot = db.snapshot();
  await db.deleteRange({ gte: 'k000100', lt: 'k001200' });
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect(entries()).toBe(800);
  expect(await db.keys({ snapshot }).all()).toHaveLength(800);
  snapshot.close();
  await eventually(() => expect([counts().tombstones, entries()]).toEqual([0, 300]));
  await eventually(() => expect(bytes()).toBeLessThan(before * 0.8));
  expect(await db.keys().all()).toHaveLength(300);
  expect((await db.verify({ full: true })).problems).toEqual([]);
});

test('so it is of tables that were there before the database was opened, and of keys under another prefix', async () => {
  const { db, dir, ingest, entries } = await make({ ...TINY, compaction: 'off' });
  await ingest(0, 400);
  await ingest(0, 400, { prefix: { from: 'k', to: 'other/' } });
  await db.deleteRange({ gte: 'k000100', lt: 'k000300' });
  await db.deleteRange({ gte: 'other/', lt: 'other/000250' });
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(entries()).toBe(800);
  await db.close();
  const again = await openDatabase(dir, TINY);
  await eventually(() => expect(again.stats().keyspaces[0]?.rangeTombstones).toBe(0));
  const levels = again.stats().keyspaces[0]?.levels ?? [];
  expect(levels.reduce((sum, level) => sum + level.entries, 0)).toBe(350);
  expect(await again.keys().all()).toHaveLength(350);
});

/** No compaction but for what is covered, so that the tables stay those that the test has made. */
const ROOMY = {
  ...TINY,
  memtableBytes: 1 << 20,
  level0Trigger: 1000,
  levelBaseBytes: 1 << 20,
  targetFileBytes: 1 << 20,
};

test.each([
  ['each table is written again where it is', ROOMY],
  ['amid compactions', { ...TINY, memtableBytes: 1 << 20 }],
])('L4: a deletion that goes with what is covered lets nothing older come back: %s', async (_, options) => {
  const { db, dir, ingest, counts } = await make(options);
  // Older puts of the same keys below, in level 0 and in memory; above them a table of which most is covered.
  await ingest(0, 400);
  for (let n = 0; n < 50; n++) await db.put(`k${String(n).padStart(6, '0')}`, 'in level 0');
  await db.flush();
  const pinned = db.snapshot();
  for (let n = 0; n < 400; n++) await db.del(`k${String(n).padStart(6, '0')}`);
  await db.flush();
  await db.deleteRange({ gte: 'k', lt: 'k000300' });
  await db.put('k000010', 'after it');
  pinned.close();
  // Of the tables that compactions happen to make one may keep a little of what is covered, and the tombstone with it.
  if (options !== ROOMY) await db.compactRange();
  await eventually(() => expect(counts().tombstones).toBe(0));
  expect(await db.keys().all()).toEqual(['k000010']);
  expect((await db.verify({ full: true })).problems).toEqual([]);
  await db.close();
  const again = await openDatabase(dir, TINY);
  await again.compactRange();
  expect(await again.keys().all()).toEqual(['k000010']);
});

test('a compaction by hand drops what is covered of a table, and then the tombstone goes', async () => {
  const { db, dir, ingest, counts } = await make({ ...TINY, compaction: 'off' });
  await ingest(0, 100);
  await db.put('k000010', 'newer than the file');
  const snapshot = db.snapshot();
  await db.deleteRange({ gte: 'k000050' });
  await db.put('k000060', 'newer than the tombstone');
  await db.flush();
  await db.compactRange();
  expect(await db.keys({ snapshot }).all()).toHaveLength(100);
  expect(await db.keys().all()).toHaveLength(51);
  snapshot.close();
  await db.compactRange();
  await eventually(() => expect(counts().tombstones).toBe(0));
  expect(db.stats().keyspaces[0]?.levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(51);
  expect(await db.get('k000060')).toBe('newer than the tombstone');
  expect((await db.verify({ full: true })).problems).toEqual([]);
  await db.close();
  const again = await openDatabase(dir, TINY);
  expect(await again.keys().all()).toHaveLength(51);
});

test('a snapshot that still sees the keys keeps them; when it closes they go', async () => {
  const { db, ingest, counts } = await make();
  await ingest(0, 100);
  const snapshot = db.snapshot();
  await db.deleteRange({});
  await db.deleteRange({ lt: 'x' });
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(counts()).toEqual({ tables: 1, tombstones: 2 });
  expect(await db.keys({ snapshot }).all()).toHaveLength(100);
  snapshot.close();
  await eventually(() => expect(counts()).toEqual({ tables: 0, tombstones: 0 }));
  expect(await db.keys().all()).toEqual([]);
});

test('a memtable that has older entries keeps the tombstone, also when it is flushed', async () => {
  const { db, counts } = await make({ durability: 'os' });
  await db.put('a', '1');
  await db.put('z', '1');
  await db.deleteRange({ gte: 'a', lt: 'b' });
  await db.deleteRange({ gte: 'zz' });
  await eventually(() => expect(counts().tombstones).toBe(1));
  await db.flush();
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(counts()).toEqual({ tables: 1, tombstones: 1 });
  expect(await db.keys().all()).toEqual(['z']);
  await db.deleteRange({});
  await eventually(() => expect(counts()).toEqual({ tables: 0, tombstones: 0 }));
});

test('of many that grow, as of a queue, the newest alone stays', async () => {
  const { db, ingest, counts } = await make();
  await ingest(0, 1000);
  for (let n = 1; n <= 40; n++) await db.deleteRange({ lt: `k${String(n * 10).padStart(6, '0')}` });
  await eventually(() => expect(counts().tombstones).toBeLessThanOrEqual(1));
  expect(await db.keys().all()).toHaveLength(600);
});

test('a transaction that may still conflict with a table that is gone does', async () => {
  const { db, ingest, counts } = await make();
  const txn = db.begin();
  await txn.get('k000007');
  await ingest(0, 100);
  await db.deleteRange({ gte: 'k000050' });
  await db.deleteRange({});
  txn.put('x', '1');
  await expect(txn.commit()).rejects.toMatchObject({ code: 'CONFLICT' });
  await eventually(() => expect(counts()).toEqual({ tables: 0, tombstones: 0 }));
});
