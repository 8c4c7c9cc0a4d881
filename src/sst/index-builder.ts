/**
 * Collects the index of a table while it is written: after each data block a separator, as short as it can be.
 *
 * Separators are user keys, unless the versions of one user key go on from one block to the next: then only whole
 * internal keys separate the two, and *all* separators get their trailer.
 */

import { fixed32, putFixed32, putVarint } from '../base/codec.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import { INDEX_RECORD_HEAD_BYTES, SPLITS_KEY } from './kernels/js-encode-blocks.ts';
import { putSeparator, SEPARATOR_SAME_KEY } from './kernels/js-separator.ts';

export class IndexBuilder {
  /** Separators with trailers, one after the other. */
  #keys = new Uint8Array(65536);
  #keyBytes = 0;
  #ends = new Float64Array(1024);
  #offsets = new Float64Array(1024);
  #sizes = new Uint32Array(1024);
  #blocks = 0;
  #internalKeys = false;

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
    let length = last.length;
    if (next === undefined) this.#keys.set(last, this.#keyBytes);
    else {
      length = putSeparator(this.#keys, this.#keyBytes, last, 0, last.length, next, 0, next.length);
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
      const keys = this.#keys;
      const to = this.#keyBytes;
      if (length > 48) keys.set(bytes.subarray(at, at + length), to);
      else for (let i = 0; i < length; i++) keys[to + i] = bytes[at + i] as number;
      at += length;
      this.#added(length, offset, stored);
      offset += stored + BLOCK_TRAILER_BYTES;
    }
  }

  #reserve(length: number): void {
    if (this.#blocks === this.#ends.length) this.#growBlocks();
    if (this.#keyBytes + length <= this.#keys.length) return;
    const grown = new Uint8Array(Math.max(this.#keys.length * 2, this.#keyBytes + length));
    grown.set(this.#keys.subarray(0, this.#keyBytes));
    this.#keys = grown;
  }

  #added(length: number, offset: number, stored: number): void {
    this.#keyBytes += length;
    this.#ends[this.#blocks] = this.#keyBytes;
    this.#offsets[this.#blocks] = offset;
    this.#sizes[this.#blocks] = stored;
    this.#blocks++;
  }

  #growBlocks(): void {
    const n = this.#blocks * 2;
    const ends = new Float64Array(n);
    ends.set(this.#ends);
    this.#ends = ends;
    const offsets = new Float64Array(n);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
    const sizes = new Uint32Array(n);
    sizes.set(this.#sizes);
    this.#sizes = sizes;
  }

  /** The index block, restart interval 1, so that every handle is whole though the form is the delta-coded one. */
  finish(): Uint8Array {
    const trailer = this.#internalKeys ? 0 : 8;
    const block = new Uint8Array(this.#keyBytes + this.#blocks * 32 + 8);
    const restarts = new Uint32Array(Math.max(1, this.#blocks));
    let p = 0;
    let start = 0;
    for (let b = 0; b < this.#blocks; b++) {
      const end = this.#ends[b] as number;
      const length = end - start - trailer;
      restarts[b] = p;
      block[p++] = 0;
      p = putVarint(block, p, length);
      block.set(this.#keys.subarray(start, start + length), p);
      p = putVarint(block, p + length, this.#offsets[b] as number);
      p = putVarint(block, p, this.#sizes[b] as number);
      start = end;
    }
    for (const restart of restarts) {
      putFixed32(block, p, restart);
      p += 4;
    }
    putFixed32(block, p, restarts.length);
    return block.slice(0, p + 4);
  }
}
