/** `using` and `await using`: everything that must be closed is, and what is unfinished is undone. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SstWriter, type Transaction } from '../../src/index.ts';
import { memoryDirectory, outcomeOf, type TextDb } from '../base/database.ts';
import { numbered } from '../base/sst-files.ts';
import { DATABASES } from './databases.ts';

describe.each(DATABASES)('$name', ({ openers }) => {
  const { openDatabase, openText, nodesOf } = openers();

  async function filled(): Promise<TextDb> {
    const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os' });
    await db.batch(numbered(0, 500).map(([key, value = '']) => ({ type: 'put', key, value })));
    return db;
  }

  const openSnapshots = (db: TextDb): number =>
    nodesOf(db).reduce((sum, node) => sum + node.stats().snapshots.open, 0);

  test('`using` closes snapshots and iterators, also one that is read half', async () => {
    const db = await filled();
    {
      using snapshot = db.snapshot();
      using iterator = db.iterator({ snapshot });
      using keys = db.keys();
      expect(await iterator.next()).toEqual(numbered(0, 1)[0]);
      expect(await keys.nextv(2)).toHaveLength(2);
      expect(openSnapshots(db)).toBe(3);
    }
    expect(openSnapshots(db)).toBe(0);
  });

  test('`await using` does the same', async () => {
    const db = await filled();
    {
      await using snapshot = db.snapshot();
      await using values = db.values({ snapshot, limit: 3 });
      expect(await values.all()).toHaveLength(3);
    }
    expect(openSnapshots(db)).toBe(0);
  });

  test('a disposed iterator is closed', async () => {
    const db = await filled();
    const iterator = db.iterator();
    await iterator.next();
    iterator[Symbol.dispose]();
    iterator[Symbol.dispose]();
    expect(await outcomeOf(() => iterator.next())).toBe('CLOSED');
  });

  test('disposing an unfinished transaction aborts it, and leaves a committed one alone', async () => {
    const db = await filled();
    let left: Transaction<'utf8', 'utf8'>;
    {
      using txn = db.begin();
      txn.put('never', '1');
      left = txn;
    }
    expect(left.state).toBe('aborted');
    {
      await using txn = db.begin();
      txn.put('kept', '1');
      await txn.commit();
      left = txn;
    }
    expect(left.state).toBe('committed');
    expect(await db.getMany(['never', 'kept'])).toEqual([undefined, '1']);
  });

  test('`await using` closes a database, so that it can be opened again', async () => {
    const dir = join(memoryDirectory(), 'db');
    let left: TextDb;
    {
      await using db = await openText(dir);
      await db.put('a', '1');
      left = db;
    }
    expect(await outcomeOf(() => left.get('a'))).toBe('CLOSED');
    await using again = await openText(dir);
    expect(await again.get('a')).toBe('1');
  });
});

test('disposing an unfinished writer removes its file, and leaves a finished one', async () => {
  const path = join(memoryDirectory(), 'a.sst');
  {
    using writer = new SstWriter(path);
    writer.put('a', '1');
  }
  expect(existsSync(path)).toBe(false);
  {
    await using writer = new SstWriter(path);
    writer.put('a', '1');
    await writer.finish();
  }
  expect(existsSync(path)).toBe(true);
});
