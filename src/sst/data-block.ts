/**
 * Data blocks: sorted entries with shared key prefixes.
 *
 *   entry:  varint shared | varint unshared | varint value bytes | unshared key bytes | value
 *   block:  entries | u32 restart offsets | [u8 hash buckets | u16 bucket count] | u32 footer
 *   footer: low 28 bits restart count; bit 31: hash index present; bit 29: keys look uniform (a hint)
 *
 * Keys are internal keys. A block is validated once, when it comes from disk; everything else here trusts it.
 */

import { fixed32 } from '../base/codec.ts';
import { SluiceError } from '../base/errors.ts';
import type { EntryType } from '../mvcc/internal-key.ts';
import { trailerVersion } from '../mvcc/internal-key.ts';
import type { Version } from '../mvcc/version.ts';
import { entryTypeName } from './format.ts';

const RESTART_MASK = 0x0fffffff;
const BIT_SEPARATED = 0x10000000;
const BIT_RESERVED = 0x40000000;
const BIT_HASH_INDEX = 0x80000000;

/** For messages: which block of which file. */
export interface BlockPlace {
  readonly path: string;
  readonly offset: number;
}

/** Where the restart array of a block is; the rest is set by validation only. */
export class BlockShape {
  restartsAt = 0;
  restartCount = 0;
  entries = 0;
  deletes = 0;
  /** Of the last entry's key, with its trailer. */
  lastKeyLength = 0;
  /** Where kernels were given rules for entries. */
  minVersion = 0;
  maxVersion = 0;
  /** Taken behind the block by what kernels know of it. */
  headsBytes = 0;
}

function damaged(place: BlockPlace, what: string): SluiceError {
  return new SluiceError('CORRUPTION', `${place.path}: block at offset ${place.offset}: ${what}`);
}

function unsupported(place: BlockPlace, what: string): SluiceError {
  return new SluiceError('UNSUPPORTED_FORMAT', `${place.path}: block at offset ${place.offset}: ${what}`);
}

/** Reads the block's own footer. */
export function readShape(
  bytes: Uint8Array,
  start: number,
  length: number,
  shape: BlockShape,
  place: BlockPlace,
): void {
  if (length < 8) throw damaged(place, `only ${length} bytes long`);
  const footer = fixed32(bytes, start + length - 4);
  if ((footer & BIT_SEPARATED) !== 0) {
    throw unsupported(place, 'keys and values stored apart (separate_key_value_in_data_block)');
  }
  if ((footer & BIT_RESERVED) !== 0) throw unsupported(place, 'an unknown feature bit in the block footer');
  let end = start + length - 4;
  if ((footer & BIT_HASH_INDEX) !== 0) {
    end -= 2;
    const buckets = (bytes[end] as number) | ((bytes[end + 1] as number) << 8);
    end -= buckets;
  }
  const count = footer & RESTART_MASK;
  const restartsAt = end - count * 4;
  if (count === 0 || restartsAt < start) throw damaged(place, `a restart count of ${count}`);
  shape.restartsAt = restartsAt;
  shape.restartCount = count;
}

let varintEnd = 0;
/** A varint of at most 32 bits that ends before `limit`, else -1. `varintEnd` is the position after it. */
function varint32(bytes: Uint8Array, at: number, limit: number): number {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    if (at >= limit) return -1;
    const byte = bytes[at++] as number;
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) {
      varintEnd = at;
      return value > 0xffffffff ? -1 : value;
    }
  }
  return -1;
}

let keyScratch = new Uint8Array(1024);
/** The last key of the block validated last: for checks across blocks. */
export function lastValidatedKey(): Uint8Array {
  return keyScratch;
}

/**
 * Told of each entry while a block is validated. `keyBytes` is reused and holds the internal key; `sameKey`: its user
 * key is that of the entry before, in this block.
 */
export type EntryVisitor = (
  keyBytes: Uint8Array,
  keyLength: number,
  type: number,
  valueStart: number,
  valueLength: number,
  sameKey: boolean,
) => void;

/**
 * Checks that every entry lies within the block, keys ascend strictly in internal order, the restart array points at
 * the entries it should, and all types are ours. After it, reads of the block need no checks.
 */
export function validateDataBlock(
  bytes: Uint8Array,
  start: number,
  length: number,
  shape: BlockShape,
  place: BlockPlace,
  visit?: EntryVisitor,
  anyType = false,
): void {
  readShape(bytes, start, length, shape, place);
  const limit = shape.restartsAt;
  const restartCount = shape.restartCount;
  let key = keyScratch;
  let keyLength = 0;
  let p = start;
  let restart = 0;
  let restartAt = start + fixed32(bytes, limit);
  let entries = 0;
  let deletes = 0;
  while (p < limit) {
    const entryAt = p;
    let shared = bytes[p] as number;
    let unshared = bytes[p + 1] as number;
    let valueLength = bytes[p + 2] as number;
    // The restart array follows: three bytes can always be read.
    if ((shared | unshared | valueLength) < 128) p += 3;
    else {
      shared = varint32(bytes, p, limit);
      if (shared >= 0) unshared = varint32(bytes, varintEnd, limit);
      if (unshared >= 0 && shared >= 0) valueLength = varint32(bytes, varintEnd, limit);
      if (shared < 0 || unshared < 0 || valueLength < 0) throw damaged(place, `entry ${entries} is cut off`);
      p = varintEnd;
    }
    const nextLength = shared + unshared;
    if (p + unshared + valueLength > limit || shared > keyLength || nextLength < 8) {
      throw damaged(place, `entry ${entries} does not fit`);
    }
    if (entryAt === restartAt) {
      // Also refuses a zero of more than one byte, which `restartBefore` could not step over.
      if (bytes[entryAt] !== 0) throw damaged(place, `restart ${restart} is not a full key`);
      restart++;
      restartAt = restart < restartCount ? start + fixed32(bytes, limit + restart * 4) : -1;
    } else if (entries === 0) throw damaged(place, 'the first restart is not the first entry');

    if (nextLength > key.length) {
      keyScratch = new Uint8Array(nextLength * 2);
      keyScratch.set(key);
      key = keyScratch;
    }
    const user = nextLength - 8;
    const same = entries > 0 && checkOrder(bytes, p, shared, key, keyLength, user, entries, place);
    for (let i = shared, q = p; i < nextLength; i++, q++) key[i] = bytes[q] as number;
    const type = key[user] as number;
    if (type !== 1) {
      if (type === 0) deletes++;
      else if (!anyType) throw unsupported(place, `entry ${entries} is a ${entryTypeName(type)}`);
    }
    if ((key[user + 7] as number) >= 0x20) throw damaged(place, `entry ${entries} has a version above 2^53`);
    if (visit !== undefined) visit(key, nextLength, type, p + unshared, valueLength, same);
    keyLength = nextLength;
    p += unshared + valueLength;
    entries++;
  }
  if (entries === 0) throw damaged(place, 'no entries');
  if (restart !== restartCount) throw damaged(place, `restart ${restart} points at no entry`);
  shape.entries = entries;
  shape.deletes = deletes;
  shape.lastKeyLength = keyLength;
  shape.headsBytes = 0;
}

/** Throws unless the entry comes after the one before; true when both have the same user key. */
function checkOrder(
  bytes: Uint8Array,
  delta: number,
  shared: number,
  key: Uint8Array,
  keyLength: number,
  user: number,
  entry: number,
  place: BlockPlace,
): boolean {
  const lastUser = keyLength - 8;
  const n = user < lastUser ? user : lastUser;
  let i = shared;
  while (i < n && bytes[delta + i - shared] === key[i]) i++;
  if (i < n) {
    if ((bytes[delta + i - shared] as number) > (key[i] as number)) return false;
  } else if (user > lastUser) return false;
  else if (user === lastUser) {
    // Same user key: (version << 8 | type) must descend. The highest byte is the last.
    for (let j = 7; j >= 0; j--) {
      const at = user + j;
      const now = (at < shared ? key[at] : bytes[delta + at - shared]) as number;
      const last = key[at] as number;
      if (now < last) return true;
      if (now > last) break;
    }
  }
  throw damaged(place, `keys do not ascend at entry ${entry}`);
}

/**
 * The last restart whose entry is before (key, bound), or 0. An entry with the same user key is before it when its
 * version is above `bound`.
 */
export function restartBefore(
  bytes: Uint8Array,
  start: number,
  restartsAt: number,
  restartCount: number,
  key: Uint8Array,
  keyStart: number,
  keyLength: number,
  bound: number,
): number {
  let low = 0;
  let high = restartCount - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    let p = start + fixed32(bytes, restartsAt + middle * 4) + 1;
    let unshared = bytes[p++] as number;
    if (unshared >= 128) {
      varint32(bytes, p - 1, restartsAt);
      unshared = varint32(bytes, p - 1, restartsAt);
      p = varintEnd;
    }
    if ((bytes[p++] as number) >= 128) while ((bytes[p++] as number) >= 128);
    const user = unshared - 8;
    const n = user < keyLength ? user : keyLength;
    let i = 0;
    while (i < n && bytes[p + i] === key[keyStart + i]) i++;
    let before: boolean;
    if (i < n) before = (bytes[p + i] as number) < (key[keyStart + i] as number);
    else if (user !== keyLength) before = user < keyLength;
    else before = bound !== Number.POSITIVE_INFINITY && trailerVersion(bytes, p + user) > bound;
    if (before) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** What `findInBlock` found. */
export class FoundEntry {
  version = 0 as Version;
  type: EntryType = 0;
  valueStart = 0;
  valueLength = 0;
}

/** An entry after the key was seen: it is in no later block either. */
export const PASSED = 0;
export const FOUND = 1;
/** All entries of the block are before the key. */
export const EXHAUSTED = 2;

/** The first entry of user key `key` whose version is at most `bound`. */
export function findInBlock(
  bytes: Uint8Array,
  start: number,
  restartsAt: number,
  restartCount: number,
  key: Uint8Array,
  keyStart: number,
  keyLength: number,
  bound: number,
  found: FoundEntry,
): number {
  const restart =
    restartCount === 1
      ? 0
      : restartBefore(bytes, start, restartsAt, restartCount, key, keyStart, keyLength, bound);
  const restartAt = start + fixed32(bytes, restartsAt + restart * 4);
  let p = restartAt;
  // How many bytes of the key the entry before matches; below its user key's length unless it is a prefix of the key.
  let match = 0;
  let lastUser = 0;
  while (p < restartsAt) {
    let shared = bytes[p] as number;
    let unshared = bytes[p + 1] as number;
    let valueLength = bytes[p + 2] as number;
    if ((shared | unshared | valueLength) < 128) p += 3;
    else {
      shared = varint32(bytes, p, restartsAt);
      unshared = varint32(bytes, varintEnd, restartsAt);
      valueLength = varint32(bytes, varintEnd, restartsAt);
      p = varintEnd;
    }
    // The prefix takes in trailer bytes of the entry before: only whole keys can tell.
    if (shared > lastUser) {
      return findWithKeys(bytes, restartAt, restartsAt, key, keyStart, keyLength, bound, found);
    }
    const user = shared + unshared - 8;
    if (shared <= match) {
      const n = user < keyLength ? user : keyLength;
      let i = shared;
      let q = p;
      let k = keyStart + shared;
      while (i < n && bytes[q] === key[k]) {
        i++;
        q++;
        k++;
      }
      if (i < n) {
        if ((bytes[q] as number) > (key[k] as number)) return PASSED;
      } else if (user > keyLength) return PASSED;
      else if (user === keyLength && accept(bytes, q, bound, p + unshared, valueLength, found)) return FOUND;
      match = i;
    }
    lastUser = user;
    p += unshared + valueLength;
  }
  return EXHAUSTED;
}

function accept(
  bytes: Uint8Array,
  trailer: number,
  bound: number,
  valueStart: number,
  valueLength: number,
  found: FoundEntry,
): boolean {
  const version = trailerVersion(bytes, trailer);
  if (version > bound) return false;
  found.version = version;
  found.type = bytes[trailer] as EntryType;
  found.valueStart = valueStart;
  found.valueLength = valueLength;
  return true;
}

let findKey = new Uint8Array(1024);

/** The same by whole keys, from a restart point on. */
function findWithKeys(
  bytes: Uint8Array,
  restartAt: number,
  limit: number,
  key: Uint8Array,
  keyStart: number,
  keyLength: number,
  bound: number,
  found: FoundEntry,
): number {
  let p = restartAt;
  while (p < limit) {
    const shared = varint32(bytes, p, limit);
    const unshared = varint32(bytes, varintEnd, limit);
    const valueLength = varint32(bytes, varintEnd, limit);
    p = varintEnd;
    const length = shared + unshared;
    if (length > findKey.length) {
      const grown = new Uint8Array(length * 2);
      grown.set(findKey);
      findKey = grown;
    }
    for (let i = shared, q = p; i < length; i++, q++) findKey[i] = bytes[q] as number;
    const user = length - 8;
    const n = user < keyLength ? user : keyLength;
    let i = 0;
    while (i < n && findKey[i] === key[keyStart + i]) i++;
    if (i < n) {
      if ((findKey[i] as number) > (key[keyStart + i] as number)) return PASSED;
    } else if (user > keyLength) return PASSED;
    else if (user === keyLength && accept(findKey, user, bound, p + unshared, valueLength, found)) {
      return FOUND;
    }
    p += unshared + valueLength;
  }
  return EXHAUSTED;
}
