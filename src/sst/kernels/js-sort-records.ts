/**
 * Sorts offsets of records by their keys, in byte order; records with the same key stay in the order given. Records are
 * as in js-encode-blocks.ts: u32 key bytes | u32 value bytes | key | value.
 *
 * The WebAssembly twin sorts by the first 32 bits in which the keys differ, radix sort from the lowest digit up, and by
 * whole keys only where those tie; which gives the same order.
 */

import { compareRanges } from '../../base/bytes.ts';
import { fixed32, putFixed32 } from '../../base/codec.ts';
import { RECORD_HEAD_BYTES } from './js-encode-blocks.ts';

/** What a sort of so many records needs of scratch room. */
export function sortScratchBytes(records: number): number {
  return 8192 + records * 20;
}

/** `count` offsets, u32 each, at `offsetsAt`, are sorted in place. */
export function sortRecords(bytes: Uint8Array, offsetsAt: number, count: number): void {
  const offsets = new Uint32Array(count);
  for (let i = 0; i < count; i++) offsets[i] = fixed32(bytes, offsetsAt + i * 4);
  const order = [...offsets.keys()].sort((a, b) => {
    const left = offsets[a] as number;
    const right = offsets[b] as number;
    const leftKey = left + RECORD_HEAD_BYTES;
    const rightKey = right + RECORD_HEAD_BYTES;
    return (
      compareRanges(bytes, leftKey, fixed32(bytes, left), bytes, rightKey, fixed32(bytes, right)) || a - b
    );
  });
  for (const [i, from] of order.entries()) putFixed32(bytes, offsetsAt + i * 4, offsets[from] as number);
}
