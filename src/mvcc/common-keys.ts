/**
 * The keys that two sorted sources share, found by leaps: the one that is behind steps on a little, then seeks the key of
 * the other. So the cost is that of the smaller one, and sources that lie apart cost a seek.
 */

import { compareBytes, compareRanges, copyRange, EMPTY_BYTES, formatKey } from '../base/bytes.ts';
import { SluiceError } from '../base/errors.ts';
import { type Cursor, PENDING, READY, type Status } from './cursor.ts';
import { MAX_VERSION, type Version } from './version.ts';

/** Sorted keys; one may come several times. PENDING is as in `Cursor`. */
export interface KeyCursor {
  readonly valid: boolean;
  readonly keyBytes: Uint8Array;
  readonly keyStart: number;
  readonly keyLength: number;
  /** To the first key at or after `key`. */
  seek(key: Uint8Array): Status;
  next(): Status;
  load(): Promise<void>;
  loadSync(): void;
}

/** The keys of a cursor's entries of these versions, whatever their types. */
export class EntryKeys implements KeyCursor {
  readonly #cursor: Cursor;
  readonly #sees: ((version: Version) => boolean) | undefined;
  /** A move is made but for passing over what is not seen, which waits for a block. */
  #passing = false;

  /** `sees` undefined: all versions. */
  constructor(cursor: Cursor, sees?: (version: Version) => boolean) {
    this.#cursor = cursor;
    this.#sees = sees;
  }

  get valid(): boolean {
    return this.#cursor.valid;
  }

  get keyBytes(): Uint8Array {
    return this.#cursor.keyBytes;
  }

  get keyStart(): number {
    return this.#cursor.keyStart;
  }

  get keyLength(): number {
    return this.#cursor.keyLength;
  }

  seek(key: Uint8Array): Status {
    if (!this.#passing && this.#cursor.seek(key, 0, key.length, MAX_VERSION) === PENDING) return PENDING;
    return this.#pass();
  }

  next(): Status {
    if (!this.#passing && this.#cursor.next() === PENDING) return PENDING;
    return this.#pass();
  }

  #pass(): Status {
    const cursor = this.#cursor;
    this.#passing = true;
    while (cursor.valid && this.#sees?.(cursor.version) === false) {
      if (cursor.next() === PENDING) return PENDING;
    }
    this.#passing = false;
    return READY;
  }

  load(): Promise<void> {
    return this.#cursor.load();
  }

  loadSync(): void {
    this.#cursor.loadSync();
  }
}

/** Enough was done for one turn: repeat the call in another. */
export const SLICE = 3;
export type SlicedStatus = Status | typeof SLICE;

/** Steps before a seek is tried: about what a seek costs. */
const STEPS_MAX = 4;
const STEPS_PER_SLICE = 8192;

/** Whether a key of the left one counts as common without being in the right one. */
export type Also = (key: Uint8Array, start: number, length: number) => boolean;

export class CommonKeys {
  /** The key found last; undefined: there are no more. */
  key: Uint8Array | undefined = EMPTY_BYTES;
  readonly #left: KeyCursor;
  readonly #right: KeyCursor;
  readonly #also: Also | undefined;
  /** The move that is to be made, or to be repeated, on `#moved`. */
  #move: 'none' | 'step' | 'seek' = 'seek';
  #moved: KeyCursor;
  #target: Uint8Array;
  #started = false;
  /** The left one stands at a key that `also` was not asked about. */
  #fresh = false;
  #steps = 0;

  /**
   * From the key `from` on. The right one is asked first: when it has nothing there, the left one is not touched. With
   * `also` the left one makes no leaps.
   */
  constructor(left: KeyCursor, right: KeyCursor, from: Uint8Array, also?: Also) {
    this.#left = left;
    this.#right = right;
    this.#also = also;
    this.#moved = right;
    this.#target = from;
  }

  /** To the next common key. PENDING: load and repeat. SLICE: repeat. */
  next(): SlicedStatus {
    const [left, right, also] = [this.#left, this.#right, this.#also];
    for (let slice = 0; slice < STEPS_PER_SLICE; slice++) {
      if (this.#move !== 'none' && this.#makeMove() === PENDING) return PENDING;
      if (!this.#started) {
        if (!right.valid && also === undefined) return this.#end();
        this.#started = true;
        this.#moveOn(left, 'seek');
        continue;
      }
      if (!left.valid) return this.#end();
      const { keyBytes, keyStart, keyLength } = left;
      const counts = this.#fresh && also?.(keyBytes, keyStart, keyLength) === true;
      this.#fresh = false;
      if (counts) return this.#found();
      if (!right.valid) {
        if (also === undefined) return this.#end();
        this.#moveOn(left, 'step');
        continue;
      }
      const { keyBytes: other, keyStart: start, keyLength: length } = right;
      const order = compareRanges(keyBytes, keyStart, keyLength, other, start, length);
      if (order === 0) return this.#found();
      if (order < 0) this.#catchUp(left, right);
      else this.#catchUp(right, left);
    }
    return SLICE;
  }

  load(): Promise<void> {
    return this.#moved.load();
  }

  loadSync(): void {
    this.#moved.loadSync();
  }

  #found(): Status {
    const { keyBytes, keyStart, keyLength } = this.#left;
    const found = copyRange(keyBytes, keyStart, keyLength);
    if (this.key === undefined || compareBytes(found, this.key) <= 0) throw unsorted(found);
    this.key = found;
    this.#steps = 0;
    this.#moveOn(this.#left, 'step');
    return READY;
  }

  #moveOn(cursor: KeyCursor, move: 'step' | 'seek'): void {
    this.#moved = cursor;
    this.#move = move;
    this.#fresh ||= cursor === this.#left;
  }

  #catchUp(behind: KeyCursor, ahead: KeyCursor): void {
    if (behind !== this.#moved) this.#steps = 0;
    const leaps = this.#also === undefined || behind === this.#right;
    if (!leaps || this.#steps++ < STEPS_MAX) {
      this.#moveOn(behind, 'step');
      return;
    }
    this.#steps = 0;
    this.#target = copyRange(ahead.keyBytes, ahead.keyStart, ahead.keyLength);
    this.#moveOn(behind, 'seek');
  }

  #makeMove(): Status {
    const status = this.#move === 'step' ? this.#moved.next() : this.#moved.seek(this.#target);
    if (status === PENDING) return PENDING;
    const { valid, keyBytes, keyStart, keyLength } = this.#moved;
    const target = this.#target;
    if (
      this.#move === 'seek' &&
      valid &&
      compareRanges(keyBytes, keyStart, keyLength, target, 0, target.length) < 0
    )
      throw unsorted(target);
    this.#move = 'none';
    return READY;
  }

  #end(): Status {
    this.key = undefined;
    return READY;
  }
}

/** L9: a file whose order nobody has checked could be leapt about in for ever. */
function unsorted(key: Uint8Array): SluiceError {
  return new SluiceError(
    'CORRUPTION',
    `A file is not sorted about the key ${formatKey(key)}; verify: 'blocks' names it`,
  );
}
