/** One contract of writing, outside and inside transactions, in both durabilities. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SstWriter, tupleRange } from '../../src/index.ts';
import { memoryDirectory, outcomeOf } from '../base/database.ts';
import { DATABASES } from './databases.ts';

describe.each(DATABASES)('$name', ({ openers }) => {
  const { open, openDatabase, settled } = openers();

  describe.each(['fsync', 'os'] as const)("durability '%s'", (durability) => {
    test('a write is read at once, and after a reopen', async () => {
      const dir = join(memoryDirectory(), 'db');
      const db = await openDatabase(dir, { durability });
      const first = await db.put('a', '1');
      const second = await db.put('b', '2');
      expect(second).toBeGreaterThan(first);
      await db.del('a');
      await db.del('never there');
      const last = await db.batch([
        { type: 'put', key: 'c', value: '3' },
        { type: 'put', key: 'd', value: '4' },
        { type: 'del', key: 'c' },
        { type: 'put', key: 'd', value: '5' },
      ]);
      expect(db.version).toBe(last);
      expect(await db.iterator().all()).toEqual([
        ['b', '2'],
        ['d', '5'],
      ]);
      await db.close();
      const again = await openDatabase(dir, { durability });
      expect(await again.iterator().all()).toEqual([
        ['b', '2'],
        ['d', '5'],
      ]);
      expect(await again.put('e', '6')).toBeGreaterThan(last);
    });

    test('concurrent writes of one key leave the one with the highest version', async () => {
      const db = await openDatabase(join(memoryDirectory(), 'db'), { durability });
      const versions = await Promise.all(Array.from({ length: 100 }, (_, n) => db.put('k', String(n))));
      expect(new Set(versions).size).toBe(100);
      expect(await db.get('k')).toBe(String(versions.indexOf(Math.max(...versions) as (typeof versions)[0])));
    });

    test('a batch over keyspaces is one commit', async () => {
      const dir = join(memoryDirectory(), 'db');
      const db = await openDatabase(dir, { durability });
      const other = db.keyspace('other');
      await db.batch([
        { type: 'put', key: 'k', value: 'here' },
        { type: 'put', key: 'k', value: 'there', keyspace: 'other' },
      ]);
      expect([await db.get('k'), await other.get('k')]).toEqual(['here', 'there']);
      const missing = db.batch([
        { type: 'put', key: 'x', value: '' },
        { type: 'del', key: 'x', keyspace: 'nowhere' },
      ]);
      expect(await outcomeOf(() => missing)).toBe('KEYSPACE_NOT_FOUND');
      expect(await db.get('x')).toBeUndefined();
      expect(await db.batch([])).toBe(db.version);
    });
  });

  test.each([
    ['that is encoded at once', []],
    ['with a range deletion', [{ type: 'deleteRange', gte: 'x', lt: 'y' }]],
    ['into memtables that are full', []],
  ] as const)(
    'the caller may change the bytes of a batch %s as soon as the call has returned',
    async (how, more) => {
      const db = await openDatabase(join(memoryDirectory(), 'db'), {
        memtableBytes: 4096,
        compaction: 'off',
      });
      const isFull = how === 'into memtables that are full';
      // More memtables than may wait for their flush: the batch has to wait, and the bytes with it.
      if (isFull)
        await Promise.all(Array.from({ length: 6 }, (_, n) => db.put(`before${n}`, 'v'.repeat(4096))));
      const [key, value, large] = [Buffer.from('key'), Buffer.from('value'), Buffer.alloc(10_000, 'l')];
      const put = { type: 'put', keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;
      const taken = db.batch([
        { ...put, key, value },
        { ...put, key: Buffer.from('large'), value: large },
        ...more,
      ]);
      for (const bytes of [key, value, large]) bytes.fill(0);
      await taken;
      const all = await db.iterator({ gte: 'k' }).all();
      expect(all).toEqual([
        ['key', 'value'],
        ['large', 'l'.repeat(10_000)],
      ]);
      expect((await db.keys().all()).length).toBe(isFull ? 8 : 2);
    },
  );

  test('the caller may change its bytes as soon as a call has returned', async () => {
    const db = await open(join(memoryDirectory(), 'db'), { durability: 'os' });
    const bytes = Buffer.from('key1');
    const writes = [db.put(bytes, bytes), db.batch([{ type: 'put', key: Buffer.from('b'), value: bytes }])];
    const txn = db.begin();
    txn.put(bytes, bytes, {});
    bytes.fill(0);
    await Promise.all(writes);
    await txn.commit();
    expect((await db.get('key1'))?.toString()).toBe('key1');
    expect((await db.get('b'))?.toString()).toBe('key1');
    const got = await db.get('key1');
    got?.fill(0);
    expect((await db.get('key1'))?.toString()).toBe('key1');
    await db.close();
  });

  test('every encoding gives back what it was given, by keyspace and by call', async () => {
    const db = await open(join(memoryDirectory(), 'db'), { durability: 'os' });
    const value = { list: [1, 'zwei', null, true], nested: { π: 3.14 } };
    const json = db.keyspace('json', { keyEncoding: 'utf8', valueEncoding: 'json' });
    await json.put('k', value);
    expect(await json.get('k')).toEqual(value);
    expect((await json.get('k', { valueEncoding: 'buffer' }))?.toString()).toBe(JSON.stringify(value));
    const packed = db.keyspace('msgpack', { keyEncoding: 'json', valueEncoding: 'msgpack' });
    await packed.put([1, 'two'], value);
    expect(await packed.get([1, 'two'])).toEqual(value);
    expect(await packed.keys().all()).toEqual([[1, 'two']]);
    await db.put('k', 'text', { valueEncoding: 'utf8' });
    expect(await db.get('k', { valueEncoding: 'view' })).toEqual(Uint8Array.from(Buffer.from('text')));
    await db.transaction(async (txn) => {
      const inside = txn.keyspace('json', { keyEncoding: 'utf8', valueEncoding: 'json' });
      inside.put('inside', [1]);
      expect(await inside.get('inside')).toEqual([1]);
    });
    expect(await json.get('inside')).toEqual([1]);
    await db.close();
  });

  test('keys that are tuples are in the order of their elements', async () => {
    const db = await open(join(memoryDirectory(), 'db'), { durability: 'os', keyEncoding: 'tuple' });
    const keys = [['a', -10], ['a', 9], ['a', 10], ['a', 10, null], ['a\0'], ['b', new Date(0)]];
    for (const key of keys.toReversed()) await db.put(key, JSON.stringify(key));
    expect(await db.keys().all()).toEqual(keys);
    expect((await db.get(['a', 10n]))?.toString()).toBe('["a",10]');
    expect(await db.keys({ gt: ['a', 9], lt: ['b'] }).all()).toEqual(keys.slice(2, 5));
    expect(await db.keys(tupleRange(['a'])).all()).toEqual(keys.slice(0, 4));
    expect(await db.keys(tupleRange(['a', 10])).all()).toEqual(keys.slice(2, 4));
    expect(await outcomeOf(() => db.put([], ''))).toBe('INVALID_KEY');
    expect(await outcomeOf(() => db.get([Number.NaN]))).toMatch(
      /^TypeError: key must be an array of .*; got NaN$/,
    );
    await db.put(['c'], 'x', { keyEncoding: 'tuple' });
    await db.put('text', 'x', { keyEncoding: 'utf8' });
    expect(await outcomeOf(() => db.keys({ gt: ['c'] }).all())).toBe('CORRUPTION');
    await db.close();
  });

  test('empty values, the longest keys and a large value are stored as they are', async () => {
    const dir = join(memoryDirectory(), 'db');
    const db = await openDatabase(dir, { durability: 'os' });
    const long = 'k'.repeat(65_535);
    const large = 'x'.repeat(3 << 20);
    await db.put(long, '');
    await db.put('large', large);
    await db.flush();
    expect(await db.get(long)).toBe('');
    expect(await db.has(long)).toBe(true);
    expect(db.getSync('large')).toBe(large);
    await db.close();
    const again = await openDatabase(dir);
    expect(await again.keys().all()).toEqual([long, 'large']);
    expect(await again.get('large')).toBe(large);
  });

  test('names of keyspaces come and go', async () => {
    const dir = join(memoryDirectory(), 'db');
    const db = await openDatabase(dir, { durability: 'os' });
    const b = db.keyspace('b');
    db.keyspace('a');
    await settled();
    expect(db.keyspaces()).toEqual(['a', 'b', 'default']);
    await b.put('k', 'old');
    const snapshot = db.snapshot();
    await db.dropKeyspace('b');
    expect(db.keyspaces()).toEqual(['a', 'default']);
    expect(await outcomeOf(() => db.dropKeyspace('b'))).toBe('KEYSPACE_NOT_FOUND');
    expect(await outcomeOf(() => b.put('k', 'x'))).toBe('KEYSPACE_NOT_FOUND');
    expect(await b.get('k')).toBeUndefined();
    expect(await b.get('k', { snapshot })).toBe('old');
    const anew = db.keyspace('b');
    await settled();
    expect(await anew.keys().all()).toEqual([]);
    await anew.put('k', 'new');
    expect([await b.get('k', { snapshot }), await b.get('k')]).toEqual(['old', 'new']);
    snapshot.close();
    await db.close();
    const again = await openDatabase(dir);
    expect(again.keyspaces()).toEqual(['a', 'b', 'default']);
    expect(await again.keyspace('b').get('k')).toBe('new');
    expect(await outcomeOf(() => again.dropKeyspace('default'))).toMatch(/^TypeError: .*default/);
  });

  test('what a writer of files takes, the database reads', async () => {
    const dir = memoryDirectory();
    const path = join(dir, 'a.sst');
    await using writer = new SstWriter(path, { keyEncoding: 'utf8', valueEncoding: 'json' });
    writer.put('a', { n: 1 });
    writer.del('b');
    writer.put('c', [2]);
    const facts = await writer.finish();
    expect(facts).toMatchObject({ path, entries: 3, smallest: Buffer.from('a'), largest: Buffer.from('c') });
    const db = await openDatabase(join(dir, 'db'), { durability: 'os' });
    await db.put('b', 'gone');
    await db.ingest(path, { sha256: [facts.sha256] });
    expect(await db.iterator().all()).toEqual([
      ['a', '{"n":1}'],
      ['c', '[2]'],
    ]);
  });
});
