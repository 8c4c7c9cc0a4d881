/**
 * Rows of delimited text whose key is one column and whose value is another, both as they stand, become records of an import:
 *
 *   u32 key bytes | u32 value bytes | key | trailer: version << 8 | type, 8 bytes | value
 *
 * Only rows that need no second look: it stops before one with a field that begins with the quote, with more or fewer fields,
 * with nothing in key or value, that is too long, out of order, or not whole. Empty lines before a row are passed over.
 */

import { compareRanges } from '../../base/bytes.ts';
import { putFixed32 } from '../../base/codec.ts';
import { KEY_BYTES_MAX, putTrailer, TRAILER_BYTES, TYPE_VALUE } from '../../mvcc/internal-key.ts';
import { versionOf } from '../../mvcc/version.ts';
import { RECORD_HEAD_BYTES } from './js-encode-blocks.ts';

/** Words of the state, which begins at a multiple of 8. */
export const DELIMITED_WORDS = 20;
/** The text: where the next row begins, and where there is no more. */
export const AT = 0;
export const END = 1;
/** One byte each; 256: nothing is quoted. */
export const SEPARATOR = 2;
export const QUOTE = 3;
/** How many fields a row has, and which of them are taken; WHOLE_ROW: the row without its line end. */
export const WHOLE_ROW = 0xffffffff;
export const FIELDS = 4;
export const KEY_FIELD = 5;
export const VALUE_FIELD = 6;
export const ROW_BYTES_MAX = 7;
/** Where the next record goes, and where that room ends. */
export const OUT = 8;
export const OUT_LIMIT = 9;
/** What the run has room for, each record with what sorting it takes. */
export const RUN_ROOM = 10;
export const RECORD_SORT_BYTES = 11;
/** How many rows became records in this call. */
export const ROWS = 12;
/** Each key has to be at or after the one before it: at first that at LAST_KEY, then those of the records. */
export const ORDERED = 13;
export const LAST_KEY = 14;
export const LAST_KEY_LENGTH = 15;
/** Of the first row, a double; those after it have one more each, or one less. */
export const VERSION = 16;
export const DESCENDS = 18;

/** Why it stopped: what comes is not for it; or there is no room for the next record. */
export const OTHER_ROW = 0;
export const OUT_FULL = 1;

const LF = 10;
const CR = 13;

export function delimitedRecords(bytes: Uint8Array, stateAt: number): number {
  const state = new Uint32Array(bytes.buffer, bytes.byteOffset + stateAt, DELIMITED_WORDS);
  const version = new Float64Array(bytes.buffer, bytes.byteOffset + stateAt, DELIMITED_WORDS / 2)[
    VERSION / 2
  ];
  const word = (name: number): number => state[name] as number;
  const step = word(DESCENDS) === 0 ? 1 : -1;
  state[ROWS] = 0;
  for (;;) {
    let at = word(AT);
    while (at < word(END) && (bytes[at] === LF || bytes[at] === CR)) at++;
    state[AT] = at;
    const row = plainRow(bytes, state, at);
    if (row === undefined || row.to - at > word(ROW_BYTES_MAX)) return OTHER_ROW;
    const { key, keyLength, value, valueLength, to } = row;
    if (keyLength < 1 || keyLength > KEY_BYTES_MAX || valueLength === 0) return OTHER_ROW;
    const [last, lastLength] = [word(LAST_KEY), word(LAST_KEY_LENGTH)];
    if (word(ORDERED) !== 0 && compareRanges(bytes, key, keyLength, bytes, last, lastLength) < 0)
      return OTHER_ROW;
    const length = RECORD_HEAD_BYTES + keyLength + TRAILER_BYTES + valueLength;
    if (length + word(RECORD_SORT_BYTES) > word(RUN_ROOM)) return OTHER_ROW;
    const out = word(OUT);
    if (out + length > word(OUT_LIMIT)) return OUT_FULL;
    putFixed32(bytes, out, keyLength);
    putFixed32(bytes, out + 4, valueLength);
    const keyTo = out + RECORD_HEAD_BYTES;
    bytes.copyWithin(keyTo, key, key + keyLength);
    putTrailer(bytes, keyTo + keyLength, versionOf((version as number) + word(ROWS) * step), TYPE_VALUE);
    bytes.copyWithin(keyTo + keyLength + TRAILER_BYTES, value, value + valueLength);
    state[LAST_KEY] = keyTo;
    state[LAST_KEY_LENGTH] = keyLength;
    state[OUT] = out + length;
    state[RUN_ROOM] = word(RUN_ROOM) - length - word(RECORD_SORT_BYTES);
    state[ROWS] = word(ROWS) + 1;
    state[AT] = to + 1;
  }
}

/** undefined: it is not whole, or not plain. */
function plainRow(
  bytes: Uint8Array,
  state: Uint32Array,
  at: number,
): { key: number; keyLength: number; value: number; valueLength: number; to: number } | undefined {
  const end = state[END] as number;
  const separator = state[SEPARATOR] as number;
  const row = { key: 0, keyLength: 0, value: 0, valueLength: 0, to: at };
  for (let field = 0, from = at; ; field++, from = row.to + 1) {
    if (from >= end || bytes[from] === state[QUOTE]) return undefined;
    let p = from;
    while (p < end && bytes[p] !== separator && bytes[p] !== LF && bytes[p] !== CR) p++;
    if (p >= end) return undefined;
    row.to = p;
    if (field === state[KEY_FIELD]) {
      row.key = from;
      row.keyLength = p - from;
    }
    if (field === state[VALUE_FIELD]) {
      row.value = from;
      row.valueLength = p - from;
    }
    if (bytes[p] === separator) continue;
    if (state[VALUE_FIELD] === WHOLE_ROW) {
      row.value = at;
      row.valueLength = p - at;
    }
    return field + 1 === state[FIELDS] ? row : undefined;
  }
}
