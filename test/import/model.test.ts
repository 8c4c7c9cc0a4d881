/** Imports of random rows against a map: whatever the limits, threads, sources and passes, the same is loaded. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { InternalImportOptions } from '../../src/import/import-spec.ts';
import type { Duplicates, ImportOptions } from '../../src/index.ts';
import { memoryDirectory, openDatabase, type TextDb } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';

export type TestImportOptions = ImportOptions & InternalImportOptions;

interface Rows {
  readonly rows: readonly (readonly [string, string])[];
  readonly duplicates: number;
}

function randomRows(random: SeededRandom, count: number, keys: number): Rows {
  const rows = Array.from({ length: count }, (_, i) => {
    const key = `k${random.below(keys).toString(36).padStart(4, '0')}${'x'.repeat(random.below(3) * 5)}`;
    return [key, `${i}-${'v'.repeat(random.chance(0.01) ? 3000 : random.below(40))}`] as const;
  });
  return { rows, duplicates: count - new Set(rows.map(([key]) => key)).size };
}

function expected({ rows }: Rows, duplicates: Duplicates): Map<string, string> {
  const map = new Map<string, string>();
  for (const [key, value] of rows) {
    if (duplicates === 'last' || !map.has(key)) map.set(key, value);
  }
  return map;
}

async function contents(db: TextDb): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const [key, value] of db.iterator()) found.set(key, value);
  return found;
}

function writeCsv(dir: string, rows: Rows['rows'], files: number): string[] {
  const per = Math.ceil(rows.length / files);
  return Array.from({ length: files }, (_, i) => {
    const path = join(dir, `rows-${i}.csv`);
    const lines = rows.slice(i * per, (i + 1) * per).map(([key, value]) => `${key},${value}`);
    writeFileSync(path, ['id,value', ...lines, ''].join('\n'));
    return path;
  });
}

const CASES: readonly (TestImportOptions & { readonly files: number; readonly name: string })[] = [
  { name: 'entries in one arena', files: 0, threads: 2 },
  { name: 'entries in many runs and passes', files: 0, threads: 2, runBytes: 40_000, fanIn: 3 },
  { name: 'entries, the first of a key', files: 0, threads: 1, runBytes: 40_000, duplicates: 'first' },
  { name: 'a file in one arena', files: 1, threads: 1 },
  { name: 'a file in many runs, one thread', files: 1, threads: 1, runBytes: 50_000, fanIn: 4 },
  { name: 'a file in many runs, two threads', files: 1, threads: 2, runBytes: 50_000 },
  { name: 'files in lanes beside each other', files: 5, threads: 4, runBytes: 30_000, fanIn: 4 },
  { name: 'files, the first of a key', files: 4, threads: 4, runBytes: 30_000, duplicates: 'first' },
  {
    name: 'files, duplicates told',
    files: 3,
    threads: 4,
    runBytes: 60_000,
    fanIn: 3,
    duplicates: 'skip-and-report',
  },
  { name: 'a file in one arena, duplicates told', files: 1, threads: 2, duplicates: 'skip-and-report' },
];

for (const [seed, { name, files, ...options }] of CASES.entries()) {
  test(name, async () => {
    const dir = memoryDirectory();
    const db = await openDatabase(join(dir, 'db'), { targetFileBytes: 64 << 10 });
    const rows = randomRows(new SeededRandom(seed), 6000, 5000);
    const source = files === 0 ? rows.rows : writeCsv(dir, rows.rows, files);
    const rejectFile = join(dir, 'rejects');
    const task = db.import(source, { ...options, rejectFile });
    const result = await task.done;
    expect(result).toMatchObject({
      rowsRead: rows.rows.length,
      rowsDuplicate: rows.duplicates,
      rowsLoaded: rows.rows.length - rows.duplicates,
      rowsBad: 0,
    });
    expect(await contents(db)).toEqual(expected(rows, options.duplicates ?? 'last'));
    expect(await db.verify({ full: true })).toMatchObject({ ok: true, entries: result.rowsLoaded });
    expect(task.progress()).toMatchObject({
      state: 'imported',
      phase: 'done',
      rowsLoaded: result.rowsLoaded,
    });
    expect(db.tasks()).toMatchObject([
      { state: 'imported', rowsRead: rows.rows.length, result: { version: result.version } },
    ]);
    const rejected = readFileSync(rejectFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    expect(rejected.length).toBe(options.duplicates === 'skip-and-report' ? rows.duplicates : 0);
  });
}
