/** `replace`: what was there is gone and the files are there, in one commit that costs the same whatever was there. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, outcomeOf, type TestOptions, type TextDb } from '../base/database.ts';
import { type Entry, numbered, tableFiles, writeSst } from '../base/sst-files.ts';

async function place(options: TestOptions = {}): Promise<{
  db: TextDb;
  dir: string;
  file(name: string, entries: readonly Entry[]): Promise<string>;
}> {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), { durability: 'os', ...options });
  return { db, dir, file: async (name, entries) => (await writeSst(join(dir, name), entries)).path };
}

const keysOf = (reader: Pick<TextDb, 'keys'>): Promise<string[]> => reader.keys().all();

test.each([
  [true, 'bx'],
  [{ gte: 'b', lt: 'd' }, 'abdex'],
  [{ gt: 'b' }, 'abx'],
  [{ gte: 'd', lt: 'd' }, 'abcdex'],
] as const)('replace: %j leaves %s', async (replace, left) => {
  const { db, dir, file } = await place();
  await db.batch([...'abcde'].map((key) => ({ type: 'put', key, value: 'old' })));
  await db.flush();
  await db.put('c', 'newer, in the memtable');
  const snapshot = db.snapshot();
  const path = await file('in.sst', [
    ['b', 'new'],
    ['x', 'new'],
  ]);
  await db.ingest(path, { replace });
  expect(await keysOf(db)).toEqual([...left]);
  expect([await db.get('b'), db.getSync('x')]).toEqual(['new', 'new']);
  expect(await keysOf({ keys: () => db.keys({ snapshot }) } as TextDb)).toEqual([...'abcde']);
  snapshot.close();
  await db.close();
  const again = await openDatabase(join(dir, 'db'));
  expect(await keysOf(again)).toEqual([...left]);
  expect((await again.verify({ full: true })).problems).toEqual([]);
});

test('files of one list overlap, and earlier statements go while later ones stand', async () => {
  const { db, file } = await place();
  await db.put('a', 'old');
  const [one, two] = [
    await file('1.sst', [
      ['k', '1'],
      ['l', '1'],
    ]),
    await file('2.sst', [['k', '2']]),
  ];
  await db.transaction(async (txn) => {
    txn.put('b', 'before');
    const savepoint = txn.savepoint();
    await txn.ingest(one, { replace: true });
    expect(await keysOf(txn)).toEqual(['k', 'l']);
    txn.rollbackTo(savepoint);
    expect(await keysOf(txn)).toEqual(['a', 'b']);
    await txn.ingest([one, two], { replace: true });
    txn.put('c', 'after');
    expect(await txn.iterator().all()).toEqual([
      ['c', 'after'],
      ['k', '2'],
      ['l', '1'],
    ]);
  });
  expect(await db.iterator().all()).toEqual([
    ['c', 'after'],
    ['k', '2'],
    ['l', '1'],
  ]);
});

test('is of one keyspace, and of the encoding of its keys', async () => {
  const { db, file } = await place();
  await db.put('a', '1');
  await db.keyspace('other').put('a', '1');
  await db.ingest(await file('in.sst', [['b', '2']]), { into: 'other', replace: true });
  expect([await keysOf(db), await keysOf(db.keyspace('other') as TextDb)]).toEqual([['a'], ['b']]);
});

test('alone it never conflicts (L6); a reader of what it replaced does (L5)', async () => {
  const { db, file } = await place();
  await db.put('a', '1');
  const path = await file('in.sst', [['z', '1']]);
  const [reader, bystander] = [db.begin(), db.begin()];
  await reader.get('c');
  reader.put('w', '1');
  await bystander.get('zz');
  bystander.put('w', '2');
  const blind = db.begin();
  await blind.ingest(path, { replace: { lt: 'zz' } });
  await db.put('b', 'after the blind transaction began');
  await blind.commit();
  expect(await outcomeOf(() => reader.commit())).toBe('CONFLICT');
  expect(await outcomeOf(() => bystander.commit())).toBe('ok');
  expect(await keysOf(db)).toEqual(['w', 'z']);
});

test('tables that it covers are dropped, not compacted, when the last snapshot is gone', async () => {
  const { db, dir, file } = await place();
  await db.ingest(await file('old.sst', numbered(0, 5000)));
  const snapshot = db.snapshot();
  await db.ingest(await file('new.sst', numbered(0, 10, 'k', 'new')), { replace: true });
  expect(tableFiles(join(dir, 'db'))).toHaveLength(2);
  expect(await db.keys({ snapshot }).all()).toHaveLength(5000);
  snapshot.close();
  await expect.poll(() => tableFiles(join(dir, 'db')).length).toBe(1);
  const { compaction, keyspaces } = db.stats();
  expect([compaction.merges, keyspaces[0]?.rangeTombstones]).toEqual([0, 0]);
  expect(await db.iterator().all()).toEqual(numbered(0, 10, 'k', 'new'));
});
