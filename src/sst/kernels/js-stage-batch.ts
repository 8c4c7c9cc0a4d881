/**
 * Entries of a batch, whose bytes and offsets were copied into the memory, become records (js-encode-blocks.ts) of version 0: up to
 * the first that is not to be, because it is out of bounds, not after the one before, of a wrong size, or has no room.
 *
 *   entry i: offsets[2i] key offsets[2i + 1] value offsets[2i + 2], as the caller has them
 */

import { compareRanges } from '../../base/bytes.ts';
import { fixed32, putFixed32 } from '../../base/codec.ts';
import { KEY_BYTES_MAX, putTrailer, TRAILER_BYTES, TYPE_VALUE } from '../../mvcc/internal-key.ts';
import { NO_VERSION } from '../../mvcc/version.ts';
import { RECORD_HEAD_BYTES } from './js-encode-blocks.ts';

/** Words of the state, which begins at a multiple of 8. */
export const STAGE_BATCH_WORDS = 9;
/** Of the first entry; as many as there are. */
export const OFFSETS_AT = 0;
export const COUNT = 1;
/** Where the batch's bytes from offset BASE on are, so many. */
export const BYTES_AT = 2;
export const BASE = 3;
export const LENGTH = 4;
/** Records go to [TO, TO_END), behind which there are COPY_SLACK_BYTES of room. */
export const TO = 5;
export const TO_END = 6;
/** The user key before the first; then the last one that became a record. */
export const LAST_AT = 7;
export const LAST_LENGTH = 8;
/** Kernels copy so much too far, and read so much too far. */
export const COPY_SLACK_BYTES = 16;

/** Returns how many became records. */
export function stageBatch(bytes: Uint8Array, stateAt: number): number {
  const state = new Uint32Array(bytes.buffer, bytes.byteOffset + stateAt, STAGE_BATCH_WORDS);
  const word = (name: number): number => state[name] as number;
  let offsets = word(OFFSETS_AT);
  for (let n = 0; n < word(COUNT); n++, offsets += 8) {
    const start = fixed32(bytes, offsets) - word(BASE);
    const middle = fixed32(bytes, offsets + 4) - word(BASE);
    const end = fixed32(bytes, offsets + 8) - word(BASE);
    if (!(start >= 0 && start <= middle && middle <= end && end <= word(LENGTH))) return n;
    const keyLength = middle - start;
    const valueLength = end - middle;
    const to = word(TO);
    const trailer = to + RECORD_HEAD_BYTES + keyLength;
    if (keyLength < 1 || keyLength > KEY_BYTES_MAX) return n;
    if (trailer + TRAILER_BYTES + valueLength > word(TO_END)) return n;
    const key = word(BYTES_AT) + start;
    if (compareRanges(bytes, key, keyLength, bytes, word(LAST_AT), word(LAST_LENGTH)) <= 0) return n;
    putFixed32(bytes, to, keyLength + TRAILER_BYTES);
    putFixed32(bytes, to + 4, valueLength);
    bytes.copyWithin(to + RECORD_HEAD_BYTES, key, key + keyLength);
    putTrailer(bytes, trailer, NO_VERSION, TYPE_VALUE);
    bytes.copyWithin(trailer + TRAILER_BYTES, key + keyLength, key + keyLength + valueLength);
    state[TO] = trailer + TRAILER_BYTES + valueLength;
    state[LAST_AT] = to + RECORD_HEAD_BYTES;
    state[LAST_LENGTH] = keyLength;
  }
  return word(COUNT);
}
