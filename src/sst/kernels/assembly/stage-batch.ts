/** Entries of a batch become records; see ../js-stage-batch.ts. */

import { compareKeys, copyPadded } from './record-bytes';

const TRAILER_BYTES: usize = 8;
const RECORD_HEAD: usize = 8;
const KEY_BYTES_MAX: usize = 65535;
const TYPE_VALUE: u64 = 1;

// Words of the state, as byte offsets.
const KEY_OFFSETS_AT: usize = 0;
const VALUE_OFFSETS_AT: usize = 4;
const STEP: usize = 8;
const COUNT: usize = 12;
const KEYS_AT: usize = 16;
const KEYS_BASE: usize = 20;
const KEYS_LENGTH: usize = 24;
const VALUES_AT: usize = 28;
const VALUES_BASE: usize = 32;
const VALUES_LENGTH: usize = 36;
const TO: usize = 40;
const TO_END: usize = 44;
const LAST_AT: usize = 48;
const LAST_LENGTH: usize = 52;

export function stageBatch(state: usize): u32 {
  let keyOffsets = <usize>load<u32>(state + KEY_OFFSETS_AT);
  let valueOffsets = <usize>load<u32>(state + VALUE_OFFSETS_AT);
  const step = <usize>load<u32>(state + STEP) << 2;
  const count = load<u32>(state + COUNT);
  const keysAt = <usize>load<u32>(state + KEYS_AT);
  const keysBase = <usize>load<u32>(state + KEYS_BASE);
  const keysLength = <usize>load<u32>(state + KEYS_LENGTH);
  const valuesAt = <usize>load<u32>(state + VALUES_AT);
  const valuesBase = <usize>load<u32>(state + VALUES_BASE);
  const valuesLength = <usize>load<u32>(state + VALUES_LENGTH);
  const toEnd = <usize>load<u32>(state + TO_END);
  let to = <usize>load<u32>(state + TO);
  let last = <usize>load<u32>(state + LAST_AT);
  let lastLength = <usize>load<u32>(state + LAST_LENGTH);
  let n: u32 = 0;
  for (; n < count; n++) {
    // What lies before the base wraps around, and is too large then.
    const keyStart = <usize>load<u32>(keyOffsets) - keysBase;
    const keyEnd = <usize>load<u32>(keyOffsets, 4) - keysBase;
    const valueStart = <usize>load<u32>(valueOffsets) - valuesBase;
    const valueEnd = <usize>load<u32>(valueOffsets, 4) - valuesBase;
    if (keyStart > keyEnd || keyEnd > keysLength || valueStart > valueEnd || valueEnd > valuesLength) break;
    const keyLength = keyEnd - keyStart;
    const valueLength = valueEnd - valueStart;
    if (keyLength == 0 || keyLength > KEY_BYTES_MAX) break;
    if (RECORD_HEAD + keyLength + TRAILER_BYTES + valueLength > toEnd - to) break;
    const key = keysAt + keyStart;
    if (compareKeys(key, keyLength, last, lastLength) <= 0) break;
    store<u32>(to, <u32>(keyLength + TRAILER_BYTES));
    store<u32>(to, <u32>valueLength, 4);
    last = to + RECORD_HEAD;
    lastLength = keyLength;
    to = last + keyLength;
    // Each may be copied too far: what follows is put behind it, and there is room after the last one.
    copyPadded(last, key, keyLength);
    store<u64>(to, TYPE_VALUE);
    copyPadded(to + TRAILER_BYTES, valuesAt + valueStart, valueLength);
    to += TRAILER_BYTES + valueLength;
    keyOffsets += step;
    valueOffsets += step;
  }
  store<u32>(state + TO, <u32>to);
  store<u32>(state + LAST_AT, <u32>last);
  store<u32>(state + LAST_LENGTH, <u32>lastLength);
  return n;
}
