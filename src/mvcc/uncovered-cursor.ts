/**
 * A source without what a reader's range tombstones hide of it: wherever one covers the key that is newer than all the
 * source holds, the cursor seeks past the whole stretch. So a scan over a deleted range costs a seek in each source,
 * however much is below. Entries newer than a tombstone are in sources newer than it; those are stepped through.
 *
 * PENDING is as in `Cursor`, with the position left as it was: the inner cursor may be in the middle of a stretch then,
 * so what is shown is a copy of its key.
 */

import { EMPTY_BYTES } from '../base/bytes.ts';
import { ByteScratch } from './byte-scratch.ts';
import type { Coverage } from './coverage.ts';
import { type Cursor, PENDING, READY, type Status } from './cursor.ts';
import { type EntryType, TYPE_DELETE } from './internal-key.ts';
import { MAX_VERSION, NO_VERSION, type Version } from './version.ts';

type Move = 'none' | 'first' | 'last' | 'seek' | 'seekBefore' | 'next' | 'prev';

export class UncoveredCursor implements Cursor {
  valid = false;
  keyBytes: Uint8Array = EMPTY_BYTES;
  readonly keyStart = 0;
  keyLength = 0;
  version: Version = NO_VERSION;
  type: EntryType = TYPE_DELETE;
  valueBytes: Uint8Array = EMPTY_BYTES;
  valueStart = 0;
  valueLength = 0;

  readonly #inner: Cursor;
  readonly #coverage: Coverage;
  readonly #newest: Version;
  readonly #key = new ByteScratch();
  /** The move that waits for a block while it seeks past a stretch, and what it was told. */
  #move: Move = 'none';
  readonly #target = new ByteScratch();
  #targetVersion: Version = NO_VERSION;
  #targetInclusive = false;

  /** `newest`: no version of the source is above it. Takes `inner` over; `coverage` is its own. */
  constructor(inner: Cursor, coverage: Coverage, newest: Version) {
    this.#inner = inner;
    this.#coverage = coverage;
    this.#newest = newest;
  }

  first(): Status {
    return this.#reposition('first', EMPTY_BYTES, 0, 0, NO_VERSION, false);
  }

  last(): Status {
    return this.#reposition('last', EMPTY_BYTES, 0, 0, NO_VERSION, false);
  }

  seek(key: Uint8Array, keyStart: number, keyLength: number, version: Version): Status {
    return this.#reposition('seek', key, keyStart, keyLength, version, false);
  }

  seekBefore(key: Uint8Array, keyStart: number, keyLength: number, inclusive: boolean): Status {
    return this.#reposition('seekBefore', key, keyStart, keyLength, NO_VERSION, inclusive);
  }

  next(): Status {
    return this.#step('next');
  }

  prev(): Status {
    return this.#step('prev');
  }

  load(): Promise<void> {
    return this.#inner.load();
  }

  loadSync(): void {
    this.#inner.loadSync();
  }

  close(): void {
    this.valid = false;
    this.#inner.close();
  }

  #reposition(
    move: Move,
    key: Uint8Array,
    start: number,
    length: number,
    version: Version,
    inclusive: boolean,
  ): Status {
    // Seeking again from the start could need a block that made room for the one just loaded, and so for ever.
    const repeated =
      this.#move === move &&
      this.#targetVersion === version &&
      this.#targetInclusive === inclusive &&
      this.#target.equals(key, start, length);
    if (!repeated) {
      const inner = this.#inner;
      let status: Status;
      if (move === 'first') status = inner.first();
      else if (move === 'last') status = inner.last();
      else if (move === 'seek') status = inner.seek(key, start, length, version);
      else status = inner.seekBefore(key, start, length, inclusive);
      if (status === PENDING) return PENDING;
    }
    if (this.#pass(move === 'first' || move === 'seek') === READY) return READY;
    this.#target.set(key, start, length);
    this.#targetVersion = version;
    this.#targetInclusive = inclusive;
    this.#move = move;
    return PENDING;
  }

  #step(move: 'next' | 'prev'): Status {
    const inner = this.#inner;
    if (this.#move !== move) {
      // Another move was given up: back to the entry shown.
      if (this.#move !== 'none') {
        if (inner.seek(this.#key.bytes, 0, this.#key.length, this.version) === PENDING) return PENDING;
        this.#move = 'none';
      }
      if ((move === 'next' ? inner.next() : inner.prev()) === PENDING) return PENDING;
    }
    if (this.#pass(move === 'next') === READY) return READY;
    this.#move = move;
    return PENDING;
  }

  /** From where the inner cursor is to the first entry that is not hidden with all its source. */
  #pass(forward: boolean): Status {
    const inner = this.#inner;
    const coverage = this.#coverage;
    const newest = this.#newest;
    while (inner.valid && coverage.newest(inner.keyBytes, inner.keyStart, inner.keyLength) > newest) {
      const to = forward ? coverage.endAbove(newest) : coverage.startAbove(newest);
      if (to === undefined) return this.#ranOff();
      const status = forward
        ? inner.seek(to, 0, to.length, MAX_VERSION)
        : inner.seekBefore(to, 0, to.length, false);
      if (status === PENDING) return PENDING;
    }
    return inner.valid ? this.#show() : this.#ranOff();
  }

  #ranOff(): Status {
    this.#move = 'none';
    this.valid = false;
    return READY;
  }

  #show(): Status {
    const inner = this.#inner;
    this.#move = 'none';
    this.valid = true;
    this.#key.set(inner.keyBytes, inner.keyStart, inner.keyLength);
    this.keyBytes = this.#key.bytes;
    this.keyLength = inner.keyLength;
    this.version = inner.version;
    this.type = inner.type;
    if (this.valueBytes !== inner.valueBytes) this.valueBytes = inner.valueBytes;
    this.valueStart = inner.valueStart;
    this.valueLength = inner.valueLength;
    return READY;
  }
}
