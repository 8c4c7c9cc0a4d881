/**
 * A scan as a sequence of batches: entries are gathered synchronously while blocks are in memory, and a missing block is
 * waited for only when there is nothing yet to hand out.
 *
 * A transaction's scan reports what its reader has got to know as it is handed out (L5): entries gathered ahead but not
 * taken are no reads.
 */

import { EMPTY_BYTES } from '../base/bytes.ts';
import { SluiceError, throwIfAborted } from '../base/errors.ts';
import { PENDING, READY, type Status } from '../mvcc/cursor.ts';
import { EntryBatch } from '../mvcc/entry-batch.ts';
import { keyAfter, keyString } from './read-set.ts';
import type { Scan } from './read-source.ts';

export interface ScanSettings {
  readonly scan: Scan;
  /** Throws CLOSED once the database or transaction is. */
  readonly checkOpen: () => void;
  readonly reverse: boolean;
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
  /** Bounds as latin1 keys: where reading starts, by direction. */
  readonly lower: string;
  readonly upper: string | undefined;
  /** False: keys are enough. */
  readonly withValues: boolean;
  /** A batch is full at so many bytes. */
  readonly batchBytes: number;
  /** For messages: 'iterator' or 'cursor'. */
  readonly what: string;
}

export class ScanBatches {
  /** What `gather` filled last. */
  readonly batch: EntryBatch;
  /** How many entries of it the reader has. */
  handedOut = 0;
  readonly #settings: ScanSettings;
  /** How many more the reader may have. */
  #left: number;
  #state: 'start' | 'seeking' | 'moving' | 'end' | 'closed' = 'start';
  #target: Uint8Array = EMPTY_BYTES;
  /** Everything from here, in reading direction, up to the last key handed out is known to the reader. */
  #knownFrom: string | undefined;
  #busy = false;

  constructor(settings: ScanSettings) {
    this.#settings = settings;
    this.batch = new EntryBatch(settings.batchBytes, settings.withValues);
    this.#left = settings.limit;
    this.#knownFrom = settings.reverse ? settings.upper : settings.lower;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /**
   * Empties the batch and adds entries, at most so many. PENDING: there are none without a block that is not in memory, and
   * `load` or `loadSync` must be called before the next try. READY and an empty batch: the end.
   */
  gather(entries: number): Status {
    this.checkOpen();
    this.checkIdle();
    throwIfAborted(this.#settings.signal);
    this.#clear(Math.min(entries, this.#left));
    return this.#fill();
  }

  #clear(entries: number): void {
    this.batch.clear(entries);
    this.handedOut = 0;
  }

  async load(): Promise<void> {
    this.#busy = true;
    try {
      await this.#settings.scan.cursor.load();
    } finally {
      this.#busy = false;
      if (this.#isClosed()) this.#settings.scan.close();
    }
    if (this.#isClosed()) throw this.#closedError();
  }

  loadSync(): void {
    this.#settings.scan.cursor.loadSync();
  }

  #fill(): Status {
    const { batch } = this;
    const { scan, reverse } = this.#settings;
    const { cursor } = scan;
    while (!batch.isFull && this.#state !== 'end') {
      if (this.#position() === PENDING) return batch.count > 0 ? READY : PENDING;
      if (!cursor.valid) {
        this.#state = 'end';
        break;
      }
      this.#state = 'moving';
      batch.push(cursor);
      if (!reverse) cursor.gather(batch);
    }
    return READY;
  }

  #position(): Status {
    const { reverse, scan } = this.#settings;
    const { cursor } = scan;
    if (this.#state === 'moving') return reverse ? cursor.prev() : cursor.next();
    if (this.#state === 'start') return reverse ? cursor.last() : cursor.first();
    return reverse ? cursor.seekBefore(this.#target, true) : cursor.seek(this.#target);
  }

  /** Goes on at the first key at or after `target` (at or before it in reverse), within the bounds. The bytes are its own. */
  seek(target: Uint8Array): void {
    this.checkOpen();
    this.checkIdle();
    this.#target = target;
    this.#state = 'seeking';
    this.#clear(0);
    const at = keyString(target, 0, target.length);
    const { reverse, lower, upper } = this.#settings;
    if (reverse) this.#knownFrom = upper !== undefined && upper < keyAfter(at) ? upper : keyAfter(at);
    else this.#knownFrom = at < lower ? lower : at;
  }

  /** L5: the next `count` entries of the batch are handed out. */
  handOut(count: number): void {
    this.handedOut += count;
    this.#left -= count;
    if (count === 0 || this.#settings.scan.onRead === undefined) return;
    const { bytes, offsets } = this.batch;
    const last = 2 * (this.handedOut - 1);
    const at = offsets[last] as number;
    this.#report(keyString(bytes, at, (offsets[last + 1] as number) - at));
  }

  /** L5: the reader is told that there is nothing more. One that has all it asked for does not get to know. */
  reportEnd(): void {
    if (this.#left > 0) this.#report(undefined);
  }

  /** The reader now knows every key between where it began and `last`, the gaps included. */
  #report(last: string | undefined): void {
    const { scan, reverse, lower, upper } = this.#settings;
    if (reverse) {
      scan.onRead?.(last ?? lower, this.#knownFrom);
      this.#knownFrom = last ?? lower;
    } else {
      const to = last === undefined ? upper : keyAfter(last);
      scan.onRead?.(this.#knownFrom ?? lower, to);
      this.#knownFrom = to ?? this.#knownFrom;
    }
  }

  /** Lets go of the snapshot. Closing twice is fine. */
  close(): void {
    if (this.#isClosed()) return;
    this.#state = 'closed';
    this.#clear(0);
    // A load that is under way closes the scan itself when it comes back.
    if (!this.#busy) this.#settings.scan.close();
  }

  checkOpen(): void {
    if (this.#isClosed()) throw this.#closedError();
    // L5: what is handed out once the transaction is over, no commit has checked.
    this.#settings.checkOpen();
  }

  /** @throws SluiceError BUSY */
  checkIdle(): void {
    if (!this.#busy) return;
    const { what } = this.#settings;
    throw new SluiceError('BUSY', `The ${what} is still busy with an earlier call; await it first`);
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #closedError(): SluiceError {
    return new SluiceError('CLOSED', `The ${this.#settings.what} is closed; make a new one`);
  }
}
