/**
 * LZ4 blocks (no frame). A block is a run of sequences:
 *
 *   token u8 (literal length << 4 | match length − 4) | more literal length: 255* u8 | literals
 *     | offset u16 | more match length: 255* u8
 *
 * A nibble of 15 is continued in bytes. The last sequence has literals only; the last 5 bytes are always literals, and no
 * match starts in the last 12. The compressor is greedy with one hash table of 4-byte strings and steps faster through
 * what does not compress.
 */

import { copyForward, copyMatch, matchLength } from './js-copy.ts';
import { loadInt32 } from './js-mul64.ts';

const MATCH_BYTES_MIN = 4;
const LAST_LITERALS = 5;
const MATCH_START_MARGIN = 12;
const OFFSET_MAX = 65535;
const HASH_PRIME = 0x9e3779b1 | 0;
/** Up to here positions fit the u16 table, which is quicker to clear. */
const NARROW_BYTES = 65536;
const SMALL_BYTES = 16384;
/** Tries are counted from here, and every 64 make the steps longer: after the first 32 without a match they are of two bytes. */
const FIRST_TRY = 96;

const narrowTable = new Uint16Array(1 << 13);
const wideTable = new Uint32Array(1 << 14);

export function lz4Compress(
  bytes: Uint8Array,
  src: number,
  length: number,
  dst: number,
  capacity: number,
): number {
  const wide = length > NARROW_BYTES;
  const bits = wide ? 14 : length <= SMALL_BYTES ? 12 : 13;
  const table: Uint16Array | Uint32Array = wide ? wideTable : narrowTable;
  table.fill(0, 0, 1 << bits);
  const shift = 32 - bits;
  const end = src + length;
  const limit = dst + capacity;
  const matchEnd = end - LAST_LITERALS;
  const lastStart = end - MATCH_START_MARGIN;
  let anchor = src;
  let to = dst;
  // Position 0 needs no entry: an empty slot means it too.
  let at = src + 1;
  let tries = FIRST_TRY;
  while (at <= lastStart) {
    const word = loadInt32(bytes, at);
    const slot = Math.imul(word, HASH_PRIME) >>> shift;
    let match = src + (table[slot] as number);
    table[slot] = at - src;
    if (loadInt32(bytes, match) !== word || (wide && at - match > OFFSET_MAX)) {
      at += tries++ >> 6;
      continue;
    }
    while (at > anchor && match > src && bytes[at - 1] === bytes[match - 1]) {
      at--;
      match--;
    }
    const more = matchLength(bytes, match + MATCH_BYTES_MIN, at + MATCH_BYTES_MIN, matchEnd);
    const literals = at - anchor;
    if (sequenceBytesMax(literals, more) > limit - to) return 0;
    to = putLiterals(bytes, to, anchor, literals, Math.min(more, 15));
    const offset = at - match;
    bytes[to++] = offset;
    bytes[to++] = offset >>> 8;
    if (more >= 15) to = putLength(bytes, to, more - 15);
    at += MATCH_BYTES_MIN + more;
    anchor = at;
    tries = FIRST_TRY;
    if (at <= lastStart) {
      table[Math.imul(loadInt32(bytes, at - 2), HASH_PRIME) >>> shift] = at - 2 - src;
    }
  }
  const literals = end - anchor;
  if (sequenceBytesMax(literals, 0) - 3 > limit - to) return 0;
  return putLiterals(bytes, to, anchor, literals, 0) - dst;
}

/** Never too low; exact enough that both implementations give up at the same place. */
function sequenceBytesMax(literals: number, more: number): number {
  return 5 + literals + Math.floor(literals / 255) + Math.floor(more / 255);
}

function putLiterals(bytes: Uint8Array, to: number, from: number, length: number, low: number): number {
  bytes[to++] = (Math.min(length, 15) << 4) | low;
  if (length >= 15) to = putLength(bytes, to, length - 15);
  copyForward(bytes, to, from, length);
  return to + length;
}

function putLength(bytes: Uint8Array, to: number, rest: number): number {
  for (; rest >= 255; rest -= 255) bytes[to++] = 255;
  bytes[to++] = rest;
  return to;
}

/** `history`: how many bytes before `dst` matches may reach into, 0 save with a dictionary. */
export function lz4Decompress(
  bytes: Uint8Array,
  src: number,
  length: number,
  dst: number,
  rawLength: number,
  history = 0,
): boolean {
  const end = src + length;
  const limit = dst + rawLength;
  let at = src;
  let to = dst;
  while (at < end) {
    const token = bytes[at++] as number;
    let literals = token >>> 4;
    if (literals === 15) {
      let byte = 255;
      while (byte === 255) {
        if (at >= end) return false;
        byte = bytes[at++] as number;
        literals += byte;
      }
    }
    if (literals > end - at || literals > limit - to) return false;
    copyForward(bytes, to, at, literals);
    at += literals;
    to += literals;
    if (at === end) return to === limit;
    if (end - at < 2) return false;
    const offset = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    at += 2;
    let match = (token & 15) + MATCH_BYTES_MIN;
    if ((token & 15) === 15) {
      let byte = 255;
      while (byte === 255) {
        if (at >= end) return false;
        byte = bytes[at++] as number;
        match += byte;
      }
    }
    if (offset === 0 || offset > to - dst + history || match > limit - to) return false;
    copyMatch(bytes, to, offset, match);
    to += match;
  }
  return false;
}
