/** Both kernels set the bits of a Bloom filter alike, and no byte outside it. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FilterBuilder, readFilter } from '../../src/sst/filter.ts';
import type { Heap } from '../../src/sst/heap.ts';
import { bothHeaps, START } from './kernel-heaps.ts';

const { wasm, js } = bothHeaps(4 << 20);
const GUARD_BYTES = 64;

function bitsBy(heap: Heap, hashes: Uint32Array, lines: number, probes: number): Uint8Array {
  const at = START + GUARD_BYTES;
  const end = at + lines * 64;
  heap.bytes.fill(0xee, START, end + GUARD_BYTES);
  heap.bytes.fill(0, at, end);
  const hashesAt = end + GUARD_BYTES;
  new Uint32Array(heap.bytes.buffer, hashesAt, hashes.length).set(hashes);
  heap.kernels.setFilterBits(hashesAt, hashes.length / 2, { at, lines, probes });
  return heap.bytes.slice(START, end + GUARD_BYTES);
}

const halfArbitrary = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
);
const hashesArbitrary = fc
  .array(fc.tuple(halfArbitrary, halfArbitrary), { maxLength: 50 })
  .map((pairs) => Uint32Array.from(pairs.flat()));

test('any hashes, lines and probes', () => {
  fc.assert(
    fc.property(
      hashesArbitrary,
      fc.integer({ min: 1, max: 99 }),
      fc.integer({ min: 1, max: 30 }),
      (...of) => {
        const byWasm = bitsBy(wasm, ...of);
        expect(Buffer.compare(byWasm, bitsBy(js, ...of))).toBe(0);
        const guards = [byWasm.subarray(0, GUARD_BYTES), byWasm.subarray(-GUARD_BYTES)];
        expect(guards.every((guard) => guard.every((byte) => byte === 0xee))).toBe(true);
        const [hashes] = of;
        expect(byWasm.subarray(GUARD_BYTES, -GUARD_BYTES).some((byte) => byte !== 0)).toBe(hashes.length > 0);
      },
    ),
    { numRuns: 300 },
  );
});

/** As the builder's words are held in parts, and the last part is rarely full. */
const KEYS = 40_000;

test.each([
  ['room', 4 << 20],
  ['too little room', 0],
])(
  'a filter is the same in %s, admits its keys, and leaves a heap that can be used again',
  (_, roomBytes) => {
    const hashes = new Uint32Array(KEYS * 2).map((_, i) => Math.imul(i + 1, 0x9e3779b1));
    const blocks = [wasm, js].map((heap) => {
      const builder = new FilterBuilder(10);
      for (let from = 0; from < hashes.length; from += 7000)
        builder.addAll(hashes.subarray(from, from + 7000));
      heap.bytes.fill(0xee, START, START + (2 << 20));
      const block = builder.finish({ heap, start: START, limit: START + roomBytes });
      if (block === undefined) throw new Error('there are keys');
      expect(block.taken !== undefined).toBe(roomBytes === 0);
      return block.heap.bytes.slice(block.start, block.start + block.length);
    });
    expect(Buffer.from(blocks[0] ?? []).equals(blocks[1] ?? new Uint8Array(0))).toBe(true);
    const filter = readFilter(blocks[0] ?? new Uint8Array(0));
    const missed = Array.from({ length: KEYS }).filter(
      (_, i) => filter?.mayContainHash(hashes[2 * i] ?? 0, hashes[2 * i + 1] ?? 0) !== true,
    );
    expect(missed).toEqual([]);
  },
);
