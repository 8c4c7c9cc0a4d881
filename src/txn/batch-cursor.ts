/**
 * The public cursor: a scan for speed. It hands out entries a batch at a time, in memory that it uses again, so that neither
 * a promise nor an object is made for each entry.
 */

import { PENDING } from '../mvcc/cursor.ts';
import type { EntryBatch } from '../mvcc/entry-batch.ts';
import { ownBytes } from './read-set.ts';
import { ScanBatches, type ScanSettings } from './scan-batches.ts';

/** Entries of a batch, unless told otherwise. */
const BATCH_ENTRIES = 1024;

/**
 * Entries in the order of the cursor, valid until its next step: then `count` is 0, and `bytes` and `offsets` hold something
 * else. Entry i has its key at `bytes[offsets[2i] … offsets[2i + 1])` and its value from there up to `offsets[2i + 2]`.
 */
export class Batch {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
  #count: number;

  /** For the cursor. */
  constructor(entries: EntryBatch) {
    this.bytes = entries.bytes;
    this.offsets = entries.offsets;
    this.#count = entries.count;
  }

  get count(): number {
    return this.#count;
  }

  /** The key of entry `index`, borrowed: copy it to keep it. @throws RangeError when there is no such entry (any more). */
  key(index: number): Buffer {
    this.#check(index);
    return this.#piece(2 * index);
  }

  /** The value of entry `index`, borrowed: copy it to keep it. @throws RangeError when there is no such entry (any more). */
  value(index: number): Buffer {
    this.#check(index);
    return this.#piece(2 * index + 1);
  }

  /** For the cursor: its next step has come. */
  expire(): void {
    this.#count = 0;
  }

  #check(index: number): void {
    if (Number.isInteger(index) && index >= 0 && index < this.#count) return;
    throw new RangeError(
      `entry ${index} of a batch of ${this.#count}; a batch is empty once the cursor has gone on or is closed`,
    );
  }

  #piece(place: number): Buffer {
    const at = this.offsets[place] as number;
    return Buffer.from(
      this.bytes.buffer,
      this.bytes.byteOffset + at,
      (this.offsets[place + 1] as number) - at,
    );
  }
}

/** Goes through entries in key order. Close it, or run `for await` to its end, to let go of the snapshot it holds. */
export class SluiceCursor implements AsyncIterable<Batch>, AsyncDisposable, Disposable {
  readonly #batches: ScanBatches;
  readonly #encodeKey: (key: unknown) => Uint8Array;
  #batch: Batch | undefined;

  /** For the database; users call `db.cursor()`. `encodeKey`: of seek targets. */
  constructor(settings: ScanSettings, encodeKey: (key: unknown) => Uint8Array) {
    this.#batches = new ScanBatches(settings);
    this.#encodeKey = encodeKey;
  }

  /**
   * The next entries, at most `entries` and some 64 KiB of them; undefined at the end. Fewer come when there would be a wait
   * for the disk, and never none.
   */
  async nextBatch(entries = BATCH_ENTRIES): Promise<Batch | undefined> {
    this.#step(entries);
    while (this.#batches.gather(entries) === PENDING) await this.#batches.load();
    return this.#handOut();
  }

  /** As `nextBatch`, reading by pread what is not in memory. */
  nextBatchSync(entries = BATCH_ENTRIES): Batch | undefined {
    this.#step(entries);
    while (this.#batches.gather(entries) === PENDING) this.#batches.loadSync();
    return this.#handOut();
  }

  /** Goes on at the first key at or after `key` (at or before it in reverse), within the cursor's bounds. */
  seek(key: unknown): void {
    this.#batches.checkOpen();
    this.#batches.seek(ownBytes(this.#encodeKey(key), key));
    this.#batch?.expire();
  }

  /** Lets go of the snapshot. Closing twice is fine. */
  close(): void {
    this.#batch?.expire();
    this.#batches.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    try {
      for (;;) {
        const batch = await this.nextBatch();
        if (batch === undefined) return;
        yield batch;
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

  #step(entries: number): void {
    if (!Number.isInteger(entries) || entries < 1)
      throw new TypeError(`entries must be a positive integer; got ${String(entries)}`);
    this.#batches.checkOpen();
    this.#batches.checkIdle();
    this.#batch?.expire();
  }

  #handOut(): Batch | undefined {
    const { batch } = this.#batches;
    if (batch.count === 0) {
      this.#batches.reportEnd();
      return undefined;
    }
    this.#batch = new Batch(batch);
    // L5: the reader can now look at all of it.
    this.#batches.handOut(batch.count);
    return this.#batch;
  }
}
