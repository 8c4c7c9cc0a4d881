/** LZ4 blocks; see ../js-lz4.ts for the format. Every decision must match it: the output is byte-identical. */

import { copyForward, copyMatch, matchLength } from './copy';
import { TABLE } from './layout';

const HASH_PRIME: u32 = 0x9e3779b1;
const FIRST_TRY: usize = 96;

// @ts-ignore: decorator
@inline
function put(slot: usize, position: usize, wide: bool): void {
  if (wide) store<u32>(TABLE + (slot << 2), <u32>position);
  else store<u16>(TABLE + (slot << 1), <u16>position);
}

// @ts-ignore: decorator
@inline
function get(slot: usize, wide: bool): usize {
  return wide ? <usize>load<u32>(TABLE + (slot << 2)) : <usize>load<u16>(TABLE + (slot << 1));
}

export function lz4Compress(src: usize, length: usize, dst: usize, capacity: usize): usize {
  // Three copies of the code, each with a constant shift: an eighth faster.
  if (length > 65536) return compress(src, length, dst, capacity, 14, true);
  if (length > 16384) return compress(src, length, dst, capacity, 13, false);
  return compress(src, length, dst, capacity, 12, false);
}

// @ts-ignore: decorator
@inline
function compress(src: usize, length: usize, dst: usize, capacity: usize, bits: u32, wide: bool): usize {
  memory.fill(TABLE, 0, (wide ? 4 : 2) << bits);
  const shift = 32 - bits;
  const end = src + length;
  const limit = dst + capacity;
  const matchEnd = end - 5;
  const lastStart = end - 12;
  let anchor = src;
  let to = dst;
  let at = src + 1;
  let tries: usize = FIRST_TRY;
  while (at <= lastStart) {
    const word = load<u32>(at);
    const slot = <usize>((word * HASH_PRIME) >> shift);
    let match = src + get(slot, wide);
    put(slot, at - src, wide);
    if (load<u32>(match) != word || (wide && at - match > 65535)) {
      at += tries++ >> 6;
      continue;
    }
    while (at > anchor && match > src && load<u8>(at - 1) == load<u8>(match - 1)) {
      at--;
      match--;
    }
    const more = matchLength(match + 4, at + 4, matchEnd);
    const literals = at - anchor;
    if (literals + literals / 255 + more / 255 + 5 > limit - to) return 0;
    to = putLiterals(to, limit, anchor, end, literals, <u32>min<usize>(more, 15));
    store<u16>(to, <u16>(at - match));
    to += 2;
    if (more >= 15) to = putLength(to, more - 15);
    at += 4 + more;
    anchor = at;
    tries = FIRST_TRY;
    if (at <= lastStart) put(<usize>((load<u32>(at - 2) * HASH_PRIME) >> shift), at - 2 - src, wide);
  }
  const literals = end - anchor;
  if (literals + literals / 255 + 2 > limit - to) return 0;
  return putLiterals(to, limit, anchor, end, literals, 0) - dst;
}

// @ts-ignore: decorator
@inline
function putLiterals(to: usize, limit: usize, from: usize, end: usize, length: usize, low: u32): usize {
  store<u8>(to++, <u8>((<u32>min<usize>(length, 15) << 4) | low));
  if (length >= 15) to = putLength(to, length - 15);
  copyForward(to, limit, from, end, length);
  return to + length;
}

function putLength(to: usize, rest: usize): usize {
  for (; rest >= 255; rest -= 255) store<u8>(to++, 255);
  store<u8>(to++, <u8>rest);
  return to;
}

export function lz4Decompress(src: usize, length: usize, dst: usize, rawLength: usize): bool {
  const end = src + length;
  const limit = dst + rawLength;
  let at = src;
  let to = dst;
  while (at < end) {
    const token = <usize>load<u8>(at++);
    let literals = token >> 4;
    if (literals == 15) {
      let byte: usize = 255;
      // A length beyond the output is refused before it can wrap around.
      while (byte == 255) {
        if (at >= end || literals > rawLength) return false;
        byte = <usize>load<u8>(at++);
        literals += byte;
      }
    }
    if (literals > end - at || literals > limit - to) return false;
    copyForward(to, limit, at, end, literals);
    at += literals;
    to += literals;
    if (at == end) return to == limit;
    if (end - at < 2) return false;
    const offset = <usize>load<u16>(at);
    at += 2;
    let match = (token & 15) + 4;
    if (match == 19) {
      let byte: usize = 255;
      while (byte == 255) {
        if (at >= end || match > rawLength) return false;
        byte = <usize>load<u8>(at++);
        match += byte;
      }
    }
    if (offset == 0 || offset > to - dst || match > limit - to) return false;
    copyMatch(to, limit, offset, match);
    to += match;
  }
  return false;
}
