/** What a committed transaction tells: its version, and where ingested files went. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, outcomeOf, type TextDb } from '../base/database.ts';
import { numbered, writeSst } from '../base/sst-files.ts';

const openHere = (): Promise<TextDb> => openDatabase(join(memoryDirectory(), 'db'), { durability: 'os' });

test('txn.result is what commit() resolved with, and nothing before or after an abort', async () => {
  const db = await openHere();
  const txn = db.begin();
  txn.put('a', '1');
  expect(txn.result).toBeUndefined();
  const result = await txn.commit();
  expect(txn.result).toBe(result);
  expect(result).toEqual({ version: db.version, ingested: [] });
  const aborted = db.begin();
  aborted.put('a', '2');
  aborted.abort();
  expect(aborted.result).toBeUndefined();
});

test('a transaction that leaves its function tells its version, after retries too', async () => {
  const db = await openHere();
  const file = await writeSst(join(memoryDirectory(), 'a.sst'), numbered(0, 10));
  const txn = await db.transaction(async (txn, attempt) => {
    await txn.get('a');
    if (attempt < 3) await db.put('a', String(attempt));
    await txn.ingest(file.path);
    return txn;
  });
  expect(txn.result).toMatchObject({ version: db.version, ingested: [{ file: file.path, entries: 10 }] });
});

test('a function may commit by itself, and is run again when that conflicts', async () => {
  const db = await openHere();
  const attempts: number[] = [];
  const { version, seen } = await db.transaction(async (txn, attempt) => {
    attempts.push(attempt);
    const seen = await txn.get('a');
    if (attempt === 1) await db.put('a', '1');
    txn.put('b', 'x');
    const { version } = await txn.commit();
    return { version, seen };
  });
  expect(attempts).toEqual([1, 2]);
  expect({ version, seen }).toEqual({ version: db.version, seen: '1' });
});

test('a function that has committed is not run again, and its signal comes too late', async () => {
  const db = await openHere();
  let runs = 0;
  const outcome = await outcomeOf(() =>
    db.transaction(async (txn) => {
      runs++;
      txn.put('runs', String(runs));
      await txn.commit();
      const other = db.begin();
      await other.get('x');
      await db.put('x', '1');
      other.put('y', '1');
      await other.commit();
    }),
  );
  expect([outcome, runs]).toEqual(['CONFLICT', 1]);
  const stop = new AbortController();
  const done = await db.transaction(
    async (txn) => {
      txn.put('late', '1');
      const { version } = await txn.commit();
      stop.abort();
      return version;
    },
    { signal: stop.signal },
  );
  expect(done).toBe(db.version);
});

test('one that wrote nothing tells the version that it read at', async () => {
  const db = await openHere();
  await db.put('a', '1');
  const txn = await db.transaction((txn) => txn, { readOnly: true });
  expect(txn.result).toEqual({ version: db.version, ingested: [] });
});
