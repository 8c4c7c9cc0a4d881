/**
 * Buffers of the entries of a batch: the batch is copied once, and they are pieces of that copy, as Node's own small Buffers
 * are pieces of a pool. So what one of them keeps in memory is a batch at most; a value that alone fills one is by itself.
 */

import { markAsUntransferable } from 'node:worker_threads';
import type { BytesCopier } from '../base/encoding.ts';
import type { EntryBatch } from '../mvcc/entry-batch.ts';

/** Of the batches of an iterator, and so of what a small Buffer keeps in memory: twice Node's pool. */
export const SHARED_BYTES = 16384;

export class BatchCopier implements BytesCopier {
  #batch: EntryBatch | undefined;
  #fill = 0;
  #copy = Buffer.alloc(0);

  /** What the copies are to be of that follow. */
  turnTo(batch: EntryBatch): void {
    if (batch === this.#batch && batch.fills === this.#fill) return;
    this.#batch = batch;
    this.#fill = batch.fills;
    this.#copy = Buffer.alloc(0);
  }

  copy(bytes: Uint8Array, start: number, length: number): Buffer {
    const end = start + length;
    if (end > this.#copy.length) {
      const all = Math.min(this.#batch?.length ?? 0, SHARED_BYTES);
      if (end > all) {
        const own = Buffer.allocUnsafe(length);
        own.set(bytes.subarray(start, end));
        return own;
      }
      this.#copy = Buffer.allocUnsafe(all);
      this.#copy.set(bytes.subarray(0, all));
      // Whoever transfers one of them would take the others' bytes away. Node has done so for its pool.
      markAsUntransferable(this.#copy.buffer);
    }
    return this.#copy.subarray(start, end);
  }
}
