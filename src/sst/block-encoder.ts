/**
 * The first half of building a table: entries become data blocks, which whoever receives them compresses and stores
 * (TableBuilder.addBlocks). So two threads share the work, and the file is the one that a builder alone makes. Where the other has
 * more than it gets done, blocks are compressed here too.
 */

import { assert } from '../base/assert.ts';
import { copyRange, EMPTY_BYTES } from '../base/bytes.ts';
import { fixed32 } from '../base/codec.ts';
import { TRAILER_BYTES } from '../mvcc/internal-key.ts';
import { NO_VERSION } from '../mvcc/version.ts';
import type { BuiltBlocks, CutBlock, StagedRecords, TableTotals } from './built-blocks.ts';
import {
  DataBlockBuilder,
  dataBlockBuilderBytes,
  RAW,
  type Sealing,
  sealingOf,
} from './data-block-builder.ts';
import { giveHeapBack, type Heap, takeHeap } from './heap.ts';
import { RECORD_HEAD_BYTES } from './kernels/js-encode-blocks.ts';
import { KERNEL_RESERVED_BYTES } from './kernels/wasm-kernels.ts';
import { loneBlock } from './lone-block.ts';
import { builderHeapBytes, type TableBuilderOptions } from './table-builder.ts';

/** Borrows what it is given for the call. */
export interface BlockReceiver {
  addBlocks(blocks: BuiltBlocks): void;
  addBlock(block: CutBlock): void;
}

export class BlockEncoder {
  readonly #receiver: BlockReceiver;
  readonly #heap: Heap;
  readonly #isOwnHeap: boolean;
  readonly #block: DataBlockBuilder;
  /** Where full blocks are collected until they are handed over, which is after each batch of records. */
  readonly #outAt: number;
  readonly #outLimit: number;
  readonly #sealing: Sealing;
  #smallest: Uint8Array = EMPTY_BYTES;
  #entries = 0;
  #isOver = false;
  /** The last block has one large entry, and waits for the key after it to get its separator. */
  #pending: { readonly raw: Uint8Array; readonly last: Uint8Array } | undefined;

  constructor(
    { heap, blockBytes = 4096, filterBitsPerKey = 10, compression, checksum }: TableBuilderOptions,
    receiver: BlockReceiver,
  ) {
    this.#receiver = receiver;
    this.#heap = heap ?? takeHeap(builderHeapBytes(blockBytes));
    this.#isOwnHeap = heap === undefined;
    this.#block = new DataBlockBuilder(this.#heap, KERNEL_RESERVED_BYTES, {
      blockBytes,
      ...RAW,
      wantsHashes: filterBitsPerKey > 0,
    });
    // What is shared between threads is copied byte by byte unless both places are those of words.
    this.#outAt = Math.ceil((KERNEL_RESERVED_BYTES + dataBlockBuilderBytes(blockBytes)) / 8) * 8;
    this.#outLimit = builderHeapBytes(blockBytes);
    this.#sealing = sealingOf(compression, checksum);
  }

  /** As TableBuilder.addRecords. REQUIRES: there is room for them, or nothing is staged. */
  add({ bytes, length, entries }: StagedRecords): void {
    const block = this.#block;
    const at = block.stagedAt;
    if (length > block.stageEnd - at) {
      assert(entries === 1, 'what does not fit is one large entry');
      this.#addLarge(bytes.subarray(0, length));
      return;
    }
    this.#heap.bytes.set(bytes.length === length ? bytes : bytes.subarray(0, length), at);
    this.addStaged(at + length, entries);
  }

  /** Whoever has the heap may stage records itself: from here … */
  get stagedAt(): number {
    return this.#block.stagedAt;
  }

  /** … to here at most. */
  get stageEnd(): number {
    return this.#block.stageEnd;
  }

  /** `entries` were staged as records from `stagedAt` to `end`, as TableBuilder.addStaged takes them. */
  addStaged(end: number, entries: number): void {
    const block = this.#block;
    const { bytes } = this.#heap;
    if (this.#entries === 0) {
      const at = block.stagedAt;
      this.#smallest = copyRange(bytes, at + RECORD_HEAD_BYTES, fixed32(bytes, at) - TRAILER_BYTES);
    }
    this.#entries += entries;
    block.staged(end);
  }

  /** Hands over the blocks that fill. `seals`: compressed, with their trailers. */
  encodeStaged(seals: boolean): void {
    const block = this.#block;
    if (!block.hasStaged) return;
    if (this.#pending !== undefined)
      this.#addPending(copyRange(this.#heap.bytes, block.nextAt, block.nextLength));
    while (this.#encode(seals) !== 'done');
  }

  #encode(sealed: boolean): 'done' | 'room' {
    const { bytes } = this.#heap;
    const block = this.#block;
    block.sealAs(sealed ? this.#sealing : RAW);
    let end = this.#outAt;
    const outcome = block.encode({
      at: end,
      limit: this.#outLimit,
      took: (to) => {
        end = to;
      },
    });
    assert(outcome !== 'block', 'blocks are stored here');
    const hashes = block.takeHashes();
    const index = block.takeIndexRecords();
    this.#receiver.addBlocks({
      sealed,
      bytes: bytes.subarray(this.#outAt, end),
      index: bytes.subarray(index.at, index.end),
      hashes,
    });
    return outcome;
  }

  #addLarge(record: Uint8Array): void {
    const block = this.#block;
    const keyLength = fixed32(record, 0);
    if (this.#entries++ === 0)
      this.#smallest = copyRange(record, RECORD_HEAD_BYTES, keyLength - TRAILER_BYTES);
    const valueAt = RECORD_HEAD_BYTES + keyLength;
    const key = copyRange(record, RECORD_HEAD_BYTES, keyLength);
    if (this.#pending !== undefined) this.#addPending(key);
    this.#cut(key);
    this.#pending = { raw: loneBlock(key, record.subarray(valueAt)), last: key };
    block.addedOutside(key, record.length - valueAt);
  }

  /** Ends the block being built, if it has entries. */
  #cut(next: Uint8Array | undefined): void {
    const block = this.#block;
    if (block.entries === 0) return;
    const { bytes } = this.#heap;
    const last = copyRange(bytes, block.lastAt, block.lastLength);
    this.#receiver.addBlock({ raw: bytes.subarray(block.start, block.start + block.finish()), last, next });
    block.reset();
  }

  #addPending(next: Uint8Array | undefined): void {
    if (this.#pending === undefined) return;
    const pending = this.#pending;
    this.#pending = undefined;
    this.#receiver.addBlock({ ...pending, next });
  }

  /** Hands over what is left. */
  finish(): TableTotals {
    const block = this.#block;
    // Hashes of large entries may have been left.
    this.#encode(false);
    this.#cut(undefined);
    this.#addPending(undefined);
    const { deletes, keyBytes, valueBytes } = block.totals;
    const isEmpty = this.#entries === 0;
    const totals = {
      entries: this.#entries,
      deletes,
      keyBytes,
      valueBytes,
      smallest: this.#smallest,
      largest: isEmpty
        ? EMPTY_BYTES
        : copyRange(this.#heap.bytes, block.lastAt, block.lastLength - TRAILER_BYTES),
      minVersion: isEmpty ? NO_VERSION : block.minVersion,
      maxVersion: block.maxVersion,
    };
    this.abandon();
    return totals;
  }

  /** Gives the memory back. */
  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#isOwnHeap) giveHeapBack(this.#heap);
  }
}
