/** Separators of data blocks; see ../js-separator.ts. */

import { matchLength } from './copy';

const TRAILER_BYTES: usize = 8;
/** Version 2^56 - 1, type "seek". */
const SEEK_TRAILER: u64 = 0xffffffffffffff16;

/** 0 for two versions of one user key, where the separator is the first of them as it is. */
export function putSeparator(to: usize, a: usize, aLength: usize, b: usize, bLength: usize): usize {
  memory.copy(to, a, aLength);
  const user = aLength - TRAILER_BYTES;
  const bUser = bLength - TRAILER_BYTES;
  const n = min(user, bUser);
  let i = matchLength(a, b, b + n);
  if (i == user && i == bUser) return 0;
  if (i >= n) return aLength;
  const ours = load<u8>(a + i);
  const limit = load<u8>(b + i);
  if (ours >= limit) return aLength;
  if (i + 1 >= bUser && <u32>ours + 1 >= <u32>limit) {
    // Raising this byte would reach b: a later one that can be raised will do.
    for (i++; i < user && load<u8>(a + i) == 0xff; i++);
    if (i == user) return aLength;
  }
  store<u8>(to + i, load<u8>(a + i) + 1);
  store<u64>(to + i + 1, SEEK_TRAILER);
  return i + 1 + TRAILER_BYTES;
}
