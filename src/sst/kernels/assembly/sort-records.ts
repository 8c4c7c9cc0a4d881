/** Sorts offsets of records by their keys, stably; see ../js-sort-records.ts. */

import { matchLength } from './copy';

const RECORD_HEAD: usize = 8;
/** Three digits of the 32-bit prefix. */
const DIGIT_BITS: u32 = 11;
const BUCKETS: u32 = 1 << DIGIT_BITS;
const INSERTION_MAX: usize = 12;

/** `scratch`: 20 bytes for each record, and 8 KiB. */
export function sortRecords(offsets: usize, count: usize, scratch: usize): void {
  if (count < 2) return;
  const common = commonPrefix(offsets, count);
  // Pairs of (prefix, offset), from one half of the scratch to the other and back.
  let from = scratch + ((<usize>BUCKETS) << 2);
  let to = from + (count << 3);
  const ties = to + (count << 3);
  for (let i: usize = 0; i < count; i++) {
    const record = load<u32>(offsets + (i << 2));
    store<u32>(from + (i << 3), prefixOf(<usize>record, common));
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

/** Four bytes after the common prefix, in the order of significance, zeros where the key has ended. */
// @ts-ignore: decorator
@inline
function prefixOf(record: usize, common: usize): u32 {
  const length = <usize>load<u32>(record);
  const at = record + RECORD_HEAD + common;
  const left = length - common;
  if (left >= 4) return bswap(load<u32>(at));
  let prefix: u32 = 0;
  for (let i: usize = 0; i < left; i++) prefix |= (<u32>load<u8>(at + i)) << (24 - (<u32>i << 3));
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
