/**
 * Makes blocks of what a writer is given: entries of batches are staged in the encoder's own memory, so that they are copied
 * once before they are in a block.
 */

import { BlockEncoder, type BlockReceiver } from '../sst/block-encoder.ts';
import type { StagedRecords, TableTotals } from '../sst/built-blocks.ts';
import { giveHeapBack, type Heap, takeHeap } from '../sst/heap.ts';
import { builderHeapBytes, type TableBuilderOptions } from '../sst/table-builder.ts';
import { BATCH_STAGER_BYTES, BatchStager, type KeyRange } from './batch-stager.ts';
import type { Entries } from './entry-batches.ts';

export class BatchEncoder {
  readonly #heap: Heap;
  readonly #encoder: BlockEncoder;
  readonly #stager: BatchStager;
  /** Whether the blocks of what comes next are to be sealed here. */
  readonly #seals: () => boolean;
  #isOver = false;

  constructor(options: TableBuilderOptions, receiver: BlockReceiver, seals: () => boolean) {
    const stagerAt = Math.ceil(builderHeapBytes(options.blockBytes) / 8) * 8;
    this.#heap = takeHeap(stagerAt + BATCH_STAGER_BYTES);
    this.#encoder = new BlockEncoder({ ...options, heap: this.#heap }, receiver);
    this.#stager = new BatchStager(this.#heap, stagerAt);
    this.#seals = seals;
  }

  /** As TableBuilder.addRecords. Puts that come between batches are staged like these, so that there are no blocks of few entries to hand over. */
  add(records: StagedRecords): void {
    const encoder = this.#encoder;
    if (records.length > encoder.stageEnd - encoder.stagedAt) encoder.encodeStaged(this.#seals());
    encoder.add(records);
  }

  /** As RecordStage.addBatch; `last`: the user key before. */
  addBatch(batch: Entries, from: number, last: KeyRange): number {
    const encoder = this.#encoder;
    const stager = this.#stager;
    let next = from;
    let before = last;
    let isEmpty = false;
    while (next < batch.count) {
      const at = encoder.stagedAt;
      const staged = stager.stage(batch, next, before, at, encoder.stageEnd);
      if (staged > 0) {
        encoder.addStaged(stager.end, staged);
        next += staged;
        before = { bytes: this.#heap.bytes, start: stager.lastAt, length: stager.lastLength };
        isEmpty = false;
        continue;
      }
      // There was no room for it; or it is wrong, or large.
      if (isEmpty) break;
      before = ownKey(before);
      encoder.encodeStaged(this.#seals());
      isEmpty = true;
    }
    return next;
  }

  /** As BlockEncoder.finish. */
  finish(): TableTotals {
    this.#encoder.encodeStaged(false);
    const totals = this.#encoder.finish();
    this.abandon();
    return totals;
  }

  /** Gives the memory back. */
  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#encoder.abandon();
    giveHeapBack(this.#heap);
  }
}

/** Where it is there will be other things. */
function ownKey({ bytes, start, length }: KeyRange): KeyRange {
  return { bytes: bytes.slice(start, start + length), start: 0, length };
}
