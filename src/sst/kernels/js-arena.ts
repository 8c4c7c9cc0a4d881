/**
 * Records of an arena, in the heap of the table builder that they go to: noted as they come, and staged once they are sorted.
 *
 *   record in an arena   u32 user key bytes | u32 value bytes | user key | trailer | value
 *   staged for a table   u32 internal key bytes | u32 value bytes | user key | trailer | value
 */

import { compareRanges, equalRanges } from '../../base/bytes.ts';
import { fixed32, putFixed32 } from '../../base/codec.ts';
import { putTrailer, TRAILER_BYTES, TYPE_VALUE } from '../../mvcc/internal-key.ts';
import { NO_VERSION } from '../../mvcc/version.ts';
import { RECORD_HEAD_BYTES } from './js-encode-blocks.ts';

/** Words of the state of `stageSorted`, which begins at a multiple of 4. */
export const ARENA_WORDS = 14;
/** Where the next offset of a record is, u32 each, and where they end. */
export const NEXT = 0;
export const OFFSETS_END = 1;
/** Of neighbours with one key the first is staged, else the last. */
export const TAKES_FIRST = 2;
/** It stops at such neighbours. */
export const ASKS = 3;
/** Entries keep the versions of their records; else they have none. */
export const KEEPS_VERSIONS = 4;
/** Where the next record is staged, where that room ends, and the most that a record may have of internal key and value. */
export const STAGED = 5;
export const STAGE_END = 6;
export const RECORD_MAX = 7;
/** Of those that were staged: how many, and the internal key of the last. */
export const STAGED_ENTRIES = 8;
export const LAST_STAGED = 9;
export const LAST_STAGED_LENGTH = 10;
/** How many gave way to another of their key. */
export const LEFT_OUT = 11;
/** Where it stopped: the end of the neighbours with one key that begin at NEXT, and the record of them that is to be staged. */
export const GROUP_END = 12;
export const CHOSEN = 13;

/** Why it stopped; what is at NEXT is not staged. */
export const ALL_STAGED = 0;
export const ARENA_STAGE_FULL = 1;
export const TOO_LARGE = 2;
export const SAME_KEY = 3;

/**
 * Notes the offsets of the records in [from, end), u32 each, below `offsetsAt`, the first one highest. Returns how many they
 * are, doubled, and 1 more where each key is at or after the one before it; `lastAt` is the record before them, 0 for none.
 * `inOrder` 0: that is not asked.
 */
export function noteRecords(
  bytes: Uint8Array,
  from: number,
  end: number,
  offsetsAt: number,
  lastAt: number,
  inOrder: number,
): number {
  let count = 0;
  let last = lastAt;
  let order = inOrder;
  for (let at = from; at < end; ) {
    if (order !== 0 && last !== 0 && compareKeysAt(bytes, at, last) < 0) order = 0;
    count++;
    putFixed32(bytes, offsetsAt - count * 4, at);
    last = at;
    at += RECORD_HEAD_BYTES + fixed32(bytes, at) + TRAILER_BYTES + fixed32(bytes, at + 4);
  }
  return count * 2 + order;
}

/** Stages records until there are no more, or something is to be done; returns what. */
export function stageSorted(bytes: Uint8Array, stateAt: number): number {
  const state = new Uint32Array(bytes.buffer, bytes.byteOffset + stateAt, ARENA_WORDS);
  const word = (name: number): number => state[name] as number;
  for (;;) {
    const next = word(NEXT);
    const end = word(OFFSETS_END);
    if (next >= end) return ALL_STAGED;
    const first = fixed32(bytes, next);
    let groupEnd = next + 4;
    while (groupEnd < end && isSameKeyAt(bytes, first, fixed32(bytes, groupEnd))) groupEnd += 4;
    const chosen = fixed32(bytes, word(TAKES_FIRST) !== 0 ? next : groupEnd - 4);
    const keyLength = fixed32(bytes, chosen);
    const valueLength = fixed32(bytes, chosen + 4);
    const content = keyLength + TRAILER_BYTES + valueLength;
    state[GROUP_END] = groupEnd;
    state[CHOSEN] = chosen;
    if (word(ASKS) !== 0 && groupEnd - next > 4) return SAME_KEY;
    if (content > word(RECORD_MAX)) return TOO_LARGE;
    const to = word(STAGED);
    if (to + RECORD_HEAD_BYTES + content > word(STAGE_END)) return ARENA_STAGE_FULL;
    bytes.copyWithin(to, chosen, chosen + RECORD_HEAD_BYTES + content);
    putFixed32(bytes, to, keyLength + TRAILER_BYTES);
    const keyAt = to + RECORD_HEAD_BYTES;
    if (word(KEEPS_VERSIONS) === 0) putTrailer(bytes, keyAt + keyLength, NO_VERSION, TYPE_VALUE);
    state[LAST_STAGED] = keyAt;
    state[LAST_STAGED_LENGTH] = keyLength + TRAILER_BYTES;
    state[STAGED_ENTRIES] = word(STAGED_ENTRIES) + 1;
    state[LEFT_OUT] = word(LEFT_OUT) + (groupEnd - next) / 4 - 1;
    state[STAGED] = keyAt + content;
    state[NEXT] = groupEnd;
  }
}

function compareKeysAt(bytes: Uint8Array, a: number, b: number): number {
  const [left, right] = [a + RECORD_HEAD_BYTES, b + RECORD_HEAD_BYTES];
  return compareRanges(bytes, left, fixed32(bytes, a), bytes, right, fixed32(bytes, b));
}

function isSameKeyAt(bytes: Uint8Array, a: number, b: number): boolean {
  const [left, right] = [a + RECORD_HEAD_BYTES, b + RECORD_HEAD_BYTES];
  return equalRanges(bytes, left, fixed32(bytes, a), bytes, right, fixed32(bytes, b));
}
