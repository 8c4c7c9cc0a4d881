/**
 * Merges the entries of sorted blocks, leaves out garbage and stages what stays as records for the encoder; see
 * ../merge-state.ts for the state, and levels/compaction/ for the twin: cursors and GarbageRule, entry by entry.
 *
 * It stops for whatever it cannot do or know, says why, and goes on from there at the next call.
 * REQUIRES: blocks that were found sound, each key room as large as its block.
 */

import { matchLength } from './copy';
import { VARINT_END } from './layout';
import { varint32 } from './varint';

const TRAILER_BYTES: usize = 8;
const RECORD_HEAD: usize = 8;
const KEY_BYTES_MAX: usize = 65535;
const NO_VERSION_KEPT: f64 = 9007199254740991;

// Words of a cursor, as byte offsets.
const CURSOR_BYTES: usize = 64;
const AT: usize = 0;
const LIMIT: usize = 4;
const KEY: usize = 8;
const KEY_LENGTH: usize = 12;
const VALUE: usize = 16;
const VALUE_LENGTH: usize = 20;
const STATUS: usize = 24;
const OUTSIDE_VALUE: usize = 28;
const TRAILER: usize = 32;
const GLOBAL_VERSION: usize = 40;
const HAS_GLOBAL_VERSION: usize = 48;
// Statuses.
const SHOWN: u32 = 0;
const LOADED: u32 = 1;
const NEEDS_BLOCK: u32 = 2;

// Words of the state, as byte offsets.
const CURSORS: usize = 0;
const HEAP: usize = 4;
const HEAP_SIZE: usize = 8;
const STAGED: usize = 12;
const STAGE_STOP: usize = 16;
const STAGE_END: usize = 20;
const RECORD_MAX: usize = 24;
const STAGED_ENTRIES: usize = 28;
const LAST_STAGED: usize = 32;
const LAST_STAGED_LENGTH: usize = 36;
const LAST_KEY: usize = 40;
const LAST_KEY_LENGTH: usize = 44;
const STARTED: usize = 48;
const IS_NEW_KEY: usize = 52;
const IS_DECIDED: usize = 56;
const TAKEN: usize = 60;
const NO_TABLE: usize = 64;
const GRANDPARENT: usize = 68;
const GRANDPARENT_LENGTH: usize = 72;
const EDGE: usize = 76;
const EDGE_LENGTH: usize = 80;
const IS_COVERED_MAYBE: usize = 84;
const COVERED_ANSWER: usize = 88;
const OUTSIDE_ANSWER: usize = 92;
const HAS_OUTSIDE: usize = 96;
const READERS: usize = 100;
const READER_COUNT: usize = 104;
const KEEP_VERSIONS: usize = 108;
const KEPT_COUNT: usize = 112;
const DROPS_REST: usize = 116;
const HELD_BACK: usize = 120;
const PLACE: usize = 124;
const IS_ADDED: usize = 128;
const LAST_KEPT: usize = 136;
const ENTRIES_READ: usize = 144;
const FROM: usize = 152;
const FROM_LENGTH: usize = 156;
const TO: usize = 160;
const TO_LENGTH: usize = 164;

// What it returns.
const DONE: u32 = 0;
const NEXT_BLOCK: u32 = 1;
const STAGE_FULL: u32 = 2;
const TAKES: u32 = 3;
const OUTSIDE_ENTRY: u32 = 4;
const ASK_COVERED: u32 = 5;
const ASK_OUTSIDE: u32 = 6;
const AT_EDGE: u32 = 7;
const NOT_SORTED: u32 = 8;
const TAKEN_OR_DROPPED: u32 = 99;
// Of decide.
const DROPS: u32 = 100;
const KEEPS: u32 = 101;

/** Orders the cursors in the heap, whose blocks are loaded. */
export function beginMerge(m: usize): void {
  const heap = <usize>load<u32>(m + HEAP);
  const size = load<u32>(m + HEAP_SIZE);
  for (let i: u32 = 0; i < size; i++) step(<usize>load<u32>(heap + (<usize>i << 2)));
  for (let i = <i32>(size >> 1) - 1; i >= 0; i--) siftDown(heap, size, <u32>i);
}

export function mergeEntries(m: usize): u32 {
  const heap = <usize>load<u32>(m + HEAP);
  let size = load<u32>(m + HEAP_SIZE);
  while (size > 0) {
    const cursor = <usize>load<u32>(heap);
    const status = load<u32>(cursor + STATUS);
    if (status != SHOWN) {
      if (status == NEEDS_BLOCK) return NEXT_BLOCK;
      if (status == LOADED) step(cursor);
      else {
        size--;
        store<u32>(m + HEAP_SIZE, size);
        store<u32>(heap, load<u32>(heap + (<usize>size << 2)));
      }
      if (size > 1) siftDown(heap, size, 0);
      continue;
    }
    if (load<u32>(m + IS_ADDED) == 0) {
      const why = takeEntry(m, cursor);
      if (why != TAKEN_OR_DROPPED) return why;
    }
    store<u32>(m + IS_ADDED, 0);
    store<u32>(m + IS_NEW_KEY, 0);
    store<u32>(m + IS_DECIDED, 0);
    store<u32>(m + TAKEN, 0);
    store<f64>(m + ENTRIES_READ, load<f64>(m + ENTRIES_READ) + 1);
    step(cursor);
    if (size > 1 && load<u32>(cursor + STATUS) == SHOWN) siftDown(heap, size, 0);
  }
  return DONE;
}

/** Stages the entry or drops it; or says why not. */
// @ts-ignore: decorator
@inline
function takeEntry(m: usize, cursor: usize): u32 {
  const key = <usize>load<u32>(cursor + KEY);
  const length = <usize>load<u32>(cursor + KEY_LENGTH);
  const user = length - TRAILER_BYTES;
  const trailer = load<u64>(cursor + TRAILER);
  if (load<u32>(m + IS_DECIDED) == 0) {
    const order = compareToLast(m, key, user);
    if (order < 0) return NOT_SORTED;
    if (order > 0) {
      if (isBeforeRange(m, key, user)) return TAKEN_OR_DROPPED;
      const to = <usize>load<u32>(m + TO);
      if (to != 0 && compareKeys(key, user, to, <usize>load<u32>(m + TO_LENGTH)) >= 0) return DONE;
      const edge = <usize>load<u32>(m + EDGE);
      if (edge != 0 && compareKeys(key, user, edge, <usize>load<u32>(m + EDGE_LENGTH)) >= 0) return AT_EDGE;
      beginKey(m, key, user);
    }
    const decision = decide(m, <f64>(trailer >> 8), <u32>trailer & 255);
    if (decision == DROPS) return TAKEN_OR_DROPPED;
    if (decision != KEEPS) return decision;
    store<u32>(m + IS_DECIDED, 1);
  }
  const staged = <usize>load<u32>(m + STAGED);
  if (load<u32>(m + TAKEN) == 0 && asksForTable(m, key, user, staged)) return TAKES;
  const valueLength = <usize>load<u32>(cursor + VALUE_LENGTH);
  if (user - 1 >= KEY_BYTES_MAX || load<u32>(cursor + OUTSIDE_VALUE) != 0) return OUTSIDE_ENTRY;
  if (length + valueLength > <usize>load<u32>(m + RECORD_MAX)) return OUTSIDE_ENTRY;
  const bytes = RECORD_HEAD + length + valueLength;
  if (bytes > <usize>load<u32>(m + STAGE_END) - staged) return STAGE_FULL;
  stage(staged, key, user, trailer, <usize>load<u32>(cursor + VALUE), valueLength);
  store<u32>(m + STAGED, <u32>(staged + bytes));
  store<u32>(m + STAGED_ENTRIES, load<u32>(m + STAGED_ENTRIES) + 1);
  store<u32>(m + LAST_STAGED, <u32>(staged + RECORD_HEAD));
  store<u32>(m + LAST_STAGED_LENGTH, <u32>length);
  return TAKEN_OR_DROPPED;
}

/** The first blocks of the runs may begin before it: what they have there is not of this merge, and not counted. */
// @ts-ignore: decorator
@inline
function isBeforeRange(m: usize, key: usize, user: usize): bool {
  const from = <usize>load<u32>(m + FROM);
  if (from == 0) return false;
  if (compareKeys(key, user, from, <usize>load<u32>(m + FROM_LENGTH)) >= 0) {
    store<u32>(m + FROM, 0);
    return false;
  }
  store<f64>(m + ENTRIES_READ, load<f64>(m + ENTRIES_READ) - 1);
  return true;
}

/** Key and value rooms end with slack, so that the last stores may be too long. */
// @ts-ignore: decorator
@inline
function stage(at: usize, key: usize, user: usize, trailer: u64, value: usize, valueLength: usize): void {
  store<u32>(at, <u32>(user + TRAILER_BYTES));
  store<u32>(at, <u32>valueLength, 4);
  const to = at + RECORD_HEAD;
  copy(to, key, user);
  store<u64>(to + user, trailer);
  copy(to + user + TRAILER_BYTES, value, valueLength);
}

// @ts-ignore: decorator
@inline
function copy(to: usize, from: usize, bytes: usize): void {
  if (bytes > 512) memory.copy(to, from, bytes);
  else for (let i: usize = 0; i < bytes; i += 16) v128.store(to + i, v128.load(from + i));
}

/** Whether the caller has to be asked for a table to put the entry in. L3: never between two versions of a key. */
// @ts-ignore: decorator
@inline
function asksForTable(m: usize, key: usize, user: usize, staged: usize): bool {
  if (load<u32>(m + NO_TABLE) != 0) return true;
  if (load<u32>(m + IS_NEW_KEY) == 0) return false;
  if (staged >= <usize>load<u32>(m + STAGE_STOP)) return true;
  const grandparent = <usize>load<u32>(m + GRANDPARENT);
  return (
    grandparent != 0 && compareKeys(key, user, grandparent, <usize>load<u32>(m + GRANDPARENT_LENGTH)) > 0
  );
}

// @ts-ignore: decorator
@inline
function compareToLast(m: usize, key: usize, user: usize): i32 {
  if (load<u32>(m + STARTED) == 0) return 1;
  return compareKeys(key, user, <usize>load<u32>(m + LAST_KEY), <usize>load<u32>(m + LAST_KEY_LENGTH));
}

// @ts-ignore: decorator
@inline
function beginKey(m: usize, key: usize, user: usize): void {
  copy(<usize>load<u32>(m + LAST_KEY), key, user);
  store<u32>(m + LAST_KEY_LENGTH, <u32>user);
  store<u32>(m + STARTED, 1);
  store<u32>(m + IS_NEW_KEY, 1);
  store<f64>(m + LAST_KEPT, NO_VERSION_KEPT);
  store<u32>(m + KEPT_COUNT, 0);
  store<u32>(m + DROPS_REST, 0);
}

/** L4, as GarbageRule.keeps has it. Nothing is changed before all answers are there. */
// @ts-ignore: decorator
@inline
function decide(m: usize, version: f64, type: u32): u32 {
  if (load<u32>(m + DROPS_REST) != 0) return DROPS;
  const readers = <usize>load<u32>(m + READERS);
  const last = load<u32>(m + READER_COUNT) - 1;
  if (version > load<f64>(readers + (<usize>last << 3))) return keep(m, version);
  let place = last;
  while (place > 0 && load<f64>(readers + ((<usize>place - 1) << 3)) >= version) place--;
  const reader = load<f64>(readers + (<usize>place << 3));
  if (load<u32>(m + IS_COVERED_MAYBE) != 0) {
    const answer = load<u32>(m + COVERED_ANSWER);
    store<u32>(m + PLACE, place);
    if (answer == 0) return ASK_COVERED;
    if (answer == 2) {
      store<u32>(m + COVERED_ANSWER, 0);
      return DROPS;
    }
  }
  if (load<f64>(m + LAST_KEPT) <= reader) {
    store<u32>(m + COVERED_ANSWER, 0);
    return load<u32>(m + KEPT_COUNT) < load<u32>(m + KEEP_VERSIONS) ? keep(m, version) : DROPS;
  }
  if (type == 0 && place == 0) {
    const answer = load<u32>(m + HAS_OUTSIDE) == 0 ? 1 : load<u32>(m + OUTSIDE_ANSWER);
    if (answer == 0) return ASK_OUTSIDE;
    store<u32>(m + OUTSIDE_ANSWER, 0);
    if (answer == 1) {
      store<u32>(m + COVERED_ANSWER, 0);
      store<u32>(m + DROPS_REST, 1);
      return DROPS;
    }
  }
  store<u32>(m + COVERED_ANSWER, 0);
  if (place < last) store<u32>(m + HELD_BACK, load<u32>(m + HELD_BACK) + 1);
  return keep(m, version);
}

// @ts-ignore: decorator
@inline
function keep(m: usize, version: f64): u32 {
  // Twice the same: a table with both would be damaged.
  if (version >= load<f64>(m + LAST_KEPT)) return NOT_SORTED;
  store<f64>(m + LAST_KEPT, version);
  store<u32>(m + KEPT_COUNT, load<u32>(m + KEPT_COUNT) + 1);
  return KEEPS;
}

/** To the next entry of the block, if there is one. */
// @ts-ignore: decorator
@inline
function step(cursor: usize): void {
  let p = <usize>load<u32>(cursor + AT);
  const limit = <usize>load<u32>(cursor + LIMIT);
  if (p >= limit) {
    store<u32>(cursor + STATUS, NEEDS_BLOCK);
    return;
  }
  let shared = <usize>load<u8>(p);
  let unshared = <usize>load<u8>(p, 1);
  let valueLength = <usize>load<u8>(p, 2);
  if ((shared | unshared | valueLength) < 128) p += 3;
  else {
    shared = <usize>varint32(p, limit);
    unshared = <usize>varint32(<usize>load<u32>(VARINT_END), limit);
    valueLength = <usize>varint32(<usize>load<u32>(VARINT_END), limit);
    p = <usize>load<u32>(VARINT_END);
  }
  const key = <usize>load<u32>(cursor + KEY);
  copy(key + shared, p, unshared);
  const length = shared + unshared;
  p += unshared;
  store<u32>(cursor + KEY_LENGTH, <u32>length);
  store<u32>(cursor + VALUE, <u32>p);
  store<u32>(cursor + VALUE_LENGTH, <u32>valueLength);
  store<u32>(cursor + AT, <u32>(p + valueLength));
  // The key's own trailer stays: the next key may share bytes of it.
  let trailer = load<u64>(key + length - TRAILER_BYTES);
  if (load<u32>(cursor + HAS_GLOBAL_VERSION) != 0) {
    trailer = (trailer & 255) | (<u64>load<f64>(cursor + GLOBAL_VERSION) << 8);
  }
  store<u64>(cursor + TRAILER, trailer);
  store<u32>(cursor + STATUS, SHOWN);
}

// @ts-ignore: decorator
@inline
function compareKeys(a: usize, aLength: usize, b: usize, bLength: usize): i32 {
  const n = min(aLength, bLength);
  const i = matchLength(a, b, b + n);
  if (i < n) return <i32>load<u8>(a + i) - <i32>load<u8>(b + i);
  return aLength == bLength ? 0 : aLength < bLength ? -1 : 1;
}

/** User keys ascending, versions descending, then as the runs are numbered: by address. */
// @ts-ignore: decorator
@inline
function isBefore(a: usize, b: usize): bool {
  const order = compareKeys(
    <usize>load<u32>(a + KEY),
    <usize>load<u32>(a + KEY_LENGTH) - TRAILER_BYTES,
    <usize>load<u32>(b + KEY),
    <usize>load<u32>(b + KEY_LENGTH) - TRAILER_BYTES,
  );
  if (order != 0) return order < 0;
  const aVersion = load<u64>(a + TRAILER) >> 8;
  const bVersion = load<u64>(b + TRAILER) >> 8;
  return aVersion == bVersion ? a < b : aVersion > bVersion;
}

function siftDown(heap: usize, size: u32, from: u32): void {
  const moving = load<u32>(heap + (<usize>from << 2));
  let place = from;
  for (;;) {
    let child: u32 = 2 * place + 1;
    if (child >= size) break;
    let lesser = load<u32>(heap + (<usize>child << 2));
    if (child + 1 < size) {
      const other = load<u32>(heap + (<usize>child << 2), 4);
      if (isBefore(<usize>other, <usize>lesser)) {
        child++;
        lesser = other;
      }
    }
    if (isBefore(<usize>moving, <usize>lesser)) break;
    store<u32>(heap + (<usize>place << 2), lesser);
    place = child;
  }
  store<u32>(heap + (<usize>place << 2), moving);
}
