/** `putBatch` adds what as many `put`s would, refuses what they would, and reads nothing outside its batch. */

import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BytesColumn, type EntryBatch, type EntryColumns, open, SstWriter } from '../../src/index.ts';
import { memoryDirectory } from '../base/database.ts';

type Pair = readonly [key: Uint8Array, value: Uint8Array];

/** With room before the entries that is none of theirs, at an odd place. */
function batchOf(pairs: readonly Pair[]): EntryBatch {
  const parts = [Buffer.from('room!'), ...pairs.flat()];
  const ends = parts.map((_, i) => parts.slice(0, i + 1).reduce((sum, part) => sum + part.length, 0));
  return {
    bytes: Buffer.concat(parts).subarray(1),
    offsets: Uint32Array.from(ends, (end) => end - 1),
    count: pairs.length,
  };
}

function columnOf(strings: readonly Uint8Array[]): BytesColumn {
  const { bytes, offsets } = batchOf(strings.map((string) => [string, new Uint8Array(0)]));
  return { bytes, offsets: offsets.filter((_, i) => i % 2 === 0) };
}

function columnsOf(pairs: readonly Pair[]): EntryColumns {
  return {
    keys: columnOf(pairs.map(([key]) => key)),
    values: columnOf(pairs.map(([, value]) => value)),
    count: pairs.length,
  };
}

const keyArbitrary = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 9 }),
  fc.nat(5000).map((n) => new Uint8Array(Buffer.from(`a shared prefix/${n}`))),
);
const valueArbitrary = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.integer({ min: 200, max: 300 }).map((length) => new Uint8Array(length).fill(length)),
  // One that no stage has room for.
  fc.constant(new Uint8Array(300_000).fill(3)),
);
const pairsArbitrary = fc
  .uniqueArray(fc.tuple(keyArbitrary, valueArbitrary), {
    minLength: 1,
    maxLength: 40,
    selector: ([key]) => Buffer.from(key).toString('hex'),
  })
  .map((pairs): Pair[] => pairs.sort(([a], [b]) => Buffer.compare(a, b)));

test('the file is the one that as many puts make, however the entries are divided', async () => {
  const dir = memoryDirectory();
  let files = 0;
  await fc.assert(
    fc.asyncProperty(
      pairsArbitrary,
      fc.integer({ min: 1, max: 20 }),
      fc.boolean(),
      async (pairs, size, asColumns) => {
        const [one, other] = [join(dir, `${files}.sst`), join(dir, `${files++}-batches.sst`)];
        const make = asColumns ? columnsOf : batchOf;
        const byPut = new SstWriter(one);
        for (const [key, value] of pairs) byPut.put(key, value);
        const byBatch = new SstWriter(other);
        for (let from = 0; from < pairs.length; from += size)
          byBatch.putBatch(make(pairs.slice(from, from + size)));
        expect(await byBatch.finish()).toEqual({ ...(await byPut.finish()), path: other });
      },
    ),
    { numRuns: 40 },
  );
});

const pair = (key: string, value: string): Pair => [Buffer.from(key), Buffer.from(value)];

test('what a put refuses is refused; the entries before it are added, and the writer goes on', async () => {
  const writer = new SstWriter(join(memoryDirectory(), 'a.sst'));
  writer.put('a', '1');
  const refused = [
    [[pair('b', '1'), pair('b', '2'), pair('c', '1')], /key "b" comes twice/],
    [[pair('d', '1'), pair('c', '1')], /key "c" comes after "d"/],
    [[pair('e', '1'), pair('', '1')], /A key is empty/],
    [[pair('x'.repeat(65_536), '1')], /A key has 65536 bytes/],
  ] as const;
  for (const [pairs, message] of refused) expect(() => writer.putBatch(batchOf(pairs))).toThrow(message);
  expect(writer.entries).toBe(4);
  writer.putBatch(batchOf([pair('f', '1')]));
  writer.putBatch(batchOf([]));
  const { entries, largest } = await writer.finish();
  expect([entries, largest.toString()]).toEqual([5, 'f']);
  expect(() => writer.putBatch(batchOf([pair('g', '1')]))).toThrow(/is finished/);
});

test('offsets out of bounds, or that do not ascend, are a wrong argument', () => {
  using writer = new SstWriter(join(memoryDirectory(), 'a.sst'));
  const batch = batchOf([pair('a', 'xy'), pair('b', 'xy')]);
  const [from = 0, ...rest] = batch.offsets;
  for (const offsets of [
    [from, from - 1, ...rest.slice(1)],
    [from, from + 1, from, ...rest.slice(2)],
    [from, from + 1, 2 ** 31],
    [from, from + 1, 2 ** 32 - 1],
  ]) {
    const wrong = { ...batch, offsets: Uint32Array.from(offsets), count: 1 };
    expect(() => writer.putBatch(wrong)).toThrow(/batch\.offsets of entry 0/);
  }
  const columns = columnsOf([pair('a', 'xy'), pair('b', 'xy')]);
  for (const count of [-1, 0.5, 3, Number.NaN])
    for (const form of [batch, columns])
      expect(() => writer.putBatch({ ...form, count })).toThrow(/batch\.count/);
  for (const column of ['keys', 'values'] as const) {
    const { bytes } = columns[column];
    for (const offsets of [
      [2, 1, 2],
      [0, 2 ** 31, 2 ** 31],
      [0, 2 ** 32 - 1, 0],
    ]) {
      const wrong = { ...columns, [column]: { bytes, offsets: Uint32Array.from(offsets) } };
      expect(() => writer.putBatch(wrong)).toThrow(`batch.${column}.offsets of entry 0`);
    }
    const wrong = { ...columns, [column]: { bytes: [], offsets: new Uint32Array(3) } };
    expect(() => writer.putBatch(wrong as unknown as EntryColumns)).toThrow(`batch.${column}.bytes`);
  }
  expect(writer.entries).toBe(0);
});

test('what a cursor hands out goes into a file, of which no digest need be told', async () => {
  const dir = memoryDirectory();
  await using db = await open(join(dir, 'db'));
  await db.batch(Array.from({ length: 3000 }, (_, i) => ({ type: 'put', key: `k${i}`, value: `${i}` })));
  const writer = new SstWriter(join(dir, 'a.sst'), { sha256: false });
  for await (const batch of db.cursor()) writer.putBatch(batch);
  const { entries, sha256, path } = await writer.finish();
  expect([entries, sha256]).toEqual([3000, '']);
  await db.ingest(path, { into: 'copy' });
  expect(db.keyspace('copy').getSync('k77')?.toString()).toBe('77');
  expect(() => new SstWriter(join(dir, 'b.sst'), { sha256: 1 as unknown as boolean })).toThrow(TypeError);
});
