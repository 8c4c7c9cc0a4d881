/** Copies and match lengths that LZ4 and Snappy share. Nothing is read or written beyond the two limits given. */

/** REQUIRES: length ≤ limit − to and length ≤ fromLimit − from. */
// @ts-ignore: decorator
@inline
export function copyForward(to: usize, limit: usize, from: usize, fromLimit: usize, length: usize): void {
  if (length + 16 <= limit - to && length + 16 <= fromLimit - from) {
    const end = to + length;
    do {
      v128.store(to, v128.load(from));
      to += 16;
      from += 16;
    } while (to < end);
  } else {
    memory.copy(to, from, length);
  }
}

/** Byte k is the least multiple of k that is at least 8. */
const MULTIPLES: u64 = 0x0e0c0a0809080800;

/** From `offset` bytes back, repeating when longer. REQUIRES: 1 ≤ length ≤ limit − to, offset ≥ 1. */
// @ts-ignore: decorator
@inline
export function copyMatch(to: usize, limit: usize, offset: usize, length: usize): void {
  const end = to + length;
  if (length + 16 <= limit - to) {
    if (offset >= 16) {
      do {
        v128.store(to, v128.load(to - offset));
        to += 16;
      } while (to < end);
    } else {
      if (offset < 8) {
        // The pattern once over 8 bytes; from there the nearest whole number of patterns back is at least 8 bytes away.
        for (let i = to; i < to + 8; i++) store<u8>(i, load<u8>(i - offset));
        to += 8;
        offset = <usize>((MULTIPLES >> (offset << 3)) & 255);
      }
      while (to < end) {
        store<u64>(to, load<u64>(to - offset));
        to += 8;
      }
    }
  } else {
    for (; to < end; to++) store<u8>(to, load<u8>(to - offset));
  }
}

// @ts-ignore: decorator
@inline
export function matchLength(a: usize, b: usize, end: usize): usize {
  const start = b;
  while (b + 8 <= end) {
    const difference = load<u64>(a) ^ load<u64>(b);
    if (difference != 0) return b - start + <usize>(ctz<u64>(difference) >> 3);
    a += 8;
    b += 8;
  }
  while (b < end && load<u8>(a) == load<u8>(b)) {
    a++;
    b++;
  }
  return b - start;
}
