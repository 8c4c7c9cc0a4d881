/** `ingest` inside and outside of transactions: modes, ids, order, what is left behind, what is reported. */

import { createHash } from 'node:crypto';
import { existsSync, linkSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { IngestMode } from '../../src/index.ts';
import {
  envOf,
  memoryDirectory,
  openDatabase,
  outcomeOf,
  type TestOptions,
  type TextDb,
} from '../base/database.ts';
import { FaultyFileSystem } from '../base/faulty-file-system.ts';
import { type Entry, numbered, tableFiles, writeSst } from '../base/sst-files.ts';

const MODES: readonly IngestMode[] = ['copy', 'link', 'move'];

interface Place {
  readonly dir: string;
  readonly db: TextDb;
  file(name: string, entries: readonly Entry[]): Promise<string>;
  tables(): string[];
}

async function place(options: TestOptions = {}): Promise<Place> {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), { durability: 'os', ...options });
  return {
    dir,
    db,
    file: async (name, entries) => (await writeSst(join(dir, name), entries)).path,
    tables: () => tableFiles(join(dir, 'db')),
  };
}

describe.each(MODES)("mode '%s'", (mode) => {
  test('attaches the file; only a move takes the source, and only after the commit', async () => {
    const { dir, db, file } = await place();
    const path = await file('a.sst', numbered(0, 500));
    const bytes = readFileSync(path);
    const txn = db.begin();
    await txn.ingest(path, { mode });
    expect(readFileSync(path)).toEqual(bytes);
    await txn.commit();
    expect(existsSync(path)).toBe(mode !== 'move');
    expect(await db.iterator().all()).toEqual(numbered(0, 500));
    await db.close();
    const again = await openDatabase(join(dir, 'db'));
    expect(await again.iterator({ reverse: true }).all()).toEqual(numbered(0, 500).reverse());
  });

  test('keeps the source of an abort, a conflict, a rollback and a failure, and leaves nothing behind', async () => {
    const { db, file, tables } = await place();
    const path = await file('a.sst', numbered(0, 10));
    const bad = `${path}.missing`;
    const aborted = db.begin();
    await aborted.ingest(path, { mode });
    expect(tables()).toHaveLength(1);
    aborted.abort();
    expect(tables()).toEqual([]);
    const conflicting = db.begin();
    await conflicting.get('k');
    await conflicting.ingest(path, { mode });
    await db.put('k', '');
    expect(await outcomeOf(() => conflicting.commit())).toBe('CONFLICT');
    const rolledBack = db.begin();
    const savepoint = rolledBack.savepoint();
    await rolledBack.ingest(path, { mode });
    rolledBack.rollbackTo(savepoint);
    await rolledBack.commit();
    expect(await outcomeOf(() => db.ingest([path, bad], { mode }))).toBe('FILE_NOT_FOUND');
    expect(tables()).toEqual([]);
    expect(existsSync(path)).toBe(true);
    await db.ingest(path, { mode });
    expect(await db.keys().all()).toHaveLength(11);
  });

  test('is a copy where the file system cannot link', async () => {
    const fs = new FaultyFileSystem(nodeEnv.fs);
    const { db, file } = await place({ env: envOf(fs) });
    for (const errno of ['EXDEV', 'EPERM', 'EMLINK']) {
      const path = await file(`${errno}.sst`, numbered(0, 10, errno));
      fs.fail({ op: 'link', errno });
      await db.ingest(path, { mode });
      expect(await db.get(`${errno}000005`)).toBe('v5');
      expect(existsSync(path)).toBe(mode !== 'move');
    }
    expect(fs.count('copy')).toBe(3);
  });
});

test("'copy' adopts other bytes than the producer's, 'link' the same", async () => {
  const { dir, db, file, tables } = await place();
  const path = await file('a.sst', numbered(0, 10));
  await db.ingest(path, { mode: 'copy' });
  expect(statSync(path).nlink).toBe(1);
  await db.ingest(path, { mode: 'link' });
  expect(statSync(path).nlink).toBe(2);
  const linked = tables().filter((name) => statSync(join(dir, 'db/tables', name)).ino === statSync(path).ino);
  expect(linked).toHaveLength(1);
  linkSync(path, `${path}.2`);
  await db.ingest(`${path}.2`, { mode: 'move' });
  expect(existsSync(path)).toBe(true);
});

describe('digests', () => {
  test('that match are taken and kept; one that differs refuses the file and names both', async () => {
    const { db, file, tables } = await place();
    const paths = [await file('a.sst', numbered(0, 10)), await file('b.sst', numbered(10, 20))];
    const sha256 = paths.map((path) => createHash('sha256').update(readFileSync(path)).digest('hex'));
    const wrong = '0'.repeat(64);
    const failing = db.ingest(paths, { sha256: [sha256[0] ?? '', wrong] });
    const error = await failing.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    for (const part of [paths[1], wrong, sha256[1]]) expect(String(error)).toContain(part);
    expect(tables()).toEqual([]);
    await db.ingest(paths, { sha256 });
    expect(await db.keys().all()).toHaveLength(20);
  });
});

describe('an id', () => {
  test('makes a retry return the first result, also after a move and a reopen', async () => {
    const { dir, db, file } = await place();
    const paths = [await file('a.sst', numbered(0, 10)), await file('b.sst', numbered(5, 20))];
    const first = await db.ingest(paths, { id: 'job-1', mode: 'move' });
    expect(first).toMatchObject({ id: 'job-1', replayed: false, version: db.version });
    expect(first.ingested).toHaveLength(2);
    await db.put('k000003', 'later');
    expect(await db.ingest(paths, { id: 'job-1', mode: 'move' })).toEqual({ ...first, replayed: true });
    await db.close();
    const again = await openDatabase(join(dir, 'db'));
    const summary = await again.transaction((txn) => txn.ingest(paths, { id: 'job-1' }));
    expect(summary).toMatchObject({
      id: 'job-1',
      replayed: true,
      replayedVersion: first.version,
      files: [{ entries: 10 }, { entries: 15 }],
    });
    expect(await again.get('k000003')).toBe('later');
    expect(await outcomeOf(() => again.ingest(paths.slice(1), { id: 'job-1' }))).toBe('INGEST_ID_REUSED');
  });

  test('is of one statement of a transaction; after a rollback it is free again', async () => {
    const { db, file } = await place();
    const paths = [await file('a.sst', numbered(0, 10)), await file('b.sst', numbered(5, 20))];
    const txn = db.begin();
    const savepoint = txn.savepoint();
    const first = txn.ingest(paths.slice(0, 1), { id: 'job' });
    expect(await outcomeOf(() => txn.ingest(paths.slice(1), { id: 'job' }))).toBe('INGEST_ID_REUSED');
    await first;
    expect(await outcomeOf(() => txn.ingest(paths.slice(1), { id: 'job' }))).toBe('INGEST_ID_REUSED');
    txn.rollbackTo(savepoint);
    await txn.ingest(paths.slice(1), { id: 'job' });
    await txn.commit();
    expect(await outcomeOf(() => db.ingest(paths.slice(0, 1), { id: 'job' }))).toBe('INGEST_ID_REUSED');
  });

  test('used by two at once is committed once, and both learn the result', async () => {
    const { db, file, tables } = await place();
    const path = await file('a.sst', numbered(0, 10));
    const results = await Promise.all(
      [1, 2, 3].map(() => db.transaction(async (txn) => (await txn.ingest(path, { id: 'x' })).replayed)),
    );
    expect(results.sort()).toEqual([false, true, true]);
    expect(tables()).toHaveLength(1);
    // L6: ingest alone never aborts, not even by its own id.
    const [one, two] = await Promise.all([1, 2].map(() => db.ingest(path, { id: 'y', mode: 'link' })));
    expect(one?.ingested).toEqual(two?.ingested);
    expect(tables()).toHaveLength(2);
  });

  test('of an aborted ingest is free again', async () => {
    const { db, file } = await place();
    const path = await file('a.sst', numbered(0, 10));
    const txn = db.begin();
    await txn.ingest(path, { id: 'x' });
    txn.abort();
    const { replayed } = await db.transaction((again) => again.ingest(path, { id: 'x' }));
    expect(replayed).toBe(false);
  });

  test('is made up where none is given, so nothing is replayed', async () => {
    const { db, file } = await place();
    const path = await file('a.sst', numbered(0, 10));
    const [one, two] = [await db.ingest(path), await db.ingest(path)];
    expect([one.replayed, two.replayed]).toEqual([false, false]);
    expect(one.id).not.toBe(two.id);
    expect(two.version).toBe(one.version + 1);
  });
});

describe('order', () => {
  test('a later file wins over an earlier one, and later statements over earlier ones', async () => {
    const { dir, db, file } = await place();
    const one = await file('1.sst', [
      ['a', '1'],
      ['b', '1'],
      ['c', '1'],
      ['d', '1'],
      ['e', '1'],
    ]);
    const two = await file('2.sst', [
      ['b', '2'],
      ['c', undefined],
    ]);
    const three = await file('3.sst', [
      ['b', '3'],
      ['z', '3'],
    ]);
    await db.put('y', '0');
    const txn = db.begin();
    txn.put('a', '0');
    txn.put('f', '0');
    await txn.ingest([one, two]);
    txn.put('c', '9');
    txn.del('d');
    await txn.ingest([three]);
    txn.put('z', '9');
    const wanted = [
      ['a', '1'],
      ['b', '3'],
      ['c', '9'],
      ['e', '1'],
      ['f', '0'],
      ['y', '0'],
      ['z', '9'],
    ];
    expect(await txn.iterator().all()).toEqual(wanted);
    expect(await txn.iterator({ reverse: true }).all()).toEqual([...wanted].reverse());
    const before = db.snapshot();
    const { version, ingested } = await txn.commit();
    expect(ingested.map(({ file, entries }) => [file, entries])).toEqual([
      [one, 5],
      [two, 2],
      [three, 2],
    ]);
    expect(Math.max(...ingested.map((each) => each.version))).toBeLessThanOrEqual(version);
    expect(await db.iterator({ snapshot: before }).all()).toEqual([['y', '0']]);
    before.close();
    expect(await db.iterator().all()).toEqual(wanted);
    await db.close();
    const again = await openDatabase(join(dir, 'db'));
    expect(await again.iterator().all()).toEqual(wanted);
  });

  test('puts made while files are being staged come after them', async () => {
    const { db, file } = await place();
    const path = await file('a.sst', numbered(0, 10));
    const txn = db.begin();
    const staging = txn.ingest(path);
    txn.put('k000001', 'mine');
    await staging;
    expect(await txn.getMany(['k000001', 'k000002'])).toEqual(['mine', 'v2']);
    await txn.commit();
    expect(await db.getMany(['k000001', 'k000002'])).toEqual(['mine', 'v2']);
  });

  test('a commit waits for the staging under way; an abort undoes it', async () => {
    const { db, file, tables } = await place();
    const path = await file('a.sst', numbered(0, 10));
    const txn = db.begin();
    const staging = txn.ingest(path);
    await txn.commit();
    await staging;
    expect(await db.keys().all()).toHaveLength(10);
    const aborted = db.begin();
    const cut = outcomeOf(() => aborted.ingest(path));
    aborted.abort();
    expect(await cut).toBe('CLOSED');
    expect(tables()).toHaveLength(1);
  });
});

test('several keyspaces are attached in one commit, with puts beside', async () => {
  const { dir, db, file } = await place();
  const [one, two] = [await file('1.sst', numbered(0, 10)), await file('2.sst', numbered(0, 20))];
  const version = await db.transaction(async (txn) => {
    await txn.ingest(one, { into: 'one' });
    await txn.ingest(two, { into: 'two' });
    txn.put('done', 'yes');
    expect(await txn.keyspace('two').get('k000019')).toBe('v19');
    return (await txn.commit()).version;
  });
  expect(db.version).toBe(version);
  await db.close();
  const again = await openDatabase(join(dir, 'db'));
  expect(again.keyspaces()).toEqual(['default', 'one', 'two']);
  expect(await again.keyspace('one').keys().all()).toHaveLength(10);
  expect(await again.keyspace('two').keys().all()).toHaveLength(20);
  expect(await again.get('done')).toBe('yes');
});

test('a snapshot taken before an ingest never sees it, one taken after always does', async () => {
  const { db, file } = await place();
  await db.batch(numbered(0, 10, 'k', 'old').map(([key, value = '']) => ({ type: 'put', key, value })));
  const before = db.snapshot();
  await db.ingest(await file('a.sst', [...numbered(5, 15), ['k000001', undefined]]));
  const after = db.snapshot();
  await db.ingest(await file('b.sst', numbered(0, 30, 'k', 'new')));
  await db.flush();
  expect(await db.iterator({ snapshot: before }).all()).toEqual(numbered(0, 10, 'k', 'old'));
  const wanted = [...numbered(0, 5, 'k', 'old'), ...numbered(5, 15)].filter(([key]) => key !== 'k000001');
  expect(await db.iterator({ snapshot: after }).all()).toEqual(wanted);
  expect(await db.values({ snapshot: after, reverse: true, limit: 1 }).all()).toEqual(['v14']);
  before.close();
  after.close();
});

describe('while it works', () => {
  test('progress is told, and a signal stops it without a trace', async () => {
    const { db, file, tables } = await place();
    const paths = [await file('a.sst', numbered(0, 20_000)), await file('b.sst', numbered(0, 20_000))];
    const bytesTotal = paths.reduce((sum, path) => sum + statSync(path).size, 0);
    const seen: number[] = [];
    await db.ingest(paths, {
      onProgress: (progress) => {
        expect(progress.bytesTotal).toBe(bytesTotal);
        expect(paths).toContain(progress.file);
        seen.push(progress.bytesDone);
      },
    });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(bytesTotal);
    const before = tables();
    const abort = new AbortController();
    const cut = db.ingest(paths, { signal: abort.signal, onProgress: () => abort.abort() });
    expect(await outcomeOf(() => cut)).toBe('ABORTED');
    expect(await outcomeOf(() => db.ingest(paths, { signal: AbortSignal.abort() }))).toBe('ABORTED');
    expect(tables()).toEqual(before);
  });
});

test('explainIngest tells the level, names what is in the way, and changes nothing', async () => {
  const { db, file, tables } = await place();
  const path = await file('a.sst', numbered(100, 200));
  const [empty] = await db.explainIngest(path);
  expect(empty).toMatchObject({ file: path, keyspace: 'default', entries: 100, level: 6, blockers: [] });
  const { ingested } = await db.ingest(path);
  expect(ingested[0]?.level).toBe(6);
  const over = await file('b.sst', numbered(150, 300));
  const [plan] = await db.explainIngest(over);
  expect(plan?.level).toBeLessThan(6);
  expect(JSON.stringify(plan?.blockers)).toContain(String(ingested[0]?.table));
  expect(await db.explainIngest(over, { into: 'not there' })).toMatchObject([{ level: 6 }]);
  expect(db.keyspaces()).toEqual(['default']);
  expect(tables()).toHaveLength(1);
  expect((await db.ingest(over)).ingested[0]?.level).toBe(plan?.level);
});

test('explainIngest for a keyspace that is not there takes no memory', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), { memtableBytes: 64 << 20 });
  const path = join(dir, 'a.sst');
  await writeSst(path, numbered(0, 10));
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 20; i++) await db.explainIngest(path, { into: 'not there' });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
});

describe('the keyspace that files go to', () => {
  test('is given by name or as an object, and is made where it is not there', async () => {
    const { db, file } = await place();
    const named = await file('a.sst', numbered(0, 3));
    await db.ingest(named, { into: 'new' });
    const keyspace = db.keyspace('other', { valueEncoding: 'json' });
    const given = await file('b.sst', numbered(0, 2));
    expect((await db.explainIngest(given, { into: keyspace })).map((plan) => plan.keyspace)).toEqual([
      'other',
    ]);
    const txn = db.begin();
    expect((await txn.ingest(given, { into: keyspace })).files[0]?.keyspace).toBe('other');
    await txn.commit();
    expect(db.keyspaces()).toEqual(['default', 'new', 'other']);
  });

  test('with create: false must be there: a slip of the fingers makes none', async () => {
    const { db, file } = await place();
    db.keyspace('prices');
    const path = await file('a.sst', numbered(0, 3));
    await expect(db.ingest(path, { into: 'prcies', create: false, mode: 'move' })).rejects.toMatchObject({
      code: 'KEYSPACE_NOT_FOUND',
      message: expect.stringMatching(/did you mean "prices"/),
    });
    expect(db.keyspaces()).toEqual(['default', 'prices']);
    expect(existsSync(path)).toBe(true);
    await db.ingest(path, { into: 'prices', create: false });
    expect(await db.keyspace('prices').iterator().all()).toHaveLength(3);
  });

  test("of another database is a mistake of the caller's", async () => {
    const [one, other] = [await place(), await place()];
    const path = await one.file('a.sst', numbered(0, 3));
    await expect(one.db.ingest(path, { into: other.db.keyspace('a') })).rejects.toThrow(TypeError);
  });
});
