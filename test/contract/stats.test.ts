/** `db.stats()`: its figures are those of what was done. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, outcomeOf, TINY } from '../base/database.ts';
import { numbered } from '../base/sst-files.ts';

const puts = (from: number, to: number) =>
  numbered(from, to).map(([key, value = '']) => ({ type: 'put', key, value }) as const);

test('memtables: entries come with commits and go with a flush', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os' });
  await db.batch(puts(0, 10));
  await db.del('k000003');
  const [before] = db.stats().keyspaces;
  expect(before).toMatchObject({ name: 'default', memtableEntries: 11, sealedMemtables: 0, doomedTables: 0 });
  expect(before?.memtableBytes).toBeGreaterThan(0);
  expect(before?.memtableRoomBytes).toBeGreaterThan(before?.memtableBytes ?? 0);
  await db.flush();
  const [after] = db.stats().keyspaces;
  expect(after?.memtableEntries).toBe(0);
  expect(after?.levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(11);
});

test('caches: no ratio before the first lookup, then hits of all lookups; tables are opened as they are read', async () => {
  const dir = join(memoryDirectory(), 'db');
  const first = await openDatabase(dir, TINY);
  await first.batch(puts(0, 50));
  await first.flush();
  await first.close();
  const db = await openDatabase(dir, { ...TINY, maxOpenTables: 16 });
  expect(db.stats().blockCache.hitRatio).toBeUndefined();
  expect(db.stats().tableCache).toEqual({ open: 0, max: 16, opens: 0 });
  await db.get('k000003');
  expect(db.stats().tableCache).toEqual({ open: 1, max: 16, opens: 1 });
  for (let n = 0; n < 20; n++) await db.get('k000003');
  const { hits, misses, hitRatio } = db.stats().blockCache;
  expect(hitRatio).toBe(hits / (hits + misses));
  expect(hitRatio).toBeGreaterThan(0.5);
  expect(JSON.parse(JSON.stringify(db.stats()))).toMatchObject({ tableCache: { open: 1 } });
});

test('conflicts are counted, those that were retried too', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os' });
  const act = () =>
    db.transaction(async (txn, attempt) => {
      await txn.get('a');
      if (attempt < 3) await db.put('a', '1');
      txn.put('b', '1');
    });
  expect(await outcomeOf(act)).toBe('ok');
  expect(db.stats().transactions).toMatchObject({ active: 0, conflicts: 2 });
});
