/** `ifExists`: what is kept and what is refused, at the statement and, by conflicts, at the commit. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isSluiceError, type SluiceError } from '../../src/index.ts';
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

async function errorOf(act: Promise<unknown>): Promise<SluiceError> {
  try {
    await act;
  } catch (error) {
    if (isSluiceError(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const pairs = (keys: string, value: string): Entry[] => [...keys].map((key) => [key, value]);

describe("'keep'", () => {
  test('attaches the keys that are absent, wherever the others are', async () => {
    const { db, dir, file } = await place();
    await db.ingest(await file('old.sst', pairs('ab', 'old')));
    await db.put('c', 'old');
    await db.flush();
    await db.batch([
      { type: 'put', key: 'd', value: 'old' },
      { type: 'del', key: 'b' },
    ]);
    await db.deleteRange({ gte: 'c', lt: 'd' });
    const path = await file('in.sst', [...pairs('abcdef', 'new'), ['g', undefined]]);
    const { ingested, version } = await db.ingest(path, { ifExists: 'keep' });
    expect(ingested).toMatchObject([{ file: path, entries: 5, skipped: 2, version }]);
    expect(await db.iterator().all()).toEqual([
      ['a', 'old'],
      ['b', 'new'],
      ['c', 'new'],
      ['d', 'old'],
      ['e', 'new'],
      ['f', 'new'],
    ]);
    // Without the input, and without the table of "c", which is collected a moment after its keys are deleted.
    await expect.poll(() => tableFiles(join(dir, 'db'))).toHaveLength(2);
    await db.close();
    const again = await openDatabase(join(dir, 'db'));
    expect(await again.get('e')).toBe('new');
    expect((await again.verify({ full: true })).problems).toEqual([]);
  });

  test('a file is attached as it is where nothing of it exists, though tables span its range', async () => {
    const { db, file } = await place();
    await db.ingest(await file('around.sst', pairs('az', 'old')));
    const txn = db.begin();
    const misses = db.stats().blockCache.misses;
    const { files } = await txn.ingest(await file('in.sst', numbered(0, 5000)), { ifExists: 'keep' });
    expect(files).toMatchObject([{ entries: 5000, skipped: 0 }]);
    // One block of the table around it; of the file itself none.
    expect(db.stats().blockCache.misses - misses).toBeLessThan(4);
    await txn.commit();
    expect(await db.keys({ gt: 'a', lt: 'z' }).all()).toHaveLength(5000);
  });

  test('nothing of a file may be left; the id still names the ingest, and a move still takes the source', async () => {
    const { db, dir, file } = await place();
    await db.batch(pairs('abc', 'old').map(([key]) => ({ type: 'put', key, value: 'old' })));
    const path = await file('in.sst', pairs('abc', 'new'));
    const options = { ifExists: 'keep', id: 'once', mode: 'move' } as const;
    const first = await db.ingest(path, options);
    expect(first.ingested).toMatchObject([{ entries: 0, skipped: 3 }]);
    expect(existsSync(path)).toBe(false);
    expect(tableFiles(join(dir, 'db'))).toEqual([]);
    await db.del('a');
    expect(await db.ingest(path, options)).toMatchObject({ replayed: true, version: first.version });
    expect(await db.iterator().all()).toEqual(pairs('bc', 'old'));
  });

  test('sees the statements before it, and none after it', async () => {
    const { db, file } = await place();
    await db.batch(pairs('ab', 'old').map(([key]) => ({ type: 'put', key, value: 'old' })));
    const [first, second] = [await file('1.sst', pairs('cd', '1')), await file('2.sst', pairs('abcde', '2'))];
    await db.transaction(async (txn) => {
      txn.del('a');
      const earlier = txn.ingest(first);
      const later = txn.ingest(second, { ifExists: 'keep' });
      txn.put('e', 'after');
      await Promise.all([earlier, later]);
      expect(await txn.iterator().all()).toEqual([
        ['a', '2'],
        ['b', 'old'],
        ['c', '1'],
        ['d', '1'],
        ['e', 'after'],
      ]);
    });
    expect(await db.iterator().all()).toEqual([
      ['a', '2'],
      ['b', 'old'],
      ['c', '1'],
      ['d', '1'],
      ['e', 'after'],
    ]);
  });

  test('files that overlap count in their order, all against what was there before', async () => {
    const { db, file } = await place();
    await db.put('a', 'old');
    const files = [
      await file('1.sst', pairs('abc', '1')),
      await file('2.sst', [
        ['b', undefined],
        ['c', '2'],
      ]),
    ];
    await db.ingest(files, { ifExists: 'keep' });
    expect(await db.iterator().all()).toEqual([
      ['a', 'old'],
      ['c', '2'],
    ]);
  });

  test('leaves no file of a rolled back or aborted statement', async () => {
    const { db, dir, file } = await place();
    await db.put('a', 'old');
    const path = await file('in.sst', pairs('ab', 'new'));
    const txn = db.begin();
    const savepoint = txn.savepoint();
    await txn.ingest(path, { ifExists: 'keep' });
    txn.rollbackTo(savepoint);
    expect(await txn.get('b')).toBeUndefined();
    txn.put('c', '1');
    await txn.commit();
    expect(tableFiles(join(dir, 'db'))).toEqual([]);
    const aborted = db.begin();
    await aborted.ingest(path, { ifExists: 'keep' });
    aborted.abort();
    expect(tableFiles(join(dir, 'db'))).toEqual([]);
  });
});

describe("'fail'", () => {
  test('lists up to 20 keys and counts all; nothing is attached', async () => {
    const { db, dir, file } = await place();
    await db.ingest(await file('old.sst', numbered(0, 100)));
    const path = await file('in.sst', numbered(50, 1000));
    const error = await errorOf(db.ingest(path, { ifExists: 'fail' }));
    expect([error.code, error.keyCount, error.retryable]).toEqual(['KEY_EXISTS', 50, false]);
    expect(error.keys.map(String)).toEqual(numbered(50, 70).map(([key]) => key));
    expect(error.message).toMatch(/^50 of the keys .* "k000050", .* and 30 more\./);
    expect(tableFiles(join(dir, 'db'))).toHaveLength(1);
    expect(await outcomeOf(() => db.ingest(path, { ifExists: 'fail', into: 'other' }))).toBe('ok');
  });

  test('the transaction may go on without it, but has read which keys there are', async () => {
    const { db, file } = await place();
    await db.put('a', 'old');
    const path = await file('in.sst', pairs('abc', 'new'));
    for (const [key, outcome] of [
      ['b', 'CONFLICT'],
      ['bb', 'ok'],
    ] as const) {
      const txn = db.begin();
      expect(await outcomeOf(() => txn.ingest(path, { ifExists: 'fail' }))).toBe('KEY_EXISTS');
      txn.put('z', '1');
      await db.put(key, 'meanwhile');
      expect(await outcomeOf(() => txn.commit())).toBe(outcome);
    }
  });
});

describe('a commit between the statement and its commit', () => {
  type Write = (
    db: TextDb,
    file: (name: string, entries: readonly Entry[]) => Promise<string>,
  ) => Promise<unknown>;
  const writes: [string, Write, string][] = [
    ['a put of a key in the file', (db) => db.put('k000010', '1'), 'CONFLICT'],
    ['a delete of one', (db) => db.del('k000012'), 'CONFLICT'],
    ['a put between its keys', (db) => db.put('k000011', '1'), 'ok'],
    ['a put outside its range', (db) => db.put('j', '1'), 'ok'],
    ['a put in another keyspace', (db) => db.keyspace('other').put('k000010', '1'), 'ok'],
    [
      'a range deletion with a key of it',
      (db) => db.deleteRange({ gte: 'k000009', lt: 'k000011' }),
      'CONFLICT',
    ],
    ['one between its keys', (db) => db.deleteRange({ gt: 'k000010', lt: 'k000012' }), 'ok'],
    ['one to the end', (db) => db.deleteRange({ gt: 'k000010' }), 'CONFLICT'],
    ['one behind its end', (db) => db.deleteRange({ gt: 'k001998' }), 'ok'],
    [
      'an ingest with a key of it',
      async (db, file) => db.ingest(await file('x.sst', [...pairs('ax', '1'), ['k001000', '1']])),
      'CONFLICT',
    ],
    [
      'one with keys between all of its keys',
      async (db, file) =>
        db.ingest(
          await file(
            'x.sst',
            numbered(0, 2000).filter((_, i) => i % 2 === 1),
          ),
        ),
      'ok',
    ],
    ['a put of what the transaction had decided itself', (db) => db.put('k000020', '1'), 'ok'],
    ['a range deletion of that alone', (db) => db.deleteRange({ gte: 'k000020', lte: 'k000020' }), 'ok'],
    [
      'an ingest of that alone',
      async (db, file) =>
        db.ingest(
          await file('x.sst', [
            ['k000020', '1'],
            ['k000040', '1'],
          ]),
        ),
      'ok',
    ],
    [
      'many puts between its keys, then one of a key',
      async (db) => {
        for (let n = 1; n < 999; n += 2) void db.put(`k${String(n).padStart(6, '0')}`, '1');
        await db.put('k000998', '1');
      },
      'CONFLICT',
    ],
  ];
  test.each(writes)('%s', async (_, write, outcome) => {
    for (const ifExists of ['keep', 'fail'] as const) {
      const { db, file } = await place({ blockBytes: 256 });
      db.keyspace('other');
      await db.put('k000030', 'x');
      const even = numbered(0, 2000).filter((_, i) => i % 2 === 0);
      const txn = db.begin();
      txn.del('k000020');
      txn.deleteRange({ gte: 'k000030', lt: 'k000031' });
      await txn.ingest(await file('own.sst', [['k000040', undefined]]));
      await txn.ingest(await file('in.sst', even), { ifExists });
      await write(db, file);
      expect(await outcomeOf(() => txn.commit())).toBe(outcome);
      expect((await db.get('k000998')) === 'v998').toBe(outcome === 'ok');
    }
  });

  test('db.ingest runs again and sees it', async () => {
    const { db, file } = await place();
    const path = await file('in.sst', numbered(0, 10));
    const [result] = await Promise.all([db.ingest(path, { ifExists: 'keep' }), db.put('k000003', 'first')]);
    expect(await db.get('k000003')).toBe('first');
    expect(result.ingested).toMatchObject([{ entries: 9, skipped: 1 }]);
  });

  test('a keyspace dropped and made anew conflicts', async () => {
    const { db, file } = await place();
    await db.keyspace('k').put('a', '1');
    const txn = db.begin();
    await txn.ingest(await file('in.sst', pairs('b', '1')), { ifExists: 'keep', into: 'k' });
    await db.dropKeyspace('k');
    db.keyspace('k');
    expect(await outcomeOf(() => txn.commit())).toBe('CONFLICT');
  });
});

test('what goes together', async () => {
  const { db, file } = await place();
  const path = await file('in.sst', pairs('a', '1'));
  expect(await outcomeOf(() => db.ingest(path, { ifExists: 'keep', replace: true }))).toMatch(
    /options\.replace must be left out/,
  );
  expect(await outcomeOf(() => db.ingest(path, { ifExists: 'skip' as 'keep' }))).toMatch(
    /options\.ifExists must be/,
  );
  expect(await outcomeOf(() => db.ingest(path, { ifExists: 'overwrite', replace: true }))).toBe('ok');
});
