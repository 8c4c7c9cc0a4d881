/** Bits of keys in a Bloom filter (../filter.ts), in plain TypeScript. */

import { mulHigh } from './js-mul64.ts';
import type { FilterPlace } from './kernels.ts';

const LINE_BYTES = 64;
const TWO_32 = 4294967296;
const LINES_OF_EXACT_PRODUCT = 2 ** 21;
const GOLDEN = 0x9e3779b9 | 0;

export function setFilterBits(
  bytes: Uint8Array,
  hashesAt: number,
  count: number,
  { at, lines, probes }: FilterPlace,
): void {
  const hashes = new Uint32Array(bytes.buffer, bytes.byteOffset + hashesAt, count * 2);
  // As mulHigh, in one multiplication: exact while there are fewer than 2^21 lines.
  const exact = lines < LINES_OF_EXACT_PRODUCT;
  for (let i = 0; i < hashes.length; i += 2) {
    const low = hashes[i] as number;
    const line = (exact ? Math.floor((low * lines) / TWO_32) : mulHigh(low, lines)) * LINE_BYTES;
    let h = (hashes[i + 1] as number) | 0;
    for (let k = 0; k < probes; k++) {
      const bit = h >>> 23;
      const byteAt = at + line + (bit >>> 3);
      bytes[byteAt] = (bytes[byteAt] as number) | (1 << (bit & 7));
      h = Math.imul(h, GOLDEN);
    }
  }
}
