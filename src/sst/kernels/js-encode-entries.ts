/**
 * Encodes staged entries into a data block, by RocksDB's rules to the byte; the state lies in the same memory.
 *
 *   record: u32 internal key bytes | u32 value bytes | internal key | value
 */

import { fixed32, putFixed32, putVarint, varintLength } from '../../base/codec.ts';
import { hashKey, type KeyHash } from './js-xxh3.ts';

export const RECORD_HEAD_BYTES = 8;
export const RESTART_INTERVAL = 16;
/** More than the three varints before an entry and a store that is too long take. */
export const HEADER_ROOM = 32;
const TRAILER_BYTES = 8;

/** Words of the state. */
export const STATE_WORDS = 16;
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
const HASH_LAST = 13;

const hash: KeyHash = { hashLow: 0, hashHigh: 0 };

/** Adds the records in [at, end) until the block is full; returns where it stopped. */
export function encodeEntries(bytes: Uint8Array, stateAt: number, at: number, end: number): number {
  const state = new Uint32Array(bytes.buffer, bytes.byteOffset + stateAt, STATE_WORDS);
  let p = at;
  while (p < end) {
    const length = fixed32(bytes, p);
    const valueLength = fixed32(bytes, p + 4);
    const key = p + RECORD_HEAD_BYTES;
    if ((state[ENTRIES] as number) > 0 && isFull(state, length, valueLength)) return p;
    addEntry(bytes, state, key, length, valueLength);
    if (state[HASHES_AT] !== 0) addHash(bytes, state, key, length - TRAILER_BYTES);
    state[LAST_AT] = key;
    state[LAST_LENGTH] = length;
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

/** Equal hashes one after the other count once: the versions of one key. */
function addHash(bytes: Uint8Array, state: Uint32Array, key: number, length: number): void {
  hashKey(bytes, key, length, hash);
  const { hashLow, hashHigh } = hash;
  const known = state[HASH_LAST + 2] !== 0;
  if (known && state[HASH_LAST] === hashLow >>> 0 && state[HASH_LAST + 1] === hashHigh >>> 0) return;
  state[HASH_LAST] = hashLow;
  state[HASH_LAST + 1] = hashHigh;
  state[HASH_LAST + 2] = 1;
  const count = state[HASH_COUNT] as number;
  const at = (state[HASHES_AT] as number) + count * 8;
  putFixed32(bytes, at, hashLow >>> 0);
  putFixed32(bytes, at + 4, hashHigh >>> 0);
  state[HASH_COUNT] = count + 1;
}
