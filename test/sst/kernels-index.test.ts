/** The kernel re-codes index blocks as its twin does, in every form, and refuses what the twin refuses. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { putVarint, varintLength } from '../../src/base/codec.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import { INDEX_FIRST_KEY } from '../../src/sst/format.ts';
import type { Heap } from '../../src/sst/heap.ts';
import { type Decoding, decodeIndex } from '../../src/sst/index-decoder.ts';
import { buildIndex, type IndexForm, type RawBlock, type TableIndex } from '../../src/sst/table-index.ts';
import { bothHeaps, START } from './kernel-heaps.ts';

const { wasm, js } = bothHeaps(1 << 20);
const PLAIN_INDEX = 0;

interface IndexEntry {
  readonly key: Uint8Array;
  readonly offset: number;
  readonly bytes: number;
}

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(varintLength(value));
  putVarint(bytes, 0, value);
  return bytes;
}

const zigzag = (n: number): number => (n < 0 ? -n * 2 - 1 : n * 2);

function shared(a: Uint8Array, b: Uint8Array): number {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  return i;
}

/** One index block, as RocksDB codes it. */
function encode(entries: readonly IndexEntry[], form: IndexForm, interval: number): RawBlock {
  const parts: Buffer[] = [];
  const restarts: number[] = [];
  let at = 0;
  for (const [i, { key, offset, bytes }] of entries.entries()) {
    const before = entries[i - 1];
    const common = before === undefined || i % interval === 0 ? 0 : shared(before.key, key);
    if (i % interval === 0) restarts.push(at);
    const handle =
      form.deltaEncoded && common > 0 && before !== undefined
        ? varint(zigzag(bytes - before.bytes))
        : Buffer.concat([varint(offset), varint(bytes)]);
    const firstKey =
      form.type === INDEX_FIRST_KEY ? Buffer.concat([varint(3), Buffer.from('abc')]) : Buffer.alloc(0);
    const entry = Buffer.concat([
      varint(common),
      varint(key.length - common),
      form.deltaEncoded ? Buffer.alloc(0) : varint(handle.length + firstKey.length),
      key.subarray(common),
      handle,
      firstKey,
    ]);
    parts.push(entry);
    at += entry.length;
  }
  const tail = Buffer.alloc(restarts.length * 4 + 4);
  for (const [i, restart] of restarts.entries()) tail.writeUInt32LE(restart, i * 4);
  tail.writeUInt32LE(restarts.length, restarts.length * 4);
  const raw = Buffer.concat([...parts, tail]);
  return { bytes: raw, start: 0, length: raw.length, path: 'FILE', offset: 7 };
}

function decoded(
  heap: Heap,
  blocks: readonly RawBlock[],
  form: IndexForm,
  limit: number,
  decoding: Decoding = {},
): object | string {
  let index: TableIndex;
  try {
    index = buildIndex(blocks, form, limit, { heap, at: START }, decoding);
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    return `${error.code} ${error.message}`;
  }
  const { offsets, sizes, keys, keyEnds, versions } = index;
  return { offsets, sizes, keys, keyEnds, versions };
}

const formArbitrary = fc.record({
  type: fc.constantFrom(PLAIN_INDEX, INDEX_FIRST_KEY),
  deltaEncoded: fc.boolean(),
  userKeys: fc.boolean(),
});

/** Sorted, some with a long common prefix, some of one user key in several versions. */
function entriesOf(
  keys: readonly Uint8Array[],
  sizes: readonly number[],
  firstOffset: number,
  form: IndexForm,
): IndexEntry[] {
  const users = [...new Map(keys.map((key) => [Buffer.from(key).toString('latin1'), key])).values()];
  users.sort((a, b) => Buffer.compare(a, b));
  let offset = firstOffset;
  return users.flatMap((user, i) => {
    const versions = form.userKeys ? [0] : i % 3 === 0 ? [9, 4] : [i];
    return versions.map((version): IndexEntry => {
      const trailer = Buffer.alloc(form.userKeys ? 0 : 8);
      if (!form.userKeys) trailer.writeBigUInt64LE((BigInt(version) << 8n) | 1n);
      const bytes = sizes[i % sizes.length] ?? 1;
      const entry = { key: Buffer.concat([user, trailer]), offset, bytes };
      offset += bytes + 5;
      return entry;
    });
  });
}

const keyArbitrary = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 12 }),
  fc.uint8Array({ minLength: 1, maxLength: 3 }).map((end) => Buffer.concat([Buffer.alloc(300, 7), end])),
);

test('any index is decoded alike', () => {
  fc.assert(
    fc.property(
      formArbitrary,
      fc.array(keyArbitrary, { minLength: 1, maxLength: 60 }),
      fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 }),
      fc.constantFrom(0, 100, 2 ** 31 + 5, 2 ** 45),
      fc.integer({ min: 1, max: 16 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) }), { maxLength: 2 }),
      // How many there should be, which may be wrong.
      fc.constantFrom(0, 1, 20, 2 ** 50),
      (form, keys, sizes, firstOffset, interval, parts, damage, told) => {
        const entries = entriesOf(keys, sizes, firstOffset, form);
        const part = Math.ceil(entries.length / parts);
        const blocks: RawBlock[] = [];
        for (let n = 0; n < entries.length; n += part)
          blocks.push(encode(entries.slice(n, n + part), form, form.deltaEncoded ? interval : 1));
        for (const { at, to } of damage) {
          const block = blocks[at % blocks.length];
          // Not its own footer: where the entries end is the same code's to find for both.
          if (block !== undefined) block.bytes[at % (block.length - 4)] = to;
        }
        const limit = 2 ** 46;
        const expected = decoded(js, blocks, form, limit);
        const inScratch = told === 20;
        expect(decoded(wasm, blocks, form, limit, { blocks: told, inScratch })).toEqual(expected);
        if (damage.length === 0) {
          expect(expected).toMatchObject({ offsets: Float64Array.from(entries, ({ offset }) => offset) });
        }
      },
    ),
    { numRuns: 1500 },
  );
});

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

test('a large index, in many pieces', () => {
  const form: IndexForm = { type: PLAIN_INDEX, deltaEncoded: true, userKeys: true };
  const entries = Array.from({ length: 70_000 }, (_, i) => ({
    key: Buffer.from(`a key of some length ${String(i).padStart(8, '0')}`),
    offset: i * 4101,
    bytes: 4096,
  }));
  const blocks = [encode(entries, form, 1)];
  const limit = 70_000 * 4101;
  const steps = decodeIndex(blocks, form, limit, { heap: wasm, at: START }, { blocks: 69_000 });
  let step = steps.next();
  // Others run in between, in other heaps.
  expect(step.value).toBe('turn');
  while (!step.done) step = steps.next();
  expect(step.value).toBeDefined(); // not by the twin
  const index = buildIndex(blocks, form, limit, { heap: wasm, at: START });
  const byTwin = buildIndex(blocks, form, limit, { heap: js, at: START });
  for (const array of ['offsets', 'sizes', 'keys', 'keyEnds'] as const) {
    // To compare them by `toEqual` takes a hundred times as long.
    expect(bytesOf(index[array]).equals(bytesOf(byTwin[array])), array).toBe(true);
  }
  expect(bytesOf(index.sizes).equals(bytesOf(new Uint32Array(70_000).fill(4096)))).toBe(true);
  expect(decoded(wasm, blocks, form, limit - 1)).toMatch(/CORRUPTION FILE.*data block 69999 is said to be/);
});

test('keys too long for the kernel are decoded all the same', () => {
  const form: IndexForm = { type: PLAIN_INDEX, deltaEncoded: true, userKeys: true };
  const entries = [5, 60_000, 65_535].map((length, i) => ({
    key: Buffer.alloc(length, i + 1),
    offset: i * 100,
    bytes: 95,
  }));
  expect(decoded(wasm, [encode(entries, form, 1)], form, 300)).toMatchObject({
    keyEnds: Uint32Array.of(5, 60_005, 125_540),
  });
});
