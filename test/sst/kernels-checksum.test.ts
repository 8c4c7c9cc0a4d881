import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hashKey } from '../../src/sst/kernels/js-xxh3.ts';
import { ANSWER_TYPE_BYTE, CHECKSUM_ANSWERS, patternBytes } from './checksum-answers.ts';
import { bothHeaps, START } from './kernel-heaps.ts';

const { wasm, js } = bothHeaps(1 << 20);
const LONGEST = Math.max(...CHECKSUM_ANSWERS.map(([length]) => length));

describe.each([
  ['WebAssembly', wasm],
  ['TypeScript', js],
])('%s kernels', (_, heap) => {
  test('give the block checksums that RocksDB gives, at every path of every hash', () => {
    const pattern = patternBytes(LONGEST);
    for (const [length, crc32c, xxhash, xxhash64, xxh3] of CHECKSUM_ANSWERS) {
      // At an odd address too: nothing may depend on alignment.
      for (const at of [START, START + 3]) {
        heap.bytes.set(pattern.subarray(0, length), at);
        heap.bytes[at + length] = ANSWER_TYPE_BYTE;
        const ours = [0, 1, 2, 3, 4].map((type) => heap.kernels.blockChecksum(type, at, length));
        expect([length, ...ours]).toEqual([length, 0, crc32c, xxhash, xxhash64, xxh3]);
      }
    }
  });

  test('hash keys as the filters of RocksDB do', () => {
    heap.bytes.set(patternBytes(LONGEST), START);
    for (const [length, , , , , low, high] of CHECKSUM_ANSWERS) {
      const ours = heap.kernels.keyHash(START, length);
      expect([length, ours, heap.kernels.keyHashHigh]).toEqual([length, low, high]);
    }
  });
});

test('hashKey hashes a key in any array, from any start', () => {
  const pattern = patternBytes(LONGEST);
  const padded = new Uint8Array(LONGEST + 5);
  padded.set(pattern, 5);
  const out = { hashLow: 0, hashHigh: 0 };
  for (const [length, , , , , low, high] of CHECKSUM_ANSWERS) {
    hashKey(padded, 5, length, out);
    expect([length, out.hashLow, out.hashHigh]).toEqual([length, low, high]);
  }
});

test('both implementations agree at every length up to 1,200, with every checksum type', () => {
  for (const heap of [wasm, js]) heap.bytes.set(patternBytes(4000), START);
  for (let length = 0; length <= 1200; length++) {
    const at = START + (length % 17);
    for (let type = 1; type <= 4; type++) {
      expect(js.kernels.blockChecksum(type, at, length)).toBe(wasm.kernels.blockChecksum(type, at, length));
    }
    expect(js.kernels.keyHash(at, length)).toBe(wasm.kernels.keyHash(at, length));
    expect(js.kernels.keyHashHigh).toBe(wasm.kernels.keyHashHigh);
  }
});

test('both implementations agree on random bytes of random length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000, size: 'max' }), fc.nat(31), (bytes, shift) => {
      const at = START + shift;
      for (const heap of [wasm, js]) heap.bytes.set(bytes, at);
      const length = Math.max(0, bytes.length - 1);
      for (let type = 1; type <= 4; type++) {
        expect(js.kernels.blockChecksum(type, at, length)).toBe(wasm.kernels.blockChecksum(type, at, length));
      }
      expect(js.kernels.keyHash(at, bytes.length)).toBe(wasm.kernels.keyHash(at, bytes.length));
      expect(js.kernels.keyHashHigh).toBe(wasm.kernels.keyHashHigh);
    }),
    { numRuns: 300 },
  );
});
