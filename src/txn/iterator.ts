/**
 * The public iterator: entries out of batches. It awaits once per missing block, never per entry.
 */

import { decode, type EncodingName, type Output } from '../base/encoding.ts';
import { PENDING } from '../mvcc/cursor.ts';
import type { EntryBatch } from '../mvcc/entry-batch.ts';
import { BatchCopier } from './batch-copier.ts';
import { ownBytes } from './read-set.ts';
import { ScanBatches, type ScanSettings } from './scan-batches.ts';

/** How many entries `next` and `for await` gather at a time. */
const GATHER_COUNT = 128;

/** Makes what the user gets of entry `index` of a batch. */
export type Shape<T> = (batch: EntryBatch, index: number) => T;

/** Iterates in key order. Close it, or run `for await` to its end, to let go of the snapshot it holds. */
export class SluiceIterator<T> implements AsyncIterable<T>, AsyncDisposable, Disposable {
  readonly #batches: ScanBatches;
  readonly #shape: Shape<T>;
  readonly #encodeKey: (key: unknown) => Uint8Array;

  /** For the database; users call `db.iterator()`. `encodeKey`: of seek targets. */
  constructor(settings: ScanSettings, shape: Shape<T>, encodeKey: (key: unknown) => Uint8Array) {
    this.#batches = new ScanBatches(settings);
    this.#shape = shape;
    this.#encodeKey = encodeKey;
  }

  /** The next entry, or undefined at the end. */
  async next(): Promise<T | undefined> {
    this.#batches.checkOpen();
    if (!this.#hasMore && this.#batches.gather(GATHER_COUNT) === PENDING)
      await this.#gatherLater(GATHER_COUNT);
    return this.#take();
  }

  /** Up to `size` entries; an empty array at the end. */
  async nextv(size: number): Promise<T[]> {
    if (!Number.isInteger(size) || size < 1)
      throw new TypeError(`size must be a positive integer; got ${String(size)}`);
    const batches = this.#batches;
    batches.checkOpen();
    const items: T[] = [];
    try {
      do {
        const wanted = size - items.length;
        if (!this.#hasMore && batches.gather(wanted) === PENDING) {
          // What there is can be handed out before the disk is asked for more.
          if (items.length > 0) break;
          await this.#gatherLater(wanted);
        }
        if (!this.#hasMore) break;
        this.#takeInto(items, wanted);
      } while (items.length < size);
    } catch (error) {
      // With items in hand it is the next call that fails: that one begins where this one could not go on.
      if (items.length === 0) throw error;
    }
    if (items.length === 0) batches.reportEnd();
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
      if (!this.#batches.busy) this.close();
    }
  }

  /** Goes on at the first key at or after `key` (at or before it in reverse), within the iterator's bounds. */
  seek(key: unknown): void {
    this.#batches.checkOpen();
    this.#batches.seek(ownBytes(this.#encodeKey(key), key));
  }

  /** Lets go of the snapshot. Closing twice is fine. */
  close(): void {
    this.#batches.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    const batches = this.#batches;
    try {
      for (;;) {
        batches.checkOpen();
        if (!this.#hasMore && batches.gather(GATHER_COUNT) === PENDING) await this.#gatherLater(GATHER_COUNT);
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

  get #hasMore(): boolean {
    const { batch, handedOut } = this.#batches;
    return handedOut < batch.count;
  }

  async #gatherLater(entries: number): Promise<void> {
    do await this.#batches.load();
    while (this.#batches.gather(entries) === PENDING);
  }

  #take(): T | undefined {
    const batches = this.#batches;
    if (!this.#hasMore) {
      batches.reportEnd();
      return undefined;
    }
    const item = this.#shape(batches.batch, batches.handedOut);
    batches.handOut(1);
    return item;
  }

  #takeInto(items: T[], most: number): void {
    const batches = this.#batches;
    const { batch, handedOut } = batches;
    const end = Math.min(handedOut + most, batch.count);
    let i = handedOut;
    try {
      for (; i < end; i++) items.push(this.#shape(batch, i));
    } finally {
      batches.handOut(i - handedOut);
    }
  }
}

export function entryShape<KE extends EncodingName, VE extends EncodingName>(
  keyEncoding: KE,
  valueEncoding: VE,
): Shape<[Output<KE>, Output<VE>]> {
  const copier = new BatchCopier();
  const key = keyShape(keyEncoding, copier);
  const value = valueShape(valueEncoding, copier);
  return (batch, index) => [key(batch, index), value(batch, index)];
}

export function keyShape<KE extends EncodingName>(
  keyEncoding: KE,
  copier = new BatchCopier(),
): Shape<Output<KE>> {
  return (batch, index) => {
    const at = batch.offsets[2 * index] as number;
    copier.turnTo(batch);
    return decode(keyEncoding, batch.bytes, at, (batch.offsets[2 * index + 1] as number) - at, copier);
  };
}

export function valueShape<VE extends EncodingName>(
  valueEncoding: VE,
  copier = new BatchCopier(),
): Shape<Output<VE>> {
  return (batch, index) => {
    const at = batch.offsets[2 * index + 1] as number;
    copier.turnTo(batch);
    return decode(valueEncoding, batch.bytes, at, (batch.offsets[2 * index + 2] as number) - at, copier);
  };
}
