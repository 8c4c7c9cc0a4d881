/**
 * What a reader sees: one entry for each user key, the newest that its snapshot allows, deletions left out.
 *
 * PENDING is as in `Cursor`: load and repeat the same call. While a call is pending the entry must not be read, and
 * only the same call, an absolute one (first, last, seek, seekBefore) or close may follow.
 *
 * Longer than 400 lines because both directions, what was gathered and what a pending call left behind are one state.
 */

import { assert, unreachable } from '../base/assert.ts';
import { EMPTY_BYTES } from '../base/bytes.ts';
import { ByteScratch } from './byte-scratch.ts';
import type { Coverage } from './coverage.ts';
import { type Cursor, PENDING, READY, type Status } from './cursor.ts';
import type { EntryBatch } from './entry-batch.ts';
import { Gathering } from './gathering.ts';
import { type EntryType, TYPE_DELETE, TYPE_VALUE } from './internal-key.ts';
import { type Bounds, KeyRange } from './key-range.ts';
import { MAX_VERSION, NO_VERSION, type Version } from './version.ts';
import type { Visibility } from './visibility.ts';

/** Steps within one user key before a seek is tried: about what a seek costs. */
const STEPS_MAX = 8;
/** In reverse, a value above this is sought again and not copied aside. */
const COPY_BYTES_MAX = 4096;

type Start = 'first' | 'last' | 'seek' | 'seekBefore';

/** What is under way, and goes on when a pending call is repeated. */
type Phase =
  | 'idle'
  | 'start' // the inner cursor's first, last, seek or seekBefore
  | 'forward' // looking for the next visible entry
  | 'reverse' // walking one key from its oldest version up
  | 'reverseSeekOwn' // the key has many versions, or a large value: seek its newest own one,
  | 'reverseSeek' // … its newest one in the snapshot,
  | 'reverseSkip'; // … or, there being none, the key before it

/** Where the inner cursor is while an entry is shown. */
type Stand =
  | 'at' // at the entry
  | 'before'; // at the last entry of the preceding user key; what is shown is a copy

export class VisibleCursor {
  valid = false;
  keyBytes: Uint8Array = EMPTY_BYTES;
  keyStart = 0;
  keyLength = 0;
  version: Version = NO_VERSION;
  valueBytes: Uint8Array = EMPTY_BYTES;
  valueStart = 0;
  valueLength = 0;

  readonly #inner: Cursor;
  readonly #snapshot: Version;
  readonly #floor: Version;
  readonly #through: Version;
  readonly #range: KeyRange;
  readonly #coverage: Coverage | undefined;

  #phase: Phase = 'idle';
  #stand: Stand = 'at';
  /** Whether of the user key shown nothing more is to be shown; see `gather`. */
  #decided = true;
  #gathering: Gathering | undefined;
  #steps = 0;
  /** Forward: the user key whose remaining entries are passed over. Reverse: the one being walked. */
  readonly #key = new ByteScratch();
  #skipping = false;
  #walking = false;

  /** The absolute call that is pending beyond its start. */
  #pendingStart: Start | undefined = undefined;
  readonly #pendingKey = new ByteScratch();
  #pendingInclusive = false;

  /* Reverse: the newest visible version of the key so far. */
  #candidate = false;
  #candidateLarge = false;
  #candidateVersion: Version = NO_VERSION;
  #candidateType: EntryType = TYPE_DELETE;
  readonly #value = new ByteScratch();

  /** Takes `inner` over. */
  constructor(inner: Cursor, visibility: Visibility, bounds: Bounds = {}) {
    this.#inner = inner;
    this.#snapshot = visibility.snapshot;
    this.#floor = visibility.overlayFloor ?? (Number.POSITIVE_INFINITY as Version);
    this.#through = visibility.overlayThrough ?? MAX_VERSION;
    this.#range = new KeyRange(bounds);
    this.#coverage = visibility.coverage;
  }

  first(): Status {
    return this.#position('first', EMPTY_BYTES, false);
  }

  last(): Status {
    return this.#position('last', EMPTY_BYTES, false);
  }

  /** To the first key at or after `key` (`inclusive: false`: after it), within the bounds. */
  seek(key: Uint8Array, inclusive = true): Status {
    return this.#position('seek', key, inclusive);
  }

  /** To the last key before `key` (`inclusive`: or at it), within the bounds. */
  seekBefore(key: Uint8Array, inclusive = false): Status {
    return this.#position('seekBefore', key, inclusive);
  }

  /** REQUIRES: valid, or a repeated call. */
  next(): Status {
    if (this.#phase === 'forward') return this.#forward();
    if (this.#phase === 'idle') {
      assert(this.valid, 'next() of a cursor that has no entry');
      if (this.#stand === 'at') this.#key.set(this.keyBytes, this.keyStart, this.keyLength);
      this.#steps = 0;
    }
    if (this.#stand === 'before') {
      // The copy shown is of #key.
      if (this.#inner.seek(this.#key.bytes, 0, this.#key.length, NO_VERSION) === PENDING) {
        this.#phase = 'start';
        return PENDING;
      }
    }
    this.#skipping = this.#decided;
    return this.#forward();
  }

  /**
   * After the entry shown, which the caller has taken: adds to the batch entries that can be had at once, none or many. Then
   * the entry shown is one that was passed, not to be looked at, and only `next` or an absolute call may follow.
   */
  gather(batch: EntryBatch): void {
    const inner = this.#inner;
    if (inner.gather === undefined || this.#coverage !== undefined || batch.isFull) return;
    assert(this.valid && this.#phase === 'idle', 'gather() of a cursor that has no entry');
    if (this.#stand !== 'at' || !this.#decided) return;
    if (this.#gathering?.batch !== batch) {
      const { upper, upperInclusive } = this.#range;
      const ofBatch = new Gathering(batch, this.#snapshot, this.#floor, this.#through);
      if (upper !== undefined) {
        if (upperInclusive) return;
        ofBatch.endBefore(upper, 0, upper.length);
      }
      this.#gathering = ofBatch;
    }
    if (!inner.gather(this.#gathering)) return;
    this.#showInner();
    this.#decided = this.#gathering.decided;
  }

  /** REQUIRES: valid, or a repeated call. */
  prev(): Status {
    if (this.#phase === 'idle') {
      assert(this.valid, 'prev() of a cursor that has no entry');
      this.#walking = false;
      if (this.#stand === 'before') return this.#reverse();
      this.#key.set(this.keyBytes, this.keyStart, this.keyLength);
      this.#phase = 'reverseSkip';
    }
    return this.#resumeReverse();
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

  /* Absolute positioning. */

  #position(start: Start, key: Uint8Array, inclusive: boolean): Status {
    let status: Status;
    if (this.#isRepeated(start, key, inclusive)) {
      status = this.#phase === 'forward' ? this.#forward() : this.#resumeReverse();
    } else {
      status = this.#begin(start, key, inclusive);
    }
    this.#pendingStart = undefined;
    if (status === PENDING && this.#phase !== 'start') {
      // Deletions may have been passed over, block by block: the repeated call must not pass over them again.
      this.#pendingStart = start;
      this.#pendingKey.set(key, 0, key.length);
      this.#pendingInclusive = inclusive;
    }
    return status;
  }

  #isRepeated(start: Start, key: Uint8Array, inclusive: boolean): boolean {
    if (this.#pendingStart !== start || this.#pendingInclusive !== inclusive) return false;
    return this.#pendingKey.equals(key, 0, key.length);
  }

  #begin(start: Start, key: Uint8Array, inclusive: boolean): Status {
    const inner = this.#inner;
    switch (start) {
      case 'first': {
        const { lower, lowerInclusive } = this.#range;
        if (lower === undefined) return this.#startForward(inner.first(), undefined);
        return this.#beginSeek(lower, lowerInclusive);
      }
      case 'seek':
        if (this.#range.isBelow(key, 0, key.length)) return this.#begin('first', EMPTY_BYTES, false);
        return this.#beginSeek(key, inclusive);
      case 'last': {
        const { upper, upperInclusive } = this.#range;
        if (upper === undefined) return this.#startReverse(inner.last());
        return this.#startReverse(inner.seekBefore(upper, 0, upper.length, upperInclusive));
      }
      case 'seekBefore':
        if (this.#range.isAbove(key, 0, key.length)) return this.#begin('last', EMPTY_BYTES, false);
        return this.#startReverse(inner.seekBefore(key, 0, key.length, inclusive));
      default:
        return unreachable(start);
    }
  }

  #beginSeek(key: Uint8Array, inclusive: boolean): Status {
    const status = this.#inner.seek(key, 0, key.length, inclusive ? MAX_VERSION : NO_VERSION);
    return this.#startForward(status, inclusive ? undefined : key);
  }

  /* Forward. */

  #startForward(status: Status, after: Uint8Array | undefined): Status {
    if (status === PENDING) {
      this.#phase = 'start';
      return PENDING;
    }
    this.#steps = 0;
    this.#skipping = after !== undefined;
    if (after !== undefined) this.#key.set(after, 0, after.length);
    return this.#forward();
  }

  /** From wherever the inner cursor is to the next visible entry, past #key when skipping. */
  #forward(): Status {
    const inner = this.#inner;
    const key = this.#key;
    this.#phase = 'forward';
    while (inner.valid) {
      if (this.#skipping && key.equals(inner.keyBytes, inner.keyStart, inner.keyLength)) {
        if (this.#passOver(NO_VERSION) === PENDING) return PENDING;
        continue;
      }
      if (this.#range.isAbove(inner.keyBytes, inner.keyStart, inner.keyLength)) break;
      const version = inner.version;
      if (version <= this.#snapshot || (version >= this.#floor && version <= this.#through)) {
        if (this.#hasValue()) return this.#showInner();
        key.set(inner.keyBytes, inner.keyStart, inner.keyLength);
        this.#skipping = true;
        this.#steps = 0;
        continue;
      }
      this.#skipping = false;
      const target = version > this.#through && this.#floor <= this.#through ? this.#through : this.#snapshot;
      if (this.#steps >= STEPS_MAX) key.set(inner.keyBytes, inner.keyStart, inner.keyLength);
      if (this.#passOver(target) === PENDING) return PENDING;
    }
    return this.#ranOff();
  }

  /** One entry on; or, after a few, to #key at `version`, which is further on. */
  #passOver(version: Version): Status {
    if (this.#steps < STEPS_MAX) {
      if (this.#inner.next() === PENDING) return PENDING;
      this.#steps++;
      return READY;
    }
    if (this.#inner.seek(this.#key.bytes, 0, this.#key.length, version) === PENDING) return PENDING;
    this.#steps = 0;
    return READY;
  }

  #showInner(): Status {
    const inner = this.#inner;
    this.valid = true;
    if (this.keyBytes !== inner.keyBytes) this.keyBytes = inner.keyBytes;
    this.keyStart = inner.keyStart;
    this.keyLength = inner.keyLength;
    this.version = inner.version;
    if (this.valueBytes !== inner.valueBytes) this.valueBytes = inner.valueBytes;
    this.valueStart = inner.valueStart;
    this.valueLength = inner.valueLength;
    this.#phase = 'idle';
    this.#stand = 'at';
    this.#decided = true;
    return READY;
  }

  #ranOff(): Status {
    this.valid = false;
    this.#phase = 'idle';
    return READY;
  }

  /* Reverse. */

  #startReverse(status: Status): Status {
    if (status === PENDING) {
      this.#phase = 'start';
      return PENDING;
    }
    this.#walking = false;
    return this.#reverse();
  }

  #resumeReverse(): Status {
    switch (this.#phase) {
      case 'idle':
      case 'start':
      case 'forward':
      case 'reverse':
        return this.#reverse();
      case 'reverseSeekOwn':
      case 'reverseSeek':
      case 'reverseSkip':
        return this.#seekNewest();
      default:
        return unreachable(this.#phase);
    }
  }

  /** From the oldest entry of a user key, or of none, down to the next key that has a visible value. */
  #reverse(): Status {
    const inner = this.#inner;
    this.#phase = 'reverse';
    for (;;) {
      if (!this.#walking) {
        if (!inner.valid || this.#range.isBelow(inner.keyBytes, inner.keyStart, inner.keyLength))
          return this.#ranOff();
        this.#key.set(inner.keyBytes, inner.keyStart, inner.keyLength);
        this.#walking = true;
        this.#candidate = false;
        this.#steps = 0;
        this.#consider();
      }
      // Older versions come first, so the last one considered is the newest.
      for (;;) {
        if (this.#steps > STEPS_MAX) {
          this.#phase = this.#floor <= this.#through ? 'reverseSeekOwn' : 'reverseSeek';
          return this.#seekNewest();
        }
        if (inner.prev() === PENDING) return PENDING;
        if (!inner.valid || !this.#key.equals(inner.keyBytes, inner.keyStart, inner.keyLength)) break;
        this.#steps++;
        this.#consider();
      }
      this.#walking = false;
      if (
        !this.#candidate ||
        this.#candidateType === TYPE_DELETE ||
        this.#isHidden(this.#key.bytes, 0, this.#key.length, this.#candidateVersion)
      )
        continue;
      if (!this.#candidateLarge) return this.#showCopy();
      this.#phase = this.#candidateVersion > this.#snapshot ? 'reverseSeekOwn' : 'reverseSeek';
      return this.#seekNewest();
    }
  }

  #consider(): void {
    const inner = this.#inner;
    const version = inner.version;
    if (version > this.#snapshot && (version < this.#floor || version > this.#through)) return;
    this.#candidate = true;
    this.#candidateVersion = version;
    this.#candidateType = inner.type;
    this.#candidateLarge = inner.valueLength > COPY_BYTES_MAX;
    if (!this.#candidateLarge) this.#value.set(inner.valueBytes, inner.valueStart, inner.valueLength);
  }

  #showCopy(): Status {
    this.valid = true;
    this.keyBytes = this.#key.bytes;
    this.keyStart = 0;
    this.keyLength = this.#key.length;
    this.version = this.#candidateVersion;
    this.valueBytes = this.#value.bytes;
    this.valueStart = 0;
    this.valueLength = this.#value.length;
    this.#phase = 'idle';
    this.#stand = 'before';
    this.#decided = true;
    return READY;
  }

  /** Finds the newest visible version of #key by seeking, and goes on before the key when that is no value. */
  #seekNewest(): Status {
    const inner = this.#inner;
    const key = this.#key;
    if (this.#phase === 'reverseSeekOwn') {
      if (inner.seek(key.bytes, 0, key.length, this.#through) === PENDING) return PENDING;
      const atOwn = inner.valid && inner.version >= this.#floor && this.#isAtKey();
      if (atOwn && this.#hasValue()) return this.#showInner();
      this.#phase = atOwn ? 'reverseSkip' : 'reverseSeek';
    }
    if (this.#phase === 'reverseSeek') {
      if (inner.seek(key.bytes, 0, key.length, this.#snapshot) === PENDING) return PENDING;
      if (inner.valid && this.#isAtKey() && this.#hasValue()) return this.#showInner();
      this.#phase = 'reverseSkip';
    }
    if (inner.seekBefore(key.bytes, 0, key.length, false) === PENDING) return PENDING;
    this.#walking = false;
    return this.#reverse();
  }

  #isAtKey(): boolean {
    return this.#key.equals(this.#inner.keyBytes, this.#inner.keyStart, this.#inner.keyLength);
  }

  /** A range tombstone hides an entry older than it, and so all that is older of its key. */
  #isHidden(key: Uint8Array, start: number, length: number, version: Version): boolean {
    return this.#coverage !== undefined && this.#coverage.newest(key, start, length) > version;
  }

  /** Whether the inner cursor's entry, the newest that is seen of its key, is one to show. */
  #hasValue(): boolean {
    const inner = this.#inner;
    if (inner.type !== TYPE_VALUE || this.#coverage === undefined) return inner.type === TYPE_VALUE;
    return !this.#isHidden(inner.keyBytes, inner.keyStart, inner.keyLength, inner.version);
  }
}
