/** `undoIngest`: what an ingest changed is as it was before, or nothing is. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isSluiceError, SluiceError } from '../../src/index.ts';
import { memoryDirectory, openDatabase, outcomeOf, type TextDb, TINY } from '../base/database.ts';
import { type Entry, numbered, tableFiles, writeSst } from '../base/sst-files.ts';

async function place(): Promise<{
  dir: string;
  db: TextDb;
  file(name: string, entries: readonly Entry[]): Promise<string>;
}> {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), TINY);
  return { dir, db, file: async (name, entries) => (await writeSst(join(dir, name), entries)).path };
}

async function errorOf(act: Promise<unknown>): Promise<SluiceError> {
  try {
    await act;
  } catch (error) {
    if (isSluiceError(error)) return error;
    throw error;
  }
  throw new SluiceError('IO', 'nothing was thrown');
}

const OLD = numbered(0, 300, 'k', 'old');

test.each([
  ['at once', async (db: TextDb) => db],
  [
    'after compactions and a reopen',
    async (db: TextDb) => {
      await db.flush();
      await db.compactRange();
      await db.close();
      const again = await openDatabase(db.path, TINY);
      await again.put('beside', 'it');
      await again.compactRange();
      return again;
    },
  ],
])('values come back, new keys go, what it does not touch stays: %s', async (_, meanwhile) => {
  const { db, file } = await place();
  await db.batch(OLD.map(([key, value]) => ({ type: 'put', key, value: value ?? '' })));
  await db.del('k000005');
  const before = await db.iterator().all();
  const path = await file('in.sst', [...numbered(100, 400), ['k000001', undefined], ['k000005', 'x']]);
  const { id } = await db.ingest(path, { undoable: true });
  const later = await meanwhile(db);
  await later.put('k000050', 'later');
  const snapshot = later.snapshot();
  expect(await later.get('k000005')).toBe('x');
  const txn = later.begin();
  await txn.undoIngest(id);
  const { version, ingested } = await txn.commit();
  expect(ingested).toEqual([]);
  const kept = before.map(([key, value]) => [key, key === 'k000050' ? 'later' : value]);
  expect((await later.iterator().all()).filter(([key]) => key !== 'beside')).toEqual(kept);
  expect(await later.get('k000399', { snapshot })).toBe('v399');
  snapshot.close();
  const [record, undoing] = later.ingests();
  expect(record).toMatchObject({ id, undoable: false, undoneAt: version });
  expect(undoing).toMatchObject({ undoes: id, version, undoable: false });
  expect(await outcomeOf(() => later.undoIngest(id))).toBe('UNDO_IMPOSSIBLE');
  expect((await later.verify({ full: true })).problems).toEqual([]);
});

test('what it replaced comes back', async () => {
  const { db, file } = await place();
  await db.batch(OLD.map(([key, value]) => ({ type: 'put', key, value: value ?? '' })));
  const path = await file('in.sst', [
    ['k000007', 'new'],
    ['z', 'new'],
  ]);
  const { id } = await db.ingest(path, { replace: { gte: 'k000005', lt: 'k000290' }, undoable: true });
  await db.flush();
  await db.compactRange();
  expect(await db.keys().all()).toHaveLength(5 + 10 + 2);
  await db.put('k000008', 'later');
  expect(await outcomeOf(() => db.undoIngest(id))).toBe('UNDO_CONFLICT');
  await db.put('k000006x', 'was not there then');
  const again = await db.ingest(path, { replace: { gte: 'l' }, undoable: true });
  await db.undoIngest(again.id);
  expect([await db.get('k000007'), await db.get('z')]).toEqual(['new', 'new']);
});

test('refuses when keys were changed since, with the keys; nothing is undone then', async () => {
  const { db, file } = await place();
  const { id } = await db.ingest(await file('in.sst', numbered(0, 100)), { undoable: true });
  await db.put('k000003', 'later');
  await db.del('k000001');
  await db.deleteRange({ gte: 'k000050', lt: 'k000080' });
  await db.compactRange();
  const error = await errorOf(db.undoIngest(id));
  expect([error.code, error.keyCount, error.keys.length, String(error.keys[0])]).toEqual([
    'UNDO_CONFLICT',
    32,
    20,
    'k000001',
  ]);
  expect(await db.get('k000000')).toBe('v0');
  expect(db.ingests()[0]).toMatchObject({ undoable: true, undoneAt: undefined });
});

test('as a statement: after others, before others, seen by the transaction, guarded to the commit', async () => {
  const { db, file } = await place();
  await db.put('k000002', 'old');
  const { id } = await db.ingest(await file('in.sst', numbered(0, 5)), { undoable: true });
  const txn = db.begin();
  txn.put('k000000', 'before');
  await txn.undoIngest(id);
  txn.put('k000004', 'after');
  expect(await txn.iterator().all()).toEqual([
    ['k000002', 'old'],
    ['k000004', 'after'],
  ]);
  await db.put('k000003', 'meanwhile');
  expect(await outcomeOf(() => txn.commit())).toBe('CONFLICT');
  const aborted = db.begin();
  expect(await outcomeOf(() => aborted.undoIngest(id))).toBe('UNDO_CONFLICT');
  aborted.abort();
  const twice = await db.ingest(await file('more.sst', numbered(10, 12)), { undoable: true });
  const outcomes = [db.undoIngest(twice.id), db.undoIngest(twice.id)].map((undo) => outcomeOf(() => undo));
  expect((await Promise.all(outcomes)).sort()).toEqual(['UNDO_IMPOSSIBLE', 'ok']);
  expect(await db.get('k000010')).toBeUndefined();
});

test('what cannot be undone', async () => {
  const { db, file } = await place();
  const path = await file('in.sst', numbered(0, 5));
  const plain = await db.ingest(path);
  expect(await outcomeOf(() => db.undoIngest(plain.id))).toBe('UNDO_IMPOSSIBLE');
  expect(await outcomeOf(() => db.undoIngest('none'))).toBe('INGEST_NOT_FOUND');
  const dropped = await db.ingest(path, { into: 'k', undoable: true });
  await db.dropKeyspace('k');
  expect(await outcomeOf(() => db.undoIngest(dropped.id))).toBe('UNDO_IMPOSSIBLE');
  db.keyspace('k');
  expect(await outcomeOf(() => db.undoIngest(dropped.id))).toBe('UNDO_IMPOSSIBLE');
  await expect(db.undoIngest('')).rejects.toThrow(TypeError);
  const early = db.begin();
  const late = await db.ingest(path, { undoable: true });
  expect(await outcomeOf(() => early.undoIngest(late.id))).toBe('CONFLICT');
  early.abort();
});

test('a release gives back the space that the old values took', async () => {
  const { dir, db, file } = await place();
  await db.ingest(await file('old.sst', numbered(0, 2000, 'k', 'old')));
  const { id } = await db.ingest(await file('new.sst', numbered(0, 2000)), { undoable: true });
  await db.compactRange();
  const entries = (): number =>
    db.stats().keyspaces[0]?.levels.reduce((sum, level) => sum + level.entries, 0) ?? 0;
  expect(entries()).toBe(4000);
  db.releaseIngest(id);
  expect(await outcomeOf(() => db.releaseIngest('none'))).toBe('INGEST_NOT_FOUND');
  await db.compactRange();
  expect(entries()).toBe(2000);
  expect(await outcomeOf(() => db.undoIngest(id))).toBe('UNDO_IMPOSSIBLE');
  await expect.poll(() => tableFiles(join(dir, 'db')).length).toBeLessThan(60);
});

test('of few keys among many it reads where these are, and no more', async () => {
  const { db, dir, file } = await place();
  const base = await writeSst(join(dir, 'base.sst'), numbered(0, 2000, 'k', 'old'), { blockBytes: 64 });
  await db.ingest(base.path);
  const before = await db.iterator().all();
  const entries: Entry[] = [
    ['k000000', 'new'],
    ['k000700', undefined],
    ['k000900x', 'new'],
    ['k001999', 'new'],
  ];
  const { id } = await db.ingest(await file('in.sst', entries), { undoable: true });
  await db.put('k000500', 'beside');
  await db.put('k000700', 'later');
  const refused = await errorOf(db.undoIngest(id));
  expect([refused.code, refused.keyCount]).toEqual(['UNDO_CONFLICT', 1]);
  const again = await db.ingest(await file('again.sst', entries), { undoable: true });
  const blocks = (): number => {
    const { hits, misses } = db.stats().blockCache;
    return hits + misses;
  };
  const blocksBefore = blocks();
  await db.undoIngest(again.id);
  expect(blocks() - blocksBefore).toBeLessThan(60);
  // What the first brought is there again.
  const values = new Map([...before, ...entries, ['k000500', 'beside'], ['k000700', 'later']]);
  expect(await db.iterator().all()).toEqual([...values].sort(([a], [b]) => (a < b ? -1 : 1)));
  expect((await db.verify({ full: true })).problems).toEqual([]);
});
