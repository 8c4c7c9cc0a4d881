/**
 * Heads of a block: four bytes of each key, after what all keys of the block share, in one array. Counting those before a
 * key's finds its entry by touching a few lines of memory, none of which waits for another, where a walk from a restart point
 * touches one for each entry that it passes ("poor man's normalized keys", G. Graefe and P.-A. Larson, B-tree indexes and CPU caches, 2001).
 *
 *   u16 entries | u16 bytes shared by all user keys | the first 12 of these | u32 head of each, ff… up to a multiple of four |
 *   u16 offset of each entry
 *
 * They lie behind the block, made when it enters the cache, and only where entries are large enough for it to pay.
 */

import { LAST_KEY, VARINT_END } from './layout';
import { varint32 } from './varint';

export const HEADS_AT: usize = 16;
export const PREFIX_BYTES: usize = 12;
const ENTRY_BYTES_MIN: u32 = 40;
const HEAD_BYTES: usize = 4;

/** REQUIRES: a sound block, whose last key is LAST_KEY. Returns the bytes written at `at`, 0 when that is nothing. */
export function buildHeads(
  start: usize,
  at: usize,
  capacity: usize,
  limit: usize,
  entries: u32,
  lastLength: usize,
): usize {
  const size = limit - start;
  if (entries < 4 || size >= 65536 || <u32>size < entries * ENTRY_BYTES_MIN) return 0;
  const headBytes = headsBytes(<usize>entries);
  const bytes = HEADS_AT + headBytes + (<usize>entries << 1);
  if (bytes > capacity) return 0;

  let p = start + 1;
  const firstLength = <usize>varint32(p, limit) - 8;
  varint32(<usize>load<u32>(VARINT_END), limit);
  const first = <usize>load<u32>(VARINT_END);
  let common: usize = 0;
  const n = min(firstLength, lastLength - 8);
  while (common < n && load<u8>(first + common) == load<u8>(LAST_KEY + common)) common++;
  if (common >= 65536) return 0;

  store<u16>(at, <u16>entries);
  store<u16>(at + 2, <u16>common);
  for (let i: usize = 0; i < PREFIX_BYTES; i++) store<u8>(at + 4 + i, i < common ? load<u8>(first + i) : 0);
  let head = at + HEADS_AT;
  let offset = head + headBytes;
  const end = common + HEAD_BYTES;
  // Bytes [common, end) of the key at hand, in the order of significance.
  let window: u32 = 0;
  let lastUser: usize = 0;
  p = start;
  while (p < limit) {
    store<u16>(offset, <u16>(p - start));
    offset += 2;
    let shared = <usize>load<u8>(p);
    let unshared = <usize>load<u8>(p + 1);
    let valueLength = <usize>load<u8>(p + 2);
    if ((shared | unshared | valueLength) < 128) p += 3;
    else {
      shared = varint32(p, limit);
      unshared = varint32(<usize>load<u32>(VARINT_END), limit);
      valueLength = varint32(<usize>load<u32>(VARINT_END), limit);
      p = <usize>load<u32>(VARINT_END);
    }
    const user = shared + unshared - 8;
    // Trailer bytes of the entry before are in this key: rare, and not in the window.
    if (shared > lastUser && user != lastUser) return 0;
    lastUser = user;
    for (let i = max(common, min(shared, user)); i < end; i++) {
      const shift = <u32>(end - 1 - i) << 3;
      const byte: u32 = i >= user ? 0 : i >= shared ? load<u8>(p + i - shared) : (window >> shift) & 255;
      window = (window & ~(255 << shift)) | (byte << shift);
    }
    store<u32>(head, window);
    head += 4;
    p += unshared + valueLength;
  }
  for (; head < at + HEADS_AT + headBytes; head += HEAD_BYTES) store<u32>(head, 0xffffffff);
  return bytes;
}

/** Of the heads alone. */
// @ts-ignore: decorator
@inline
export function headsBytes(entries: usize): usize {
  return ((entries + 3) & ~3) << 2;
}
