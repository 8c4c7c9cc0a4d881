/** Entries of a batch become records; see ../js-stage-batch.ts. */

import { compareKeys, copyPadded } from './record-bytes';

const TRAILER_BYTES: usize = 8;
const RECORD_HEAD: usize = 8;
const KEY_BYTES_MAX: usize = 65535;
const TYPE_VALUE: u64 = 1;

// Words of the state, as byte offsets.
const OFFSETS_AT: usize = 0;
const COUNT: usize = 4;
const BYTES_AT: usize = 8;
const BASE: usize = 12;
const LENGTH: usize = 16;
const TO: usize = 20;
const TO_END: usize = 24;
const LAST_AT: usize = 28;
const LAST_LENGTH: usize = 32;

export function stageBatch(state: usize): u32 {
  let offsets = <usize>load<u32>(state + OFFSETS_AT);
  const count = load<u32>(state + COUNT);
  const bytesAt = <usize>load<u32>(state + BYTES_AT);
  const base = <usize>load<u32>(state + BASE);
  const length = <usize>load<u32>(state + LENGTH);
  const toEnd = <usize>load<u32>(state + TO_END);
  let to = <usize>load<u32>(state + TO);
  let last = <usize>load<u32>(state + LAST_AT);
  let lastLength = <usize>load<u32>(state + LAST_LENGTH);
  let n: u32 = 0;
  for (; n < count; n++) {
    // What lies before the base wraps around, and is too large then.
    const start = <usize>load<u32>(offsets) - base;
    const middle = <usize>load<u32>(offsets, 4) - base;
    const end = <usize>load<u32>(offsets, 8) - base;
    if (start > middle || middle > end || end > length) break;
    const keyLength = middle - start;
    const valueLength = end - middle;
    if (keyLength == 0 || keyLength > KEY_BYTES_MAX) break;
    if (RECORD_HEAD + keyLength + TRAILER_BYTES + valueLength > toEnd - to) break;
    const key = bytesAt + start;
    if (compareKeys(key, keyLength, last, lastLength) <= 0) break;
    store<u32>(to, <u32>(keyLength + TRAILER_BYTES));
    store<u32>(to, <u32>valueLength, 4);
    last = to + RECORD_HEAD;
    lastLength = keyLength;
    to = last + keyLength;
    // Each may be copied too far: what follows is put behind it, and there is room after the last one.
    copyPadded(last, key, keyLength);
    store<u64>(to, TYPE_VALUE);
    copyPadded(to + TRAILER_BYTES, key + keyLength, valueLength);
    to += TRAILER_BYTES + valueLength;
    offsets += 8;
  }
  store<u32>(state + TO, <u32>to);
  store<u32>(state + LAST_AT, <u32>last);
  store<u32>(state + LAST_LENGTH, <u32>lastLength);
  return n;
}
