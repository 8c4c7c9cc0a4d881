/**
 * What an index has between two data blocks: a key not before any of the block and before all of the next one, as short
 * as RocksDB makes it.
 */

import { copyInto } from '../../base/bytes.ts';

/** Version 2^56 - 1, type "seek": before every entry of its user key. What RocksDB 7.8 gives shortened separators. */
const SEEK_TRAILER = Uint8Array.of(0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
const TRAILER_BYTES = 8;

/** Both keys are versions of one user key: the separator is the first of them as it is. */
export const SEPARATOR_SAME_KEY = -1;

/**
 * Writes the separator of the internal keys a < b at `to`, with a trailer: `aLength` bytes at most. Returns its length, or
 * SEPARATOR_SAME_KEY.
 */
export function putSeparator(
  bytes: Uint8Array,
  to: number,
  a: Uint8Array,
  aStart: number,
  aLength: number,
  b: Uint8Array,
  bStart: number,
  bLength: number,
): number {
  copyInto(a, aStart, aLength, bytes, to);
  const user = aLength - TRAILER_BYTES;
  const bUser = bLength - TRAILER_BYTES;
  const n = user < bUser ? user : bUser;
  let i = 0;
  while (i < n && a[aStart + i] === b[bStart + i]) i++;
  if (i === user && i === bUser) return SEPARATOR_SAME_KEY;
  if (i >= n) return aLength;
  const ours = a[aStart + i] as number;
  const limit = b[bStart + i] as number;
  if (ours >= limit) return aLength;
  if (i >= bUser - 1 && ours + 1 >= limit) {
    // One apart at b's end: raising this byte would reach b. A later byte that can be raised will do.
    for (i++; i < user && bytes[to + i] === 0xff; i++);
    if (i === user) return aLength;
  }
  bytes[to + i] = (bytes[to + i] as number) + 1;
  bytes.set(SEEK_TRAILER, to + i + 1);
  return i + 1 + TRAILER_BYTES;
}
