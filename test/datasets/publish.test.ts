/** Versions of a dataset: published beside what is live, made live in one commit, kept, read and dropped. */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, outcomeOf, type TestOptions, type TextDb } from '../base/database.ts';
import { type Entry, numbered, tableFiles, writeSst } from '../base/sst-files.ts';

async function place(options: TestOptions = {}) {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), { durability: 'os', ...options });
  let files = 0;
  const file = async (entries: readonly Entry[]): Promise<string> =>
    (await writeSst(join(dir, `${++files}.sst`), entries)).path;
  const reopen = async (): Promise<TextDb> => {
    await db.close();
    return openDatabase(join(dir, 'db'), { durability: 'os', ...options });
  };
  return { db, dir, file, reopen, feats: db.dataset('feats') };
}

const live = (db: TextDb): Promise<[string, string][]> =>
  db.keyspace('feats', { create: false }).iterator().all();
const RANGES = fileURLToPath(new URL('../fixtures/rocksdb/ranges/ranges.sst', import.meta.url));
const A: Entry[] = [
  ['a', '1'],
  ['b', '1'],
];
const B: Entry[] = [
  ['b', '2'],
  ['c', '2'],
];

test('a base replaces what was there, a delta goes over it, and each version stays as it was published', async () => {
  const { db, feats, file, reopen } = await place();
  expect([feats.current, feats.versions()]).toEqual([undefined, []]);
  const first = await feats.publish(await file(A), { message: 'nightly' });
  expect(first).toMatchObject({
    version: 1,
    kind: 'base',
    base: undefined,
    live: true,
    message: 'nightly',
    tables: 1,
    entries: 2,
  });
  await db.keyspace('feats').put('a', 'mine');
  const second = await feats.publish(
    await file([
      ['b', 'delta'],
      ['a', undefined],
    ]),
    { kind: 'delta' },
  );
  expect(second).toMatchObject({ version: 2, kind: 'delta', base: 1, live: true, tables: 2 });
  expect(await live(db)).toEqual([['b', 'delta']]);
  await db.keyspace('feats').put('z', 'mine');
  const third = await feats.publish(await file(B), { version: 7 });
  expect(third).toMatchObject({ version: 7, live: true });
  expect(await live(db)).toEqual(B);
  const contents = async (reader: TextDb): Promise<unknown> => {
    const read: unknown[] = [];
    for (const { version } of reader.dataset('feats').versions()) {
      await using view = reader.dataset('feats').at(version);
      read.push([version, await view.iterator().all(), await view.get('b'), view.getSync('a')]);
    }
    return read;
  };
  const expected = [
    [1, A, '1', '1'],
    [2, [['b', 'delta']], 'delta', undefined],
    [7, B, '2', undefined],
  ];
  expect(await contents(db)).toEqual(expected);
  expect(await feats.rollback()).toBe(2);
  expect(await live(db)).toEqual([['b', 'delta']]);
  const again = await reopen();
  expect(again.dataset('feats').current).toBe(2);
  expect(await live(again)).toEqual([['b', 'delta']]);
  expect(await contents(again)).toEqual(expected);
  expect(
    again
      .dataset('feats')
      .versions()
      .map(({ live }) => live),
  ).toEqual([false, true, false]);
  expect((await again.verify({ full: true })).problems).toEqual([]);
  expect(again.ingests().map(({ keyspace }) => keyspace)).toEqual(['feats', 'feats', 'feats']);
});

test('several datasets change in one transaction, which reads what it made live and writes over it', async () => {
  const { db, file } = await place();
  for (const name of ['a', 'b']) {
    await db.dataset(name).publish(await file(A));
    await db.dataset(name).publish(await file(B));
  }
  const before = db.snapshot();
  const { version } = await db.transaction(async (txn) => {
    txn.dataset('a').activate(1);
    expect(txn.dataset('b').rollback()).toBe(1);
    const a = txn.keyspace('a', { create: false });
    a.put('c', 'own');
    const savepoint = txn.savepoint();
    a.deleteRange({ lte: 'a' });
    expect(await a.iterator().all()).toEqual([
      ['b', '1'],
      ['c', 'own'],
    ]);
    txn.rollbackTo(savepoint);
    expect([await a.get('b'), a.getSync('a'), await a.get('x')]).toEqual(['1', '1', undefined]);
    expect(await txn.keyspace('b', { create: false }).iterator().all()).toEqual(A);
    expect(() => txn.dataset('a').activate(2)).toThrow(/would be lost/);
    return txn.commit();
  });
  expect(version).toBe(db.version);
  expect(await db.keyspace('a').iterator().all()).toEqual([...A, ['c', 'own']]);
  expect(await db.keyspace('b').iterator().all()).toEqual(A);
  expect(await db.keyspace('a').iterator({ snapshot: before }).all()).toEqual(B);
  before.close();
  await db.transaction((txn) => {
    const savepoint = txn.savepoint();
    txn.dataset('a').activate(2);
    txn.rollbackTo(savepoint);
    txn.dataset('b').activate(2);
    txn.dataset('b').activate(1);
  });
  expect([db.dataset('a').current, db.dataset('b').current]).toEqual([1, 1]);
});

test('who read the old generation conflicts, or wrote to it having read; blind writers go to the new', async () => {
  const { db, feats, file } = await place();
  await feats.publish(await file(A));
  await feats.publish(await file(B));
  const keyspace = db.keyspace('feats');
  const begun = [db.begin(), db.begin(), db.begin()] as const;
  await begun[0].keyspace(keyspace).get('b');
  begun[0].put('x', '1');
  await begun[1].get('elsewhere');
  begun[1].keyspace(keyspace).put('w', 'writer');
  begun[2].keyspace(keyspace).put('y', 'blind');
  const stale = db.begin();
  stale.dataset('feats').rollback();
  await feats.activate(1);
  expect(await Promise.all(begun.map((txn) => outcomeOf(() => txn.commit())))).toEqual([
    'CONFLICT',
    'CONFLICT',
    'ok',
  ]);
  expect(await outcomeOf(() => stale.commit())).toBe('CONFLICT');
  expect(await live(db)).toEqual([...A, ['y', 'blind']]);
});

test('a snapshot reads the old generation to its end; then its space is free, and stats says who holds it', async () => {
  const { db, dir, feats, file } = await place();
  await feats.publish(await file(numbered(0, 500)));
  await db.keyspace('feats').put('own', 'in the memtable');
  const snapshot = db.snapshot();
  const iterator = db.keyspace('feats').keys();
  await iterator.next();
  await feats.publish(await file(numbered(0, 10, 'n')));
  expect((await db.keyspace('feats').keys({ snapshot }).all()).length).toBe(501);
  expect(await db.keyspace('feats').get('own', { snapshot })).toBe('in the memtable');
  expect(db.stats().droppedGenerations).toMatchObject([{ keyspace: 'feats', tables: 1, holders: 2 }]);
  await iterator.close();
  expect(db.stats().droppedGenerations).toMatchObject([{ holders: 1 }]);
  snapshot.close();
  await expect.poll(() => db.stats().droppedGenerations).toEqual([]);
  await expect.poll(() => tableFiles(join(dir, 'db')).length).toBe(3);
  const view = feats.at(1);
  await feats.drop(1);
  expect(await outcomeOf(() => feats.at(1))).toBe('DATASET_VERSION_NOT_FOUND');
  expect((await view.keys().all()).length).toBe(500);
  expect(db.stats().droppedGenerations).toMatchObject([{ keyspace: 'feats', tables: 1, holders: 1 }]);
  view.close();
  expect(await outcomeOf(() => view.get('k'))).toBe('CLOSED');
  await expect.poll(() => tableFiles(join(dir, 'db')).length).toBe(2);
});

test('versions share their files, and what is dropped of them leaves the rest', async () => {
  const { db, dir, feats, file } = await place();
  await feats.publish(await file(numbered(0, 100)));
  await feats.publish(await file(numbered(0, 1, 'k', 'new')), { kind: 'delta' });
  await feats.publish(await file(numbered(1, 2, 'k', 'new')), { kind: 'delta' });
  const inodes = () =>
    new Set(tableFiles(join(dir, 'db')).map((name) => statSync(join(dir, 'db', 'tables', name)).ino)).size;
  expect([tableFiles(join(dir, 'db')).length, inodes()]).toEqual([9, 3]);
  expect(await feats.retain(1)).toEqual([1, 2]);
  await expect.poll(() => tableFiles(join(dir, 'db')).length).toBe(6);
  expect(inodes()).toBe(3);
  expect(await feats.retain(1)).toEqual([]);
  expect(await outcomeOf(() => feats.drop(3))).toBe('DATASET_VERSION_LIVE');
  expect(await outcomeOf(() => feats.rollback())).toBe('DATASET_VERSION_NOT_FOUND');
  await using view = feats.at(3);
  expect(await view.getMany(['k000000', 'k000001', 'k000002'])).toEqual(['new0', 'new1', 'v2']);
  await db.dropKeyspace('feats');
  expect([feats.current, feats.versions(), db.keyspaces()]).toEqual([undefined, [], ['default']]);
  view.close();
  await expect.poll(() => tableFiles(join(dir, 'db'))).toEqual([]);
});

test('a snapshot of the past reads what was live then', async () => {
  const { db, feats, file } = await place({ keepHistoryMs: 3_600_000 });
  const { commit } = await feats.publish(await file(A));
  await feats.publish(await file(B));
  const back = await feats.activate(1);
  await db.keyspace('feats').put('own', '1');
  const past = [commit, back - 1, back].map((at) => db.snapshot({ at }));
  const read = (snapshot: (typeof past)[number]) => db.keyspace('feats').iterator({ snapshot }).all();
  expect(await Promise.all(past.map(read))).toEqual([A, B, A]);
  for (const snapshot of past) snapshot.close();
});

test('keepVersions keeps the newest', async () => {
  const { db, file } = await place();
  const feats = db.dataset('feats', { keepVersions: 2 });
  for (let i = 0; i < 4; i++) await feats.publish(await file(A));
  expect(feats.versions().map(({ version }) => version)).toEqual([3, 4]);
});

test('compaction changes no version, and a version that has many deltas is compacted before others go on it', async () => {
  const { db, feats, file } = await place({
    compactionInline: true,
    level0Trigger: 2,
    levelBaseBytes: 1 << 12,
    targetFileBytes: 1 << 12,
  });
  await feats.publish(await file(numbered(0, 300)));
  const expected = new Map(numbered(0, 300) as [string, string][]);
  const states: [number, [string, string][]][] = [[1, [...expected]]];
  for (let n = 2; n <= 22; n++) {
    const delta = numbered(n, n + 200, 'k', `v${n}-`) as [string, string][];
    const { version } = await feats.publish(await file(delta), { kind: 'delta' });
    for (const [key, value] of delta) expected.set(key, value);
    states.push([version, [...expected]]);
  }
  await db.compactRange();
  for (const [version, entries] of states) {
    using view = feats.at(version);
    expect(await view.iterator().all()).toEqual(entries);
  }
  expect(Math.max(...feats.versions().map(({ tables }) => tables))).toBeLessThan(22);
  for (const version of [3, 17]) {
    await feats.activate(version);
    expect(await live(db)).toEqual(states[version - 1]?.[1]);
    await db.compactRange({ keyspace: 'feats' });
    expect(await live(db)).toEqual(states[version - 1]?.[1]);
  }
});

test('checkpoints, backups and readers beside have the versions', async () => {
  const { db, dir, feats, file } = await place();
  await feats.publish(await file(A));
  await feats.publish(await file([['b', 'delta']]), { kind: 'delta' });
  await db.keyspace('feats').put('own', '1');
  // So that the process beside knows of the put at once.
  await db.flush();
  await db.checkpoint(join(dir, 'copy'));
  const beside = await openDatabase(join(dir, 'db'), { readOnly: true });
  const copy = await openDatabase(join(dir, 'copy'));
  for (const each of [beside, copy]) {
    expect(each.dataset('feats').current).toBe(2);
    using view = each.dataset('feats').at(1);
    expect(await view.iterator().all()).toEqual(A);
    expect(await live(each)).toEqual([
      ['a', '1'],
      ['b', 'delta'],
      ['own', '1'],
    ]);
  }
  await copy.dataset('feats').rollback();
  expect(await live(copy)).toEqual(A);
  await feats.activate(1);
  await beside.refresh();
  expect([beside.dataset('feats').current, await live(beside)]).toEqual([1, A]);
  expect(await outcomeOf(() => beside.dataset('feats').activate(2))).toBe('READ_ONLY');
});

test('range deletions, in files and by hand, are of the version or of what is live over it', async () => {
  // A compaction would write anew what they hide, and leave nothing for them to do after the reopen.
  const { db, feats, file, reopen } = await place({ compaction: 'off' });
  const content = numbered(80, 140, 'key', 'v').map(
    ([key, value]) => [key.replace('key0', 'key'), value] as Entry,
  );
  await feats.publish(await file(content));
  await feats.publish(RANGES, { kind: 'delta' });
  const second = await live(db);
  expect(second.some(([key]) => key === 'key00110')).toBe(false);
  await db.keyspace('feats').deleteRange({});
  await feats.activate(1);
  expect(await live(db)).toEqual(content);
  await feats.activate(2);
  expect(await live(db)).toEqual(second);
  const again = await reopen();
  expect(await live(again)).toEqual(second);
  for (const [version, expected] of [
    [1, content],
    [2, second],
  ] as const) {
    using view = again.dataset('feats').at(version);
    expect(await view.iterator().all()).toEqual(expected);
  }
});

test('what is refused', async () => {
  const { db, feats, file } = await place();
  const path = await file(A);
  expect(await outcomeOf(() => feats.publish(path, { kind: 'delta' }))).toBe('DATASET_VERSION_NOT_FOUND');
  expect(db.keyspaces()).toEqual(['default']);
  await feats.publish(path, { version: 5 });
  expect(await outcomeOf(() => feats.publish(path, { version: 5 }))).toBe('DATASET_VERSION_EXISTS');
  expect(await outcomeOf(() => feats.activate(4))).toBe('DATASET_VERSION_NOT_FOUND');
  expect(await outcomeOf(() => feats.drop(4))).toBe('DATASET_VERSION_NOT_FOUND');
  expect(await outcomeOf(() => feats.publish('/nowhere.sst'))).toBe('FILE_NOT_FOUND');
  expect(await outcomeOf(() => feats.at(0))).toMatch(/positive integer/);
  expect(await outcomeOf(() => db.dataset('feats', { keepVersions: 0 }))).toMatch(/keepVersions/);
  expect(await outcomeOf(() => feats.publish(path, { kind: 'full' as 'base' }))).toMatch(/base or delta/);
  const txn = db.begin();
  txn.dataset('feats').activate(5);
  expect(await outcomeOf(() => txn.ingest(path, { into: 'feats', ifExists: 'keep' }))).toBe('BUSY');
  txn.abort();
  expect(tableFiles(join(db.path))).toHaveLength(2);
  expect(feats.versions().map(({ version }) => version)).toEqual([5]);
  expect((await feats.publish(path)).version).toBe(6);
});
