/**
 * Raw Snappy: varint raw length | elements. The low two bits of an element's tag:
 *
 *   00 literal: (length − 1) << 2, or 60..63 << 2 and the length − 1 in 1 to 4 bytes
 *   01 copy: offset bits 8..10 << 5 | (length − 4) << 2, then offset bits 0..7
 *   10 copy: (length − 1) << 2, then offset u16      11 copy: (length − 1) << 2, then offset u32
 *
 * The compressor works on fragments of 64 KiB, each with a table of its own, so that copies never reach further back.
 */

import { copyForward, copyMatch, matchLength } from './js-copy.ts';
import { loadInt32 } from './js-mul64.ts';

const FRAGMENT_BYTES = 65536;
const SMALL_BYTES = 16384;
/** No copy starts in the last bytes of a fragment, nor in a fragment shorter than this. */
const START_MARGIN = 15;
const MATCH_BYTES_MIN = 4;
const HASH_PRIME = 0x9e3779b1 | 0;

const table = new Uint16Array(1 << 13);

export function snappyCompress(
  bytes: Uint8Array,
  src: number,
  length: number,
  dst: number,
  capacity: number,
): number {
  if (capacity < 5) return 0;
  const limit = dst + capacity;
  let to = dst;
  let rest = length;
  while (rest >= 128) {
    bytes[to++] = (rest & 127) | 128;
    rest = Math.floor(rest / 128);
  }
  bytes[to++] = rest;
  for (let done = 0; done < length; done += FRAGMENT_BYTES) {
    const size = Math.min(FRAGMENT_BYTES, length - done);
    to = compressFragment(bytes, src + done, size, to, limit);
    if (to === 0) return 0;
  }
  return to - dst;
}

/** Returns the position after the output, 0 when it does not fit. */
function compressFragment(bytes: Uint8Array, src: number, length: number, to: number, limit: number): number {
  const bits = length <= SMALL_BYTES ? 12 : 13;
  const shift = 32 - bits;
  table.fill(0, 0, 1 << bits);
  const end = src + length;
  const lastStart = end - START_MARGIN;
  let anchor = src;
  let at = src + 1;
  let tries = 64;
  while (at <= lastStart) {
    const word = loadInt32(bytes, at);
    const slot = Math.imul(word, HASH_PRIME) >>> shift;
    let match = src + (table[slot] as number);
    table[slot] = at - src;
    if (loadInt32(bytes, match) !== word) {
      at += tries++ >> 6;
      continue;
    }
    while (at > anchor && match > src && bytes[at - 1] === bytes[match - 1]) {
      at--;
      match--;
    }
    const size = MATCH_BYTES_MIN + matchLength(bytes, match + MATCH_BYTES_MIN, at + MATCH_BYTES_MIN, end);
    const literals = at - anchor;
    if (3 + literals + 3 * (Math.floor(size / 60) + 1) > limit - to) return 0;
    if (literals > 0) to = putLiterals(bytes, to, anchor, literals);
    to = putCopies(bytes, to, at - match, size);
    at += size;
    anchor = at;
    tries = 64;
    if (at <= lastStart) {
      table[Math.imul(loadInt32(bytes, at - 2), HASH_PRIME) >>> shift] = at - 2 - src;
    }
  }
  const literals = end - anchor;
  if (3 + literals > limit - to) return 0;
  return literals > 0 ? putLiterals(bytes, to, anchor, literals) : to;
}

function putLiterals(bytes: Uint8Array, to: number, from: number, length: number): number {
  const n = length - 1;
  if (n < 60) {
    bytes[to++] = n << 2;
  } else if (n < 256) {
    bytes[to++] = 60 << 2;
    bytes[to++] = n;
  } else {
    bytes[to++] = 61 << 2;
    bytes[to++] = n;
    bytes[to++] = n >>> 8;
  }
  copyForward(bytes, to, from, length);
  return to + length;
}

function putCopies(bytes: Uint8Array, to: number, offset: number, length: number): number {
  // A tail of 1 to 3 bytes would have no short form, so a piece of 60 is taken before one of at most 64.
  for (; length >= 68; length -= 64) to = putCopy(bytes, to, offset, 64);
  if (length > 64) {
    to = putCopy(bytes, to, offset, 60);
    length -= 60;
  }
  if (length < 12 && offset < 2048) {
    bytes[to++] = 1 | ((length - 4) << 2) | ((offset >>> 8) << 5);
    bytes[to++] = offset;
    return to;
  }
  return putCopy(bytes, to, offset, length);
}

function putCopy(bytes: Uint8Array, to: number, offset: number, length: number): number {
  bytes[to] = 2 | ((length - 1) << 2);
  bytes[to + 1] = offset;
  bytes[to + 2] = offset >>> 8;
  return to + 3;
}

export function snappyRawLength(bytes: Uint8Array, src: number, length: number): number {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 5 && i < length; i++) {
    const byte = bytes[src + i] as number;
    value += (byte & 127) * scale;
    if (byte < 128) return value <= 0xffffffff ? value : -1;
    scale *= 128;
  }
  return -1;
}

export function snappyDecompress(
  bytes: Uint8Array,
  src: number,
  length: number,
  dst: number,
  rawLength: number,
): boolean {
  if (snappyRawLength(bytes, src, length) !== rawLength) return false;
  const end = src + length;
  const limit = dst + rawLength;
  let at = src + 1;
  while ((bytes[at - 1] as number) >= 128) at++;
  let to = dst;
  while (at < end) {
    const tag = bytes[at++] as number;
    const kind = tag & 3;
    if (kind === 0) {
      let size = (tag >>> 2) + 1;
      if (size > 60) {
        const extra = size - 60;
        if (end - at < extra) return false;
        size = 1 + little(bytes, at, extra);
        at += extra;
      }
      if (size > end - at || size > limit - to) return false;
      copyForward(bytes, to, at, size);
      at += size;
      to += size;
    } else {
      const extra = kind === 3 ? 4 : kind;
      if (end - at < extra) return false;
      const size = kind === 1 ? 4 + ((tag >>> 2) & 7) : 1 + (tag >>> 2);
      const offset = little(bytes, at, extra) + (kind === 1 ? (tag >>> 5) << 8 : 0);
      at += extra;
      if (offset === 0 || offset > to - dst || size > limit - to) return false;
      copyMatch(bytes, to, offset, size);
      to += size;
    }
  }
  return to === limit;
}

/** An unsigned number of 1 to 4 bytes. */
function little(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] as number);
  return value;
}
