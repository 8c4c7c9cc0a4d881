/** The cursor: borrowed batches, and what becomes of them. How it reads and conflicts is in reads and conflicts. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Batch } from '../../src/index.ts';
import { memoryDirectory, openDatabase, outcomeOf, type TextDb } from '../base/database.ts';
import { numbered } from '../base/sst-files.ts';
import { LONG_DATABASES, type Openers } from './databases.ts';

async function filled(open: Openers['openDatabase'], count = 3000): Promise<TextDb> {
  const db = await open(join(memoryDirectory(), 'db'), { durability: 'os' });
  await db.batch(numbered(0, count).map(([key, value = '']) => ({ type: 'put', key, value })));
  await db.flush();
  return db;
}

test('`for await` and `await using` close it', async () => {
  const db = await filled(openDatabase);
  for await (const batch of db.cursor()) if (batch.count > 0) break;
  {
    await using cursor = db.cursor();
    using other = db.cursor();
    expect((await cursor.nextBatch())?.count).toBe(other.nextBatchSync()?.count);
    expect(db.stats().snapshots.open).toBe(2);
  }
  expect(db.stats().snapshots.open).toBe(0);
});

describe.each(LONG_DATABASES)('$name', ({ openers }) => {
  const { openDatabase } = openers();

  test('a batch expires with the next step, a seek and the close', async () => {
    const db = await filled(openDatabase);
    const cursor = db.cursor();
    const batches: Batch[] = [];
    const step = async (): Promise<Batch> => {
      const batch = await cursor.nextBatch(3);
      if (batch === undefined) throw new Error('the end');
      batches.push(batch);
      return batch;
    };
    const first = await step();
    expect([first.count, String(first.key(2)), String(first.value(2))]).toEqual([3, 'k000002', 'v2']);
    for (const index of [-1, 3, 0.5]) expect(() => first.key(index)).toThrow(RangeError);
    await step();
    expect(first.count).toBe(0);
    expect(() => first.value(0)).toThrow(/a batch is empty once the cursor has gone on or is closed/);
    cursor.seek('a');
    expect(batches.at(-1)?.count).toBe(0);
    await step();
    cursor.close();
    expect(batches.map((batch) => batch.count)).toEqual([0, 0, 0]);
    expect(await outcomeOf(() => cursor.nextBatch())).toBe('CLOSED');
    expect(await outcomeOf(() => cursor.nextBatchSync())).toBe('CLOSED');
  });

  test('what a reader does to a batch does not reach the database', async () => {
    const db = await filled(openDatabase);
    for await (const { bytes } of db.cursor()) bytes.fill(0);
    expect(await db.iterator().all()).toEqual(numbered(0, 3000));
  });

  test('keys alone, when values are not wanted', async () => {
    const db = await filled(openDatabase);
    const keys: string[] = [];
    for await (const batch of db.cursor({ values: false })) {
      for (let i = 0; i < batch.count; i++) {
        keys.push(String(batch.key(i)));
        expect(batch.value(i)).toHaveLength(0);
      }
    }
    expect(keys).toEqual(numbered(0, 3000).map(([key]) => key));
  });

  test('a step while another waits for the disk is refused, and the batch at hand stays', async () => {
    const db = await filled(openDatabase);
    const cursor = db.cursor();
    const first = cursor.nextBatch();
    expect(await outcomeOf(() => cursor.nextBatch())).toBe('BUSY');
    expect(await outcomeOf(() => cursor.nextBatchSync())).toBe('BUSY');
    expect(await outcomeOf(() => cursor.seek('a'))).toBe('BUSY');
    expect((await first)?.count).toBeGreaterThan(0);
    cursor.close();
  });

  test('a limit counts what is handed out: what a seek throws away is not', async () => {
    const db = await filled(openDatabase);
    const iterator = db.keys({ limit: 4 });
    const keys = numbered(0, 9).map(([key]) => key);
    expect([await iterator.next(), await iterator.next()]).toEqual(keys.slice(0, 2));
    iterator.seek(keys[7]);
    expect(await iterator.all()).toEqual(keys.slice(7, 9));
  });

  test('Buffers of one batch are pieces of one copy, which cannot be transferred away, and a large value is by itself', async () => {
    const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os' });
    await db.put('a', 'x'.repeat(5000));
    await db.put('b', 'y'.repeat(5000));
    await db.put('c', 'z'.repeat(20_000));
    const [a, b, c] = await db.values({ valueEncoding: 'buffer' }).all();
    expect([a?.toString(), b?.toString(), c?.toString()].map((value) => value?.length)).toEqual([
      5000, 5000, 20_000,
    ]);
    expect(a?.buffer).toBe(b?.buffer);
    // Ignored by Node.js 20, an error from 21 on.
    await outcomeOf(() => structuredClone(a, { transfer: [a?.buffer as ArrayBuffer] })).catch(
      () => undefined,
    );
    expect(b?.toString()).toBe('y'.repeat(5000));
    expect(c?.buffer.byteLength).toBe(20_000);
  });
});
