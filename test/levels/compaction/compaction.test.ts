/** Compaction of whole databases: what comes out, in a thread of its own. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DatabaseEvent } from '../../../src/index.ts';
import type { Engine } from '../../../src/txn/engine.ts';
import { memoryDirectory, openDatabase, openText, type TextDb, TINY } from '../../base/database.ts';
import { writeSst } from '../../base/sst-files.ts';

const THREADED = { ...TINY, compactionInline: false };
const BY_HAND = { ...TINY, compaction: 'off' as const };

const levelsOf = (db: TextDb): number[] => db.stats().keyspaces[0]?.levels.map(({ tables }) => tables) ?? [];
const entriesOf = (db: TextDb): number =>
  db.stats().keyspaces[0]?.levels.reduce((sum, { entries }) => sum + entries, 0) ?? 0;
const name = (i: number): string => `key${String(i).padStart(5, '0')}`;

async function expectSound(db: TextDb): Promise<void> {
  expect((await db.verify({ full: true })).problems).toEqual([]);
}

/** Puts every key of [from, to), in batches. */
async function fill(db: TextDb, from: number, to: number, value: string): Promise<void> {
  for (let i = from; i < to; i += 50) {
    const keys = Array.from({ length: Math.min(50, to - i) }, (_, j) => name(i + j));
    await db.batch(keys.map((key) => ({ type: 'put' as const, key, value })));
  }
}

/** Resolves when nothing is compacted and nothing is to be. */
async function quiet(db: TextDb): Promise<void> {
  for (let calm = 0; calm < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    calm = db.stats().compaction.running === 0 ? calm + 1 : 0;
  }
}

test('overwriting for long keeps few tables, in a thread; opened again it reads the same', async () => {
  const dir = memoryDirectory();
  const db = await openText(dir, THREADED);
  const events: DatabaseEvent[] = [];
  db.on((event) => events.push(event));
  for (let round = 0; round < 10; round++) await fill(db, 0, 400, `value of round ${round}`);
  await db.flush();
  await quiet(db);
  const { compaction } = db.stats();
  expect(compaction).toMatchObject({ running: 0, failures: 0, lastError: undefined });
  expect(compaction.merges).toBeGreaterThan(3);
  expect(events.filter(({ kind }) => kind === 'compaction').length).toBeGreaterThan(3);
  expect(levelsOf(db)[0]).toBeLessThan(4);
  expect(entriesOf(db)).toBeLessThan(10 * 400);
  await expectSound(db);
  await db.close();
  const again = await openDatabase(dir, { compaction: 'off' });
  const all = await again.iterator().all();
  expect(all.length).toBe(400);
  expect(new Set(all.map(([, value]) => value))).toEqual(new Set(['value of round 9']));
  await expectSound(again);
});

test('compactRange takes everything to the lowest level, each key once, cut at the target size', async () => {
  const db = await openDatabase(memoryDirectory(), { ...BY_HAND, compactionInline: false });
  for (let round = 0; round < 3; round++) await fill(db, 0, 300, `${round}`.repeat(100));
  await db.del(name(7));
  await db.compactRange();
  const levels = levelsOf(db);
  expect(levels.slice(0, 6)).toEqual([0, 0, 0, 0, 0, 0]);
  expect(levels[6]).toBeGreaterThan(2);
  expect(entriesOf(db)).toBe(299);
  await expectSound(db);
});

test('a range of a keyspace alone', async () => {
  const db = await openDatabase(memoryDirectory(), BY_HAND);
  const other = db.keyspace('other');
  for (const end of ['a', 'm', 'z']) {
    await db.put(end, '1');
    await other.put(end, '1');
    await db.flush();
  }
  await db.compactRange({ keyspace: 'other', gte: 'b', lt: 'n' });
  expect(levelsOf(db)).toEqual([3, 0, 0, 0, 0, 0, 0]);
  expect(db.stats().keyspaces[1]?.levels.map(({ tables }) => tables)).toEqual([2, 0, 0, 0, 0, 0, 1]);
  await expect(db.compactRange({ keyspace: 'none' })).rejects.toMatchObject({ code: 'KEYSPACE_NOT_FOUND' });
});

test('resurrection: a tombstone ingested below older puts stays as long as one of them may be anywhere', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(dir, BY_HAND);
  await db.put('k', 'in level 0');
  await db.put('a', '1');
  await db.flush();
  await db.put('k', 'in memory');
  const file = join(dir, 'delete.sst');
  await writeSst(file, [['k', undefined]]);
  const { ingested } = await db.ingest(file);
  expect(ingested[0]?.level).toBe(6);
  expect(await db.get('k')).toBeUndefined();
  // The engine's own compaction, by its internal door: without the flush that compactRange begins with.
  const { engine: engineOf } = db as unknown as { engine: () => Engine };
  const engine = engineOf();
  const tree = engine.catalog.requireNewest('default');
  const compactTables = () => engine.compactor.compactRange(tree, undefined, undefined, {});
  await compactTables();
  expect(await db.get('k')).toBeUndefined();
  expect(entriesOf(db)).toBe(2);
  await db.flush();
  expect(await db.get('k')).toBeUndefined();
  await compactTables();
  expect(await db.get('k')).toBeUndefined();
  expect(await db.get('a')).toBe('1');
  // Now nothing can be below it any more, and it goes.
  expect(entriesOf(db)).toBe(1);
  await expectSound(db);
});

test('snapshots keep what they see; when they are closed it goes by itself', async () => {
  const db = await openDatabase(memoryDirectory(), { ...TINY, level0Trigger: 4 });
  await fill(db, 0, 100, 'old');
  const before = db.snapshot();
  await fill(db, 0, 100, 'new');
  await db.compactRange();
  expect(entriesOf(db)).toBe(200);
  expect(await db.get(name(3), { snapshot: before })).toBe('old');
  before.close();
  await quiet(db);
  expect(entriesOf(db)).toBe(100);
  expect(await db.get(name(3))).toBe('new');
});

test('keepVersions and keepHistoryMs keep what was overwritten', async () => {
  const versions = await openDatabase(memoryDirectory(), { ...BY_HAND, keepVersions: 2 });
  const history = await openDatabase(memoryDirectory(), { ...BY_HAND, keepHistoryMs: 60_000 });
  for (const value of ['1', '2', '3']) {
    await versions.put('k', value);
    await history.put('k', value);
  }
  await versions.compactRange();
  await history.compactRange();
  expect(entriesOf(versions)).toBe(2);
  expect(entriesOf(history)).toBe(3);
});

test('a keyspace dropped while it is compacted takes its files along', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(dir, { ...BY_HAND, compactionInline: false });
  const other = db.keyspace('other');
  for (let i = 0; i < 200; i++) await other.put(name(i), 'x'.repeat(50));
  const compacting = db.compactRange({ keyspace: 'other' });
  await db.flush();
  await new Promise((resolve) => setTimeout(resolve, 1));
  await db.dropKeyspace('other');
  await compacting;
  await db.put('a', '1');
  await expect.poll(() => readdirSync(join(dir, 'tables')), { timeout: 60_000 }).toEqual([]);
});

test('closing stops a compaction; aborting one says so; neither loses anything', async () => {
  const dir = memoryDirectory();
  const db = await openText(dir, { ...BY_HAND, compactionInline: false, backgroundBytesPerSecond: 1000 });
  await fill(db, 0, 2000, 'x'.repeat(100));
  await db.flush();
  const stopping = new AbortController();
  const aborted = db.compactRange({ signal: stopping.signal });
  setTimeout(() => stopping.abort(), 50);
  await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
  const compacting = db.compactRange();
  compacting.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await db.close();
  await expect(compacting).rejects.toMatchObject({ code: 'CLOSED' });
  const again = await openDatabase(dir);
  expect((await again.iterator().all()).length).toBe(2000);
  await expectSound(again);
});
