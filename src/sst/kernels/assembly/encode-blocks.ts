/** Encodes staged entries into data blocks; see ../js-encode-blocks.ts, whose output it matches byte for byte. */

import { blockChecksum } from './block-checksum';
import { matchLength } from './copy';
import { lz4Compress } from './lz4';
import { putSeparator } from './separator';
import { snappyCompress } from './snappy';
import { putVarint, varintLength } from './varint';
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
const OUT_AT: usize = 64;
const OUT_LIMIT: usize = 68;
const INDEX_AT: usize = 72;
const INDEX_LIMIT: usize = 76;
const COMPRESSION: usize = 80;
const CHECKSUM: usize = 84;
const WHY: usize = 88;
const TOTAL_ENTRIES: usize = 92;
const TOTAL_DELETES: usize = 96;
const KEY_BYTES: usize = 104;
const VALUE_BYTES: usize = 112;
const MIN_VERSION: usize = 120;
const MAX_VERSION: usize = 128;

const BY_CALLER: u32 = 255;
const NO_MORE: u32 = 0;
const NO_ROOM: u32 = 1;
const BLOCK_FULL: u32 = 2;
const INDEX_RECORD_HEAD: usize = 12;
const STORED_ROOM: usize = 16;
const BLOCK_TRAILER: usize = 5;

export function encodeBlocks(state: usize, at: usize, end: usize): usize {
  const hashesAt = <usize>load<u32>(state + HASHES_AT);
  while (at < end) {
    const length = <usize>load<u32>(at);
    const valueLength = <usize>load<u32>(at + 4);
    const key = at + RECORD_HEAD;
    if (load<u32>(state + ENTRIES) > 0 && isFull(state, length, valueLength)) {
      const why = storeBlock(state, key, length);
      if (why != NO_MORE) {
        store<u32>(state + WHY, why);
        return at;
      }
    }
    addEntry(state, key, length, valueLength);
    if (hashesAt != 0) addHash(state, hashesAt, xxph3(key, length - TRAILER_BYTES));
    count(state, load<u64>(key + length - TRAILER_BYTES), length, valueLength);
    store<u32>(state + LAST_AT, <u32>key);
    store<u32>(state + LAST_LENGTH, <u32>length);
    at = key + length + valueLength;
  }
  store<u32>(state + WHY, NO_MORE);
  return at;
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

// @ts-ignore: decorator
@inline
function count(state: usize, trailer: u64, length: usize, valueLength: usize): void {
  const version = <f64>(trailer >> 8);
  store<u32>(state + TOTAL_ENTRIES, load<u32>(state + TOTAL_ENTRIES) + 1);
  if ((trailer & 255) == 0) store<u32>(state + TOTAL_DELETES, load<u32>(state + TOTAL_DELETES) + 1);
  store<f64>(state + KEY_BYTES, load<f64>(state + KEY_BYTES) + <f64>length);
  store<f64>(state + VALUE_BYTES, load<f64>(state + VALUE_BYTES) + <f64>valueLength);
  if (version < load<f64>(state + MIN_VERSION)) store<f64>(state + MIN_VERSION, version);
  if (version > load<f64>(state + MAX_VERSION)) store<f64>(state + MAX_VERSION, version);
}

function storeBlock(state: usize, next: usize, nextLength: usize): u32 {
  const kind = load<u32>(state + COMPRESSION);
  if (kind == BY_CALLER) return BLOCK_FULL;
  const start = <usize>load<u32>(state + START);
  const end = <usize>load<u32>(state + END);
  const restarts = <usize>load<u32>(state + RESTART_COUNT);
  const raw = end - start + (restarts << 2) + 4;
  const out = <usize>load<u32>(state + OUT_AT);
  if (raw + STORED_ROOM > <usize>load<u32>(state + OUT_LIMIT) - out) return NO_ROOM;
  const record = <usize>load<u32>(state + INDEX_AT);
  const lastLength = <usize>load<u32>(state + LAST_LENGTH);
  if (INDEX_RECORD_HEAD + lastLength > <usize>load<u32>(state + INDEX_LIMIT) - record) return NO_ROOM;
  memory.copy(end, <usize>load<u32>(state + RESTARTS_AT), restarts << 2);
  store<u32>(end + (restarts << 2), <u32>restarts);

  const stored = seal(state, start, raw, out);
  const keyAt = record + INDEX_RECORD_HEAD;
  const length = putSeparator(keyAt, <usize>load<u32>(state + LAST_AT), lastLength, next, nextLength);
  const sameKey = length == 0;
  const keyLength = sameKey ? lastLength : length;
  store<u32>(record, <u32>stored);
  store<u32>(record + 4, <u32>keyLength);
  store<u32>(record + 8, u32(sameKey));
  store<u32>(state + INDEX_AT, <u32>(keyAt + keyLength));

  store<u32>(state + END, <u32>start);
  store<u32>(state + ENTRIES, 0);
  store<u32>(state + RESTART_COUNT, 0);
  store<u32>(state + SINCE_RESTART, 0);
  return NO_MORE;
}

/** Stores blocks that were built elsewhere; returns where the index records that it has not done begin. */
export function storeBlocks(state: usize, from: usize, record: usize, end: usize): usize {
  while (record < end) {
    const raw = <usize>load<u32>(record);
    const out = <usize>load<u32>(state + OUT_AT);
    if (raw + STORED_ROOM > <usize>load<u32>(state + OUT_LIMIT) - out) break;
    store<u32>(record, <u32>seal(state, from, raw, out));
    from += raw + BLOCK_TRAILER;
    record += INDEX_RECORD_HEAD + <usize>load<u32>(record + 4);
  }
  return record;
}

/** Stores a block with its trailer at `out`, where there is room; returns its bytes there. */
function seal(state: usize, start: usize, raw: usize, out: usize): usize {
  let type = load<u32>(state + COMPRESSION);
  let stored = compress(type, start, raw, out);
  if (stored == 0) {
    memory.copy(out, start, raw);
    stored = raw;
    type = 0;
  }
  store<u8>(out + stored, <u8>type);
  store<u32>(out + stored + 1, blockChecksum(load<u32>(state + CHECKSUM), out, stored));
  store<u32>(state + OUT_AT, <u32>(out + stored + BLOCK_TRAILER));
  return stored;
}

/** 0 when the block is to be stored raw. */
function compress(type: u32, start: usize, raw: usize, out: usize): usize {
  const most = raw - (raw >> 3) - 1;
  if (type == 1) return snappyCompress(start, raw, out, most);
  const prefix = varintLength(raw);
  if (type != 4 || prefix >= most) return 0;
  putVarint(out, raw);
  const written = lz4Compress(start, raw, out + prefix, most - prefix);
  return written == 0 ? 0 : prefix + written;
}
