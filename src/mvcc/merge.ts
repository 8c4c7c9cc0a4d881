/**
 * Several cursors as one, in internal order: user key ascending, version descending; where two children hold the same
 * (key, version), the earlier child comes first.
 *
 * The children stand at or after the position (forward) or at or before it (reverse); a heap has the next one on top,
 * and the top child *is* the position. Repositioning moves every other child first and the top child last, so that a
 * PENDING child leaves the position as it was; which children are done is remembered, so that the repeated call goes
 * on with the rest.
 */

import { assert, at as elementAt } from '../base/assert.ts';
import { compareRanges, copyRange, EMPTY_BYTES } from '../base/bytes.ts';
import { type Cursor, PENDING, READY, type Status } from './cursor.ts';
import { EmptyCursor } from './empty-cursor.ts';
import type { Gathering } from './gathering.ts';
import { type EntryType, TYPE_DELETE } from './internal-key.ts';
import { NO_VERSION, type Version } from './version.ts';

/** One cursor over all `children`, which it takes over: a single one is returned as it is. */
export function mergeCursors(children: readonly Cursor[]): Cursor {
  if (children.length === 0) return new EmptyCursor();
  return children.length === 1 ? elementAt(children, 0) : new MergingCursor(children);
}

const FORWARD = 1;
const REVERSE = -1;
/** A repositioning was begun: children stand anywhere, but for the top one. */
const UNSETTLED = 0;
type Direction = typeof FORWARD | typeof REVERSE | typeof UNSETTLED;

/** What a repositioning does to each child; remembered while one is pending. */
type Move = 'none' | 'first' | 'last' | 'seek' | 'seekBefore' | 'turnForward' | 'turnReverse';

/** Fewer entries in one go than so many were not worth it; then the next attempts are left out, at most so many. */
const RUN_ENTRIES_MIN = 4;
const RUN_PAUSE_MAX = 64;

/* How far a child is with it. A turn takes two calls, of which the second may be the pending one. */
const TO_SEEK = 0;
const TO_STEP = 1;
const DONE = 2;

export class MergingCursor implements Cursor {
  valid = false;
  keyBytes: Uint8Array = EMPTY_BYTES;
  keyStart = 0;
  keyLength = 0;
  version: Version = NO_VERSION;
  type: EntryType = TYPE_DELETE;
  valueBytes: Uint8Array = EMPTY_BYTES;
  valueStart = 0;
  valueLength = 0;

  readonly #children: readonly Cursor[];
  /** Children with an entry, as a binary heap of their indexes: the next entry's in place 0. */
  readonly #heap: Int32Array;
  #heapSize = 0;
  /** The child whose entry is shown; -1 while not valid. */
  #top = -1;
  #direction: Direction = UNSETTLED;

  #move: Move = 'none';
  readonly #progress: Uint8Array;
  /** The target of the pending move: a repeated call is told from a new one by it. */
  #moveKey: Uint8Array = EMPTY_BYTES;
  #moveVersion: Version = NO_VERSION;
  #moveInclusive = false;
  readonly #pending: Cursor[] = [];

  /** How many attempts to gather are left out, now and after the next that is in vain. */
  #runPause = 0;
  #runPauseNext = 1;

  constructor(children: readonly Cursor[]) {
    this.#children = children;
    this.#heap = new Int32Array(children.length);
    this.#progress = new Uint8Array(children.length);
  }

  first(): Status {
    return this.#reposition('first', FORWARD, EMPTY_BYTES, 0, 0, NO_VERSION, false);
  }

  last(): Status {
    return this.#reposition('last', REVERSE, EMPTY_BYTES, 0, 0, NO_VERSION, false);
  }

  seek(key: Uint8Array, keyStart: number, keyLength: number, version: Version): Status {
    return this.#reposition('seek', FORWARD, key, keyStart, keyLength, version, false);
  }

  seekBefore(key: Uint8Array, keyStart: number, keyLength: number, inclusive: boolean): Status {
    return this.#reposition('seekBefore', REVERSE, key, keyStart, keyLength, NO_VERSION, inclusive);
  }

  next(): Status {
    if (this.#direction !== FORWARD && this.#turn('turnForward', FORWARD) === PENDING) return PENDING;
    const top = this.#topCursor();
    if (top.next() === PENDING) return this.#waitFor(top);
    return this.#advanced(top);
  }

  prev(): Status {
    if (this.#direction !== REVERSE && this.#turn('turnReverse', REVERSE) === PENDING) return PENDING;
    const top = this.#topCursor();
    if (top.prev() === PENDING) return this.#waitFor(top);
    return this.#advanced(top);
  }

  /** From the top child alone: what it has before the next child's user key is of no concern to the others. */
  gather(gathering: Gathering): boolean {
    if (this.#direction !== FORWARD || this.#heapSize === 0) return false;
    if (this.#runPause > 0) {
      this.#runPause--;
      return false;
    }
    const top = this.#topCursor();
    if (top.gather === undefined) return false;
    const { batch, hasEnd, endBytes, endStart, endLength } = gathering;
    const before = batch.count;
    if (this.#heapSize > 1) {
      const next = this.#children[this.#second()] as Cursor;
      if (
        !hasEnd ||
        compareRanges(next.keyBytes, next.keyStart, next.keyLength, endBytes, endStart, endLength) < 0
      ) {
        gathering.endBefore(next.keyBytes, next.keyStart, next.keyLength);
      }
    }
    const moved = top.gather(gathering);
    gathering.hasEnd = hasEnd;
    gathering.endBytes = endBytes;
    gathering.endStart = endStart;
    gathering.endLength = endLength;
    if (batch.count - before >= RUN_ENTRIES_MIN) this.#runPauseNext = 1;
    else {
      this.#runPause = this.#runPauseNext;
      this.#runPauseNext = Math.min(this.#runPauseNext * 2, RUN_PAUSE_MAX);
    }
    if (moved) this.#show();
    return moved;
  }

  /** The child that comes after the top one. REQUIRES: there is one. */
  #second(): number {
    const left = this.#heap[1] as number;
    if (this.#heapSize === 2) return left;
    const right = this.#heap[2] as number;
    return this.#isBefore(left, right) ? left : right;
  }

  async load(): Promise<void> {
    const loads = await Promise.allSettled(this.#pending.splice(0).map((child) => child.load()));
    for (const load of loads) if (load.status === 'rejected') throw load.reason;
  }

  loadSync(): void {
    for (const child of this.#pending.splice(0)) child.loadSync();
  }

  close(): void {
    this.valid = false;
    for (const child of this.#children) child.close();
  }

  /* Absolute positioning. */

  #reposition(
    move: Move,
    direction: Direction,
    key: Uint8Array,
    start: number,
    length: number,
    version: Version,
    inclusive: boolean,
  ): Status {
    if (!this.#isRepeated(move, key, start, length, version, inclusive)) this.#progress.fill(TO_SEEK);
    this.#move = 'none';
    this.#direction = UNSETTLED;
    this.#pending.length = 0;
    for (let i = 0; i < this.#children.length; i++) {
      if (i === this.#top || this.#progress[i] === DONE) continue;
      this.#moveChild(i, move, key, start, length, version, inclusive);
    }
    if (this.#pending.length === 0 && this.#top >= 0) {
      this.#moveChild(this.#top, move, key, start, length, version, inclusive);
    }
    if (this.#pending.length > 0) {
      this.#move = move;
      this.#moveKey = copyRange(key, start, length);
      this.#moveVersion = version;
      this.#moveInclusive = inclusive;
      return PENDING;
    }
    this.#settle(direction);
    return READY;
  }

  #isRepeated(
    move: Move,
    key: Uint8Array,
    start: number,
    length: number,
    version: Version,
    inclusive: boolean,
  ): boolean {
    if (this.#move !== move || this.#moveVersion !== version || this.#moveInclusive !== inclusive)
      return false;
    return compareRanges(this.#moveKey, 0, this.#moveKey.length, key, start, length) === 0;
  }

  #moveChild(
    index: number,
    move: Move,
    key: Uint8Array,
    start: number,
    length: number,
    version: Version,
    inclusive: boolean,
  ): void {
    const child = elementAt(this.#children, index);
    let status: Status;
    if (move === 'first') status = child.first();
    else if (move === 'last') status = child.last();
    else if (move === 'seek') status = child.seek(key, start, length, version);
    else status = child.seekBefore(key, start, length, inclusive);
    if (status === PENDING) this.#pending.push(child);
    else this.#progress[index] = DONE;
  }

  /* Turning round. */

  /** Brings every child but the top one to the other side of the position. */
  #turn(move: 'turnForward' | 'turnReverse', direction: Direction): Status {
    assert(this.#top >= 0, 'a merging cursor was stepped while it had no entry');
    if (this.#move !== move) this.#progress.fill(TO_SEEK);
    this.#move = 'none';
    this.#direction = UNSETTLED;
    this.#pending.length = 0;
    for (let i = 0; i < this.#children.length; i++) {
      if (i === this.#top || this.#progress[i] === DONE) continue;
      const child = elementAt(this.#children, i);
      const status = move === 'turnForward' ? this.#turnForward(child, i) : this.#turnReverse(child, i);
      if (status === PENDING) this.#pending.push(child);
      else this.#progress[i] = DONE;
    }
    if (this.#pending.length > 0) {
      this.#move = move;
      return PENDING;
    }
    this.#settle(direction);
    return READY;
  }

  /** To the child's first entry after the position. */
  #turnForward(child: Cursor, index: number): Status {
    if (this.#progress[index] === TO_SEEK) {
      if (child.seek(this.keyBytes, this.keyStart, this.keyLength, this.version) === PENDING) return PENDING;
      this.#progress[index] = TO_STEP;
    }
    const shared = index < this.#top && child.valid && compareEntries(child, this) === 0;
    return shared ? child.next() : READY;
  }

  /** To the child's last entry before the position. */
  #turnReverse(child: Cursor, index: number): Status {
    if (this.#progress[index] === TO_SEEK) {
      if (child.seek(this.keyBytes, this.keyStart, this.keyLength, this.version) === PENDING) return PENDING;
      this.#progress[index] = TO_STEP;
    }
    if (!child.valid) return child.last();
    const shared = index < this.#top && compareEntries(child, this) === 0;
    return shared ? READY : child.prev();
  }

  /* The heap. */

  #waitFor(child: Cursor): Status {
    this.#pending.length = 0;
    this.#pending.push(child);
    return PENDING;
  }

  #topCursor(): Cursor {
    assert(this.#top >= 0, 'a merging cursor was stepped while it had no entry');
    return this.#children[this.#top] as Cursor;
  }

  /** All children stand where they should: order them. */
  #settle(direction: Direction): void {
    this.#direction = direction;
    this.#heapSize = 0;
    for (let i = 0; i < this.#children.length; i++) {
      if (elementAt(this.#children, i).valid) this.#heap[this.#heapSize++] = i;
    }
    for (let place = (this.#heapSize >>> 1) - 1; place >= 0; place--) this.#siftDown(place);
    this.#show();
  }

  /** The top child has made its step. */
  #advanced(top: Cursor): Status {
    if (!top.valid) this.#heap[0] = this.#heap[--this.#heapSize] as number;
    if (this.#heapSize > 1) this.#siftDown(0);
    this.#show();
    return READY;
  }

  #siftDown(place: number): void {
    const heap = this.#heap;
    const size = this.#heapSize;
    const moving = heap[place] as number;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#isBefore(heap[child + 1] as number, heap[child] as number)) child++;
      if (this.#isBefore(moving, heap[child] as number)) break;
      heap[place] = heap[child] as number;
      place = child;
    }
    heap[place] = moving;
  }

  #isBefore(a: number, b: number): boolean {
    const order = compareEntries(this.#children[a] as Cursor, this.#children[b] as Cursor);
    if (order === 0) return this.#direction === FORWARD ? a < b : a > b;
    return this.#direction === FORWARD ? order < 0 : order > 0;
  }

  #show(): void {
    if (this.#heapSize === 0) {
      this.#top = -1;
      this.valid = false;
      return;
    }
    this.#top = this.#heap[0] as number;
    const top = this.#children[this.#top] as Cursor;
    this.valid = true;
    if (this.keyBytes !== top.keyBytes) this.keyBytes = top.keyBytes;
    this.keyStart = top.keyStart;
    this.keyLength = top.keyLength;
    this.version = top.version;
    this.type = top.type;
    if (this.valueBytes !== top.valueBytes) this.valueBytes = top.valueBytes;
    this.valueStart = top.valueStart;
    this.valueLength = top.valueLength;
  }
}

function compareEntries(a: Cursor, b: Cursor): number {
  const order = compareRanges(a.keyBytes, a.keyStart, a.keyLength, b.keyBytes, b.keyStart, b.keyLength);
  return order !== 0 ? order : b.version - a.version;
}
