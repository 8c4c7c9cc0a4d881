/** deleteRange: what it deletes, for whom, when, and that it costs the same whatever it deletes. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  memoryDirectory,
  openDatabase,
  outcomeOf,
  type TestOptions,
  type TextDb,
  TINY,
} from '../base/database.ts';
import { numbered, writeSst } from '../base/sst-files.ts';

async function database(options: TestOptions = {}): Promise<TextDb> {
  const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os', ...options });
  await db.batch(['a', 'b', 'c', 'd', 'e'].map((key) => ({ type: 'put', key, value: `${key}0` })));
  return db;
}

const keysOf = (reader: Pick<TextDb, 'keys'>): Promise<string[]> => reader.keys().all();

describe('deleteRange', () => {
  test.each([
    [{ gte: 'b', lt: 'd' }, 'ade'],
    [{ gt: 'b', lte: 'd' }, 'abe'],
    [{ gt: 'b' }, 'ab'],
    [{ lte: 'b' }, 'cde'],
    [{}, ''],
    [{ gte: 'bb', lt: 'bc' }, 'abcde'],
    [{ gte: 'd', lt: 'b' }, 'abcde'],
    [{ gt: 'b', lt: 'b' }, 'abcde'],
  ])('%j leaves %s', async (range, left) => {
    const db = await database();
    await db.deleteRange(range);
    const keys = [...left];
    expect(await keysOf(db)).toEqual(keys);
    expect(await db.keys({ reverse: true }).all()).toEqual(keys.toReversed());
    for (const key of 'abcde') {
      const value = keys.includes(key) ? `${key}0` : undefined;
      expect([await db.get(key), db.getSync(key), await db.has(key)]).toEqual([
        value,
        value,
        value !== undefined,
      ]);
    }
  });

  test('hides what is older, in memtable, flushed and ingested tables alike, and nothing newer', async () => {
    const db = await database(TINY);
    await db.flush();
    const dir = memoryDirectory();
    const [older, newer] = [join(dir, 'older.sst'), join(dir, 'newer.sst')];
    await writeSst(older, numbered(0, 100));
    await db.ingest(older);
    await db.put('k000050', 'newer, in the memtable');
    await db.deleteRange({ gte: 'b', lt: 'k000099' });
    expect(await keysOf(db)).toEqual(['a', 'k000099']);
    await db.put('c', 'again');
    await writeSst(newer, [['k000007', 'again']]);
    await db.ingest(newer);
    await db.flush();
    expect(await db.iterator().all()).toEqual([
      ['a', 'a0'],
      ['c', 'again'],
      ['k000007', 'again'],
      ['k000099', 'v99'],
    ]);
    expect((await db.verify({ full: true })).problems).toEqual([]);
  });

  test('an old snapshot still sees the keys, and so does a transaction begun before', async () => {
    const db = await database();
    const snapshot = db.snapshot();
    const txn = db.begin();
    await db.deleteRange({ gte: 'b' });
    expect(await db.keys({ snapshot }).all()).toEqual([...'abcde']);
    expect(await db.get('c', { snapshot })).toBe('c0');
    expect(await keysOf(txn)).toEqual([...'abcde']);
    expect(await keysOf(db)).toEqual(['a']);
    snapshot.close();
    txn.abort();
  });

  test('is of one keyspace', async () => {
    const db = await database();
    const other = db.keyspace('other');
    await other.put('a', 'there');
    await db.deleteRange({});
    expect(await other.get('a')).toBe('there');
    await other.deleteRange({ lte: 'z' });
    expect(await other.get('a')).toBeUndefined();
  });

  test('survives a reopen, with the puts after it', async () => {
    const dir = join(memoryDirectory(), 'db');
    const db = await openDatabase(dir);
    await db.put('a', '1');
    await db.put('b', '1');
    await db.deleteRange({});
    await db.put('b', '2');
    await db.close();
    const again = await openDatabase(dir);
    expect(await again.iterator().all()).toEqual([['b', '2']]);
    expect(again.stats().keyspaces[0]?.rangeTombstones).toBe(1);
    expect((await again.verify({ full: true })).problems).toEqual([]);
  });

  test('goes with its keyspace', async () => {
    const dir = join(memoryDirectory(), 'db');
    const db = await openDatabase(dir);
    await db.keyspace('k').deleteRange({});
    await db.dropKeyspace('k');
    await db.keyspace('k').put('a', '1');
    await db.close();
    const again = await openDatabase(dir);
    expect(await again.keyspace('k').get('a')).toBe('1');
    expect(again.stats().keyspaces.map(({ rangeTombstones }) => rangeTombstones)).toEqual([0, 0]);
  });

  test('is seen by a read-only open beside the writer', async () => {
    const dir = join(memoryDirectory(), 'db');
    const db = await openDatabase(dir);
    await db.put('a', '1');
    await db.put('b', '1');
    await db.flush();
    const reader = await openDatabase(dir, { readOnly: true });
    await db.deleteRange({ lt: 'b' });
    expect(await keysOf(reader)).toEqual(['a', 'b']);
    await reader.refresh();
    expect(await keysOf(reader)).toEqual(['b']);
    expect(await outcomeOf(() => reader.deleteRange({}))).toBe('READ_ONLY');
  });

  test('a scan over a deleted range reads no block of it', async () => {
    const dir = memoryDirectory();
    const db = await openDatabase(join(dir, 'db'), { durability: 'os', blockBytes: 256 });
    const file = join(dir, 'in.sst');
    await writeSst(file, numbered(0, 20_000), { blockBytes: 256 });
    await db.ingest(file);
    await db.deleteRange({ gte: 'k000010', lt: 'k019990' });
    await db.put('k010000', 'newer');
    for (const reverse of [false, true]) {
      const before = db.stats().blockCache.misses;
      const keys = await db.keys({ reverse }).all();
      expect(keys).toHaveLength(21);
      expect(db.stats().blockCache.misses - before).toBeLessThan(12);
    }
  });

  test('refuses what does not say a range', async () => {
    const db = await database();
    const bad: [unknown, string][] = [
      [undefined, 'TypeError: range must be an object with gt, gte, lt or lte; an empty one means all keys'],
      ['a', 'TypeError: range must be an object with gt, gte, lt or lte; an empty one means all keys'],
      [{ from: 'a' }, 'TypeError: range.from is no bound; there are gt, gte, lt and lte'],
      [
        { gte: 'a', lt: undefined },
        'TypeError: range.lt is undefined; leave it out for a range that is open there',
      ],
    ];
    for (const [range, outcome] of bad) {
      expect(await outcomeOf(() => db.deleteRange(range as object))).toBe(outcome);
      const txn = db.begin();
      expect(await outcomeOf(() => txn.deleteRange(range as object))).toBe(outcome);
      txn.abort();
    }
    expect(await keysOf(db)).toEqual([...'abcde']);
    expect(await outcomeOf(() => db.batch([{ type: 'deleteRange', from: 'a' } as never]))).toMatch(
      /no bound/,
    );
  });
});

describe('in a transaction', () => {
  test('later statements win over it, earlier ones lose', async () => {
    const db = await database();
    const dir = memoryDirectory();
    const [older, newer] = [join(dir, 'older.sst'), join(dir, 'newer.sst')];
    await writeSst(older, [
      ['b', 'ingested before'],
      ['x', 'ingested before'],
    ]);
    await db.transaction(async (txn) => {
      txn.put('c', 'before');
      await txn.ingest(older);
      expect(await txn.get('x')).toBe('ingested before');
      txn.deleteRange({ gte: 'b' });
      expect([await txn.get('b'), txn.getSync('c'), await txn.get('x')]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      expect(await keysOf(txn)).toEqual(['a']);
      txn.put('d', 'after');
      await writeSst(newer, [['e', 'ingested after']]);
      await txn.ingest(newer);
      txn.deleteRange({ gte: 'dd', lt: 'e' });
      expect(await txn.iterator().all()).toEqual([
        ['a', 'a0'],
        ['d', 'after'],
        ['e', 'ingested after'],
      ]);
      expect(await txn.keys({ reverse: true }).all()).toEqual(['e', 'd', 'a']);
    });
    expect(await db.iterator().all()).toEqual([
      ['a', 'a0'],
      ['d', 'after'],
      ['e', 'ingested after'],
    ]);
  });

  test('a rollback to a savepoint takes it back, one between two of them only the second', async () => {
    const db = await database();
    const txn = db.begin();
    txn.deleteRange({ lt: 'b' });
    const savepoint = txn.savepoint();
    txn.deleteRange({ gt: 'd' });
    expect(await keysOf(txn)).toEqual([...'bcd']);
    txn.rollbackTo(savepoint);
    expect(await keysOf(txn)).toEqual([...'bcde']);
    await txn.commit();
    expect(await keysOf(db)).toEqual([...'bcde']);
  });

  test('an iterator shows the state of its beginning', async () => {
    const db = await database();
    const txn = db.begin();
    const iterator = txn.keys();
    txn.deleteRange({});
    expect(await iterator.all()).toEqual([...'abcde']);
    expect(await keysOf(txn)).toEqual([]);
    txn.abort();
    expect(await keysOf(db)).toEqual([...'abcde']);
  });

  test('is one commit with the rest of it', async () => {
    const db = await database();
    db.keyspace('other');
    const before = db.snapshot();
    const txn = db.begin();
    txn.put('b', '1');
    txn.deleteRange({});
    txn.keyspace('other').deleteRange({});
    txn.put('z', '1');
    const { version } = await txn.commit();
    expect(version).toBe(db.version);
    expect(await db.keys({ snapshot: before }).all()).toEqual([...'abcde']);
    expect(await db.iterator().all()).toEqual([['z', '1']]);
    before.close();
  });

  test('a batch takes it as an operation', async () => {
    const db = await database();
    await db.keyspace('other').put('a', '1');
    await db.batch([
      { type: 'put', key: 'bb', value: '1' },
      { type: 'deleteRange', gte: 'b', lt: 'd' },
      { type: 'put', key: 'c', value: '2' },
      { type: 'deleteRange', keyspace: 'other' },
    ]);
    expect(await db.iterator().all()).toEqual([
      ['a', 'a0'],
      ['c', '2'],
      ['d', 'd0'],
      ['e', 'e0'],
    ]);
    expect(await db.keyspace('other').get('a')).toBeUndefined();
  });
});

describe('conflicts: it is a write of its whole interval', () => {
  async function race(read: (txn: ReturnType<TextDb['begin']>) => unknown): Promise<string> {
    const db = await database();
    const txn = db.begin();
    await read(txn);
    await db.deleteRange({ gte: 'bb', lt: 'd' });
    txn.put('result', 'x');
    return outcomeOf(() => txn.commit());
  }

  test.each<[string, (txn: ReturnType<TextDb['begin']>) => unknown, string]>([
    ['a key in it was found', (txn) => txn.get('c'), 'CONFLICT'],
    ['a key in it was missed', (txn) => txn.get('cc'), 'CONFLICT'],
    ['its first key was missed', (txn) => txn.get('bb'), 'CONFLICT'],
    ['its end was read', (txn) => txn.get('d'), 'ok'],
    ['a key before it was read', (txn) => txn.get('b'), 'ok'],
    ['a scan went through it', (txn) => txn.keys().all(), 'CONFLICT'],
    ['an empty scan was within it', (txn) => txn.keys({ gt: 'c', lt: 'd' }).all(), 'CONFLICT'],
    ['a scan ended before it', (txn) => txn.keys({ lt: 'bb' }).all(), 'ok'],
    ['a scan began at its end', (txn) => txn.keys({ gte: 'd' }).all(), 'ok'],
    ['a limited scan stopped before it', (txn) => txn.keys({ limit: 2 }).all(), 'ok'],
    ['another keyspace was read', (txn) => txn.keyspace('other').get('c'), 'ok'],
    ['nothing was read', (txn) => txn.deleteRange({}), 'ok'],
    [
      'what was read the transaction itself had deleted',
      async (txn) => {
        txn.deleteRange({ gte: 'c' });
        expect(await txn.get('c')).toBeUndefined();
      },
      'ok',
    ],
  ])('%s', async (_, read, outcome) => {
    expect(await race(read)).toBe(outcome);
  });

  test('it conflicts itself only by what was read', async () => {
    const db = await database();
    const txn = db.begin();
    await txn.get('a');
    txn.deleteRange({ gte: 'b' });
    await db.put('c', 'meanwhile');
    expect(await outcomeOf(() => txn.commit())).toBe('ok');
    expect(await keysOf(db)).toEqual(['a']);
    const late = db.begin();
    await late.get('a');
    late.deleteRange({ gte: 'b' });
    await db.put('a', 'meanwhile');
    expect(await outcomeOf(() => late.commit())).toBe('CONFLICT');
  });
});

test('a failed commit deletes nothing', async () => {
  const db = await database();
  const txn = db.begin();
  await txn.get('a');
  txn.deleteRange({});
  await db.put('a', '1');
  expect(await outcomeOf(() => txn.commit())).toBe('CONFLICT');
  expect(await keysOf(db)).toEqual([...'abcde']);
  expect(db.stats().keyspaces[0]?.rangeTombstones).toBe(0);
});
