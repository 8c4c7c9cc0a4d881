/** Imports of few rows, which are put: the same comes of them as of those that are ingested. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ImportOptions } from '../../src/index.ts';
import { memoryDirectory, openDatabase, outcomeOf } from '../base/database.ts';
import { contents } from './rows.ts';

const LINES = ['b,1', 'a,2', 'b,3', ',4', 'c,5', 'a,6'];

for (const duplicates of ['last', 'first', 'skip-and-report', 'error'] as const) {
  test(`duplicates: ${duplicates}`, async () => {
    const dir = memoryDirectory();
    const file = join(dir, 'rows.csv');
    writeFileSync(file, `id,value\n${LINES.join('\n')}\n`);
    const outcomes = [];
    for (const path of ['put', 'ingest', 'auto'] as const) {
      const db = await openDatabase(join(dir, path));
      const rejectFile = join(dir, `${path}.jsonl`);
      const options: ImportOptions = { path, duplicates, onBadRow: 'skip', rejectFile, into: 'words' };
      const task = db.import(file, options);
      const outcome = await task.done.then(
        ({ rowsRead, rowsLoaded, rowsDuplicate, rowsBad, path: way }) => {
          expect(way).toBe(path === 'ingest' ? 'ingest' : 'put');
          return { rowsRead, rowsLoaded, rowsDuplicate, rowsBad };
        },
        (error: Error & { code: string }) => `${error.code} ${error.message.includes('comes twice')}`,
      );
      const { rowsRead, rowsBad, state } = task.progress();
      const told = existsSync(rejectFile) ? readFileSync(rejectFile, 'utf8').split('\n').sort() : undefined;
      const found = duplicates === 'error' ? [] : [...(await contents(db.keyspace('words')))];
      outcomes.push({ outcome, found, told, state, ...(state === 'imported' ? { rowsRead, rowsBad } : {}) });
    }
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(outcomes[2]).toEqual(outcomes[0]);
    expect(outcomes[0]?.state).toBe(duplicates === 'error' ? 'failed' : 'imported');
  });
}

test('few entries are put, in one commit', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'));
  const before = db.version;
  const { version, path, rowsLoaded } = await db.import([
    ['a', '1'],
    ['b', '2'],
  ]).done;
  expect([path, rowsLoaded, version, db.version]).toEqual(['put', 2, before + 1, before + 1]);
  expect(await contents(db)).toEqual(
    new Map([
      ['a', '1'],
      ['b', '2'],
    ]),
  );
  expect(db.tasks()).toEqual([]);
});

test('what is asked of tables is not had by puts', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'));
  const entries = [['a', '1']] as const;
  expect((await db.import(entries, { ingest: { replace: true } }).done).path).toBe('ingest');
  expect((await db.import(entries, { id: 'one' }).done).path).toBe('ingest');
  expect(await outcomeOf(() => db.import(entries, { path: 'put', id: 'two' }))).toMatch('TypeError');
  expect(await outcomeOf(() => db.import(entries, { signal: AbortSignal.abort() }).done)).toBe('ABORTED');
});
