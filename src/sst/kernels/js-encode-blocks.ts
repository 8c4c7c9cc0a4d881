/**
 * Encodes staged entries into data blocks, by RocksDB's rules to the byte, and stores the blocks that fill, compressed
 * and with their trailers, one after the other. The state lies in the same memory.
 *
 *   record         u32 internal key bytes | u32 value bytes | internal key | value
 *   index record   u32 stored bytes | u32 key bytes | u32 flags | separator with its trailer
 *
 * Building blocks and storing them can be shared by two threads (../block-encoder.ts): stored raw, each with a trailer that
 * counts for nothing, blocks go to the other one with their index records, in which `storeBlocks` then has what it makes of them.
 */

import { fixed32, putFixed32, putVarint, varintLength } from '../../base/codec.ts';
import { BLOCK_TRAILER_BYTES } from '../checksum.ts';
import { putSeparator, SEPARATOR_SAME_KEY } from './js-separator.ts';
import { hashKey, type KeyHash } from './js-xxh3.ts';
import type { Kernels } from './kernels.ts';

export const RECORD_HEAD_BYTES = 8;
export const INDEX_RECORD_HEAD_BYTES = 12;
/** A flag: the block ends between two versions of one user key. */
export const SPLITS_KEY = 1;
export const RESTART_INTERVAL = 16;
/** More than the three varints before an entry and a store that is too long take. */
export const HEADER_ROOM = 32;
/** More than the raw length before a compressed block and the trailer behind a block take. */
export const STORED_ROOM = 16;
const TRAILER_BYTES = 8;
const TWO_24 = 16777216;

/** Words of the state, which begins at a multiple of 8. */
export const STATE_WORDS = 34;
/** The block being built: where it begins, where its next entry goes, where its room ends. */
export const START = 0;
export const END = 1;
export const LIMIT = 2;
/** At this size, before compression, a block is full; at the other it may be. */
export const BLOCK_BYTES = 3;
export const ALMOST_FULL = 4;
/** Offsets of restarts, u32 each. */
export const RESTARTS_AT = 5;
export const RESTART_COUNT = 6;
export const SINCE_RESTART = 7;
export const ENTRIES = 8;
/** The internal key added last. */
export const LAST_AT = 9;
export const LAST_LENGTH = 10;
/** Hashes of user keys, two u32 each, for the filter; 0: not wanted. */
export const HASHES_AT = 11;
export const HASH_COUNT = 12;
/** Three words: the hash added last, and whether there is one. */
export const HASH_LAST = 13;
/** Where the next block is stored, and where that room ends; likewise for index records. */
export const OUT_AT = 16;
export const OUT_LIMIT = 17;
export const INDEX_AT = 18;
export const INDEX_LIMIT = 19;
/** As in a block's trailer, of those the kernels have; or BY_CALLER: full blocks are the caller's to store. */
export const COMPRESSION = 20;
export const BY_CALLER = 255;
export const CHECKSUM = 21;
/** Why it stopped. */
export const WHY = 22;
export const NO_MORE = 0;
/** For blocks, or for index records. */
export const NO_ROOM = 1;
export const BLOCK_FULL = 2;
/** Of all entries so far; the sums and versions are doubles. */
export const TOTAL_ENTRIES = 23;
export const TOTAL_DELETES = 24;
export const KEY_BYTES = 26;
export const VALUE_BYTES = 28;
export const MIN_VERSION = 30;
export const MAX_VERSION = 32;

const hash: KeyHash = { hashLow: 0, hashHigh: 0 };

/** Adds the records in [at, end) to blocks; returns where it stopped. */
export function encodeBlocks(
  kernels: Kernels,
  bytes: Uint8Array,
  stateAt: number,
  at: number,
  end: number,
): number {
  const state = new Uint32Array(bytes.buffer, bytes.byteOffset + stateAt, STATE_WORDS);
  const sums = new Float64Array(bytes.buffer, bytes.byteOffset + stateAt, STATE_WORDS / 2);
  let p = at;
  state[WHY] = NO_MORE;
  while (p < end) {
    const length = fixed32(bytes, p);
    const valueLength = fixed32(bytes, p + 4);
    const key = p + RECORD_HEAD_BYTES;
    if ((state[ENTRIES] as number) > 0 && isFull(state, length, valueLength)) {
      state[WHY] = storeBlock(kernels, bytes, state, key, length);
      if (state[WHY] !== NO_MORE) return p;
    }
    addEntry(bytes, state, key, length, valueLength);
    noteEntry(bytes, state, sums, key, length, valueLength);
    p = key + length + valueLength;
  }
  return p;
}

/**
 * RocksDB's rule: at the block size, or before it when over nine tenths are there and the entry would exceed it. Not
 * RocksDB's: what does not fit our room has to go to another block.
 */
function isFull(state: Uint32Array, length: number, valueLength: number): boolean {
  const restarts = state[RESTART_COUNT] as number;
  const end = state[END] as number;
  const now = end - (state[START] as number) + restarts * 4 + 4;
  const blockBytes = state[BLOCK_BYTES] as number;
  if (now >= blockBytes) return true;
  if (now > (state[ALMOST_FULL] as number)) {
    const restart = (state[SINCE_RESTART] as number) >= RESTART_INTERVAL ? 4 : 0;
    const header = 4 + varintLength(length) + varintLength(valueLength);
    if (now + length + valueLength + restart + header > blockBytes) return true;
  }
  return end + HEADER_ROOM + length + valueLength + restarts * 4 + 8 > (state[LIMIT] as number);
}

function addEntry(
  bytes: Uint8Array,
  state: Uint32Array,
  key: number,
  length: number,
  valueLength: number,
): void {
  let p = state[END] as number;
  let shared = 0;
  const entries = state[ENTRIES] as number;
  if (entries === 0 || (state[SINCE_RESTART] as number) >= RESTART_INTERVAL) {
    const restarts = state[RESTART_COUNT] as number;
    putFixed32(bytes, (state[RESTARTS_AT] as number) + restarts * 4, p - (state[START] as number));
    state[RESTART_COUNT] = restarts + 1;
    state[SINCE_RESTART] = 0;
  } else {
    const last = state[LAST_AT] as number;
    const n = Math.min(length, state[LAST_LENGTH] as number);
    while (shared < n && bytes[last + shared] === bytes[key + shared]) shared++;
  }
  const unshared = length - shared;
  p = putVarint(bytes, p, shared);
  p = putVarint(bytes, p, unshared);
  p = putVarint(bytes, p, valueLength);
  bytes.copyWithin(p, key + shared, key + length + valueLength);
  state[END] = p + unshared + valueLength;
  state[ENTRIES] = entries + 1;
  state[SINCE_RESTART] = (state[SINCE_RESTART] as number) + 1;
}

/** What is collected of every entry that a block takes; `key`: its internal key, which is then the last one. */
export function noteEntry(
  bytes: Uint8Array,
  state: Uint32Array,
  sums: Float64Array,
  key: number,
  length: number,
  valueLength: number,
): void {
  if (state[HASHES_AT] !== 0) addHash(bytes, state, key, length - TRAILER_BYTES);
  const trailer = key + length - TRAILER_BYTES;
  const version = fixed32(bytes, trailer + 4) * TWO_24 + (fixed32(bytes, trailer) >>> 8);
  state[TOTAL_ENTRIES] = (state[TOTAL_ENTRIES] as number) + 1;
  if (bytes[trailer] === 0) state[TOTAL_DELETES] = (state[TOTAL_DELETES] as number) + 1;
  sums[KEY_BYTES / 2] = (sums[KEY_BYTES / 2] as number) + length;
  sums[VALUE_BYTES / 2] = (sums[VALUE_BYTES / 2] as number) + valueLength;
  if (version < (sums[MIN_VERSION / 2] as number)) sums[MIN_VERSION / 2] = version;
  if (version > (sums[MAX_VERSION / 2] as number)) sums[MAX_VERSION / 2] = version;
  state[LAST_AT] = key;
  state[LAST_LENGTH] = length;
}

/** Equal hashes one after the other count once: the versions of one key. */
function addHash(bytes: Uint8Array, state: Uint32Array, key: number, length: number): void {
  hashKey(bytes, key, length, hash);
  const { hashLow, hashHigh } = hash;
  const known = state[HASH_LAST + 2] !== 0;
  if (known && state[HASH_LAST] === hashLow >>> 0 && state[HASH_LAST + 1] === hashHigh >>> 0) return;
  state[HASH_LAST] = hashLow;
  state[HASH_LAST + 1] = hashHigh;
  state[HASH_LAST + 2] = 1;
  const hashes = state[HASH_COUNT] as number;
  const at = (state[HASHES_AT] as number) + hashes * 8;
  putFixed32(bytes, at, hashLow >>> 0);
  putFixed32(bytes, at + 4, hashHigh >>> 0);
  state[HASH_COUNT] = hashes + 1;
}

/** Stores the block, before the entry with the internal key at `next`, and begins another one; or says why not. */
function storeBlock(
  kernels: Kernels,
  bytes: Uint8Array,
  state: Uint32Array,
  next: number,
  nextLength: number,
): number {
  const kind = state[COMPRESSION] as number;
  if (kind === BY_CALLER) return BLOCK_FULL;
  const start = state[START] as number;
  const restarts = state[RESTART_COUNT] as number;
  const raw = (state[END] as number) - start + restarts * 4 + 4;
  const out = state[OUT_AT] as number;
  if (raw + STORED_ROOM > (state[OUT_LIMIT] as number) - out) return NO_ROOM;
  const record = state[INDEX_AT] as number;
  const lastLength = state[LAST_LENGTH] as number;
  if (INDEX_RECORD_HEAD_BYTES + lastLength > (state[INDEX_LIMIT] as number) - record) return NO_ROOM;
  finishBlock(bytes, state);
  const stored = seal(kernels, bytes, state, start, raw, out);
  const last = state[LAST_AT] as number;
  const keyAt = record + INDEX_RECORD_HEAD_BYTES;
  const outcome = putSeparator(bytes, keyAt, bytes, last, lastLength, bytes, next, nextLength);
  const length = outcome === SEPARATOR_SAME_KEY ? lastLength : outcome;
  putFixed32(bytes, record, stored);
  putFixed32(bytes, record + 4, length);
  putFixed32(bytes, record + 8, outcome === SEPARATOR_SAME_KEY ? SPLITS_KEY : 0);
  state[INDEX_AT] = keyAt + length;
  beginBlock(state);
  return NO_MORE;
}

/**
 * Stores blocks that were built elsewhere, which lie from `from` on, as the index records in [record, end) have them; in these
 * comes how many bytes each has now. Returns where the records begin of those that there was no room for.
 */
export function storeBlocks(
  kernels: Kernels,
  bytes: Uint8Array,
  stateAt: number,
  from: number,
  record: number,
  end: number,
): number {
  const state = new Uint32Array(bytes.buffer, bytes.byteOffset + stateAt, STATE_WORDS);
  let at = record;
  let block = from;
  while (at < end) {
    const raw = fixed32(bytes, at);
    const out = state[OUT_AT] as number;
    if (raw + STORED_ROOM > (state[OUT_LIMIT] as number) - out) break;
    putFixed32(bytes, at, seal(kernels, bytes, state, block, raw, out));
    block += raw + BLOCK_TRAILER_BYTES;
    at += INDEX_RECORD_HEAD_BYTES + fixed32(bytes, at + 4);
  }
  return at;
}

/** Stores a block with its trailer at `out`, where there is room; returns its bytes there. */
function seal(
  kernels: Kernels,
  bytes: Uint8Array,
  state: Uint32Array,
  start: number,
  raw: number,
  out: number,
): number {
  let type = state[COMPRESSION] as number;
  let stored = compress(kernels, bytes, type, start, raw, out);
  if (stored === 0) {
    bytes.copyWithin(out, start, start + raw);
    stored = raw;
    type = 0;
  }
  bytes[out + stored] = type;
  const checksum = state[CHECKSUM] as number;
  putFixed32(bytes, out + stored + 1, checksum === 0 ? 0 : kernels.blockChecksum(checksum, out, stored));
  state[OUT_AT] = out + stored + BLOCK_TRAILER_BYTES;
  return stored;
}

/** Appends the restarts; returns where the block then ends. */
export function finishBlock(bytes: Uint8Array, state: Uint32Array): number {
  const end = state[END] as number;
  const restarts = state[RESTART_COUNT] as number;
  const from = state[RESTARTS_AT] as number;
  bytes.copyWithin(end, from, from + restarts * 4);
  putFixed32(bytes, end + restarts * 4, restarts);
  return end + restarts * 4 + 4;
}

export function beginBlock(state: Uint32Array): void {
  state[END] = state[START] as number;
  state[ENTRIES] = 0;
  state[RESTART_COUNT] = 0;
  state[SINCE_RESTART] = 0;
}

/** As `compressBlock` of ../compression.ts, for the types that kernels have: 0 when the block is to be stored raw. */
function compress(
  kernels: Kernels,
  bytes: Uint8Array,
  type: number,
  start: number,
  raw: number,
  out: number,
): number {
  const most = raw - (raw >>> 3) - 1;
  if (type === 1) return kernels.snappyCompress(start, raw, out, most);
  const prefix = varintLength(raw);
  if (type !== 4 || prefix >= most) return 0;
  putVarint(bytes, out, raw);
  const written = kernels.lz4Compress(start, raw, out + prefix, most - prefix);
  return written === 0 ? 0 : prefix + written;
}
