/** Records of an arena: noted as they come, and staged for the encoder once they are sorted; see ../js-arena.ts. */

import { matchLength } from './copy';
import { compareKeys, copyPadded } from './record-bytes';

const TRAILER_BYTES: usize = 8;
const RECORD_HEAD: usize = 8;
const TYPE_VALUE: u64 = 1;

// Words of the state, as byte offsets.
const NEXT: usize = 0;
const OFFSETS_END: usize = 4;
const TAKES_FIRST: usize = 8;
const ASKS: usize = 12;
const KEEPS_VERSIONS: usize = 16;
const STAGED: usize = 20;
const STAGE_END: usize = 24;
const RECORD_MAX: usize = 28;
const STAGED_ENTRIES: usize = 32;
const LAST_STAGED: usize = 36;
const LAST_STAGED_LENGTH: usize = 40;
const LEFT_OUT: usize = 44;
const GROUP_END: usize = 48;
const CHOSEN: usize = 52;

// What it returns.
const ALL_STAGED: u32 = 0;
const STAGE_FULL: u32 = 1;
const TOO_LARGE: u32 = 2;
const SAME_KEY: u32 = 3;

export function noteRecords(from: usize, end: usize, offsetsAt: usize, lastAt: usize, inOrder: u32): u32 {
  let count: u32 = 0;
  let last = lastAt;
  for (let at = from; at < end; ) {
    const keyLength = <usize>load<u32>(at);
    if (inOrder != 0 && last != 0) {
      const order = compareKeys(at + RECORD_HEAD, keyLength, last + RECORD_HEAD, <usize>load<u32>(last));
      if (order < 0) inOrder = 0;
    }
    count++;
    store<u32>(offsetsAt - (<usize>count << 2), <u32>at);
    last = at;
    at += RECORD_HEAD + keyLength + TRAILER_BYTES + <usize>load<u32>(at, 4);
  }
  return (count << 1) | inOrder;
}

export function stageSorted(state: usize): u32 {
  let next = <usize>load<u32>(state + NEXT);
  const end = <usize>load<u32>(state + OFFSETS_END);
  const stageEnd = <usize>load<u32>(state + STAGE_END);
  const recordMax = <usize>load<u32>(state + RECORD_MAX);
  const takesFirst = load<u32>(state + TAKES_FIRST) != 0;
  const asks = load<u32>(state + ASKS) != 0;
  const keepsVersions = load<u32>(state + KEEPS_VERSIONS) != 0;
  let staged = <usize>load<u32>(state + STAGED);
  let why = ALL_STAGED;
  while (next < end) {
    const first = <usize>load<u32>(next);
    let groupEnd = next + 4;
    let last = first;
    while (groupEnd < end) {
      const other = <usize>load<u32>(groupEnd);
      if (!isSameKey(last, other)) break;
      last = other;
      groupEnd += 4;
    }
    const chosen = takesFirst ? first : last;
    const keyLength = <usize>load<u32>(chosen);
    const valueLength = <usize>load<u32>(chosen, 4);
    const length = keyLength + TRAILER_BYTES;
    store<u32>(state + GROUP_END, <u32>groupEnd);
    store<u32>(state + CHOSEN, <u32>chosen);
    if (asks && groupEnd - next > 4) why = SAME_KEY;
    else if (length + valueLength > recordMax) why = TOO_LARGE;
    else if (RECORD_HEAD + length + valueLength > stageEnd - staged) why = STAGE_FULL;
    if (why != ALL_STAGED) break;
    // Key, trailer and value lie one after the other in both; there is room for a last store that is too long.
    copyPadded(staged + RECORD_HEAD, chosen + RECORD_HEAD, length + valueLength);
    store<u32>(staged, <u32>length);
    store<u32>(staged, <u32>valueLength, 4);
    if (!keepsVersions) store<u64>(staged + RECORD_HEAD + keyLength, TYPE_VALUE);
    store<u32>(state + LAST_STAGED, <u32>(staged + RECORD_HEAD));
    store<u32>(state + LAST_STAGED_LENGTH, <u32>length);
    store<u32>(state + STAGED_ENTRIES, load<u32>(state + STAGED_ENTRIES) + 1);
    store<u32>(state + LEFT_OUT, load<u32>(state + LEFT_OUT) + <u32>((groupEnd - next) >> 2) - 1);
    staged += RECORD_HEAD + length + valueLength;
    next = groupEnd;
  }
  store<u32>(state + NEXT, <u32>next);
  store<u32>(state + STAGED, <u32>staged);
  return why;
}

// @ts-ignore: decorator
@inline
function isSameKey(a: usize, b: usize): bool {
  const length = <usize>load<u32>(a);
  if (length != <usize>load<u32>(b)) return false;
  return matchLength(a + RECORD_HEAD, b + RECORD_HEAD, b + RECORD_HEAD + length) == length;
}
