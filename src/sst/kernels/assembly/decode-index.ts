/**
 * Entries of index blocks, see ../../table-index.ts, re-coded as arrays. What the rules there do not allow, and what is too long for
 * the rooms here, the caller finds out from the twin. Nothing outside the ranges is read or written.
 *
 * Kept at `state` between calls, which the caller zeroes and then gives limit and form; the last also at each block's start: u64 offset and u64 bytes of the last block's handle |
 * u64 where its block ended | u32 length of its key, which is in LAST_KEY | u32 entries so far |
 * u64 before which blocks end | u32 form, as below | then of this call: u32 entries | u32 bytes of keys | u32 1 within a block.
 */

import { compareToLast } from './check-block';
import { matchLength } from './copy';
import { LAST_KEY, LAST_KEY_BYTES, VARINT_END } from './layout';
import { varint32 } from './varint';

const DELTA_CODED: u32 = 1;
const USER_KEYS: u32 = 2;
const FIRST_KEYS: u32 = 4;

const TRAILER_BYTES: usize = 8;
const BLOCK_TRAILER_BYTES: u64 = 5;
const DAMAGED: u32 = 0xffffffff;

/** As varint32, of at most 56 bits. */
function varint56(at: usize, limit: usize): u64 {
  let value: u64 = 0;
  for (let shift: u64 = 0; shift < 56 && at < limit; shift += 7) {
    const byte = <u64>load<u8>(at++);
    value |= (byte & 127) << shift;
    if (byte < 128) {
      store<u32>(VARINT_END, <u32>at);
      return value;
    }
  }
  store<u32>(VARINT_END, 0);
  return 0;
}

/**
 * Decodes whole entries of [at, end) as long as there is room for `room` of them and for their keys before `keysEnd`; returns where the
 * next one begins. Out, each `room` long: f64 offsets | f64 versions | u32 sizes | u32 ends of the keys from `keysAt` on.
 */
export function decodeIndex(
  state: usize,
  at: usize,
  end: usize,
  out: usize,
  room: usize,
  keysAt: usize,
  keysEnd: usize,
): u32 {
  let offset = load<u64>(state);
  let bytes = load<u64>(state, 8);
  let ended = load<u64>(state, 16);
  let keyLength = <usize>load<u32>(state, 24);
  let seen = load<u32>(state, 28);
  const limit = load<u64>(state, 32);
  const form = load<u32>(state, 40);
  const trailer: usize = (form & USER_KEYS) != 0 ? 0 : TRAILER_BYTES;
  const versions = out + (room << 3);
  const sizes = versions + (room << 3);
  const ends = sizes + (room << 2);
  let entries: usize = 0;
  let keys = keysAt;
  let p = at;
  while (p < end && entries < room) {
    const shared = <usize>varint32(p, end);
    let q = <usize>load<u32>(VARINT_END);
    if (q == 0) break;
    const unshared = <usize>varint32(q, end);
    q = <usize>load<u32>(VARINT_END);
    if (q == 0) break;
    let valueLength: usize = 0;
    if ((form & DELTA_CODED) == 0) {
      valueLength = <usize>varint32(q, end);
      q = <usize>load<u32>(VARINT_END);
      if (q == 0) break;
    }
    const suffix = q;
    if (unshared > end - q) break;
    q += unshared;
    const value = q;
    let nextOffset: u64;
    let nextBytes: u64;
    if ((form & DELTA_CODED) != 0 && shared > 0) {
      const zigzag = varint56(q, end);
      nextOffset = offset + bytes + BLOCK_TRAILER_BYTES;
      nextBytes = bytes + ((zigzag >> 1) ^ (0 - (zigzag & 1)));
    } else {
      nextOffset = varint56(q, end);
      q = <usize>load<u32>(VARINT_END);
      if (q == 0) break;
      nextBytes = varint56(q, end);
    }
    q = <usize>load<u32>(VARINT_END);
    if (q == 0) break;
    if ((form & FIRST_KEYS) != 0) {
      const firstKey = <usize>varint32(q, end);
      q = <usize>load<u32>(VARINT_END);
      if (q == 0 || firstKey > end - q) break;
      q += firstKey;
    }
    if ((form & DELTA_CODED) == 0 && q != value + valueLength) return DAMAGED;

    // All of the entry is here.
    const nextLength = shared + unshared;
    if (shared > (load<u32>(state, 52) == 0 ? 0 : keyLength) || nextLength < trailer || nextLength > LAST_KEY_BYTES - 16) return DAMAGED;
    if (nextOffset < ended || nextBytes > 0xffffffff || nextOffset > limit) return DAMAGED;
    if (nextOffset + nextBytes + BLOCK_TRAILER_BYTES > limit) return DAMAGED;
    const user = nextLength - trailer;
    if (user > keysEnd - keys) break;
    if (seen > 0) {
      const ascends = trailer == 0
        ? ascendsFromLast(suffix, shared, keyLength, user)
        : compareToLast(suffix, shared, keyLength, user) != 0;
      if (!ascends) return DAMAGED;
    }
    memory.copy(LAST_KEY + shared, suffix, unshared);
    memory.copy(keys, LAST_KEY, user);
    keys += user;
    store<f64>(out + (entries << 3), <f64>nextOffset);
    store<f64>(versions + (entries << 3), trailer == 0 ? 0 : <f64>(load<u64>(LAST_KEY + user) >> 8));
    store<u32>(sizes + (entries << 2), <u32>nextBytes);
    store<u32>(ends + (entries << 2), <u32>(keys - keysAt));
    store<u32>(state, 1, 52);
    entries++;
    seen++;
    offset = nextOffset;
    bytes = nextBytes;
    ended = nextOffset + nextBytes + BLOCK_TRAILER_BYTES;
    keyLength = nextLength;
    p = q;
  }
  store<u64>(state, offset);
  store<u64>(state, bytes, 8);
  store<u64>(state, ended, 16);
  store<u32>(state, <u32>keyLength, 24);
  store<u32>(state, seen, 28);
  store<u32>(state, <u32>entries, 44);
  store<u32>(state, <u32>(keys - keysAt), 48);
  return <u32>p;
}

/** Whether a user key comes after the last one. */
// @ts-ignore: decorator
@inline
function ascendsFromLast(suffix: usize, shared: usize, lastLength: usize, length: usize): bool {
  const n = min(length, lastLength);
  if (shared < n) {
    const i = shared + matchLength(LAST_KEY + shared, suffix, suffix + (n - shared));
    if (i < n) return load<u8>(suffix + i - shared) > load<u8>(LAST_KEY + i);
  }
  return length > lastLength;
}
