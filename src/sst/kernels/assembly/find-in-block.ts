/** Point lookup in a sound data block; see `findInBlock` of ../../data-block.ts. The key is at KEY. */

import { HEADS_AT, headsBytes, PREFIX_BYTES } from './block-heads';
import { matchLength } from './copy';
import {
  FOUND_TYPE,
  FOUND_VALUE_LENGTH,
  FOUND_VALUE_START,
  FOUND_VERSION,
  KEY,
  TOUCHED,
  VARINT_END,
} from './layout';
import { varint32 } from './varint';

const PASSED: u32 = 0;
const FOUND: u32 = 1;
const EXHAUSTED: u32 = 2;
/** Of heads: `findInBlock` is to be asked; of that, the twin, as only whole keys can tell. */
const UNKNOWN: u32 = 3;

/** By the block's heads, which are at `heads`. */
export function findByHeads(start: usize, heads: usize, keyLength: usize, bound: f64): u32 {
  const entries = <usize>load<u16>(heads);
  const common = <usize>load<u16>(heads + 2);
  let prefix = heads + 4;
  if (common > PREFIX_BYTES) {
    varint32(start + 1, heads);
    varint32(<usize>load<u32>(VARINT_END), heads);
    prefix = <usize>load<u32>(VARINT_END);
  }
  const n = min(common, keyLength);
  const same = matchLength(KEY, prefix, prefix + n);
  if (same < n) return load<u8>(KEY + same) < load<u8>(prefix + same) ? PASSED : EXHAUSTED;
  if (keyLength < common) return PASSED;

  let head = bswap(load<u32>(KEY + common));
  const left = keyLength - common;
  if (left < 4) head = left == 0 ? 0 : head & ~(<u32>0xffffffff >> (<u32>left << 3));
  const array = heads + HEADS_AT;
  const offsets = array + headsBytes(entries);
  // All lines at once: by halves each would wait for the one before, and for a branch that nobody can foresee.
  const wanted = i32x4.splat(head);
  let before = i32x4.splat(0);
  for (let at = array; at < offsets; at += 16) before = i32x4.add(before, i32x4.lt_u(v128.load(at), wanted));
  // Each head before it has counted as -1.
  let low = <usize>-(
    i32x4.extract_lane(before, 0) +
    i32x4.extract_lane(before, 1) +
    i32x4.extract_lane(before, 2) +
    i32x4.extract_lane(before, 3)
  );
  for (; low < entries; low++) {
    if (load<u32>(array + (low << 2)) != head) return PASSED;
    let p = start + <usize>load<u16>(offsets + (low << 1));
    // Asked for now, the lines of the value come while the key is compared, not one by one when it is copied.
    if (low + 1 < entries) {
      const next = min(start + <usize>load<u16>(offsets + (low << 1), 2), p + 256);
      let touched: u32 = 0;
      for (let line = p + 64; line < next; line += 64) touched |= load<u8>(line);
      store<u32>(TOUCHED, touched);
    }
    let shared = <usize>load<u8>(p);
    let unshared = <usize>load<u8>(p + 1);
    let valueLength = <usize>load<u8>(p + 2);
    if ((shared | unshared | valueLength) < 128) p += 3;
    else {
      shared = varint32(p, heads);
      unshared = varint32(<usize>load<u32>(VARINT_END), heads);
      valueLength = varint32(<usize>load<u32>(VARINT_END), heads);
      p = <usize>load<u32>(VARINT_END);
    }
    const user = shared + unshared - 8;
    // What the entry shares with the one before must lie within what is known to be equal.
    if (shared > common + 4 || shared > user) return UNKNOWN;
    // The key is a prefix of what they share, and zeros follow.
    if (shared > keyLength) return PASSED;
    const m = min(user, keyLength);
    const i = shared + matchLength(KEY + shared, p, p + (m - shared));
    if (i < m) {
      if (load<u8>(p + i - shared) > load<u8>(KEY + i)) return PASSED;
    } else if (user > keyLength) return PASSED;
    else if (user == keyLength && accept(p + user - shared, bound, p + unshared, valueLength)) return FOUND;
  }
  return EXHAUSTED;
}

// @ts-ignore: decorator
@inline
function accept(trailerAt: usize, bound: f64, valueStart: usize, valueLength: usize): bool {
  const trailer = load<u64>(trailerAt);
  const version = <f64>(trailer >> 8);
  if (version > bound) return false;
  store<f64>(FOUND_VERSION, version);
  store<u32>(FOUND_TYPE, <u32>trailer & 255);
  store<u32>(FOUND_VALUE_START, <u32>valueStart);
  store<u32>(FOUND_VALUE_LENGTH, <u32>valueLength);
  return true;
}

/** The last restart whose entry is before (key, bound), or 0. */
// @ts-ignore: decorator
@inline
function restartBefore(start: usize, restartsAt: usize, restarts: usize, keyLength: usize, bound: f64): usize {
  let low: usize = 0;
  let high = restarts - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    let p = start + <usize>load<u32>(restartsAt + (middle << 2)) + 1;
    let unshared = <usize>load<u8>(p++);
    if (unshared >= 128) {
      unshared = varint32(p - 1, restartsAt);
      p = <usize>load<u32>(VARINT_END);
    }
    while (load<u8>(p++) >= 128) {}
    const user = unshared - 8;
    const n = min(user, keyLength);
    const i = matchLength(KEY, p, p + n);
    let before: bool;
    if (i < n) before = load<u8>(p + i) < load<u8>(KEY + i);
    else if (user != keyLength) before = user < keyLength;
    else before = <f64>(load<u64>(p + user) >> 8) > bound;
    if (before) low = middle;
    else high = middle - 1;
  }
  return low;
}

export function findInBlock(
  start: usize,
  restartsAt: usize,
  restarts: usize,
  keyLength: usize,
  bound: f64,
): u32 {
  const restart = restarts == 1 ? 0 : restartBefore(start, restartsAt, restarts, keyLength, bound);
  let p = start + <usize>load<u32>(restartsAt + (restart << 2));
  // How many bytes of the key the entry before matches; below its user key's length unless it is a prefix of the key.
  let match: usize = 0;
  let lastUser: usize = 0;
  while (p < restartsAt) {
    let shared = <usize>load<u8>(p);
    let unshared = <usize>load<u8>(p + 1);
    let valueLength = <usize>load<u8>(p + 2);
    if ((shared | unshared | valueLength) < 128) p += 3;
    else {
      shared = varint32(p, restartsAt);
      unshared = varint32(<usize>load<u32>(VARINT_END), restartsAt);
      valueLength = varint32(<usize>load<u32>(VARINT_END), restartsAt);
      p = <usize>load<u32>(VARINT_END);
    }
    // The prefix takes in trailer bytes of the entry before.
    if (shared > lastUser) return UNKNOWN;
    const user = shared + unshared - 8;
    if (shared <= match) {
      const n = min(user, keyLength);
      const i = n > shared ? shared + matchLength(KEY + shared, p, p + (n - shared)) : shared;
      const q = p + i - shared;
      if (i < n) {
        if (load<u8>(q) > load<u8>(KEY + i)) return PASSED;
      } else if (user > keyLength) return PASSED;
      else if (user == keyLength && accept(q, bound, p + unshared, valueLength)) return FOUND;
      match = i;
    }
    lastUser = user;
    p += unshared + valueLength;
  }
  return EXHAUSTED;
}
