/** Imports of random rows against a map: whatever the limits, threads, sources and passes, the same is loaded. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { contents, expected, randomRows, type TestImportOptions, writeCsv } from './rows.ts';

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
    const task = db.import(source, { path: 'ingest', ...options, rejectFile });
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
