/** What an import is as a task: it is stopped, gone on with, asked for twice; its files come and go with it. */

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { isSluiceError } from '../../src/index.ts';
import { memoryDirectory, openDatabase, openText, outcomeOf } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { contents, expected, randomRows, type TestImportOptions, writeCsv } from './rows.ts';

const SMALL: TestImportOptions = { path: 'ingest', threads: 2, runBytes: 30_000, fanIn: 4 };
const { rows, duplicates } = randomRows(new SeededRandom(7), 6000, 5000);
const LOADED = expected({ rows, duplicates }, 'last');

function leftovers(dir: string): string[] {
  const imports = join(dir, 'imports');
  return existsSync(imports) ? readdirSync(imports) : [];
}

/** Entries one after the other, told of each. */
async function* slowly(each: (n: number) => Promise<void> | void) {
  for (const [n, row] of rows.entries()) {
    await each(n);
    yield row;
  }
}

test('the id of an import that is done answers with its result, and loads nothing', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'));
  const first = await db.import(rows, { ...SMALL, id: 'one' }).done;
  expect(first.replayed).toBe(false);
  expect(await db.import(rows, { ...SMALL, id: 'one' }).done).toEqual({ ...first, replayed: true });
  expect(await db.resumeImport('one').done).toEqual({ ...first, replayed: true });
  expect(db.ingests().map(({ id }) => id)).toEqual(['one']);
  expect(await outcomeOf(() => db.import(rows, { id: 'one', into: 'other' }))).toBe('IMPORT_ID_REUSED');
  expect(await outcomeOf(() => db.resumeImport('two'))).toBe('IMPORT_NOT_FOUND');
  expect(leftovers(db.path)).toEqual([]);
});

test('an import that is cancelled leaves no trace', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'));
  const version = db.version;
  const task = db.import(
    slowly(async (n) => {
      if (n === 3000) await task.cancel();
    }),
    SMALL,
  );
  // The source waits for the cancellation, which must not wait for the source.
  expect(await outcomeOf(() => task.done)).toBe('ABORTED');
  expect(task.state).toBe('cancelled');
  expect(db.tasks()).toMatchObject([{ state: 'cancelled', runs: 0 }]);
  expect(leftovers(db.path)).toEqual([]);
  expect(db.version).toBe(version);
  expect(await contents(db)).toEqual(new Map());
});

test('a signal cancels', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'));
  const controller = new AbortController();
  const { signal } = controller;
  const task = db.import(
    slowly((n) => {
      if (n === 2000) controller.abort();
    }),
    { ...SMALL, signal },
  );
  expect(await outcomeOf(() => task.done)).toBe('ABORTED');
  expect(leftovers(db.path)).toEqual([]);
});

test('a paused import stands still, and goes on', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'));
  const task = db.import(
    slowly(async (n) => {
      if (n === 3000) await task.pause();
    }),
    SMALL,
  );
  while (task.state !== 'paused') await new Promise((resolve) => setTimeout(resolve, 5));
  // What was on its way to a thread comes to its end.
  let rowsRead = 0;
  for (let still = 0; still < 20; still++) {
    if (task.progress().rowsRead !== rowsRead) still = 0;
    ({ rowsRead } = task.progress());
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(rowsRead).toBeLessThan(rows.length);
  expect(db.tasks()).toMatchObject([{ state: 'paused' }]);
  task.resume();
  await task.done;
  expect(await contents(db)).toEqual(LOADED);
});

test('after the database was closed an import goes on from its runs, and reads their rows no more', async () => {
  const dir = memoryDirectory();
  // Enough not to be done before the database is closed.
  const many = Array.from({ length: 4 }, () => rows).flat();
  const paths = writeCsv(dir, many, 2);
  const options: TestImportOptions = { path: 'ingest', threads: 4, runBytes: 30_000, fanIn: 16, id: 'one' };
  const first = await openText(join(dir, 'db'));
  const task = first.import(paths, options);
  while ((first.tasks()[0]?.runs ?? 0) < 3) await new Promise((resolve) => setImmediate(resolve));
  await first.close();
  expect(await outcomeOf(() => task.done)).toBe('CLOSED');

  const db = await openDatabase(join(dir, 'db'));
  const [info] = db.tasks();
  expect(info).toMatchObject({ id: 'one', state: 'feeding' });
  expect(info?.rowsRead).toBeGreaterThan(0);
  const again = db.resumeImport('one');
  const read: number[] = [];
  again.on(({ rowsRead }) => read.push(rowsRead));
  const result = await again.done;
  expect(result).toMatchObject({ rowsRead: many.length, rowsLoaded: LOADED.size });
  expect(Math.min(...read)).toBeGreaterThanOrEqual(info?.rowsRead ?? 0);
  expect(await contents(db)).toEqual(LOADED);
  expect(leftovers(db.path)).toEqual([]);
});

test('entries that are gone have to be given again, and those in runs are passed over', async () => {
  const dir = memoryDirectory();
  const first = await openText(join(dir, 'db'));
  const task = first.import(
    slowly(async (n) => {
      if (n === 4000) await new Promise(() => undefined);
    }),
    { ...SMALL, id: 'one' },
  );
  while ((first.tasks()[0]?.runs ?? 0) < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  await first.close();
  expect(await outcomeOf(() => task.done)).toBe('CLOSED');
  const db = await openDatabase(join(dir, 'db'));
  expect(await outcomeOf(() => db.resumeImport('one'))).toBe('SOURCE_GONE');
  const result = await db.resumeImport('one', { source: rows }).done;
  expect(result).toMatchObject({ rowsRead: rows.length, rowsLoaded: LOADED.size });
  expect(await contents(db)).toEqual(LOADED);
});

test('a stream that is given again is passed over up to where its runs end', async () => {
  const dir = memoryDirectory();
  const first = await openText(join(dir, 'db'));
  const lines = ['id,value\n', ...rows.map(([key, value]) => `${key},${value}\n`)];
  async function* stalling() {
    yield lines.slice(0, 4000).join('');
    await new Promise(() => undefined);
  }
  const task = first.import(stalling(), { ...SMALL, format: 'csv', id: 'one' });
  while ((first.tasks()[0]?.runs ?? 0) < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  await first.close();
  expect(await outcomeOf(() => task.done)).toBe('CLOSED');
  const db = await openDatabase(join(dir, 'db'));
  const result = await db.resumeImport('one', { source: Readable.from(lines) }).done;
  expect(result).toMatchObject({ rowsRead: rows.length, rowsLoaded: LOADED.size });
  expect(await contents(db)).toEqual(LOADED);
});

test('a stream is parsed by a thread', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'));
  const lines = ['id,value\n', ...rows.map(([key, value]) => `${key},${value}\n`)];
  const result = await db.import(Readable.from(lines, { objectMode: false }), { ...SMALL, format: 'csv' })
    .done;
  expect(result).toMatchObject({ rowsRead: rows.length, rowsLoaded: LOADED.size });
  expect(await contents(db)).toEqual(LOADED);
});

test('what a source throws is what the import fails with; it can be gone on with', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'));
  const broken = slowly((n) => {
    if (n === 5000) throw new Error('the line is dead');
  });
  const task = db.import(broken, { ...SMALL, id: 'one' });
  await expect(task.done).rejects.toThrow('the line is dead');
  expect(db.tasks()).toMatchObject([{ state: 'failed', error: 'the line is dead' }]);
  expect(await contents(db)).toEqual(new Map());
  await db.resumeImport('one', { source: rows }).done;
  expect(await contents(db)).toEqual(LOADED);
  expect(leftovers(db.path)).toEqual([]);
});

test('a file that is missing is named', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'));
  const task = db.import('/nowhere/rows.csv');
  const failure = await task.done.catch((error: unknown) => error);
  expect(isSluiceError(failure, 'FILE_NOT_FOUND')).toBe(true);
});

test('tables can be published as a version of a dataset', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'));
  const result = await db.import(rows, { ...SMALL, publish: { dataset: 'words', message: 'first' } }).done;
  expect(result.datasetVersion).toBe(1);
  expect(db.dataset('words').versions()).toMatchObject([{ version: 1, live: true, message: 'first' }]);
  const [first] = LOADED;
  expect(await db.keyspace('words').get(first?.[0] ?? '')).toBe(first?.[1]);
  const delta = db.import([['new', 'entry']], { publish: { dataset: 'words', kind: 'delta' } });
  expect((await delta.done).datasetVersion).toBe(2);
  expect(await db.keyspace('words').get('new')).toBe('entry');
});

test('a full disk of runs is NO_SPACE, and the import goes on once there is room', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'));
  const tempDir = join(dir, 'small');
  mkdirSync(tempDir);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', tempDir]);
  onTestFinished(() => void execFileSync('umount', ['-l', tempDir]));
  const value = randomBytes(150).toString('base64');
  const many = rows.map(([key], i) => [key, `${i}-${value.slice(i % 100)}`] as const);
  const source = writeCsv(dir, many, 1);
  const options: TestImportOptions = { ...SMALL, tempDir, id: 'one' };
  const failed = db.import(source, options);
  expect(await outcomeOf(() => failed.done)).toBe('NO_SPACE');
  expect(db.tasks()).toMatchObject([{ state: 'failed' }]);
  expect(await contents(db)).toEqual(new Map());
  execFileSync('mount', ['-o', 'remount,size=64m', tempDir]);
  const result = await db.import(source, options).done;
  expect(result).toMatchObject({ replayed: false, rowsRead: many.length, rowsLoaded: LOADED.size });
  expect(await contents(db)).toEqual(new Map(many));
  expect(readdirSync(tempDir)).toEqual([]);
});

test('stopped anywhere it goes on, or is gone', async () => {
  const dir = memoryDirectory();
  const random = new SeededRandom(11);
  const source = writeCsv(dir, rows, 3);
  for (let round = 0; round < 4; round++) {
    const path = join(dir, `db-${round}`);
    const options: TestImportOptions = { ...SMALL, fanIn: 3, id: 'one' };
    let db = await openText(path);
    const task = db.import(source, options);
    await new Promise((resolve) => setTimeout(resolve, random.below(700)));
    if (round % 4 === 0) {
      await task.cancel();
      const outcome = await outcomeOf(() => task.done);
      expect(['ABORTED', 'ok']).toContain(outcome);
      expect((await contents(db)).size).toBe(outcome === 'ok' ? LOADED.size : 0);
      expect(leftovers(path)).toEqual([]);
    } else if (round % 4 === 1) {
      await task.pause();
      await db.close();
      db = await openText(path);
    } else if (round % 4 === 2) {
      await db.close();
      db = await openText(path);
    } else {
      await task.pause();
      await new Promise((resolve) => setTimeout(resolve, 50));
      db.resumeImport('one');
    }
    const again = round % 4 === 3 ? task : db.import(source, options);
    expect(await again.done).toMatchObject({ rowsRead: rows.length, rowsLoaded: LOADED.size });
    expect(await contents(db)).toEqual(LOADED);
    expect(leftovers(path)).toEqual([]);
    await db.close();
  }
});

test('policies of the ingest hold', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'));
  await db.put('old', 'value');
  await db.import([['a', '1']], { ingest: { replace: true } }).done;
  expect(await contents(db)).toEqual(new Map([['a', '1']]));
  const failed = db.import([['a', '2']], { ingest: { ifExists: 'fail' } });
  expect(await outcomeOf(() => failed.done)).toBe('KEY_EXISTS');
  await db.import(
    [
      ['a', '2'],
      ['b', '2'],
    ],
    { ingest: { ifExists: 'keep' } },
  ).done;
  expect(await contents(db)).toEqual(
    new Map([
      ['a', '1'],
      ['b', '2'],
    ]),
  );
  await db.import([], { ingest: { replace: true } }).done;
  expect(await contents(db)).toEqual(new Map());
});
