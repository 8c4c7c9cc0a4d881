/** Plain rows of delimited text become records; see ../js-delimited-records.ts. */

import { compareKeys, copyPadded } from './record-bytes';

const TRAILER_BYTES: usize = 8;
const RECORD_HEAD: usize = 8;
const KEY_BYTES_MAX: usize = 65535;
const TYPE_VALUE: u64 = 1;
const LF: u32 = 10;
const CR: u32 = 13;

// Words of the state, as byte offsets.
const AT: usize = 0;
const END: usize = 4;
const SEPARATOR: usize = 8;
const QUOTE: usize = 12;
const FIELDS: usize = 16;
const KEY_FIELD: usize = 20;
const VALUE_FIELD: usize = 24;
const ROW_BYTES_MAX: usize = 28;
const OUT: usize = 32;
const OUT_LIMIT: usize = 36;
const RUN_ROOM: usize = 40;
const SORT_BYTES: usize = 44;
const ROWS: usize = 48;
const ORDERED: usize = 52;
const LAST_KEY: usize = 56;
const LAST_KEY_LENGTH: usize = 60;
const VERSION: usize = 64;
const DESCENDS: usize = 72;

const WHOLE_ROW: u32 = 0xffffffff;
const OTHER_ROW: u32 = 0;
const OUT_FULL: u32 = 1;

export function delimitedRecords(s: usize): u32 {
  const end = <usize>load<u32>(s + END);
  const separator = load<u32>(s + SEPARATOR);
  const quote = load<u32>(s + QUOTE);
  const fields = load<u32>(s + FIELDS);
  const keyField = load<u32>(s + KEY_FIELD);
  const valueField = load<u32>(s + VALUE_FIELD);
  const rowBytesMax = <usize>load<u32>(s + ROW_BYTES_MAX);
  const outLimit = <usize>load<u32>(s + OUT_LIMIT);
  const sortBytes = <usize>load<u32>(s + SORT_BYTES);
  const ordered = load<u32>(s + ORDERED) != 0;
  const separators = i8x16.splat(<i8>separator);
  const lineFeeds = i8x16.splat(<i8>LF);
  const returns = i8x16.splat(<i8>CR);
  let trailer = (<u64>load<f64>(s + VERSION) << 8) | TYPE_VALUE;
  const step: u64 = load<u32>(s + DESCENDS) != 0 ? <u64>-256 : 256;
  let at = <usize>load<u32>(s + AT);
  let out = <usize>load<u32>(s + OUT);
  let room = <usize>load<u32>(s + RUN_ROOM);
  let lastKey = <usize>load<u32>(s + LAST_KEY);
  let lastKeyLength = <usize>load<u32>(s + LAST_KEY_LENGTH);
  let rows: u32 = 0;
  let why = OTHER_ROW;
  for (;;) {
    while (at < end && (load<u8>(at) == LF || load<u8>(at) == CR)) at++;
    let field: u32 = 0;
    let key: usize = 0;
    let keyLength: usize = 0;
    let value: usize = 0;
    let valueLength: usize = 0;
    let p = at;
    let isWhole = false;
    for (;;) {
      const from = p;
      if (from >= end || <u32>load<u8>(from) == quote) break;
      for (; p < end; p += 16) {
        const some = v128.load(p);
        const ends = v128.or(i8x16.eq(some, lineFeeds), i8x16.eq(some, returns));
        const hits = <u32>i8x16.bitmask(v128.or(i8x16.eq(some, separators), ends));
        if (hits != 0) {
          p += <usize>ctz<u32>(hits);
          break;
        }
      }
      if (p >= end) break;
      if (field == keyField) {
        key = from;
        keyLength = p - from;
      }
      if (field == valueField) {
        value = from;
        valueLength = p - from;
      }
      field++;
      if (<u32>load<u8>(p) != separator) {
        isWhole = true;
        break;
      }
      p++;
    }
    if (valueField == WHOLE_ROW) {
      value = at;
      valueLength = p - at;
    }
    if (!isWhole || field != fields || p - at > rowBytesMax) break;
    if (keyLength - 1 >= KEY_BYTES_MAX || valueLength == 0) break;
    if (ordered && compareKeys(key, keyLength, lastKey, lastKeyLength) < 0) break;
    const bytes = RECORD_HEAD + keyLength + TRAILER_BYTES + valueLength;
    if (bytes + sortBytes > room) break;
    if (bytes > outLimit - out) {
      why = OUT_FULL;
      break;
    }
    store<u32>(out, <u32>keyLength);
    store<u32>(out, <u32>valueLength, 4);
    const keyTo = out + RECORD_HEAD;
    copyPadded(keyTo, key, keyLength);
    store<u64>(keyTo + keyLength, trailer);
    copyPadded(keyTo + keyLength + TRAILER_BYTES, value, valueLength);
    lastKey = keyTo;
    lastKeyLength = keyLength;
    trailer += step;
    out += bytes;
    room -= bytes + sortBytes;
    rows++;
    at = p + 1;
  }
  store<u32>(s + AT, <u32>at);
  store<u32>(s + OUT, <u32>out);
  store<u32>(s + RUN_ROOM, <u32>room);
  store<u32>(s + ROWS, rows);
  store<u32>(s + LAST_KEY, <u32>lastKey);
  store<u32>(s + LAST_KEY_LENGTH, <u32>lastKeyLength);
  return why;
}
