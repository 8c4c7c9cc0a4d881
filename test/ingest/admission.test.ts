/** `requireBottom` and `maxImpact`: refused before anything is written, and only for what the ingest itself would do. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, outcomeOf, type TextDb } from '../base/database.ts';
import { numbered, tableFiles, writeSst } from '../base/sst-files.ts';

async function withLevels(): Promise<{ db: TextDb; dir: string; over: string; apart: string }> {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), { durability: 'os', compaction: 'off' });
  const over = (await writeSst(join(dir, 'over.sst'), numbered(0, 100))).path;
  const apart = (await writeSst(join(dir, 'apart.sst'), numbered(0, 100, 'z'))).path;
  // A table on each level from 6 to 0, two on level 0.
  for (let i = 0; i < 8; i++) await db.ingest(over);
  return { db, dir, over, apart };
}

test('requireBottom', async () => {
  const { db, dir, over, apart } = await withLevels();
  const { version } = db;
  expect(await outcomeOf(() => db.ingest([apart, over], { requireBottom: true }))).toBe('NOT_BOTTOM_LEVEL');
  expect([db.version, tableFiles(join(dir, 'db')).length]).toEqual([version, 8]);
  await expect(db.ingest(over, { requireBottom: true })).rejects.toThrow(/over\.sst would go to level 0/);
  const { ingested } = await db.ingest(apart, { requireBottom: true });
  expect(ingested.map(({ level }) => level)).toEqual([6]);
});

test('maxImpact', async () => {
  const { db, over, apart } = await withLevels();
  const outcome = (file: string, maxImpact: object): Promise<string> =>
    outcomeOf(() => db.ingest(file, { maxImpact }));
  expect(await outcome(over, { level0Tables: 2 })).toBe('IMPACT_EXCEEDED');
  expect(await outcome(over, { level0Tables: 3 })).toBe('ok');
  // Past the bound already, but not by this.
  expect(await outcome(apart, { level0Tables: 0 })).toBe('ok');
  expect(await outcome(over, { pendingCompactionBytes: 100 })).toBe('IMPACT_EXCEEDED');
  expect(await outcome(over, { pendingCompactionBytes: 1e9 })).toBe('ok');
  expect(await outcome(over, { level0: 1 })).toMatch(/no bound/);
  expect(await outcome(over, { level0Tables: '1' })).toMatch(/must be a number/);
});

test('a refused commit leaves the rest of its transaction undone', async () => {
  const { db, over } = await withLevels();
  const txn = db.begin();
  txn.put('other', '1');
  await txn.ingest(over, { requireBottom: true });
  expect(await outcomeOf(() => txn.commit())).toBe('NOT_BOTTOM_LEVEL');
  expect(await db.get('other')).toBeUndefined();
  expect((await db.verify()).problems).toEqual([]);
});
