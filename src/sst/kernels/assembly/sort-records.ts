/** Sorts offsets of records by their keys, stably; see ../js-sort-records.ts. */

import { matchLength } from './copy';
import { TABLE } from './layout';

const RECORD_HEAD: usize = 8;
/** After what all keys share, so many bytes are looked at for bits in which they differ. */
const LOOKED_AT: usize = 16;
/** For each of those bytes: how many of its bits count, u32. Then for each a table of 256 bytes: what these bits are. */
const WIDTHS: usize = TABLE;
const DIGESTS: usize = TABLE + LOOKED_AT * 4;
/** Three digits of the 32-bit prefix. */
const DIGIT_BITS: u32 = 11;
const BUCKETS: u32 = 1 << DIGIT_BITS;
const INSERTION_MAX: usize = 12;

/** `scratch`: 20 bytes for each record, and 8 KiB. */
export function sortRecords(offsets: usize, count: usize, scratch: usize): void {
  if (count < 2) return;
  const common = commonPrefix(offsets, count);
  const used = findBits(offsets, count, common);
  // Pairs of (prefix, offset), from one half of the scratch to the other and back.
  let from = scratch + ((<usize>BUCKETS) << 2);
  let to = from + (count << 3);
  const ties = to + (count << 3);
  for (let i: usize = 0; i < count; i++) {
    const record = load<u32>(offsets + (i << 2));
    store<u32>(from + (i << 3), prefixOf(<usize>record, common, used));
    store<u32>(from + (i << 3) + 4, record);
  }
  for (let shift: u32 = 0; shift < 32; shift += DIGIT_BITS) {
    if (scatter(from, to, count, shift, scratch)) {
      const other = from;
      from = to;
      to = other;
    }
  }
  for (let i: usize = 0; i < count; i++) store<u32>(offsets + (i << 2), load<u32>(from + (i << 3) + 4));
  let first: usize = 0;
  for (let i: usize = 1; i <= count; i++) {
    if (i < count && load<u32>(from + (i << 3)) == load<u32>(from + (first << 3))) continue;
    if (i - first > 1) sortTies(offsets + (first << 2), i - first, ties, common);
    first = i;
  }
}

/** Of all keys. */
function commonPrefix(offsets: usize, count: usize): usize {
  const first = <usize>load<u32>(offsets);
  let common = <usize>load<u32>(first);
  for (let i: usize = 1; i < count && common > 0; i++) {
    const record = <usize>load<u32>(offsets + (i << 2));
    const n = min(common, <usize>load<u32>(record));
    const key = record + RECORD_HEAD;
    common = matchLength(first + RECORD_HEAD, key, key + n);
  }
  return common;
}

/**
 * What sorts decimal digits by eight of them, and text by more than four letters: a bit that is the same in all keys says
 * nothing of their order, so the 32 that are sorted by are the first of those that are not. Returns of how many bytes.
 */
function findBits(offsets: usize, count: usize, common: usize): usize {
  const first = <usize>load<u32>(offsets);
  const firstLow = wordAt(first, common);
  const firstHigh = wordAt(first, common + 8);
  let low: u64 = 0;
  let high: u64 = 0;
  for (let i: usize = 1; i < count; i++) {
    const record = <usize>load<u32>(offsets + (i << 2));
    low |= wordAt(record, common) ^ firstLow;
    high |= wordAt(record, common + 8) ^ firstHigh;
  }
  let left: u32 = 32;
  for (let j: usize = 0; j < LOOKED_AT; j++) {
    if (left == 0) return j;
    let mask = <u32>((j < 8 ? low : high) >> ((j & 7) << 3)) & 255;
    // The last one has only its highest bits counted.
    while (popcnt<u32>(mask) > left) mask &= mask - 1;
    const width = popcnt<u32>(mask);
    left -= width;
    store<u32>(WIDTHS + (j << 2), width);
    for (let byte: u32 = 0; byte < 256; byte++) {
      store<u8>(DIGESTS + (j << 8) + <usize>byte, <u8>bitsOf(byte, mask));
    }
  }
  return LOOKED_AT;
}

/** The bits of the mask, moved together. */
function bitsOf(byte: u32, mask: u32): u32 {
  let bits: u32 = 0;
  for (let bit: u32 = 128; bit != 0; bit >>= 1) if ((mask & bit) != 0) bits = (bits << 1) | u32((byte & bit) != 0);
  return bits;
}

/** Eight bytes of the key from `skip` on, the first one the lowest; zeros where the key has ended. */
// @ts-ignore: decorator
@inline
function wordAt(record: usize, skip: usize): u64 {
  const length = <usize>load<u32>(record);
  const at = record + RECORD_HEAD + skip;
  if (length >= skip + 8) return load<u64>(at);
  let word: u64 = 0;
  for (let i: usize = 0; skip + i < length; i++) word |= (<u64>load<u8>(at + i)) << (<u64>i << 3);
  return word;
}

/** The bits that `findBits` found, in the order of significance. */
// @ts-ignore: decorator
@inline
function prefixOf(record: usize, common: usize, used: usize): u32 {
  let prefix: u32 = 0;
  let word = wordAt(record, common);
  for (let j: usize = 0; j < used; j++) {
    if (j == 8) word = wordAt(record, common + 8);
    const digest = <u32>load<u8>(DIGESTS + (j << 8) + <usize>(word & 255));
    prefix = (prefix << load<u32>(WIDTHS + (j << 2))) | digest;
    word >>= 8;
  }
  return prefix;
}

/** One pass by one digit; false when all have the same, and nothing was moved. */
function scatter(from: usize, to: usize, count: usize, shift: u32, starts: usize): bool {
  memory.fill(starts, 0, (<usize>BUCKETS) << 2);
  for (let i: usize = 0; i < count; i++) {
    const slot = starts + (<usize>digit(load<u32>(from + (i << 3)), shift) << 2);
    store<u32>(slot, load<u32>(slot) + 1);
  }
  if (load<u32>(starts + (<usize>digit(load<u32>(from), shift) << 2)) == <u32>count) return false;
  let sum: u32 = 0;
  for (let b: u32 = 0; b < BUCKETS; b++) {
    const n = load<u32>(starts + (<usize>b << 2));
    store<u32>(starts + (<usize>b << 2), sum);
    sum += n;
  }
  for (let i: usize = 0; i < count; i++) {
    const pair = load<u64>(from + (i << 3));
    const slot = starts + (<usize>digit(<u32>pair, shift) << 2);
    const place = load<u32>(slot);
    store<u32>(slot, place + 1);
    store<u64>(to + (<usize>place << 3), pair);
  }
  return true;
}

// @ts-ignore: decorator
@inline
function digit(prefix: u32, shift: u32): u32 {
  return (prefix >> shift) & (BUCKETS - 1);
}

/** By whole keys: short runs by insertion, then merged, stably. */
function sortTies(offsets: usize, count: usize, scratch: usize, skip: usize): void {
  for (let at: usize = 0; at < count; at += INSERTION_MAX) {
    insertionSort(offsets + (at << 2), min(INSERTION_MAX, count - at), skip);
  }
  let from = offsets;
  let to = scratch;
  for (let width = INSERTION_MAX; width < count; width <<= 1) {
    for (let at: usize = 0; at < count; at += width << 1) merge(from, to, at, width, count, skip);
    const other = from;
    from = to;
    to = other;
  }
  if (from != offsets) memory.copy(offsets, from, count << 2);
}

function merge(from: usize, to: usize, at: usize, width: usize, count: usize, skip: usize): void {
  let left = at;
  const leftEnd = min(at + width, count);
  let right = leftEnd;
  const rightEnd = min(right + width, count);
  for (let out = at; out < rightEnd; out++) {
    let takesLeft = right >= rightEnd;
    if (!takesLeft && left < leftEnd) {
      takesLeft = compare(load<u32>(from + (left << 2)), load<u32>(from + (right << 2)), skip) <= 0;
    }
    store<u32>(to + (out << 2), load<u32>(from + ((takesLeft ? left++ : right++) << 2)));
  }
}

function insertionSort(offsets: usize, count: usize, skip: usize): void {
  for (let i: usize = 1; i < count; i++) {
    const record = load<u32>(offsets + (i << 2));
    let j = i;
    while (j > 0 && compare(load<u32>(offsets + ((j - 1) << 2)), record, skip) > 0) {
      store<u32>(offsets + (j << 2), load<u32>(offsets + ((j - 1) << 2)));
      j--;
    }
    store<u32>(offsets + (j << 2), record);
  }
}

// @ts-ignore: decorator
@inline
function compare(a: u32, b: u32, skip: usize): i32 {
  const aLength = <usize>load<u32>(a);
  const bLength = <usize>load<u32>(b);
  const aKey = <usize>a + RECORD_HEAD;
  const bKey = <usize>b + RECORD_HEAD;
  const n = min(aLength, bLength);
  const i = skip + matchLength(aKey + skip, bKey + skip, bKey + n);
  if (i < n) return <i32>load<u8>(aKey + i) - <i32>load<u8>(bKey + i);
  return aLength == bLength ? 0 : aLength < bLength ? -1 : 1;
}
