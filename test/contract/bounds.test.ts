/** Keys and values out of bounds, and objects whose time is over: typed errors, before anything is written. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SstWriter } from '../../src/index.ts';
import { memoryDirectory, outcomeOf, type TextDb, TINY } from '../base/database.ts';
import { numbered, writeSst } from '../base/sst-files.ts';
import { LONG_DATABASES } from './databases.ts';

const LONGEST = 'k'.repeat(65_535);
const BAD_KEYS: readonly (string | Uint8Array)[] = ['', new Uint8Array(0), `${LONGEST}k`, 'é'.repeat(32_768)];
/** One byte more than a value may have; untouched memory costs nothing. */
const OVERSIZE = new Uint8Array(2 ** 30 + 1);

describe.each(LONG_DATABASES)('$name', ({ openers }) => {
  const { openDatabase, openText } = openers();

  async function small(): Promise<TextDb> {
    const db = await openDatabase(join(memoryDirectory(), 'db'), TINY);
    await db.put('k', 'v');
    return db;
  }

  describe('out of bounds', () => {
    test('a key is INVALID_KEY wherever it is given', async () => {
      const db = await small();
      const version = db.version;
      const txn = db.begin();
      for (const key of BAD_KEYS) {
        const calls = [
          () => db.get(key),
          () => db.getSync(key),
          () => db.has(key),
          () => db.getMany(['k', key]),
          () => db.put(key, 'v'),
          () => db.del(key),
          () =>
            db.batch([
              { type: 'put', key: 'other', value: 'v' },
              { type: 'put', key, value: 'v' },
            ]),
          () => db.batch([{ type: 'del', key }]),
          () => txn.get(key),
          () => txn.getSync(key),
          () => txn.put(key, 'v'),
          () => txn.del(key),
        ];
        for (const call of calls) expect(await outcomeOf(call), String(call)).toBe('INVALID_KEY');
      }
      await expect(db.put(`${LONGEST}k`, 'v')).rejects.toThrow(/65536 bytes.*1 to 65535/s);
      txn.abort();
      expect(db.version).toBe(version);
      expect(await db.iterator().all()).toEqual([['k', 'v']]);
    });

    test('a bound or seek target may be empty or longer than any key', async () => {
      const db = await small();
      await db.put(LONGEST, 'longest');
      expect(await db.keys({ gt: '', lte: `${LONGEST}k` }).all()).toEqual(['k', LONGEST]);
      expect(await db.keys({ gt: LONGEST }).all()).toEqual([]);
      expect(await db.keys({ lt: `${LONGEST}k`, reverse: true, limit: 1 }).all()).toEqual([LONGEST]);
      const iterator = db.keys();
      iterator.seek(`${LONGEST}k`);
      expect(await iterator.next()).toBeUndefined();
      iterator.seek('');
      expect(await iterator.all()).toEqual(['k', LONGEST]);
    });

    test('a value is INVALID_VALUE wherever it is given', async () => {
      const db = await small();
      const txn = db.begin();
      const path = join(memoryDirectory(), 'a.sst');
      const writer = new SstWriter(path);
      const calls = [
        () => db.put('big', OVERSIZE),
        () => db.batch([{ type: 'put', key: 'big', value: OVERSIZE }]),
        () => txn.put('big', OVERSIZE),
        () => writer.put('big', OVERSIZE),
      ];
      for (const call of calls) expect(await outcomeOf(call), String(call)).toBe('INVALID_VALUE');
      writer.put('small', 'v');
      expect(await writer.finish()).toMatchObject({ entries: 1 });
      await txn.commit();
      expect(await db.keys().all()).toEqual(['k']);
    });

    test('a writer of files goes on after a key that it refused', async () => {
      const path = join(memoryDirectory(), 'a.sst');
      const writer = new SstWriter(path);
      writer.put('b', '1');
      for (const key of BAD_KEYS) {
        expect(await outcomeOf(() => writer.put(key, 'v'))).toBe('INVALID_KEY');
        expect(await outcomeOf(() => writer.del(key))).toBe('INVALID_KEY');
      }
      for (const key of ['a', 'b']) expect(() => writer.put(key, 'v')).toThrow(/"a|"b".*twice/);
      expect(await outcomeOf(() => writer.put('a', 'v'))).toBe('NOT_SORTED');
      writer.put('c', '2');
      const { entries, smallest, largest } = await writer.finish();
      expect([entries, smallest.toString(), largest.toString()]).toEqual([2, 'b', 'c']);
      const db = await small();
      await db.ingest(path);
      expect(await db.keys().all()).toEqual(['b', 'c', 'k']);
    });
  });

  describe('after its end', () => {
    test('a database says CLOSED, for all that came from it', async () => {
      const dir = memoryDirectory();
      const db = await openText(join(dir, 'db'), TINY);
      await db.batch(numbered(0, 400).map(([key, value = '']) => ({ type: 'put', key, value })));
      await db.flush();
      const { path } = await writeSst(join(dir, 'a.sst'), numbered(0, 3));
      const keyspace = db.keyspace('other');
      const snapshot = db.snapshot();
      const txn = db.begin();
      const inside = txn.keyspace('other');
      const [fresh, moving] = [db.iterator(), db.iterator()];
      const moved = txn.iterator();
      const cursor = db.cursor();
      await cursor.nextBatch(2);
      await moving.nextv(2);
      await moved.nextv(2);
      await db.close();
      await db.close();
      const calls = {
        get: () => db.get('k'),
        getSync: () => db.getSync('k'),
        getMany: () => db.getMany(['k']),
        'getMany of none': () => db.getMany([]),
        has: () => db.has('k'),
        iterator: () => db.iterator(),
        cursor: () => db.cursor(),
        'cursor, begun': () => cursor.nextBatchSync(),
        'get of a snapshot': () => db.get('k', { snapshot }),
        put: () => db.put('k', 'v'),
        del: () => db.del('k'),
        batch: () => db.batch([{ type: 'del', key: 'k' }]),
        'empty batch': () => db.batch([]),
        begin: () => db.begin(),
        transaction: () => db.transaction(() => 0),
        snapshot: () => db.snapshot(),
        ingest: () => db.ingest(path, { mode: 'move' }),
        explainIngest: () => db.explainIngest(path),
        flush: () => db.flush(),
        verify: () => db.verify(),
        stats: () => db.stats(),
        keyspace: () => db.keyspace('other'),
        keyspaces: () => db.keyspaces(),
        dropKeyspace: () => db.dropKeyspace('other'),
        refresh: () => db.refresh(),
        'keyspace get': () => keyspace.get('k'),
        'keyspace put': () => keyspace.put('k', 'v'),
        'txn get': () => txn.get('k'),
        'txn iterator': () => txn.iterator(),
        'txn keyspace': () => txn.keyspace('third'),
        'txn keyspace get': () => inside.get('k'),
        'txn ingest': () => txn.ingest(path),
        'iterator, not begun': () => fresh.all(),
        'iterator, begun': () => moving.all(),
        'txn iterator, begun': () => moved.all(),
      };
      for (const [name, call] of Object.entries(calls)) expect(await outcomeOf(call), name).toBe('CLOSED');
      // What a `finally` does must still be free to do.
      snapshot.close();
      fresh.close();
      cursor.close();
      moving.close();
      txn.abort();
      expect(existsSync(path)).toBe(true);
    });

    test('a transaction with writes cannot be committed once its database is closed', async () => {
      const dir = join(memoryDirectory(), 'db');
      const db = await openText(dir, TINY);
      const txn = db.begin();
      txn.put('k', 'v');
      await db.close();
      expect(await outcomeOf(() => txn.put('l', 'v'))).toBe('CLOSED');
      expect(await outcomeOf(() => txn.commit())).toBe('CLOSED');
      const again = await openDatabase(dir, TINY);
      expect(await again.keys().all()).toEqual([]);
    });

    test.each(['committed', 'aborted'])('a transaction says CLOSED once %s', async (end) => {
      const db = await small();
      const dir = memoryDirectory();
      const { path } = await writeSst(join(dir, 'a.sst'), numbered(0, 3));
      const txn = db.begin();
      const other = txn.keyspace('default');
      const savepoint = txn.savepoint();
      const iterator = txn.iterator();
      txn.put('own', 'v');
      if (end === 'committed') await txn.commit();
      else txn.abort();
      const calls = {
        get: () => txn.get('k'),
        getSync: () => txn.getSync('k'),
        getMany: () => txn.getMany(['k']),
        iterator: () => txn.iterator(),
        put: () => txn.put('k', 'v'),
        del: () => txn.del('k'),
        keyspace: () => txn.keyspace('default'),
        'keyspace get': () => other.get('k'),
        'keyspace put': () => other.put('k', 'v'),
        savepoint: () => txn.savepoint(),
        rollbackTo: () => txn.rollbackTo(savepoint),
        ingest: () => txn.ingest(path),
        commit: () => txn.commit(),
        'iterator, begun': () => iterator.all(),
      };
      for (const [name, call] of Object.entries(calls)) expect(await outcomeOf(call), name).toBe('CLOSED');
      txn.abort();
      expect(txn.state).toBe(end);
      expect(await db.keys().all()).toEqual(end === 'committed' ? ['k', 'own'] : ['k']);
    });

    test('a snapshot says CLOSED once it is closed, and is of no use to another database', async () => {
      const [db, other] = [await small(), await small()];
      const snapshot = db.snapshot();
      expect(await outcomeOf(() => other.get('k', { snapshot }))).toMatch(/^TypeError: options\.snapshot/);
      const iterator = db.iterator({ snapshot });
      snapshot.close();
      snapshot.close();
      for (const call of [
        () => db.get('k', { snapshot }),
        () => db.getSync('k', { snapshot }),
        () => db.getMany(['k'], { snapshot }),
        () => db.iterator({ snapshot }),
      ]) {
        expect(await outcomeOf(call)).toBe('CLOSED');
      }
      expect(await iterator.all()).toEqual([['k', 'v']]);
    });

    test('an iterator says CLOSED once it is closed', async () => {
      const db = await small();
      const iterator = db.iterator();
      iterator.close();
      for (const call of [
        () => iterator.next(),
        () => iterator.nextv(1),
        () => iterator.all(),
        () => iterator.seek('k'),
      ]) {
        expect(await outcomeOf(call)).toBe('CLOSED');
      }
    });

    test.each(['finished', 'aborted', 'disposed'])('a writer of files says CLOSED once %s', async (end) => {
      const path = join(memoryDirectory(), 'a.sst');
      const writer = new SstWriter(path);
      writer.put('a', '1');
      if (end === 'finished') await writer.finish();
      else if (end === 'aborted') writer.abort();
      else await writer[Symbol.asyncDispose]();
      for (const call of [() => writer.put('b', '2'), () => writer.del('b'), () => writer.finish()]) {
        expect(await outcomeOf(call)).toBe('CLOSED');
      }
      writer.abort();
      expect(existsSync(path)).toBe(end === 'finished');
    });

    test('a writer without entries leaves no file', async () => {
      const path = join(memoryDirectory(), 'a.sst');
      expect(await outcomeOf(() => new SstWriter(path).finish())).toBe('UNSUPPORTED_FORMAT');
      expect(existsSync(path)).toBe(false);
    });
  });

  test('a caller may change its key as soon as a read has returned', async () => {
    const dir = join(memoryDirectory(), 'db');
    const first = await openText(dir, TINY);
    await first.batch(numbered(0, 300).map(([key, value = '']) => ({ type: 'put', key, value })));
    await first.flush();
    await first.close();
    for (const read of ['get', 'getMany', 'has', 'txn'] as const) {
      const db = await openText(dir, TINY);
      const keys = ['k000007', 'k000250'].map((key) => Buffer.from(key));
      const [one = Buffer.alloc(0)] = keys;
      const txn = db.begin();
      const reading = {
        get: () => db.get(one),
        getMany: () => db.getMany(keys),
        has: () => db.has(one),
        txn: () => txn.get(one),
      }[read]();
      for (const key of keys) key.fill('k');
      expect(await reading, read).toEqual({ get: 'v7', getMany: ['v7', 'v250'], has: true, txn: 'v7' }[read]);
      txn.abort();
      await db.close();
    }
  });
});
