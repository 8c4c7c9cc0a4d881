/** `behind`: files go behind all that the keyspace ever held, deletes of long ago included. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, outcomeOf, type TextDb, TINY } from '../base/database.ts';
import { type Entry, numbered, writeSst } from '../base/sst-files.ts';

async function place(): Promise<{
  dir: string;
  db: TextDb;
  behind: TextDb;
  file(name: string, entries: readonly Entry[]): Promise<string>;
}> {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), TINY);
  const behind = db.keyspace('k', { allowIngestBehind: true }) as TextDb;
  return { dir, db, behind, file: async (name, entries) => (await writeSst(join(dir, name), entries)).path };
}

const settled = async (db: TextDb): Promise<void> => {
  await db.flush();
  await db.compactRange();
  await expect.poll(() => db.stats().compaction.running).toBe(0);
};

test('overrides nothing: neither what exists, nor what was deleted, compacted and reopened since', async () => {
  const { dir, db, behind, file } = await place();
  await behind.batch(numbered(0, 100).map(([key]) => ({ type: 'put', key, value: 'newer' })));
  await behind.del('k000010');
  await behind.deleteRange({ gte: 'k000020', lt: 'k000030' });
  const plain = db.keyspace('plain');
  await plain.batch(numbered(0, 100).map(([key]) => ({ type: 'put', key, value: 'newer' })));
  await plain.deleteRange({ gte: 'k000020', lt: 'k000030' });
  await db.ingest(await file('deletes.sst', [['k000200', undefined]]), { into: 'k' });
  await settled(db);
  const tombstonesOf = (name: string): number | undefined =>
    db.stats().keyspaces.find((keyspace) => keyspace.name === name)?.rangeTombstones;
  // They are collected where they hide nothing any more, but here.
  await expect.poll(() => tombstonesOf('plain')).toBe(0);
  expect(tombstonesOf('k')).toBe(1);
  await db.close();
  const again = await openDatabase(join(dir, 'db'), TINY);
  const k = again.keyspace('k', { allowIngestBehind: true });
  await settled(again);
  const path = await file('in.sst', numbered(0, 300, 'k', 'backfill'));
  const { ingested } = await again.ingest(path, { into: 'k', behind: true });
  expect(ingested).toMatchObject([{ entries: 199, skipped: 101 }]);
  expect([await k.get('k000010'), await k.get('k000025'), await k.get('k000200')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect([await k.get('k000011'), await k.get('k000100')]).toEqual(['newer', 'backfill100']);
  expect(await k.keys().all()).toHaveLength(89 + 199);
  expect((await again.verify({ full: true })).problems).toEqual([]);
});

test('a file that meets nothing is attached as it is; the keyspace is made for it', async () => {
  const { db, file } = await place();
  const path = await file('in.sst', numbered(0, 100));
  const { ingested } = await db.ingest(path, { into: 'new', behind: true });
  expect(ingested).toMatchObject([{ entries: 100, skipped: 0, level: 6 }]);
  expect(await db.ingest(path, { into: 'new', behind: true })).toMatchObject({
    ingested: [{ entries: 0, skipped: 100 }],
  });
});

test('deletes of the transaction itself count, and those of others before its commit conflict', async () => {
  const { db, behind, file } = await place();
  const path = await file('in.sst', numbered(0, 5));
  const txn = db.begin();
  txn.keyspace('k').del('k000001');
  txn.keyspace('k').deleteRange({ gte: 'k000003' });
  await txn.ingest(path, { into: 'k', behind: true });
  await behind.del('k000004');
  await behind.del('k0000020');
  await txn.commit();
  const other = db.begin();
  await other.ingest(await file('more.sst', numbered(0, 9)), { into: 'k', behind: true });
  await behind.del('k000007');
  expect(await outcomeOf(() => other.commit())).toBe('CONFLICT');
  expect(await behind.keys().all()).toEqual(['k000000', 'k000002']);
});

test('only in a keyspace that was made for it', async () => {
  const { db, file } = await place();
  db.keyspace('plain');
  const path = await file('in.sst', numbered(0, 5));
  for (const into of ['default', 'plain']) {
    expect(await outcomeOf(() => db.ingest(path, { into, behind: true }))).toBe('INGEST_BEHIND_NOT_ALLOWED');
  }
  expect(await outcomeOf(() => db.keyspace('plain', { allowIngestBehind: true }))).toBe(
    'INGEST_BEHIND_NOT_ALLOWED',
  );
  expect(await outcomeOf(() => db.keyspace('plain', { allowIngestBehind: true, create: false }))).toBe(
    'INGEST_BEHIND_NOT_ALLOWED',
  );
  expect(await outcomeOf(() => db.keyspace('k'))).toBe('ok');
  expect(await outcomeOf(() => db.ingest(path, { behind: true, ifExists: 'keep' }))).toMatch(/of its own/);
  await db.dropKeyspace('plain');
  expect(await outcomeOf(() => db.keyspace('plain', { allowIngestBehind: true }))).toBe('ok');
});
