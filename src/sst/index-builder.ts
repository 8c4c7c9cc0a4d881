/**
 * Collects the index of a table while it is written: after each data block a separator, as short as it can be.
 *
 * Separators are user keys, unless the versions of one user key go on from one block to the next: then only whole
 * internal keys separate the two, and *all* separators get their trailer.
 */

import { fixed32, putFixed32, putVarint } from '../base/codec.ts';
import { TRAILER_BYTES } from '../mvcc/internal-key.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import { INDEX_RECORD_HEAD_BYTES, SPLITS_KEY } from './kernels/js-encode-blocks.ts';
import { putSeparator, SEPARATOR_SAME_KEY } from './kernels/js-separator.ts';

interface Room {
  /** Separators with trailers, one after the other. */
  keys: Uint8Array;
  ends: Float64Array;
  offsets: Float64Array;
  sizes: Uint32Array;
  /** The block that comes of it, as yet without restarts, and these, little-endian as they are there. */
  block: Uint8Array;
  restarts: Uint32Array;
}

/** Of builders that are done: V8 would let tens of megabytes of it pile up before it looked for what nobody uses. */
const idleRooms: Room[] = [];
const IDLE_ROOMS_MAX = 2;
const IDLE_BLOCKS_MAX = 65_536;
const IDLE_KEY_BYTES_MAX = 4 << 20;
/** Of an entry of the block, besides its key. */
const ENTRY_BYTES_MAX = 32;

export class IndexBuilder {
  readonly #room: Room = idleRooms.pop() ?? {
    keys: new Uint8Array(65536),
    ends: new Float64Array(1024),
    offsets: new Float64Array(1024),
    sizes: new Uint32Array(1024),
    block: new Uint8Array(0),
    restarts: new Uint32Array(1024),
  };
  #keyBytes = 0;
  #blockBytes = 0;
  #blocks = 0;
  #internalKeys = false;
  #isOver = false;

  get blocks(): number {
    return this.#blocks;
  }

  get userKeys(): boolean {
    return !this.#internalKeys;
  }

  /**
   * Adds a data block of `stored` bytes at `offset`, given whole internal keys: its last one, and the first of the next
   * block, if there is one.
   */
  add(last: Uint8Array, next: Uint8Array | undefined, offset: number, stored: number): void {
    this.#reserve(last.length);
    const { keys } = this.#room;
    let length = last.length;
    if (next === undefined) keys.set(last, this.#keyBytes);
    else {
      length = putSeparator(keys, this.#keyBytes, last, 0, last.length, next, 0, next.length);
      if (length === SEPARATOR_SAME_KEY) {
        this.#internalKeys = true;
        length = last.length;
      }
    }
    this.#added(length, offset, stored);
  }

  /** Adds the blocks that the index records in [at, end) tell of, one after the other in the file from `offset` on. */
  addRecords(bytes: Uint8Array, at: number, end: number, offset: number): void {
    while (at < end) {
      const stored = fixed32(bytes, at);
      const length = fixed32(bytes, at + 4);
      if (fixed32(bytes, at + 8) === SPLITS_KEY) this.#internalKeys = true;
      this.#reserve(length);
      at += INDEX_RECORD_HEAD_BYTES;
      const { keys } = this.#room;
      const to = this.#keyBytes;
      if (length > 48) keys.set(bytes.subarray(at, at + length), to);
      else for (let i = 0; i < length; i++) keys[to + i] = bytes[at + i] as number;
      at += length;
      this.#added(length, offset, stored);
      offset += stored + BLOCK_TRAILER_BYTES;
    }
  }

  #reserve(length: number): void {
    const room = this.#room;
    if (this.#blocks === room.ends.length) this.#growBlocks();
    if (this.#keyBytes + length <= room.keys.length) return;
    const grown = new Uint8Array(Math.max(room.keys.length * 2, this.#keyBytes + length));
    grown.set(room.keys.subarray(0, this.#keyBytes));
    room.keys = grown;
  }

  #added(length: number, offset: number, stored: number): void {
    const { ends, offsets, sizes } = this.#room;
    this.#keyBytes += length;
    ends[this.#blocks] = this.#keyBytes;
    offsets[this.#blocks] = offset;
    sizes[this.#blocks] = stored;
    this.#blocks++;
    if (!this.#internalKeys) this.#encode(this.#blocks - 1);
  }

  /**
   * Appends the entry of a data block to the index block, as each comes: in one loop at the end, by functions that V8 has not
   * compiled by then, it took a thirtieth of the time of a table.
   */
  #encode(n: number): void {
    const room = this.#room;
    const { keys, ends, offsets, sizes, restarts } = room;
    const start = n === 0 ? 0 : (ends[n - 1] as number);
    const end = (ends[n] as number) - (this.#internalKeys ? 0 : TRAILER_BYTES);
    const most = this.#blockBytes + end - start + ENTRY_BYTES_MAX;
    if (most > room.block.length) {
      const grown = new Uint8Array(most * 2);
      grown.set(room.block.subarray(0, this.#blockBytes));
      room.block = grown;
    }
    const { block } = room;
    let p = this.#blockBytes;
    restarts[n] = p;
    block[p++] = 0;
    p = putVarint(block, p, end - start);
    if (end - start > 48) {
      block.set(keys.subarray(start, end), p);
      p += end - start;
    } else for (let i = start; i < end; i++) block[p++] = keys[i] as number;
    p = putVarint(block, p, offsets[n] as number);
    this.#blockBytes = putVarint(block, p, sizes[n] as number);
  }

  #growBlocks(): void {
    const room = this.#room;
    const n = this.#blocks * 2;
    const { ends, offsets, sizes, restarts } = room;
    room.ends = new Float64Array(n);
    room.ends.set(ends);
    room.offsets = new Float64Array(n);
    room.offsets.set(offsets);
    room.sizes = new Uint32Array(n);
    room.sizes.set(sizes);
    room.restarts = new Uint32Array(n);
    room.restarts.set(restarts);
  }

  /**
   * The index block, restart interval 1, so that every handle is whole though the form is the delta-coded one. The builder
   * is of no use any more, and the block is the next one's: to be used at once.
   */
  finish(): Uint8Array {
    const room = this.#room;
    if (this.#internalKeys) {
      // Of none of them a separator without a trailer does.
      this.#blockBytes = 0;
      for (let n = 0; n < this.#blocks; n++) this.#encode(n);
    }
    // Even an empty block has one restart.
    if (this.#blocks === 0) room.restarts[0] = 0;
    const restarts = Math.max(1, this.#blocks);
    const end = this.#blockBytes;
    const length = end + restarts * 4 + 4;
    const block = room.block.length < length ? new Uint8Array(length) : room.block;
    if (block !== room.block) block.set(room.block.subarray(0, end));
    room.block = block;
    block.set(new Uint8Array(room.restarts.buffer, 0, restarts * 4), end);
    putFixed32(block, end + restarts * 4, restarts);
    this.abandon();
    return block.subarray(0, length);
  }

  /** Gives the memory back, once: after `finish` it may be another builder's. */
  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { keys, sizes } = this.#room;
    if (idleRooms.length === IDLE_ROOMS_MAX) return;
    if (sizes.length <= IDLE_BLOCKS_MAX && keys.length <= IDLE_KEY_BYTES_MAX) idleRooms.push(this.#room);
  }
}
