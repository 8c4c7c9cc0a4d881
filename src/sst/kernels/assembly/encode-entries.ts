/** Encodes staged entries into a data block; see ../js-encode-entries.ts, whose output it matches byte for byte. */

import { matchLength } from './copy';
import { xxph3 } from './xxh3';

const RESTART_INTERVAL: u32 = 16;
const HEADER_ROOM: usize = 32;
const RECORD_HEAD: usize = 8;
const TRAILER_BYTES: usize = 8;

// Words of the state, as byte offsets.
const START: usize = 0;
const END: usize = 4;
const LIMIT: usize = 8;
const BLOCK_BYTES: usize = 12;
const ALMOST_FULL: usize = 16;
const RESTARTS_AT: usize = 20;
const RESTART_COUNT: usize = 24;
const SINCE_RESTART: usize = 28;
const ENTRIES: usize = 32;
const LAST_AT: usize = 36;
const LAST_LENGTH: usize = 40;
const HASHES_AT: usize = 44;
const HASH_COUNT: usize = 48;
const HASH_LAST: usize = 52;
const HASH_ANY: usize = 60;

export function encodeEntries(state: usize, at: usize, end: usize): usize {
  const hashesAt = <usize>load<u32>(state + HASHES_AT);
  while (at < end) {
    const length = <usize>load<u32>(at);
    const valueLength = <usize>load<u32>(at + 4);
    const key = at + RECORD_HEAD;
    if (load<u32>(state + ENTRIES) > 0 && isFull(state, length, valueLength)) return at;
    addEntry(state, key, length, valueLength);
    if (hashesAt != 0) addHash(state, hashesAt, xxph3(key, length - TRAILER_BYTES));
    store<u32>(state + LAST_AT, <u32>key);
    store<u32>(state + LAST_LENGTH, <u32>length);
    at = key + length + valueLength;
  }
  return at;
}

// @ts-ignore: decorator
@inline
function varintLength(value: usize): usize {
  return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : value < 268435456 ? 4 : 5;
}

// @ts-ignore: decorator
@inline
function isFull(state: usize, length: usize, valueLength: usize): bool {
  const restarts = <usize>load<u32>(state + RESTART_COUNT);
  const end = <usize>load<u32>(state + END);
  const now = end - <usize>load<u32>(state + START) + (restarts << 2) + 4;
  const blockBytes = <usize>load<u32>(state + BLOCK_BYTES);
  if (now >= blockBytes) return true;
  if (now > <usize>load<u32>(state + ALMOST_FULL)) {
    const restart: usize = load<u32>(state + SINCE_RESTART) >= RESTART_INTERVAL ? 4 : 0;
    const header = 4 + varintLength(length) + varintLength(valueLength);
    if (now + length + valueLength + restart + header > blockBytes) return true;
  }
  return end + HEADER_ROOM + length + valueLength + (restarts << 2) + 8 > <usize>load<u32>(state + LIMIT);
}

// @ts-ignore: decorator
@inline
function addEntry(state: usize, key: usize, length: usize, valueLength: usize): void {
  let p = <usize>load<u32>(state + END);
  let shared: usize = 0;
  let since = load<u32>(state + SINCE_RESTART);
  const entries = load<u32>(state + ENTRIES);
  if (entries == 0 || since >= RESTART_INTERVAL) {
    const restarts = load<u32>(state + RESTART_COUNT);
    const restartsAt = <usize>load<u32>(state + RESTARTS_AT);
    store<u32>(restartsAt + (<usize>restarts << 2), <u32>p - load<u32>(state + START));
    store<u32>(state + RESTART_COUNT, restarts + 1);
    since = 0;
  } else {
    const last = <usize>load<u32>(state + LAST_AT);
    shared = matchLength(last, key, key + min(length, <usize>load<u32>(state + LAST_LENGTH)));
  }
  const unshared = length - shared;
  if ((shared | unshared | valueLength) < 128) {
    store<u8>(p, <u8>shared);
    store<u8>(p + 1, <u8>unshared);
    store<u8>(p + 2, <u8>valueLength);
    p += 3;
  } else {
    p = putVarint(p, shared);
    p = putVarint(p, unshared);
    p = putVarint(p, valueLength);
  }
  // Key and value lie one after the other in the record as in the block. There is room for a last store that is too long.
  const from = key + shared;
  const bytes = unshared + valueLength;
  if (bytes > 512) memory.copy(p, from, bytes);
  else for (let i: usize = 0; i < bytes; i += 16) v128.store(p + i, v128.load(from + i));
  store<u32>(state + END, <u32>(p + bytes));
  store<u32>(state + ENTRIES, entries + 1);
  store<u32>(state + SINCE_RESTART, since + 1);
}

function putVarint(at: usize, value: usize): usize {
  for (; value >= 128; value >>= 7) store<u8>(at++, <u8>(value | 128));
  store<u8>(at++, <u8>value);
  return at;
}

/** Equal hashes one after the other count once: the versions of one key. */
// @ts-ignore: decorator
@inline
function addHash(state: usize, hashesAt: usize, hash: u64): void {
  if (load<u32>(state + HASH_ANY) != 0 && load<u64>(state + HASH_LAST) == hash) return;
  store<u32>(state + HASH_ANY, 1);
  store<u64>(state + HASH_LAST, hash);
  const count = load<u32>(state + HASH_COUNT);
  store<u64>(hashesAt + (<usize>count << 3), hash);
  store<u32>(state + HASH_COUNT, count + 1);
}
