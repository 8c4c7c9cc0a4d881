/** `db.stats()`: its figures are those of what was done. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryDirectory, outcomeOf, TINY } from '../base/database.ts';
import { numbered } from '../base/sst-files.ts';
import { DATABASES } from './databases.ts';

const puts = (from: number, to: number) =>
  numbered(from, to).map(([key, value = '']) => ({ type: 'put', key, value }) as const);

describe.each(DATABASES)('$name', ({ openers }) => {
  const { openDatabase, nodesOf } = openers();

  test('memtables: entries come with commits and go with a flush', async () => {
    const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os' });
    await db.batch(puts(0, 10));
    await db.del('k000003');
    for (const node of nodesOf(db)) {
      const { keyspaces } = node.stats();
      expect(keyspaces).toMatchObject([
        { name: 'default', memtableEntries: 11, sealedMemtables: 0, doomedTables: 0 },
      ]);
      expect(keyspaces[0]?.memtableBytes).toBeGreaterThan(0);
      expect(keyspaces[0]?.memtableRoomBytes).toBeGreaterThan(keyspaces[0]?.memtableBytes ?? 0);
    }
    await db.flush();
    for (const node of nodesOf(db)) {
      const [after] = node.stats().keyspaces;
      expect(after?.memtableEntries).toBe(0);
      expect(after?.levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(11);
      // What a replica keeps of its place in the log is told, and is no keyspace.
      const { replica } = node.stats();
      expect(replica === undefined).toBe(nodesOf(db).length === 1);
      if (replica !== undefined) expect(Math.min(replica.tables, replica.bytes)).toBeGreaterThan(0);
    }
  });

  test('caches: no ratio before the first lookup, then hits of all lookups; tables are opened as they are read', async () => {
    const dir = join(memoryDirectory(), 'db');
    const first = await openDatabase(dir, TINY);
    await first.batch(puts(0, 50));
    await first.flush();
    await first.close();
    const db = await openDatabase(dir, { ...TINY, maxOpenTables: 16 });
    for (const node of nodesOf(db)) {
      const { blockCache: before, tableCache, replica } = node.stats();
      // What a replica knows of its place in the log is read by its opening.
      const own = replica?.tables ?? 0;
      expect(before.hitRatio === undefined).toBe(own === 0);
      expect(tableCache).toEqual({ open: own, max: 16, opens: own });
      await node.get('k000003');
      expect(node.stats().tableCache).toEqual({ open: own + 1, max: 16, opens: own + 1 });
      for (let n = 0; n < 20; n++) await node.get('k000003');
      const { hits, misses, hitRatio } = node.stats().blockCache;
      expect(hits - before.hits).toBeGreaterThanOrEqual(20);
      expect(hitRatio).toBe(hits / (hits + misses));
      expect(hitRatio).toBeGreaterThan(0.5);
      expect(JSON.parse(JSON.stringify(node.stats()))).toMatchObject({ tableCache: { open: own + 1 } });
    }
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
    // In a cluster by every node, of the transactions of all.
    for (const node of nodesOf(db))
      expect(node.stats().transactions).toMatchObject({ active: 0, conflicts: 2 });
  });
});
