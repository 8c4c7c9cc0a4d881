/**
 * Entries of a batch, whose bytes and offsets were copied into the memory, become records (js-encode-blocks.ts) of version 0: up to
 * the first that is not to be, because it is out of bounds, not after the one before, of a wrong size, or has no room.
 *
 * Keys and values are two columns, or lie one behind the other: then the columns share bytes and offsets, of which each has every
 * second one.
 *
 *   entry i: keys[keyOffsets[step * i] … the next offset), values[valueOffsets[step * i] … the next offset)
 */

import { compareRanges } from '../../base/bytes.ts';
import { fixed32, putFixed32 } from '../../base/codec.ts';
import { KEY_BYTES_MAX, putTrailer, TRAILER_BYTES, TYPE_VALUE } from '../../mvcc/internal-key.ts';
import { NO_VERSION } from '../../mvcc/version.ts';
import { RECORD_HEAD_BYTES } from './js-encode-blocks.ts';

/** Words of the state, which begins at a multiple of 8. */
export const STAGE_BATCH_WORDS = 14;
/** Of the first entry; so many words each is behind the one before; how many entries there are. */
export const KEY_OFFSETS_AT = 0;
export const VALUE_OFFSETS_AT = 1;
export const STEP = 2;
export const COUNT = 3;
/** Where the bytes of the columns from the offsets *_BASE on are, so many. */
export const KEYS_AT = 4;
export const KEYS_BASE = 5;
export const KEYS_LENGTH = 6;
export const VALUES_AT = 7;
export const VALUES_BASE = 8;
export const VALUES_LENGTH = 9;
/** Records go to [TO, TO_END), behind which there are COPY_SLACK_BYTES of room. */
export const TO = 10;
export const TO_END = 11;
/** The user key before the first; then the last one that became a record. */
export const LAST_AT = 12;
export const LAST_LENGTH = 13;
/** Kernels copy so much too far, and read so much too far. */
export const COPY_SLACK_BYTES = 16;

/** Returns how many became records. */
export function stageBatch(bytes: Uint8Array, stateAt: number): number {
  const state = new Uint32Array(bytes.buffer, bytes.byteOffset + stateAt, STAGE_BATCH_WORDS);
  const word = (name: number): number => state[name] as number;
  const step = word(STEP) * 4;
  for (let n = 0; n < word(COUNT); n++) {
    const keyOffset = word(KEY_OFFSETS_AT) + n * step;
    const valueOffset = word(VALUE_OFFSETS_AT) + n * step;
    const keyStart = fixed32(bytes, keyOffset) - word(KEYS_BASE);
    const keyLength = fixed32(bytes, keyOffset + 4) - word(KEYS_BASE) - keyStart;
    const valueStart = fixed32(bytes, valueOffset) - word(VALUES_BASE);
    const valueLength = fixed32(bytes, valueOffset + 4) - word(VALUES_BASE) - valueStart;
    if (!(keyStart >= 0 && keyLength >= 0 && keyStart + keyLength <= word(KEYS_LENGTH))) return n;
    if (!(valueStart >= 0 && valueLength >= 0 && valueStart + valueLength <= word(VALUES_LENGTH))) return n;
    const to = word(TO);
    const trailer = to + RECORD_HEAD_BYTES + keyLength;
    if (keyLength < 1 || keyLength > KEY_BYTES_MAX) return n;
    if (trailer + TRAILER_BYTES + valueLength > word(TO_END)) return n;
    const key = word(KEYS_AT) + keyStart;
    const value = word(VALUES_AT) + valueStart;
    if (compareRanges(bytes, key, keyLength, bytes, word(LAST_AT), word(LAST_LENGTH)) <= 0) return n;
    putFixed32(bytes, to, keyLength + TRAILER_BYTES);
    putFixed32(bytes, to + 4, valueLength);
    bytes.copyWithin(to + RECORD_HEAD_BYTES, key, key + keyLength);
    putTrailer(bytes, trailer, NO_VERSION, TYPE_VALUE);
    bytes.copyWithin(trailer + TRAILER_BYTES, value, value + valueLength);
    state[TO] = trailer + TRAILER_BYTES + valueLength;
    state[LAST_AT] = to + RECORD_HEAD_BYTES;
    state[LAST_LENGTH] = keyLength;
  }
  return word(COUNT);
}
