/** Rows that are not loaded, or not in order: which they are is told, and the counts sum. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, outcomeOf } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { contents, randomRows, writeCsv } from './rows.ts';

const MANY_RUNS = { path: 'ingest', threads: 2, runBytes: 30_000 } as const;

function sortedRows(count: number): (readonly [string, string])[] {
  return Array.from({ length: count }, (_, i) => [`k${String(i).padStart(6, '0')}`, `value ${i}`] as const);
}

test('sorted rows are written once, whether it is said or found', async () => {
  for (const presorted of [true, false]) {
    const db = await openDatabase(join(memoryDirectory(), 'db'));
    const rows = sortedRows(8000);
    const { bytesWritten, rowsLoaded } = await db.import(rows, { ...MANY_RUNS, presorted }).done;
    expect(rowsLoaded).toBe(rows.length);
    expect(await contents(db)).toEqual(new Map(rows));
    const { bytes, tables } = await db.verify({ full: true });
    expect(tables).toBeGreaterThan(3);
    expect(bytesWritten).toBe(bytes);
  }
});

test('of presorted rows the first out of order is named', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'));
  const rows = sortedRows(5000);
  for (const at of [17, 3000]) {
    const bad = rows.map((row, i) => (i === at ? (['k000003', 'x'] as const) : row));
    const [path = ''] = writeCsv(dir, bad, 1);
    const { done } = db.import(path, { ...MANY_RUNS, presorted: true });
    await expect(done).rejects.toMatchObject({ code: 'NOT_SORTED' });
    await expect(done).rejects.toThrow(`${path}: row ${at + 1} has the key "k000003"`);
  }
  expect(await contents(db)).toEqual(new Map());
});

test('a key that comes twice fails the import and names both rows, in one run or in two', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'));
  const rows = sortedRows(5000).reverse();
  for (const at of [4, 4000]) {
    const twice = rows.map((row, i) => (i === at ? ([rows[0]?.[0] ?? '', 'x'] as const) : row));
    const [path = ''] = writeCsv(dir, twice, 1);
    const { done } = db.import(path, { ...MANY_RUNS, duplicates: 'error' });
    await expect(done).rejects.toMatchObject({ code: 'KEY_EXISTS', keyCount: 1 });
    await expect(done).rejects.toThrow(`in row 1 of ${path} and in row ${at + 1} of ${path}`);
  }
  expect(db.tasks().map(({ state }) => state)).toEqual(['failed', 'failed']);
});

test('bad rows fail the import, or are left out and told', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'));
  const { rows } = randomRows(new SeededRandom(3), 4000, 3000);
  const path = join(dir, 'rows.csv');
  const bad = new Set([5, 1200, 3999]);
  const lines = rows.map(([key, value], i) => (bad.has(i) ? `,${value}` : `${key},${value}`));
  writeFileSync(path, `id,value\n${lines.join('\n')}\n`);
  const rejectFile = join(dir, 'rejects.jsonl');
  const failing = db.import(path, MANY_RUNS);
  await expect(failing.done).rejects.toMatchObject({ code: 'BAD_INPUT' });
  await expect(failing.done).rejects.toThrow(`${path}: row 6, at byte`);

  const skip = { ...MANY_RUNS, onBadRow: 'skip', rejectFile } as const;
  expect(await outcomeOf(() => db.import(path, { ...skip, maxBadRows: 2 }).done)).toBe('BAD_INPUT');
  expect(await outcomeOf(() => db.import(path, { ...skip, maxBadRows: 2 / 4000 }).done)).toBe('BAD_INPUT');
  expect(existsSync(rejectFile)).toBe(false);
  const { rowsRead, rowsLoaded, rowsDuplicate, rowsBad } = await db.import(path, { ...skip, maxBadRows: 3 })
    .done;
  expect([rowsRead, rowsBad, rowsLoaded]).toEqual([4000, 3, (await contents(db)).size]);
  expect(rowsRead).toBe(rowsLoaded + rowsDuplicate + rowsBad);
  const told = readFileSync(rejectFile, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const text = readFileSync(path, 'utf8');
  expect(told.map(({ row }) => row)).toEqual([...bad].map((i) => i + 1));
  for (const { row, offset, raw, source } of told) {
    expect(source).toBe(path);
    expect(text.slice(offset).startsWith(lines[row - 1] ?? '?')).toBe(true);
    expect(raw.trimEnd()).toBe(lines[row - 1]);
  }
});
