/** Keys and records of an arena: how they are copied and compared. */

import { matchLength } from './copy';

/** Up to 15 bytes more are read and written than are asked for. */
// @ts-ignore: decorator
@inline
export function copyPadded(to: usize, from: usize, bytes: usize): void {
  if (bytes > 512) memory.copy(to, from, bytes);
  else for (let i: usize = 0; i < bytes; i += 16) v128.store(to + i, v128.load(from + i));
}

/** As bytes, the shorter first. */
// @ts-ignore: decorator
@inline
export function compareKeys(a: usize, aLength: usize, b: usize, bLength: usize): i32 {
  const n = min(aLength, bLength);
  const i = matchLength(a, b, b + n);
  if (i < n) return <i32>load<u8>(a + i) - <i32>load<u8>(b + i);
  return aLength == bLength ? 0 : aLength < bLength ? -1 : 1;
}
