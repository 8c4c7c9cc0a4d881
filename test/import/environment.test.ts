/** Imports reach files through the environment of their database: a call that fails there fails them, and they go on. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import {
  envOf,
  memoryDirectory,
  openDatabase,
  openText,
  outcomeOf,
  type TextDb,
  TINY,
} from '../base/database.ts';
import { FaultyFileSystem, type Operation } from '../base/faulty-file-system.ts';
import { LENGTH } from '../base/length.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { writeSst } from '../base/sst-files.ts';
import { contents, expected, randomRows, type TestImportOptions, writeCsv } from './rows.ts';

const OPTIONS: TestImportOptions = {
  path: 'ingest',
  id: 'one',
  threads: 2,
  runBytes: 8000,
  fanIn: 3,
  duplicates: 'skip-and-report',
  onBadRow: 'skip',
};
const rows = randomRows(new SeededRandom(3), 700, 600);

function leftovers(db: TextDb): string[] {
  const dir = join(db.path, 'imports');
  return existsSync(dir) ? readdirSync(dir) : [];
}

async function check(db: TextDb, rejectFile: string): Promise<void> {
  expect(await contents(db)).toEqual(expected(rows, 'first'));
  expect(leftovers(db)).toEqual([]);
  expect(await db.verify({ full: true })).toMatchObject({ ok: true });
  expect(readFileSync(rejectFile, 'utf8').trimEnd().split('\n')).toHaveLength(rows.duplicates);
}

test('every call of an import goes there, its sources included', async () => {
  const dir = memoryDirectory();
  const files = [...writeCsv(dir, rows.rows.slice(0, 500), 2)];
  const packed = join(dir, 'rows-2.csv.gz');
  writeFileSync(
    packed,
    gzipSync(
      `id,value\n${rows.rows
        .slice(500)
        .map((row) => row.join(','))
        .join('\n')}`,
    ),
  );
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const db = await openDatabase(join(dir, 'db'), { ...TINY, env: envOf(fs) });
  const rejectFile = join(dir, 'rejected');
  fs.calls.length = 0;
  await db.import([...files, packed], { ...OPTIONS, rejectFile }).done;
  await check(db, rejectFile);
  const read = new Set(fs.calls.filter(({ op }) => op === 'read').map(({ path }) => path));
  expect([...files, packed].filter((path) => !read.has(path))).toEqual([]);
  // Runs, merges of them, tables, rejected rows.
  const written = fs.calls.filter(({ op, path }) => op === 'write' && path.includes('/imports/'));
  expect(new Set(written.map(({ path }) => path)).size).toBeGreaterThan(10);

  const sst = join(dir, 'a.sst');
  await writeSst(sst, [['s', 'st']]);
  for (const path of ['ingest', 'put'] as const) {
    fs.calls.length = 0;
    await db.import(sst, { path, into: `sst-${path}` }).done;
    expect(
      fs.calls.some((call) => call.op === 'read' && call.path === sst),
      path,
    ).toBe(true);
    expect(await contents(db.keyspace(`sst-${path}`))).toEqual(new Map([['s', 'st']]));
  }
});

const CALLS: readonly Operation[] = [
  'open',
  'write',
  'datasync',
  'syncDirectory',
  'mkdir',
  'read',
  'rename',
  'link',
];

test('whichever call fails, the import fails with its error and goes on from there, or it never mattered', async () => {
  const dir = memoryDirectory();
  const files = writeCsv(dir, rows.rows, 2);
  const random = new SeededRandom(5);
  const outcomes = new Map<string, number>();
  let runsKept = 0;
  for (let after = 0, n = 0; ; n++) {
    const fs = new FaultyFileSystem(nodeEnv.fs);
    const path = join(dir, `db-${n}`);
    let db = await openText(path, { ...TINY, env: envOf(fs) });
    const rejectFile = join(dir, `rejected-${n}`);
    const errno = n % 2 === 0 ? 'ENOSPC' : 'EIO';
    fs.fail({ op: CALLS, path: /\/imports\/|\.csv$|rejected-/, errno, after });
    const outcome = await outcomeOf(() => db.import(files, { ...OPTIONS, rejectFile }).done);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (outcome !== 'ok') {
      expect(outcome, `call ${after}`).toBe(errno === 'ENOSPC' ? 'NO_SPACE' : 'IO');
      expect(await contents(db)).toEqual(new Map());
      if ((db.tasks()[0]?.runs ?? 0) > 0) runsKept++;
    }
    fs.heal();
    if (random.chance(0.3)) {
      await db.close();
      db = await openText(path, { ...TINY, env: envOf(fs) });
    }
    await db.import(files, { ...OPTIONS, rejectFile }).done;
    await check(db, rejectFile);
    await db.close();
    if (outcome === 'ok') break;
    after += 1 + random.below(Math.ceil(50 / LENGTH));
  }
  expect(outcomes.get('NO_SPACE')).toBeGreaterThan(2);
  expect(runsKept).toBeGreaterThan(2);
}, 60_000);

test('an import of entries, and of a stream, pauses and is cancelled as elsewhere', async () => {
  const db = await openDatabase(join(memoryDirectory(), 'db'), {
    ...TINY,
    env: envOf(new FaultyFileSystem(nodeEnv.fs)),
  });
  async function* slowly(act: () => Promise<void> | void) {
    for (const [n, row] of rows.rows.entries()) {
      if (n === 400) await act();
      yield row;
    }
  }
  const paused = db.import(
    slowly(async () => {
      await paused.pause();
      setImmediate(() => paused.resume());
    }),
    OPTIONS,
  );
  await paused.done;
  expect(await contents(db)).toEqual(expected(rows, 'first'));
  const cancelled = db.import(
    slowly(() => cancelled.cancel()),
    { ...OPTIONS, id: 'two', into: 'two' },
  );
  expect(await outcomeOf(() => cancelled.done)).toBe('ABORTED');
  async function* lines() {
    yield 'id,value\n';
    for (const [key, value] of rows.rows) yield `${key},${value}\n`;
  }
  await db.import(lines(), { ...OPTIONS, id: 'three', into: 'three', format: 'csv' }).done;
  expect(await contents(db.keyspace('three'))).toEqual(expected(rows, 'first'));
  expect(leftovers(db)).toEqual([]);
});
