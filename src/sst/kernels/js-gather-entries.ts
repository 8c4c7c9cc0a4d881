/**
 * Gathers the entries of a sound data block that a reader sees, from a place in it on: of each user key the newest that is
 * not above a version, unless that is a deletion. They are copied one after the other, key and value, with where each ends.
 *
 * The state lies in the kernels' own memory, and so do two keys: at KEY the user key before which to stop, at LAST_KEY the
 * internal key of the entry gone through last. A run of blocks is gone through by one call for each.
 */

import { compareRanges, equalRanges } from '../../base/bytes.ts';
import { KEY_BYTES_MAX, TRAILER_BYTES, TYPE_VALUE, trailerVersion } from '../../mvcc/internal-key.ts';
import { KEY, LAST_KEY } from './wasm-kernels.ts';

/** Where the state is, and how many words it has. */
export const GATHER = 0x22080;
export const GATHER_WORDS = 19;
/** The entry to go on from, and where those of the block end; in and out. */
export const AT = 0;
export const LIMIT = 1;
/** A double: versions above are not seen. */
export const BOUND = 2;
/** Of the key at LAST_KEY, 0: none; and whether of that user key nothing more is to be shown. In and out. */
export const KEY_LENGTH = 4;
export const DECIDED = 5;
/** Of the key at KEY; NO_KEY: there is none. */
export const BEFORE_LENGTH = 6;
/** Where the next entry goes, where the room ends, and from where its ends are counted. */
export const OUT = 7;
export const OUT_END = 8;
export const OUT_BASE = 9;
/** Where the next pair of ends goes: of a key and of its value, u32 each. */
export const ENDS = 10;
/** How many entries more are wanted. */
export const ROOM = 11;
/** 0: values are left out. */
export const WITH_VALUES = 12;
/** Of the entry gone through last, 0: none was. Out only. */
export const ENTRY_AT = 13;
export const VALUE_AT = 14;
export const VALUE_LENGTH = 15;
/** What is put before each key, and how many bytes it has there itself of which it is in the place. */
export const PREFIX_AT = 16;
export const PREFIX_LENGTH = 17;
export const CUT = 18;

export const NO_KEY = 0xffffffff;
/** Internal keys of more are not gathered. */
export const GATHER_KEY_BYTES_MAX = 0x11000 - 16;
/** Room is left for copies of whole words. */
const SLACK = 16;

let varintEnd = 0;
function varint(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at++] as number;
    value += (byte & 127) * scale;
    if (byte < 128) break;
  }
  varintEnd = at;
  return value;
}

/**
 * True: the block is at its end. False: it stopped before an entry, for want of room, at the end of the run, or for a key
 * that is too long, or too short for what is cut off.
 */
export function gatherEntries(bytes: Uint8Array): boolean {
  const state = new Uint32Array(bytes.buffer, bytes.byteOffset + GATHER, GATHER_WORDS);
  const bound = new Float64Array(bytes.buffer, bytes.byteOffset + GATHER + BOUND * 4, 1)[0] as number;
  const limit = state[LIMIT] as number;
  const beforeLength = state[BEFORE_LENGTH] as number;
  const cut = state[CUT] as number;
  const added = (state[PREFIX_LENGTH] as number) - cut;
  const longest = Math.min(GATHER_KEY_BYTES_MAX, KEY_BYTES_MAX + TRAILER_BYTES - added);
  state[ENTRY_AT] = 0;
  state[VALUE_AT] = 0;
  state[VALUE_LENGTH] = 0;
  for (let p = state[AT] as number; p < limit; p = state[AT] as number) {
    const shared = varint(bytes, p);
    const unshared = varint(bytes, varintEnd);
    const valueLength = varint(bytes, varintEnd);
    const q = varintEnd;
    const length = shared + unshared;
    if (length < cut + TRAILER_BYTES || length > longest) return false;
    const user = length - TRAILER_BYTES;
    const copied = state[WITH_VALUES] === 0 ? 0 : valueLength;
    const left = (state[OUT_END] as number) - (state[OUT] as number);
    if (state[ROOM] === 0 || added + user + copied + SLACK > left) return false;
    const key = new Uint8Array(length);
    key.set(bytes.subarray(LAST_KEY, LAST_KEY + shared));
    key.set(bytes.subarray(q, q + unshared), shared);
    if (beforeLength !== NO_KEY && compareRanges(key, 0, user, bytes, KEY, beforeLength) >= 0) return false;

    const lastUser = (state[KEY_LENGTH] as number) - TRAILER_BYTES;
    const passed = state[DECIDED] !== 0 && equalRanges(key, 0, user, bytes, LAST_KEY, lastUser);
    bytes.set(key, LAST_KEY);
    state[KEY_LENGTH] = length;
    state[ENTRY_AT] = p;
    state[VALUE_AT] = q + unshared;
    state[VALUE_LENGTH] = valueLength;
    state[AT] = q + unshared + valueLength;
    if (passed) continue;
    state[DECIDED] = trailerVersion(key, user) <= bound ? 1 : 0;
    if (state[DECIDED] !== 0 && key[user] === TYPE_VALUE) emit(bytes, state, key, user, copied);
  }
  return true;
}

function emit(bytes: Uint8Array, state: Uint32Array, key: Uint8Array, user: number, copied: number): void {
  const out = state[OUT] as number;
  const ends = new DataView(bytes.buffer, bytes.byteOffset + (state[ENDS] as number), 8);
  const prefixAt = state[PREFIX_AT] as number;
  const prefixLength = state[PREFIX_LENGTH] as number;
  bytes.copyWithin(out, prefixAt, prefixAt + prefixLength);
  const shown = key.subarray(state[CUT] as number, user);
  bytes.set(shown, out + prefixLength);
  const keyEnd = out + prefixLength + shown.length;
  const valueAt = state[VALUE_AT] as number;
  bytes.copyWithin(keyEnd, valueAt, valueAt + copied);
  const end = keyEnd + copied;
  ends.setUint32(0, keyEnd - (state[OUT_BASE] as number), true);
  ends.setUint32(4, end - (state[OUT_BASE] as number), true);
  state[OUT] = end;
  state[ENDS] = (state[ENDS] as number) + 8;
  state[ROOM] = (state[ROOM] as number) - 1;
}
