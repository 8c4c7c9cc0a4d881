/**
 * The check of a data block, see ../../data-block.ts: the same rules, but it only says whether all of them hold. What is
 * wrong the caller finds out from the twin. Nothing outside the block is read.
 *
 * SHAPE then holds: where the restart array is | restarts | entries | deletes | bytes of the heads | length of LAST_KEY.
 */

import { buildHeads } from './block-heads';
import { matchLength } from './copy';
import { filterLine, nextProbe } from './filter-bits';
import { LAST_KEY, LAST_KEY_BYTES, SHAPE, VARINT_END, VERSIONS } from './layout';
import { varint32 } from './varint';
import { xxph3 } from './xxh3';

const TRAILER_BYTES: usize = 8;
const KEY_BYTES_MAX: usize = 65535;
const VALUE_BYTES_MAX: usize = 1073741824;

/** `rules`, as in ../kernels.ts. */
const ENTRY_RULES: u32 = 1;
const EXTERNAL_RULES: u32 = 2;

/**
 * `headsBytes`: room after the block for its heads, 0 for none. `filterLines`: of the filter at `filterAt`, which must
 * admit every key; 0 for none.
 */
export function checkDataBlock(
  start: usize,
  length: usize,
  headsBytes: usize,
  rules: u32,
  filterAt: usize,
  filterLines: u32,
  filterProbes: u32,
): bool {
  if (length < 8) return false;
  const footer = load<u32>(start + length - 4);
  if ((footer & 0x50000000) != 0) return false;
  let end = start + length - 4;
  if ((footer & 0x80000000) != 0) {
    end -= 2;
    const buckets = <usize>load<u16>(end);
    if (buckets > end - start) return false;
    end -= buckets;
  }
  const count = <usize>(footer & 0x0fffffff);
  if (count == 0 || count > (end - start) >> 2) return false;
  const limit = end - (count << 2);

  const blockEnd = start + length;
  let keyLength: usize = 0;
  /** Of the entry before: how much its key shares, and where the rest of it is. */
  let lastShared: usize = 0;
  let lastRest: usize = start;
  let p = start;
  let restart: usize = 0;
  let restartAt = restartOf(start, limit, length, 0);
  let entries: u32 = 0;
  let deletes: u32 = 0;
  let least: u64 = 0xffffffffffffffff;
  let greatest: u64 = 0;
  while (p < limit) {
    const entryAt = p;
    // The restart array follows: four bytes can always be read.
    const header = load<u32>(p);
    let shared = <usize>(header & 255);
    let unshared = <usize>((header >> 8) & 255);
    let valueLength = <usize>((header >> 16) & 255);
    if ((header & 0x808080) == 0) {
      p += 3;
      if (p + unshared + valueLength > limit) return false;
    } else {
      shared = varint32(p, limit);
      p = <usize>load<u32>(VARINT_END);
      if (p == 0) return false;
      unshared = varint32(p, limit);
      p = <usize>load<u32>(VARINT_END);
      if (p == 0) return false;
      valueLength = varint32(p, limit);
      p = <usize>load<u32>(VARINT_END);
      if (p == 0) return false;
      if (p > limit || unshared > limit - p || valueLength > limit - p - unshared) return false;
    }
    const nextLength = shared + unshared;
    if (shared > keyLength || nextLength < TRAILER_BYTES || nextLength > LAST_KEY_BYTES - 32) return false;
    if (entryAt == restartAt) {
      if (load<u8>(entryAt) != 0) return false;
      restart++;
      restartAt = restart < count ? restartOf(start, limit, length, restart) : 0;
    } else if (entries == 0) return false;

    const user = nextLength - TRAILER_BYTES;
    let same = false;
    if (entries > 0) {
      // Most keys differ where they cease to share, and LAST_KEY may be on its way to memory still.
      const at = shared >= lastShared ? lastRest + shared - lastShared : LAST_KEY + shared;
      if (shared >= min(user, keyLength - TRAILER_BYTES) || load<u8>(p) <= load<u8>(at)) {
        const order = compareToLast(p, shared, keyLength, user);
        if (order <= 0) return false;
        same = order == 2;
      }
    }
    lastShared = shared;
    lastRest = p;
    if (unshared <= 32 && p + 32 <= blockEnd) {
      v128.store(LAST_KEY + shared, v128.load(p));
      v128.store(LAST_KEY + shared, v128.load(p, 16), 16);
    } else {
      // The last copy may reach seven bytes too far: in the block, whose restart array and footer follow.
      for (let i: usize = 0; i < unshared; i += 8) store<u64>(LAST_KEY + shared + i, load<u64>(p + i));
    }
    const trailer =
      unshared >= TRAILER_BYTES ? load<u64>(p + unshared - TRAILER_BYTES) : load<u64>(LAST_KEY + user);
    const type = <u32>trailer & 255;
    if (type > 1 || trailer >> 61 != 0) return false;
    deletes += 1 - type;
    if (rules != 0) {
      if (user < 1 || user > KEY_BYTES_MAX || valueLength > VALUE_BYTES_MAX) return false;
      if ((rules & EXTERNAL_RULES) != 0 && (same || trailer >> 8 != 0)) return false;
      least = min(least, trailer >> 8);
      greatest = max(greatest, trailer >> 8);
      if (filterLines != 0 && !same && !filterAdmits(user, filterAt, filterLines, filterProbes)) return false;
    }
    keyLength = nextLength;
    p += unshared + valueLength;
    entries++;
  }
  if (entries == 0 || restart != count) return false;
  store<u32>(SHAPE, <u32>limit);
  store<u32>(SHAPE + 4, <u32>count);
  store<u32>(SHAPE + 8, entries);
  store<u32>(SHAPE + 12, deletes);
  const heads = headsBytes == 0 ? 0 : buildHeads(start, start + length, headsBytes, limit, entries, keyLength);
  store<u32>(SHAPE + 16, <u32>heads);
  store<u32>(SHAPE + 20, <u32>keyLength);
  if (rules != 0) {
    store<f64>(VERSIONS, <f64>least);
    store<f64>(VERSIONS + 8, <f64>greatest);
  }
  return true;
}

// @ts-ignore: decorator
@inline
function restartOf(start: usize, limit: usize, length: usize, restart: usize): usize {
  const offset = <usize>load<u32>(limit + (restart << 2));
  // One outside the block could wrap around to a place inside.
  return offset < length ? start + offset : 0;
}

/** 1: the entry comes after the one before; 2: so it does, with the same user key; 0: it does not. */
// @ts-ignore: decorator
@inline
export function compareToLast(p: usize, shared: usize, keyLength: usize, user: usize): i32 {
  const lastUser = keyLength - TRAILER_BYTES;
  const n = min(user, lastUser);
  if (shared < n) {
    const i = shared + matchLength(LAST_KEY + shared, p, p + (n - shared));
    if (i < n) return i32(load<u8>(p + i - shared) > load<u8>(LAST_KEY + i));
  }
  if (user != lastUser) return i32(user > lastUser);
  // (version << 8 | type) must descend.
  let now: u64 = 0;
  for (let j: usize = 0; j < TRAILER_BYTES; j++) {
    const at = user + j;
    now |= <u64>load<u8>(at < shared ? LAST_KEY + at : p + at - shared) << (<u64>j << 3);
  }
  return now < load<u64>(LAST_KEY + user) ? 2 : 0;
}

// @ts-ignore: decorator
@inline
function filterAdmits(user: usize, filterAt: usize, lines: u32, probes: u32): bool {
  const hash = xxph3(LAST_KEY, user);
  const line = filterLine(hash, filterAt, lines);
  let h = <u32>(hash >> 32);
  for (; probes > 0; probes--) {
    const bit = h >> 23;
    if ((load<u8>(line + <usize>(bit >> 3)) & (1 << (bit & 7))) == 0) return false;
    h = nextProbe(h);
  }
  return true;
}
