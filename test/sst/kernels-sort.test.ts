/** Both kernels sort records alike: by key bytes, records of one key in the order given. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { putFixed32 } from '../../src/base/codec.ts';
import type { Heap } from '../../src/sst/heap.ts';
import { RECORD_HEAD_BYTES } from '../../src/sst/kernels/js-encode-blocks.ts';
import { sortScratchBytes } from '../../src/sst/kernels/js-sort-records.ts';
import { bothHeaps, START } from './kernel-heaps.ts';

const { wasm, js } = bothHeaps(8 << 20);

/** Positions in `keys`, sorted by the heap's kernels. */
function sorted(heap: Heap, keys: readonly Uint8Array[]): number[] {
  const offsetsAt = START;
  const scratchAt = offsetsAt + keys.length * 4;
  let at = scratchAt + sortScratchBytes(keys.length);
  // Whatever was there before must not matter.
  heap.bytes.fill(0xa5, scratchAt, at);
  const positions = new Map<number, number>();
  for (const [i, key] of keys.entries()) {
    positions.set(at, i);
    putFixed32(heap.bytes, offsetsAt + i * 4, at);
    putFixed32(heap.bytes, at, key.length);
    putFixed32(heap.bytes, at + 4, 0);
    heap.bytes.set(key, at + RECORD_HEAD_BYTES);
    at += RECORD_HEAD_BYTES + key.length;
  }
  heap.kernels.sortRecords(offsetsAt, keys.length, scratchAt);
  const view = new DataView(heap.bytes.buffer, offsetsAt, keys.length * 4);
  return keys.map((_, i) => positions.get(view.getUint32(i * 4, true)) ?? -1);
}

function expected(keys: readonly Uint8Array[]): number[] {
  const order = (a: number, b: number): number =>
    Buffer.compare(keys[a] ?? Buffer.alloc(0), keys[b] ?? Buffer.alloc(0)) || a - b;
  return [...keys.keys()].sort(order);
}

const keyArbitrary = fc.oneof(
  fc.uint8Array({ maxLength: 6 }),
  fc.array(fc.constantFrom(0, 1, 255), { maxLength: 9 }).map((bytes) => Uint8Array.from(bytes)),
  fc.nat(2000).map((n) => new Uint8Array(Buffer.from(`a shared prefix/${n}`))),
);

test('random keys, with prefixes, repeats and empty ones among them', () => {
  const prefixes = fc.constantFrom('', 'p', 'a longer prefix of all keys');
  fc.assert(
    fc.property(fc.array(keyArbitrary, { maxLength: 200 }), prefixes, (tails, prefix) => {
      const keys = tails.map((tail) => Buffer.concat([Buffer.from(prefix), tail]));
      const order = expected(keys);
      expect(sorted(wasm, keys)).toEqual(order);
      expect(sorted(js, keys)).toEqual(order);
    }),
    { numRuns: 300 },
  );
});

test('thousands that tie in their first bytes, and thousands of one key', () => {
  const ties = Array.from({ length: 5000 }, (_, i) => Buffer.from(`${i % 3}aaaaaaaa${(i * 7919) % 1000}`));
  expect(sorted(wasm, ties)).toEqual(expected(ties));
  const same = Array.from({ length: 3000 }, () => Buffer.from('the same'));
  expect(sorted(wasm, same)).toEqual(expected(same));
});

test('keys that differ in few bits of each byte, in more than are sorted by at first, and where they end', () => {
  const digits = Array.from({ length: 4000 }, (_, i) =>
    Buffer.from(`0${String((i * 7_919_993) % 10 ** 11)}`),
  );
  expect(sorted(wasm, digits)).toEqual(expected(digits));
  const long = Array.from({ length: 4000 }, (_, i) =>
    Buffer.from(`${'ab'.repeat(8 + (i % 3))}${((i * 7919) % 4000).toString(2).padStart(12 + (i % 2), '0')}`),
  );
  expect(sorted(wasm, long)).toEqual(expected(long));
  const ended = Array.from({ length: 600 }, (_, i) => Buffer.alloc(i % 20, i % 3 === 0 ? 0 : 128));
  expect(sorted(wasm, ended)).toEqual(expected(ended));
});
