/**
 * The data blocks of a table one after the other, for a merge: read in large chunks, checked, decompressed and validated in
 * a room of a heap. Blocks that the room is too small for are outside it, in arrays of their own.
 *
 *   chunk as on disk | block as decompressed
 */

import { SluiceError } from '../base/errors.ts';
import { decompressTo, type OwnBlock, rawLength, readOwnBlock, verifyChecksum } from './block-cache.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import { BlockShape, validateDataBlock } from './data-block.ts';
import type { Heap } from './heap.ts';
import type { TableState } from './table-state.ts';

/** Of a chunk, and of a block: larger ones are outside. */
export const FEED_BLOCK_BYTES = 131072;
const SLACK_BYTES = 64;
/** How much of a heap a feed takes. */
export const FEED_BYTES = 2 * (FEED_BLOCK_BYTES + SLACK_BYTES);

export class BlockFeed {
  /** Where the block is, and where its entries end. */
  start = 0;
  limit = 0;
  /** The block, when it is outside. */
  own: OwnBlock | undefined;
  /** From files, since it was made. */
  readBytes = 0;
  /** Room for a decompressed block, FEED_BLOCK_BYTES. */
  readonly roomAt: number;
  readonly #heap: Heap;
  readonly #chunkAt: number;
  readonly #shape = new BlockShape();
  #state: TableState | undefined;
  #block = 0;
  /** What of the file is in the chunk. */
  #chunkFrom = 0;
  #chunkEnd = 0;

  constructor(heap: Heap, at: number) {
    this.#heap = heap;
    this.#chunkAt = at;
    this.roomAt = at + FEED_BLOCK_BYTES + SLACK_BYTES;
  }

  /** The next block is the table's first, or the first that can have a key at or after `from`. The state has to stay open. */
  enter(state: TableState, from?: Uint8Array): void {
    this.#state = state;
    this.#block = from === undefined ? 0 : state.index.search(from, 0, from.length, Number.POSITIVE_INFINITY);
    this.#chunkEnd = 0;
  }

  /**
   * Loads the next block of the table; false when there is none.
   * @throws SluiceError CORRUPTION, CHECKSUM_MISMATCH, UNSUPPORTED_FORMAT, IO.
   */
  next(): boolean {
    const state = this.#state;
    if (state === undefined || this.#block === state.index.blocks) return false;
    const offset = state.index.offsets[this.#block] as number;
    const length = state.index.sizes[this.#block] as number;
    this.#block++;
    this.own = undefined;
    const { bytes, kernels } = this.#heap;
    if (length + BLOCK_TRAILER_BYTES > FEED_BLOCK_BYTES) {
      const disk = new Uint8Array(length + BLOCK_TRAILER_BYTES);
      this.#read(state, disk, 0, disk.length, offset, disk.length);
      this.own = readOwnBlock(disk, length, state, offset);
      return true;
    }
    const at = this.#chunkWith(state, offset, length + BLOCK_TRAILER_BYTES);
    verifyChecksum(this.#heap, at, length, state, offset);
    const place = { path: state.path, offset };
    const raw = rawLength(this.#heap, at, length, place);
    if (raw > FEED_BLOCK_BYTES) {
      this.own = readOwnBlock(bytes.slice(at, at + length + BLOCK_TRAILER_BYTES), length, state, offset);
      return true;
    }
    const isRaw = bytes[at + length] === 0;
    if (!isRaw) decompressTo(this.#heap, at, length, this.roomAt, raw, state, place);
    this.start = isRaw ? at : this.roomAt;
    if (!kernels.checkDataBlock(this.start, raw, 0, this.#shape, 0, undefined)) {
      validateDataBlock(bytes, this.start, raw, this.#shape, place);
    }
    this.limit = this.#shape.restartsAt;
    return true;
  }

  /** Where [offset, offset + length) of the file is in the heap. */
  #chunkWith(state: TableState, offset: number, length: number): number {
    if (offset < this.#chunkFrom || offset + length > this.#chunkEnd) {
      const { offsets, sizes, blocks } = state.index;
      const end = (offsets[blocks - 1] as number) + (sizes[blocks - 1] as number) + BLOCK_TRAILER_BYTES;
      const most = Math.min(FEED_BLOCK_BYTES, end - offset);
      const got = this.#read(state, this.#heap.bytes, this.#chunkAt, most, offset, length);
      this.#chunkFrom = offset;
      this.#chunkEnd = offset + got;
    }
    return this.#chunkAt + offset - this.#chunkFrom;
  }

  #read(
    state: TableState,
    target: Uint8Array,
    at: number,
    most: number,
    offset: number,
    needed: number,
  ): number {
    const got = state.file.readSync(target, at, most, offset);
    this.readBytes += got;
    if (got >= needed) return got;
    throw new SluiceError(
      'CORRUPTION',
      `${state.path}: the file ends within the block at offset ${offset} (${got} bytes read)`,
    );
  }
}
