/** L5 and L6 by example: what a transaction conflicts with, and what it does not. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { Transaction } from '../../src/index.ts';
import { envOf, memoryDirectory, openDatabase, outcomeOf, type TextDb } from '../base/database.ts';
import { FaultyFileSystem } from '../base/faulty-file-system.ts';
import { numbered, writeSst } from '../base/sst-files.ts';

type Txn = Transaction<'utf8', 'utf8'>;

async function database(): Promise<TextDb> {
  const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os' });
  await db.batch(['a', 'b', 'c', 'd', 'e'].map((key) => ({ type: 'put', key, value: `${key}0` })));
  return db;
}

/** Begins a transaction, reads, lets another commit write, puts something unrelated, and commits. */
async function race(
  read: (txn: Txn, db: TextDb) => unknown,
  write: (db: TextDb) => Promise<unknown>,
): Promise<string> {
  const db = await database();
  const txn = db.begin();
  await read(txn, db);
  await write(db);
  txn.put('result', 'x');
  const outcome = await outcomeOf(() => txn.commit());
  expect(txn.state).toBe(outcome === 'ok' ? 'committed' : 'aborted');
  expect(await db.has('result')).toBe(outcome === 'ok');
  return outcome;
}

const take = async (iterator: { next(): Promise<unknown>; close(): void }, count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await iterator.next();
  iterator.close();
};

const batchOf = async (txn: Txn, options: { reverse?: boolean }, entries: number): Promise<void> => {
  using cursor = txn.cursor(options);
  expect((await cursor.nextBatch(entries))?.count).toBe(entries);
};

describe('conflicts', () => {
  test.each<[string, (txn: Txn, db: TextDb) => unknown, (db: TextDb) => Promise<unknown>]>([
    ['a key that was read is written', (txn) => txn.get('a'), (db) => db.put('a', '1')],
    ['a key that was read synchronously is written', (txn) => txn.getSync('a'), (db) => db.put('a', '1')],
    ['a key that was asked for with has() is written', (txn) => txn.has('a'), (db) => db.put('a', '1')],
    ['one of many keys is written', (txn) => txn.getMany(['a', 'c']), (db) => db.put('c', '1')],
    ['a key that was read is deleted', (txn) => txn.get('a'), (db) => db.del('a')],
    ['a key that was missed is written', (txn) => txn.get('missing'), (db) => db.put('missing', '1')],
    ['a key in a scanned range is written', (txn) => txn.iterator().all(), (db) => db.put('c', '1')],
    ['a key appears in a scanned range', (txn) => txn.iterator().all(), (db) => db.put('bb', '1')],
    [
      'a key is written in the batch that a cursor gave',
      (txn) => batchOf(txn, {}, 3),
      (db) => db.put('bb', '1'),
    ],
    [
      'a key appears behind the last of all that a cursor gave',
      async (txn) => {
        for await (const batch of txn.cursor()) expect(batch.count).toBeGreaterThan(0);
      },
      (db) => db.put('zzz', '1'),
    ],
    ['a key vanishes from a scanned range', (txn) => txn.keys().all(), (db) => db.del('e')],
    [
      'a key appears in a range that was found empty',
      (txn) => txn.iterator({ gt: 'a', lt: 'b' }).all(),
      (db) => db.put('aa', '1'),
    ],
    ['a key appears behind the last of a full scan', (txn) => txn.values().all(), (db) => db.put('zzz', '1')],
    [
      'a key appears before the first of a full reverse scan',
      (txn) => txn.iterator({ reverse: true }).all(),
      (db) => db.put('\0', '1'),
    ],
    [
      'a key appears between the bound and what a reverse scan read first',
      (txn) => take(txn.iterator({ reverse: true, lte: 'ddd' }), 1),
      (db) => db.put('dd', '1'),
    ],
    [
      'a key appears between a seek and what it found',
      async (txn) => {
        const iterator = txn.iterator();
        iterator.seek('bb');
        await take(iterator, 1);
      },
      (db) => db.put('bbb', '1'),
    ],
    [
      'a key appears behind the last, when the end was reached by next()',
      (txn) => take(txn.iterator({ gte: 'd' }), 3),
      (db) => db.put('f', '1'),
    ],
    [
      'another keyspace was read, and written',
      async (txn) => txn.keyspace('other').get('k'),
      (db) => db.keyspace('other').put('k', '1'),
    ],
    ['the same value is written again', (txn) => txn.get('a'), (db) => db.put('a', 'a0')],
    [
      'the commit was a batch of many',
      (txn) => txn.get('x5'),
      (db) =>
        db.batch(Array.from({ length: 10 }, (_, n) => ({ type: 'put' as const, key: `x${n}`, value: '1' }))),
    ],
    [
      'the writer was flushed meanwhile',
      (txn) => txn.get('a'),
      async (db) => {
        await db.put('a', '1');
        await db.flush();
      },
    ],
    [
      'a savepoint took back what the reading led to',
      async (txn) => {
        const savepoint = txn.savepoint();
        txn.put('k', String(await txn.get('a')));
        txn.rollbackTo(savepoint);
      },
      (db) => db.put('a', '1'),
    ],
    [
      'a keyspace that was read is dropped',
      async (txn, db) => {
        db.keyspace('dropped');
        await txn.keyspace('dropped').get('k');
      },
      (db) => db.dropKeyspace('dropped'),
    ],
  ])('%s', async (_, read, write) => {
    expect(await race(read, write)).toBe('CONFLICT');
  });
});

describe('no conflict', () => {
  test.each<[string, (txn: Txn, db: TextDb) => unknown, (db: TextDb) => Promise<unknown>]>([
    ['nothing was read', (txn) => txn.put('a', 'mine'), (db) => db.put('a', '1')],
    ['another key was read', (txn) => txn.get('a'), (db) => db.put('b', '1')],
    ['a key with the same beginning was read', (txn) => txn.get('a'), (db) => db.put('aa', '1')],
    [
      'the same key of another keyspace is written',
      (txn) => txn.get('a'),
      (db) => db.keyspace('o').put('a', ''),
    ],
    [
      'the transaction had written the key itself before it read it',
      async (txn) => {
        txn.put('a', 'mine');
        txn.del('b');
        expect(await txn.getMany(['a', 'b'])).toEqual(['mine', undefined]);
      },
      (db) =>
        db.batch([
          { type: 'put', key: 'a', value: '1' },
          { type: 'put', key: 'b', value: '1' },
        ]),
    ],
    [
      'the write is outside of the scanned range',
      (txn) => txn.iterator({ lt: 'c' }).all(),
      (db) => db.put('c', ''),
    ],
    [
      'the write is below the scanned range',
      (txn) => txn.iterator({ gt: 'b' }).all(),
      (db) => db.put('b', ''),
    ],
    [
      'the write is behind where a limit stopped',
      (txn) => txn.iterator({ limit: 2 }).all(),
      (db) => db.put('bb', ''),
    ],
    [
      'the write is before where a limit stopped a reverse scan',
      (txn) => txn.iterator({ limit: 2, reverse: true }).all(),
      (db) => db.put('cc', ''),
    ],
    [
      'the write is behind where a loop was left',
      async (txn) => {
        for await (const [key] of txn.iterator()) if (key === 'b') break;
      },
      (db) => db.put('c', '1'),
    ],
    [
      'the write is behind the batch that a cursor gave',
      (txn) => batchOf(txn, {}, 2),
      (db) => db.put('c', '1'),
    ],
    [
      'the write is before the batch that a cursor gave in reverse',
      (txn) => batchOf(txn, { reverse: true }, 2),
      (db) => db.put('c', '1'),
    ],
    ['a cursor was made and not used', (txn) => txn.cursor().close(), (db) => db.put('a', '1')],
    ['an iterator was made and not used', (txn) => txn.iterator().close(), (db) => db.put('a', '1')],
    ['an iterator only sought', (txn) => txn.iterator().seek('b'), (db) => db.put('b', '1')],
    ['a limit of 0 read nothing', (txn) => txn.iterator({ limit: 0 }).all(), (db) => db.put('a', '1')],
    ['keys were gathered and not taken', (txn) => take(txn.iterator(), 1), (db) => db.put('b', '1')],
    [
      'a keyspace is made',
      async (txn) => txn.get('a'),
      async (db) => {
        db.keyspace('new');
      },
    ],
    [
      'another keyspace is dropped',
      async (txn, db) => {
        db.keyspace('dropped');
        await txn.get('a');
      },
      (db) => db.dropKeyspace('dropped'),
    ],
  ])('%s', async (_, read, write) => {
    expect(await race(read, write)).toBe('ok');
  });

  test('a transaction that wrote nothing commits whatever happened', async () => {
    const db = await database();
    const txn = db.begin();
    await txn.iterator().all();
    await db.put('a', '1');
    expect(await txn.get('a')).toBe('a0');
    expect((await txn.commit()).version).toBe(txn.version);
  });

  test('a read-only transaction keeps its snapshot and never aborts', async () => {
    const db = await database();
    const seen = await db.transaction(
      async (txn, attempt) => {
        await db.put('a', `changed ${attempt}`);
        return [attempt, await txn.get('a'), await txn.iterator({ limit: 1 }).all()];
      },
      { readOnly: true },
    );
    expect(seen).toEqual([1, 'a0', [['a', 'a0']]]);
    const txn = db.begin({ readOnly: true });
    expect(await outcomeOf(() => txn.put('a', '1'))).toBe('READ_ONLY');
    expect(await outcomeOf(() => txn.del('a'))).toBe('READ_ONLY');
    expect(await outcomeOf(() => txn.ingest('x.sst'))).toBe('READ_ONLY');
    txn.abort();
  });
});

test('a commit whose write failed has written nothing', async () => {
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os', env: envOf(fs) });
  const txn = db.begin();
  await txn.get('a');
  fs.fail({ op: 'write', path: /\.wal$/, errno: 'ENOSPC' });
  expect(await outcomeOf(() => db.put('a', '1'))).toBe('NO_SPACE');
  txn.put('result', 'x');
  expect(await outcomeOf(() => txn.commit())).toBe('ok');
});

describe('anomalies', () => {
  test('lost update: of two increments from one value one aborts', async () => {
    const db = await database();
    const [one, two] = [db.begin(), db.begin()];
    for (const txn of [one, two]) txn.put('a', `${await txn.get('a')}+1`);
    const outcomes = await Promise.all([one, two].map((txn) => outcomeOf(() => txn.commit())));
    expect(outcomes.sort()).toEqual(['CONFLICT', 'ok']);
    expect(await db.get('a')).toBe('a0+1');
  });

  test('write skew: two that read both keys and write one each do not both commit', async () => {
    const db = await database();
    const [one, two] = [db.begin(), db.begin()];
    for (const txn of [one, two]) await txn.getMany(['a', 'b']);
    one.put('a', '-');
    two.put('b', '-');
    const outcomes = await Promise.all([one, two].map((txn) => outcomeOf(() => txn.commit())));
    expect(outcomes.sort()).toEqual(['CONFLICT', 'ok']);
  });

  test('write skew by predicate: two that found a range empty do not both fill it', async () => {
    const db = await database();
    const [one, two] = [db.begin(), db.begin()];
    for (const txn of [one, two]) expect(await txn.iterator({ gte: 'x', lt: 'y' }).all()).toEqual([]);
    one.put('x1', '');
    two.put('x2', '');
    const outcomes = await Promise.all([one, two].map((txn) => outcomeOf(() => txn.commit())));
    expect(outcomes.sort()).toEqual(['CONFLICT', 'ok']);
  });

  test('a conflict says which key, keyspace and version, and is retryable', async () => {
    const db = await database();
    const txn = db.begin();
    await txn.get('a');
    const version = await db.put('a', '1');
    txn.put('b', '');
    const error = await txn.commit().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'CONFLICT', retryable: true, name: 'SluiceError' });
    expect(error).toMatchObject({ conflict: { keyspace: 'default', key: Buffer.from('a'), version } });
    expect(String(error)).toContain('"a"');
    expect(String(error)).toContain(`version ${version}`);
  });
});

describe('an ingest', () => {
  const setUp = async () => {
    const dir = memoryDirectory();
    const db = await openDatabase(join(dir, 'db'), { durability: 'os' });
    // Even keys only, over a wide range and many blocks, and one tombstone.
    const entries = numbered(0, 2000).filter((_, n) => n % 2 === 0);
    const path = join(dir, 'wide.sst');
    await writeSst(path, [...entries, ['k000777', undefined]], { blockBytes: 256 });
    return { db, path };
  };
  const race = async (read: (txn: Txn) => unknown): Promise<string> => {
    const { db, path } = await setUp();
    const txn = db.begin();
    await read(txn);
    await db.ingest(path);
    txn.put('result', 'x');
    return outcomeOf(() => txn.commit());
  };

  test.each<[string, (txn: Txn) => unknown]>([
    ['a key in the file', (txn) => txn.get('k000500')],
    ['its first key', (txn) => txn.get('k000000')],
    ['its last key', (txn) => txn.get('k001998')],
    ['a key that it deletes', (txn) => txn.get('k000777')],
    ['a range with one of its keys', (txn) => txn.iterator({ gt: 'k000500', lt: 'k000503' }).all()],
    ['a range with nothing of it but a tombstone', (txn) => txn.keys({ gt: 'k000776', lt: 'k000778' }).all()],
    ['everything', (txn) => txn.iterator({ reverse: true }).all()],
    ['one of many keys', (txn) => txn.getMany(['k000501', 'k000503', 'k000504'])],
  ])('conflicts with who read %s', async (_, read) => {
    expect(await race(read)).toBe('CONFLICT');
  });

  test.each<[string, (txn: Txn) => unknown]>([
    ['keys inside its range that it does not have', (txn) => txn.getMany(['k000501', 'k000999', 'k001997'])],
    ['a range between two of its keys', (txn) => txn.iterator({ gt: 'k000500', lt: 'k000502' }).all()],
    ['such a range in reverse', (txn) => txn.iterator({ gt: 'k000500', lt: 'k000502', reverse: true }).all()],
    ['keys beside its range', (txn) => txn.getMany(['j', 'k001999', 'l'])],
    [
      'ranges beside it',
      async (txn) => [await txn.keys({ lt: 'k' }).all(), await txn.keys({ gt: 'k001998' }).all()],
    ],
  ])('does not conflict with who read %s', async (_, read) => {
    expect(await race(read)).toBe('ok');
  });

  test('never conflicts itself, and is exact at commit time too', async () => {
    const { db, path } = await setUp();
    const txn = db.begin();
    await txn.ingest(path);
    await db.put('k000500', 'later');
    await db.flush();
    expect(await txn.get('k000500')).toBe('v500');
    const { version } = await txn.commit();
    expect(version).toBe(db.version);
    expect(await db.get('k000500')).toBe('v500');
    expect((await db.iterator().all()).length).toBe(1000);
  });

  test.each([
    ['k000001', 'CONFLICT'],
    ['k0000015', 'ok'],
  ])('is asked for its keys though a compaction has replaced its table (%s)', async (key, outcome) => {
    const dir = memoryDirectory();
    const db = await openDatabase(join(dir, 'db'), { durability: 'os', compactionInline: true });
    const files = ['first.sst', 'second.sst'].map((name) => join(dir, name));
    for (const file of files) await writeSst(file, numbered(0, 200));
    await db.ingest(files[0] ?? '');
    const txn = db.begin();
    await txn.iterator({ gte: key, lte: key }).all();
    await txn.get(key);
    await db.ingest(files[1] ?? '');
    await db.compactRange();
    txn.put('result', 'x');
    expect(await outcomeOf(() => txn.commit())).toBe(outcome);
  });

  test('of a reader conflicts with what was put to what it read', async () => {
    const { db, path } = await setUp();
    const txn = db.begin();
    await txn.get('cursor');
    await txn.ingest(path);
    await db.put('cursor', '1');
    expect(await outcomeOf(() => txn.commit())).toBe('CONFLICT');
    expect(await db.keys().all()).toEqual(['cursor']);
  });
});
