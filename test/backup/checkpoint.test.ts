/** Checkpoints: whole, at one version, durable, and at no cost to the database that they are of. */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import {
  envOf,
  memoryDirectory,
  openDatabase,
  outcomeOf,
  type TestOptions,
  type TextDb,
  TINY,
} from '../base/database.ts';
import { FaultyFileSystem, type Operation } from '../base/faulty-file-system.ts';
import { numbered, tableFiles, writeSst } from '../base/sst-files.ts';
import { contents, Load } from './load.ts';

/** A load keeps making tables: few of them, so that the test is of many states and not of many files. */
const LOADED: TestOptions = {
  ...TINY,
  levelBaseBytes: 1 << 15,
  targetFileBytes: 1 << 14,
  walSegmentBytes: 1 << 14,
};

const PARTIAL = '.partial-checkpoint';

function digests(dir: string): Record<string, string> {
  const files = readdirSync(join(dir, 'tables')).sort();
  const digest = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(join(dir, 'tables', name)))
      .digest('hex');
  return Object.fromEntries(files.map((name) => [name, digest(name)]));
}

/** Some tables, some of it in memory, a range deletion and a keyspace. */
async function filled(dir: string, options = TINY): Promise<TextDb> {
  const db = await openDatabase(join(dir, 'db'), { ...options, compaction: 'off' });
  db.keyspace('other');
  await db.batch(numbered(0, 50).map(([key, value = '']) => ({ type: 'put', key, value })));
  await db.ingest((await writeSst(join(dir, 'in.sst'), numbered(20, 80, 'k', 'file'))).path, { id: 'first' });
  await db.flush();
  await db.deleteRange({ gte: 'k000010', lt: 'k000015' });
  await db.keyspace('other').put('a', 'in memory');
  await db.put('z', 'in memory too');
  return db;
}

describe('under load', () => {
  test.each([
    ['hard links', undefined],
    ['copies', 'EXDEV'],
  ])('each is the database at its version, and passes verify --full (%s)', async (_, errno) => {
    const dir = memoryDirectory();
    const fs = new FaultyFileSystem(nodeEnv.fs);
    if (errno !== undefined)
      fs.fail({ op: 'link', path: /db\/tables/, errno, times: Number.POSITIVE_INFINITY });
    const db = await openDatabase(join(dir, 'db'), { ...LOADED, env: envOf(fs) });
    const load = new Load(db, dir);
    const made = [];
    for (let i = 0; i < 6; i++) {
      const until = load.commits + 3 + i;
      while (load.commits < until) await nodeEnv.clock.turn();
      fs.calls.length = 0;
      made.push(await db.checkpoint(join(dir, `checkpoint${i}`)));
    }
    await load.stop();
    for (const { path, version, tables, linkedTables } of made) {
      expect(linkedTables).toBe(errno === undefined ? tables : 0);
      const copy = await openDatabase(path, LOADED);
      expect(copy.version).toBe(version);
      expect(await contents(copy)).toEqual(load.at(version));
      expect((await copy.verify({ full: true })).problems).toEqual([]);
      await copy.put('more', 'can be written');
      await copy.compactRange();
      await copy.close();
    }
    expect(await contents(db)).toEqual(load.at(db.version));
    expect((await db.verify({ full: true })).problems).toEqual([]);
    expect(new Set(made.map(({ version }) => version)).size).toBe(6);
  });

  test('a reader beside the writer makes them too', async () => {
    const dir = memoryDirectory();
    const db = await openDatabase(join(dir, 'db'), LOADED);
    const load = new Load(db, dir);
    const reader = await openDatabase(join(dir, 'db'), { ...LOADED, readOnly: true });
    const made = [];
    for (let i = 0; i < 6; i++) {
      const until = load.commits + 10;
      while (load.commits < until) await nodeEnv.clock.turn();
      await reader.refresh();
      const making = reader.checkpoint(join(dir, `checkpoint${i}`));
      await reader.refresh(); // what is being made keeps what it needs
      const outcome = await outcomeOf(() => making);
      if (outcome === 'ok') made.push(await making);
      else expect(outcome).toBe('BUSY');
    }
    await load.stop();
    for (const { path, version } of made) {
      const copy = await openDatabase(path, TINY);
      expect(await contents(copy)).toEqual(load.at(version));
      expect((await copy.verify({ full: true })).problems).toEqual([]);
    }
    expect(made.length).toBeGreaterThan(3);
  });
});

test('it costs one link for each table, whatever is in them, and flushes nothing', async () => {
  const dir = memoryDirectory();
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const db = await filled(dir, { ...TINY, env: envOf(fs) });
  const before = tableFiles(db.path);
  fs.calls.length = 0;
  const { tables, linkedTables } = await db.checkpoint(join(dir, 'copy'));
  expect([tables, linkedTables]).toEqual([before.length, before.length]);
  expect(fs.count('link', /db\/tables/)).toBe(before.length);
  expect(fs.count('read', /tables/)).toBe(0);
  expect(fs.count('write', /tables/)).toBe(0);
  expect(fs.count('open', /tables\//)).toBe(0);
  expect(tableFiles(db.path)).toEqual(before);
});

test('all of it is synced, names last, before it has its name', async () => {
  const dir = memoryDirectory();
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const db = await filled(dir, { ...TINY, env: envOf(fs) });
  fs.calls.length = 0;
  await db.checkpoint(join(dir, 'copy'));
  const partial = join(dir, `copy${PARTIAL}`);
  const at = (op: Operation, path: string): number =>
    fs.calls.findLastIndex((call) => call.op === op && call.path === path);
  const named = at('rename', partial);
  for (const synced of ['tables', 'wal', 'manifest']) {
    expect(at('syncDirectory', join(partial, synced)), synced).toBeGreaterThan(-1);
    expect(at('syncDirectory', join(partial, synced)), synced).toBeLessThan(named);
  }
  expect(at('syncDirectory', partial)).toBe(named - 2); // and one look whether the name is still free
  expect(at('syncDirectory', dir)).toBeGreaterThan(named);
  const segments = fs.calls.filter(({ op, path }) => op === 'write' && path.startsWith(join(partial, 'wal')));
  expect(segments.length).toBeGreaterThan(0);
  for (const { path } of segments) expect(at('datasync', path)).toBeGreaterThan(at('write', path));
});

test('it lives on without the database, which it never changes', async () => {
  const dir = memoryDirectory();
  const db = await filled(dir);
  const before = digests(db.path);
  const expected = await contents(db);
  const { path } = await db.checkpoint(join(dir, 'copy'));
  const copy = await openDatabase(path, TINY);
  await copy.put('k000000', 'changed');
  await copy.del('k000001');
  await copy.compactRange();
  expect(digests(db.path)).toEqual(before);
  expect(await contents(db)).toEqual(expected);
  const own = await contents(copy);
  await db.deleteRange({});
  await db.compactRange();
  expect(await contents(copy)).toEqual(own);
  expect((await copy.verify({ full: true })).problems).toEqual([]);
  expect(await copy.ingest(join(dir, 'in.sst'), { id: 'first' })).toMatchObject({ replayed: true });
});

test('no segment of the one log passes for one of the other', async () => {
  const dir = memoryDirectory();
  const db = await filled(dir);
  const { path } = await db.checkpoint(join(dir, 'copy'));
  await db.close();
  const [segment = ''] = readdirSync(join(dir, 'db/wal'));
  writeFileSync(join(path, 'wal', segment), readFileSync(join(dir, 'db/wal', segment)));
  expect(await outcomeOf(() => openDatabase(path))).toBe('CORRUPTION');
});

describe('what it refuses', () => {
  test('paths', async () => {
    const dir = memoryDirectory();
    const db = await filled(dir);
    writeFileSync(join(dir, 'file'), '');
    const outcome = (path: string): Promise<string> => outcomeOf(() => db.checkpoint(path));
    expect(await outcome(join(dir, 'file'))).toBe('ALREADY_EXISTS');
    expect(await outcome(dir)).toBe('ALREADY_EXISTS');
    expect(await outcome(join(dir, 'no/where'))).toBe('FILE_NOT_FOUND');
    expect(await outcome(join(dir, 'file/below'))).toBe('FILE_NOT_FOUND');
    expect(await outcome('')).toBe('TypeError: dir must be a non-empty path');
    for (const within of [db.path, join(db.path, 'tables/copy')]) {
      expect(await outcome(within)).toBe('TypeError: dir must not be within the database itself');
    }
    expect(readdirSync(dir).sort()).toEqual(['db', 'file', 'in.sst']);
  });

  test('a foreign directory under the name it works under', async () => {
    const dir = memoryDirectory();
    const db = await filled(dir);
    nodeEnv.fs.mkdirSync(join(dir, `copy${PARTIAL}`));
    writeFileSync(join(dir, `copy${PARTIAL}`, 'diary.txt'), 'dear diary');
    expect(await outcomeOf(() => db.checkpoint(join(dir, 'copy')))).toBe('ALREADY_EXISTS');
    expect(readFileSync(join(dir, `copy${PARTIAL}`, 'diary.txt'), 'utf8')).toBe('dear diary');
  });

  test('two at one path at a time', async () => {
    const dir = memoryDirectory();
    const db = await filled(dir);
    const path = join(dir, 'copy');
    const outcomes = await Promise.all([1, 2, 3].map(() => outcomeOf(() => db.checkpoint(path))));
    expect(outcomes.sort()).toEqual(['BUSY', 'BUSY', 'ok']);
    expect(await contents(await openDatabase(path))).toEqual(await contents(db));
  });
});

describe('an end before it is made', () => {
  test('by its signal, after any table', async () => {
    const dir = memoryDirectory();
    const db = await filled(dir);
    const tables = tableFiles(db.path).length;
    for (let last = 1; last <= tables; last++) {
      const controller = new AbortController();
      const steps: number[] = [];
      const making = db.checkpoint(join(dir, 'copy'), {
        signal: controller.signal,
        onProgress: ({ tablesDone, tablesTotal, bytesDone, bytesTotal }) => {
          expect([tablesTotal, bytesDone <= bytesTotal]).toEqual([tables, true]);
          steps.push(tablesDone);
          if (tablesDone === last) controller.abort();
        },
      });
      expect(await outcomeOf(() => making)).toBe('ABORTED');
      expect(steps).toEqual(Array.from({ length: last }, (_, i) => i + 1));
      expect(readdirSync(dir).sort()).toEqual(['db', 'in.sst']);
    }
  });

  test('by the end of the database', async () => {
    const dir = memoryDirectory();
    const db = await filled(dir);
    const making = outcomeOf(() => db.checkpoint(join(dir, 'copy')));
    await db.close();
    expect(await making).toBe('CLOSED');
    expect(readdirSync(dir).sort()).toEqual(['db', 'in.sst']);
    expect(await outcomeOf(() => db.checkpoint(join(dir, 'copy')))).toBe('CLOSED');
  });

  const failing: readonly (readonly [
    errno: string,
    code: string,
    ops: readonly Operation[],
    path: RegExp,
  ])[] = [
    ['ENOSPC', 'NO_SPACE', ['open', 'mkdir', 'write', 'truncate', 'freeBytes'], /copy/],
    [
      'EIO',
      'IO',
      ['datasync', 'syncDirectory', 'read', 'rename', 'copy'],
      /copy|db\/(wal|tables)|test-......$/,
    ],
  ];
  test.each(failing)('by %s at any call', async (errno, code, ops, where) => {
    const dir = memoryDirectory();
    const fs = new FaultyFileSystem(nodeEnv.fs);
    const db = await filled(dir, { ...TINY, env: envOf(fs) });
    const path = join(dir, 'copy');
    fs.fail({ op: 'link', path: /db\/tables/, errno: 'EXDEV', times: Number.POSITIVE_INFINITY });
    let at = 0;
    for (; ; at++) {
      fs.calls.length = 0;
      fs.fail({ op: ops, path: where, errno, after: at });
      const outcome = await outcomeOf(() => db.checkpoint(path));
      const met = fs.calls.find(({ failed, op }) => failed && op !== 'link');
      if (outcome === 'ok') {
        expect(met).toBeUndefined();
        break;
      }
      const last = met?.op === 'syncDirectory' && met.path === dir;
      expect([outcome, existsSync(path)], `${met?.op} ${met?.path}`).toEqual([code, last]);
      expect(existsSync(`${path}${PARTIAL}`)).toBe(false);
      if (last) nodeEnv.fs.renameSync(path, join(dir, 'named'));
    }
    fs.heal();
    expect(at).toBeGreaterThan(10);
    expect(await contents(await openDatabase(path))).toEqual(await contents(db));
    expect((await db.verify({ full: true })).problems).toEqual([]);
  });

  test('what could not be removed is, by the next attempt', async () => {
    const dir = memoryDirectory();
    const fs = new FaultyFileSystem(nodeEnv.fs);
    const db = await filled(dir, { ...TINY, env: envOf(fs) });
    const path = join(dir, 'copy');
    fs.fail({ op: 'rename', errno: 'EIO' });
    fs.fail({ op: 'unlink', path: /copy/, errno: 'EIO', times: Number.POSITIVE_INFINITY });
    expect(await outcomeOf(() => db.checkpoint(path))).toBe('IO');
    expect(statSync(`${path}${PARTIAL}`).isDirectory()).toBe(true);
    fs.heal();
    await db.checkpoint(path);
    expect(readdirSync(dir).sort()).toEqual(['copy', 'db', 'in.sst']);
    expect(await contents(await openDatabase(path))).toEqual(await contents(db));
  });
});

test('a damaged log segment is told of, not left out', async () => {
  const dir = memoryDirectory();
  const db = await filled(dir);
  const wal = join(db.path, 'wal');
  const segment = join(wal, readdirSync(wal).sort().at(-1) ?? '');
  const bytes = readFileSync(segment);
  bytes.write('X', bytes.indexOf('in memory too'));
  writeFileSync(segment, bytes);
  expect(await outcomeOf(() => db.checkpoint(join(dir, 'copy')))).toBe('CORRUPTION');
  expect(readdirSync(dir).sort()).toEqual(['db', 'in.sst']);
});
