/** What range deletions make superfluous goes without being rewritten; nothing comes back by it. */

import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { memoryDirectory, openDatabase, type TextDb, TINY } from '../base/database.ts';
import { numbered, tableFiles, writeSst } from '../base/sst-files.ts';

interface Made {
  readonly db: TextDb;
  readonly dir: string;
  /** Ingests numbered entries as one file. */
  ingest(from: number, to: number): Promise<void>;
  counts(): { tables: number; tombstones: number };
}

async function make(options = TINY): Promise<Made> {
  const home = memoryDirectory();
  const dir = join(home, 'db');
  const db = await openDatabase(dir, options);
  let files = 0;
  return {
    db,
    dir,
    ingest: async (from, to) => {
      const path = join(home, `${files++}.sst`);
      await writeSst(path, numbered(from, to));
      await db.ingest(path);
    },
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
  await vi.waitFor(() => expect(counts()).toEqual({ tables: 1, tombstones: 0 }));
  await vi.waitFor(() => expect(tableFiles(dir)).toHaveLength(1));
  expect(await db.keys().all()).toHaveLength(100);
  expect((await db.verify({ full: true })).problems).toEqual([]);
  await db.close();
  const again = await openDatabase(dir, TINY);
  expect(await again.keys().all()).toHaveLength(100);
});

test('a table that is covered in part stays, and the tombstone with it', async () => {
  const { db, ingest, counts } = await make();
  await ingest(0, 100);
  await db.deleteRange({ gte: 'k000050' });
  await db.deleteRange({ gte: 'x' });
  await vi.waitFor(() => expect(counts()).toEqual({ tables: 1, tombstones: 1 }));
  expect(await db.keys().all()).toHaveLength(50);
});

test('a compaction drops what is covered of a table, and then the tombstone goes', async () => {
  const { db, dir, ingest, counts } = await make();
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
  await vi.waitFor(() => expect(counts().tombstones).toBe(0));
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
  await vi.waitFor(() => expect(counts()).toEqual({ tables: 0, tombstones: 0 }));
  expect(await db.keys().all()).toEqual([]);
});

test('a memtable that has older entries keeps the tombstone, also when it is flushed', async () => {
  const { db, counts } = await make({ durability: 'os' });
  await db.put('a', '1');
  await db.put('z', '1');
  await db.deleteRange({ gte: 'a', lt: 'b' });
  await db.deleteRange({ gte: 'zz' });
  await vi.waitFor(() => expect(counts().tombstones).toBe(1));
  await db.flush();
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(counts()).toEqual({ tables: 1, tombstones: 1 });
  expect(await db.keys().all()).toEqual(['z']);
  await db.deleteRange({});
  await vi.waitFor(() => expect(counts()).toEqual({ tables: 0, tombstones: 0 }));
});

test('of many that grow, as of a queue, the newest alone stays', async () => {
  const { db, ingest, counts } = await make();
  await ingest(0, 1000);
  for (let n = 1; n <= 40; n++) await db.deleteRange({ lt: `k${String(n * 10).padStart(6, '0')}` });
  await vi.waitFor(() => expect(counts()).toEqual({ tables: 1, tombstones: 1 }));
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
  await vi.waitFor(() => expect(counts()).toEqual({ tables: 0, tombstones: 0 }));
});
