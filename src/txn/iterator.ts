/**
 * The public iterator. Entries are gathered from the cursor synchronously while blocks are in memory, and it awaits
 * once per missing block, never per entry.
 *
 * A transaction's iterator reports what its reader has got to know entry by entry as they are handed out (L5): entries
 * gathered ahead but not taken are no reads.
 */

import { BufferCopier } from '../base/buffer-copier.ts';
import { decode, type EncodingName, type Output } from '../base/encoding.ts';
import { SluiceError, throwIfAborted } from '../base/errors.ts';
import { PENDING, type Status } from '../mvcc/cursor.ts';
import type { VisibleCursor } from '../mvcc/visible.ts';
import { keyAfter, keyBytes, keyString, ownBytes } from './read-set.ts';
import type { Scan } from './read-source.ts';

/** How many entries `next` and `for await` gather at a time. */
const GATHER_COUNT = 128;

export interface IteratorSettings<T> {
  readonly scan: Scan;
  /** Throws CLOSED once the database or transaction is. */
  readonly checkOpen: () => void;
  readonly reverse: boolean;
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
  /** Makes what the user gets of the entry under the cursor. */
  readonly shape: (cursor: VisibleCursor) => T;
  /** Bounds as latin1 keys: where reading starts, by direction. */
  readonly lower: string;
  readonly upper: string | undefined;
  /** Encodes a seek target. */
  readonly encodeKey: (key: unknown) => Uint8Array;
}

/** Iterates in key order. Close it, or run `for await` to its end, to let go of the snapshot it holds. */
export class SluiceIterator<T> implements AsyncIterable<T>, AsyncDisposable, Disposable {
  readonly #settings: IteratorSettings<T>;
  readonly #cursor: VisibleCursor;
  #left: number;
  /** Entries gathered and not handed out, with their keys when reads are reported. */
  #items: T[] = [];
  #keys: string[] = [];
  #handedOut = 0;
  #state: 'start' | 'seeking' | 'moving' | 'end' | 'closed' = 'start';
  #target: Uint8Array | undefined;
  /** Everything from here, in reading direction, up to the last key handed out is known to the reader. */
  #knownFrom: string | undefined;
  #busy = false;

  constructor(settings: IteratorSettings<T>) {
    this.#settings = settings;
    this.#cursor = settings.scan.cursor;
    this.#left = settings.limit;
    this.#knownFrom = settings.reverse ? settings.upper : settings.lower;
  }

  /** The next entry, or undefined at the end. */
  async next(): Promise<T | undefined> {
    this.#checkOpen();
    if (this.#handedOut === this.#items.length) await this.#gather(GATHER_COUNT);
    return this.#take();
  }

  /** Up to `size` entries; an empty array at the end. */
  async nextv(size: number): Promise<T[]> {
    if (!Number.isInteger(size) || size < 1)
      throw new TypeError(`size must be a positive integer; got ${String(size)}`);
    this.#checkOpen();
    if (this.#handedOut === this.#items.length) await this.#gather(size);
    const items = this.#items.slice(this.#handedOut, this.#handedOut + size);
    this.#handOut(items.length);
    return items;
  }

  /** All entries that are left, in one array; then, also after an error, closes the iterator. */
  async all(): Promise<T[]> {
    const items: T[] = [];
    try {
      for (;;) {
        const more = await this.nextv(1024);
        if (more.length === 0) return items;
        for (const item of more) items.push(item);
      }
    } finally {
      // `db.iterator().all()` leaves nobody a handle to close. Busy: an earlier call has it, this one was refused.
      if (!this.#busy) this.close();
    }
  }

  /** Goes on at the first key at or after `key` (at or before it in reverse), within the iterator's bounds. */
  seek(key: unknown): void {
    this.#checkOpen();
    if (this.#busy) throw new SluiceError('BUSY', 'seek() while next(), nextv() or all() is still under way');
    const target = ownBytes(this.#settings.encodeKey(key), key);
    this.#target = target;
    this.#state = 'seeking';
    // Gathered ahead and not taken: the limit does not count them.
    this.#left += this.#items.length - this.#handedOut;
    this.#items = [];
    this.#keys = [];
    this.#handedOut = 0;
    const at = keyString(target, 0, target.length);
    const { reverse, lower, upper } = this.#settings;
    if (reverse) this.#knownFrom = upper !== undefined && upper < keyAfter(at) ? upper : keyAfter(at);
    else this.#knownFrom = at < lower ? lower : at;
  }

  /** Lets go of the snapshot. Closing twice is fine. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#items = [];
    this.#handedOut = 0;
    // A gathering that is under way closes the scan itself when it comes back.
    if (!this.#busy) this.#settings.scan.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        this.#checkOpen();
        if (this.#handedOut === this.#items.length) await this.#gather(GATHER_COUNT);
        const item = this.#take();
        if (item === undefined) return;
        yield item;
      }
    } finally {
      this.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #take(): T | undefined {
    if (this.#handedOut === this.#items.length) return undefined;
    const item = this.#items[this.#handedOut];
    this.#handOut(1);
    return item;
  }

  #handOut(count: number): void {
    const { onRead } = this.#settings.scan;
    this.#handedOut += count;
    if (onRead === undefined) return;
    if (count > 0) this.#report(this.#keys[this.#handedOut - 1] as string);
  }

  /** L5: the reader now knows every key between where it began and `last`, the gaps included. */
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

  async #gather(count: number): Promise<void> {
    this.#checkOpen();
    if (this.#busy)
      throw new SluiceError('BUSY', 'The iterator is still busy with an earlier call; await it first');
    this.#items = [];
    this.#keys = [];
    this.#handedOut = 0;
    this.#busy = true;
    try {
      while (this.#items.length < count && this.#left > 0 && this.#state !== 'end') {
        throwIfAborted(this.#settings.signal);
        if (this.#step() === PENDING) {
          // What is gathered can be handed out before the disk is asked for more.
          if (this.#items.length > 0) return;
          await this.#cursor.load();
          if (this.#isClosed()) throw closedError();
        }
      }
    } finally {
      this.#busy = false;
      if (this.#isClosed()) this.#settings.scan.close();
    }
    if (this.#state === 'end' && this.#items.length === 0 && this.#left > 0) this.#report(undefined);
  }

  #step(): Status {
    const status = this.#position();
    if (status === PENDING) return status;
    if (!this.#cursor.valid) {
      this.#state = 'end';
      return status;
    }
    this.#state = 'moving';
    this.#left--;
    this.#items.push(this.#settings.shape(this.#cursor));
    if (this.#settings.scan.onRead !== undefined) {
      const { keyBytes: bytes, keyStart, keyLength } = this.#cursor;
      this.#keys.push(keyString(bytes, keyStart, keyLength));
    }
    return status;
  }

  #position(): Status {
    const { reverse } = this.#settings;
    const cursor = this.#cursor;
    if (this.#state === 'moving') return reverse ? cursor.prev() : cursor.next();
    if (this.#state === 'start') return reverse ? cursor.last() : cursor.first();
    const target = this.#target ?? keyBytes('');
    return reverse ? cursor.seekBefore(target, true) : cursor.seek(target);
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #checkOpen(): void {
    if (this.#isClosed()) throw closedError();
    // L5: what is handed out once the transaction is over, no commit has checked.
    this.#settings.checkOpen();
  }
}

function closedError(): SluiceError {
  return new SluiceError('CLOSED', 'The iterator is closed; make a new one');
}

export function entryShape<KE extends EncodingName, VE extends EncodingName>(
  keyEncoding: KE,
  valueEncoding: VE,
): (cursor: VisibleCursor) => [Output<KE>, Output<VE>] {
  const key = keyShape(keyEncoding);
  const value = valueShape(valueEncoding);
  return (cursor) => [key(cursor), value(cursor)];
}

export function keyShape<KE extends EncodingName>(keyEncoding: KE): (cursor: VisibleCursor) => Output<KE> {
  const copier = new BufferCopier();
  return (cursor) => decode(keyEncoding, cursor.keyBytes, cursor.keyStart, cursor.keyLength, copier);
}

export function valueShape<VE extends EncodingName>(
  valueEncoding: VE,
): (cursor: VisibleCursor) => Output<VE> {
  const copier = new BufferCopier();
  return (cursor) => decode(valueEncoding, cursor.valueBytes, cursor.valueStart, cursor.valueLength, copier);
}
