/** Raw Snappy; see ../js-snappy.ts for the format. Every decision must match it: the output is byte-identical. */

import { copyForward, copyMatch, matchLength } from './copy';
import { TABLE } from './layout';

const FRAGMENT_BYTES: usize = 65536;
const HASH_PRIME: u32 = 0x9e3779b1;

export function snappyCompress(src: usize, length: usize, dst: usize, capacity: usize): usize {
  if (capacity < 5) return 0;
  const limit = dst + capacity;
  let to = dst;
  let rest = length;
  while (rest >= 128) {
    store<u8>(to++, <u8>(rest | 128));
    rest >>= 7;
  }
  store<u8>(to++, <u8>rest);
  for (let done: usize = 0; done < length; done += FRAGMENT_BYTES) {
    const size = min<usize>(FRAGMENT_BYTES, length - done);
    // Two copies of the code, each with a constant shift: an eighth faster.
    if (size > 16384) to = compressFragment(src + done, size, to, limit, 13);
    else to = compressFragment(src + done, size, to, limit, 12);
    if (to == 0) return 0;
  }
  return to - dst;
}

// @ts-ignore: decorator
@inline
function compressFragment(src: usize, length: usize, to: usize, limit: usize, bits: u32): usize {
  const shift = 32 - bits;
  memory.fill(TABLE, 0, 2 << bits);
  const end = src + length;
  const lastStart = end - 15;
  let anchor = src;
  let at = src + 1;
  let tries: usize = 64;
  while (at <= lastStart) {
    const word = load<u32>(at);
    const slot = TABLE + (<usize>((word * HASH_PRIME) >> shift) << 1);
    let match = src + <usize>load<u16>(slot);
    store<u16>(slot, <u16>(at - src));
    if (load<u32>(match) != word) {
      at += tries++ >> 6;
      continue;
    }
    while (at > anchor && match > src && load<u8>(at - 1) == load<u8>(match - 1)) {
      at--;
      match--;
    }
    const size = matchLength(match + 4, at + 4, end) + 4;
    const literals = at - anchor;
    if (literals + (size / 60 + 1) * 3 + 3 > limit - to) return 0;
    if (literals > 0) to = putLiterals(to, limit, anchor, end, literals);
    to = putCopies(to, at - match, size);
    at += size;
    anchor = at;
    tries = 64;
    if (at <= lastStart) {
      const before = TABLE + (<usize>((load<u32>(at - 2) * HASH_PRIME) >> shift) << 1);
      store<u16>(before, <u16>(at - 2 - src));
    }
  }
  const literals = end - anchor;
  if (literals + 3 > limit - to) return 0;
  return literals > 0 ? putLiterals(to, limit, anchor, end, literals) : to;
}

function putLiterals(to: usize, limit: usize, from: usize, end: usize, length: usize): usize {
  const n = length - 1;
  if (n < 60) {
    store<u8>(to++, <u8>(n << 2));
  } else if (n < 256) {
    store<u8>(to, 60 << 2);
    store<u8>(to + 1, <u8>n);
    to += 2;
  } else {
    store<u8>(to, 61 << 2);
    store<u16>(to + 1, <u16>n);
    to += 3;
  }
  copyForward(to, limit, from, end, length);
  return to + length;
}

function putCopies(to: usize, offset: usize, length: usize): usize {
  for (; length >= 68; length -= 64) to = putCopy(to, offset, 64);
  if (length > 64) {
    to = putCopy(to, offset, 60);
    length -= 60;
  }
  if (length < 12 && offset < 2048) {
    store<u8>(to, <u8>(1 | ((length - 4) << 2) | ((offset >> 8) << 5)));
    store<u8>(to + 1, <u8>offset);
    return to + 2;
  }
  return putCopy(to, offset, length);
}

// @ts-ignore: decorator
@inline
function putCopy(to: usize, offset: usize, length: usize): usize {
  store<u8>(to, <u8>(2 | ((length - 1) << 2)));
  store<u16>(to + 1, <u16>offset);
  return to + 3;
}

/** The position after the varint; 0 when it is damaged. */
// @ts-ignore: decorator
@inline
function afterRawLength(src: usize, length: usize): usize {
  for (let i: usize = 0; i < 5 && i < length; i++) {
    const byte = load<u8>(src + i);
    if (byte < 128) return i == 4 && byte > 15 ? 0 : src + i + 1;
  }
  return 0;
}

/** As an f64, since -1 and lengths of 2^31 and more must both be told. */
export function snappyRawLength(src: usize, length: usize): f64 {
  const after = afterRawLength(src, length);
  if (after == 0) return -1;
  let value: u32 = 0;
  for (let at = after; at > src; ) value = (value << 7) | <u32>(load<u8>(--at) & 127);
  return <f64>value;
}

export function snappyDecompress(src: usize, length: usize, dst: usize, rawLength: usize): bool {
  if (snappyRawLength(src, length) != <f64>rawLength) return false;
  const end = src + length;
  const limit = dst + rawLength;
  let at = afterRawLength(src, length);
  let to = dst;
  while (at < end) {
    const tag = <usize>load<u8>(at++);
    const kind = tag & 3;
    if (kind == 0) {
      // One less than the length, so that a claim of 2^32 does not wrap around.
      let less = tag >> 2;
      if (less >= 60) {
        const extra = less - 59;
        if (end - at < extra) return false;
        less = little(at, extra);
        at += extra;
      }
      if (less >= end - at || less >= limit - to) return false;
      copyForward(to, limit, at, end, less + 1);
      at += less + 1;
      to += less + 1;
    } else {
      let offset: usize;
      let size = (tag >> 2) + 1;
      if (kind == 1) {
        if (end - at < 1) return false;
        size = 4 + ((tag >> 2) & 7);
        offset = <usize>load<u8>(at) | ((tag >> 5) << 8);
        at += 1;
      } else if (kind == 2) {
        if (end - at < 2) return false;
        offset = <usize>load<u16>(at);
        at += 2;
      } else {
        if (end - at < 4) return false;
        offset = <usize>load<u32>(at);
        at += 4;
      }
      if (offset == 0 || offset > to - dst || size > limit - to) return false;
      copyMatch(to, limit, offset, size);
      to += size;
    }
  }
  return to == limit;
}

function little(at: usize, count: usize): usize {
  let value: usize = 0;
  for (let i = count; i > 0; ) value = (value << 8) | <usize>load<u8>(at + --i);
  return value;
}
