/** Range deletions in files that RocksDB wrote: they delete here what they delete there. */

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, outcomeOf, type TextDb, TINY } from '../base/database.ts';
import { writeSst } from '../base/sst-files.ts';
import { type Entry, readEntries } from '../rocksdb/entries.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/rocksdb/ranges/', import.meta.url));
const RANGES = `${FIXTURES}ranges.sst`;
const ONLY = `${FIXTURES}ranges-only.sst`;

const pairs = (entries: readonly Entry[]): [string, string][] =>
  entries.map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value ?? []).toString()]);
const BEFORE = pairs(readEntries(`${FIXTURES}ranges-before.bin`));
const AFTER = pairs(readEntries(`${FIXTURES}ranges-after.bin`));

async function filled(dir: string): Promise<TextDb> {
  const db = await openDatabase(join(dir, 'db'), TINY);
  await db.batch(BEFORE.map(([key, value]) => ({ type: 'put', key, value })));
  return db;
}

async function expectContent(reader: TextDb | ReturnType<TextDb['begin']>, content: [string, string][]) {
  expect(await reader.iterator().all()).toEqual(content);
  expect(await reader.iterator({ reverse: true }).all()).toEqual(content.toReversed());
  const values = new Map(content);
  for (const [key] of [...BEFORE, ...AFTER]) expect(await reader.get(key)).toBe(values.get(key));
}

test.each(['one after the other', 'at once'])('ingested %s, they leave what RocksDB leaves', async (how) => {
  const dir = memoryDirectory();
  const db = await filled(dir);
  const snapshot = db.snapshot();
  if (how === 'at once') await db.ingest([RANGES, ONLY]);
  else for (const file of [RANGES, ONLY]) await db.ingest(file);
  await expectContent(db, AFTER);
  expect(await db.iterator({ snapshot }).all()).toEqual(BEFORE);
  snapshot.close();
  expect((await db.verify({ full: true })).problems).toEqual([]);
  await db.flush();
  await db.close();
  const again = await openDatabase(join(dir, 'db'), TINY);
  await expectContent(again, AFTER);
  await again.put('key00120', 'later');
  expect(await again.get('key00120')).toBe('later');
});

test('in a transaction they are over its earlier statements, under its later ones', async () => {
  const db = await filled(memoryDirectory());
  const txn = db.begin();
  txn.put('key00110', 'earlier');
  const savepoint = txn.savepoint();
  await txn.ingest([RANGES, ONLY]);
  await expectContent(txn, AFTER);
  txn.put('key00111', 'later');
  expect(await txn.getMany(['key00110', 'key00111', 'key00100'])).toEqual([undefined, 'later', 'over']);
  txn.rollbackTo(savepoint);
  expect(await txn.get('key00110')).toBe('earlier');
  await txn.ingest(RANGES);
  await txn.ingest(ONLY);
  await txn.commit();
  await expectContent(db, AFTER);
});

test('of one ingest, the later file deletes what the earlier one has, and not the other way round', async () => {
  const dir = memoryDirectory();
  const db = await filled(dir);
  const points = join(dir, 'points.sst');
  await writeSst(points, [
    ['key00620', 'point'],
    ['key00640', 'point'],
  ]);
  await db.ingest([ONLY, points]);
  expect(await db.getMany(['key00620', 'key00640', 'key00610'])).toEqual(['point', 'point', undefined]);
  await db.ingest([points, ONLY]);
  expect(await db.getMany(['key00620', 'key00640', 'key00610'])).toEqual([undefined, undefined, undefined]);
});

test('a file of range deletions alone is told by them', async () => {
  const db = await filled(memoryDirectory());
  const plan = await db.explainIngest(ONLY);
  expect(plan).toMatchObject([{ entries: 0, rangeDeletes: 1, level: 6 }]);
  expect(String(plan[0]?.smallest)).toBe('key00600');
  expect(await db.ingest(ONLY, { id: 'once' })).toMatchObject({ ingested: [{ entries: 0, level: 6 }] });
  expect(await db.keys({ gte: 'key00600', lt: 'key00650' }).all()).toEqual([]);
  expect(await db.ingest(ONLY, { id: 'once' })).toMatchObject({ ingested: [{ entries: 0, level: 6 }] });
});

test.each([
  ['a key that a file deletes by range', 'key00120', 'CONFLICT'],
  ['a key that is nowhere, in such a range', 'key00120x', 'CONFLICT'],
  ['an entry of the file, in its range', 'key00250', 'CONFLICT'],
  ['an entry of the file, outside', 'key00050', 'CONFLICT'],
  ['a key between the ranges', 'key00320', 'ok'],
  ['the end of a range', 'key00310', 'ok'],
])('conflicts with who read %s', async (_, key, outcome) => {
  const db = await filled(memoryDirectory());
  const txn = db.begin();
  await txn.get(key);
  await db.ingest(RANGES);
  txn.put('result', '');
  expect(await outcomeOf(() => txn.commit())).toBe(outcome);
});

test('conflicts with a scan that meets a range, and with no other', async () => {
  for (const [range, outcome] of [
    [{ gte: 'key00160', lt: 'key00161' }, 'CONFLICT'],
    [{ gte: 'key00310', lt: 'key00400' }, 'ok'],
    [{ gte: 'key00310', lte: 'key00400' }, 'CONFLICT'],
  ] as const) {
    const db = await filled(memoryDirectory());
    const txn = db.begin();
    await txn.keys(range).all();
    await db.ingest(RANGES);
    txn.put('result', '');
    expect(await outcomeOf(() => txn.commit())).toBe(outcome);
  }
});

test('damage to them is found when the file is staged, whatever is checked', async () => {
  const dir = memoryDirectory();
  const db = await filled(dir);
  const bytes = readFileSync(RANGES);
  const at = bytes.indexOf('key00410');
  expect(at).toBeGreaterThan(0);
  const flipped = Buffer.from(bytes);
  flipped[at] = (flipped[at] as number) ^ 1;
  const path = join(dir, 'damaged.sst');
  writeFileSync(path, flipped);
  for (const verify of ['blocks', 'checksums', 'footer', 'none'] as const) {
    expect(await outcomeOf(() => db.ingest(path, { verify }))).toBe('CHECKSUM_MISMATCH');
  }
  await expectContent(db, BEFORE);
  copyFileSync(RANGES, path);
  await db.ingest(path, { mode: 'move', verify: 'none' });
  expect(await db.get('key00120')).toBeUndefined();
});
