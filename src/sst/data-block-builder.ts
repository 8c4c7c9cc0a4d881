/** Builds data blocks in a range of the heap, one after the other in the same place; RocksDB's rules to the byte. */

import { putFixed32, putVarint, varintLength } from '../base/codec.ts';

const RESTART_INTERVAL = 16;
/** More than the three varints before an entry take. */
const HEADER_ROOM = 32;

export class DataBlockBuilder {
  readonly start: number;
  entries = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #limit: number;
  readonly #blockBytes: number;
  readonly #almostFullBytes: number;
  #end: number;
  #restarts = new Uint32Array(256);
  #restartCount = 0;
  #sinceRestart = 0;
  #valueArray: Uint8Array | undefined;
  #valueView: DataView | undefined;

  /** Builds in [start, limit) of `bytes`; a block is full at about `blockBytes`. */
  constructor(bytes: Uint8Array, start: number, limit: number, blockBytes: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.start = start;
    this.#limit = limit;
    this.#end = start;
    this.#blockBytes = blockBytes;
    this.#almostFullBytes = Math.floor((blockBytes * 90 + 99) / 100);
  }

  /** Of the entries so far. */
  get bytes(): number {
    return this.#end - this.start;
  }

  /** Whether an entry of an internal key of `length` bytes can be added at all. */
  fits(length: number, valueLength: number): boolean {
    return this.#end + HEADER_ROOM + length + valueLength + this.#restartCount * 4 + 8 <= this.#limit;
  }

  /**
   * RocksDB's rule: at the block size, or before it when over nine tenths are there and the entry would exceed it. Not
   * RocksDB's: what does not fit our room has to go to another block.
   */
  isFull(length: number, valueLength: number): boolean {
    const now = this.#end - this.start + this.#restartCount * 4 + 4;
    if (now >= this.#blockBytes) return true;
    if (now > this.#almostFullBytes) {
      const restart = this.#sinceRestart >= RESTART_INTERVAL ? 4 : 0;
      const header = 4 + varintLength(length) + varintLength(valueLength);
      if (now + length + valueLength + restart + header > this.#blockBytes) return true;
    }
    return !this.fits(length, valueLength);
  }

  /** Adds the internal key at `keyAt` of the same array, which shares `prefix` bytes with the one before. */
  add(
    keyAt: number,
    prefix: number,
    length: number,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): void {
    const bytes = this.#bytes;
    let shared = prefix;
    if (this.entries === 0 || this.#sinceRestart >= RESTART_INTERVAL) {
      if (this.#restartCount === this.#restarts.length) {
        const grown = new Uint32Array(this.#restartCount * 2);
        grown.set(this.#restarts);
        this.#restarts = grown;
      }
      this.#restarts[this.#restartCount++] = this.#end - this.start;
      this.#sinceRestart = 0;
      shared = 0;
    }
    let p = this.#end;
    const unshared = length - shared;
    if ((shared | unshared | valueLength) < 128) {
      bytes[p] = shared;
      bytes[p + 1] = unshared;
      bytes[p + 2] = valueLength;
      p += 3;
    } else {
      p = putVarint(bytes, p, shared);
      p = putVarint(bytes, p, unshared);
      p = putVarint(bytes, p, valueLength);
    }
    const from = keyAt + shared;
    for (let i = 0; i < unshared; i++) bytes[p + i] = bytes[from + i] as number;
    p += unshared;
    this.#copyValue(value, valueStart, valueLength, p);
    this.#end = p + valueLength;
    this.entries++;
    this.#sinceRestart++;
  }

  /** Making a view costs more than copying a hundred bytes: word by word, through one kept while the array is the same. */
  #copyValue(value: Uint8Array, start: number, length: number, to: number): void {
    const bytes = this.#bytes;
    if (length <= 32) {
      for (let i = 0; i < length; i++) bytes[to + i] = value[start + i] as number;
      return;
    }
    if (value !== this.#valueArray) {
      this.#valueArray = value;
      this.#valueView = undefined;
    } else if (length <= 512) {
      this.#valueView ??= new DataView(value.buffer, value.byteOffset, value.length);
      const source = this.#valueView;
      const target = this.#view;
      let i = 0;
      for (; i + 4 <= length; i += 4) target.setInt32(to + i, source.getInt32(start + i, true), true);
      for (; i < length; i++) bytes[to + i] = value[start + i] as number;
      return;
    }
    if (value === bytes) bytes.copyWithin(to, start, start + length);
    else bytes.set(length === value.length ? value : value.subarray(start, start + length), to);
  }

  /** Appends the restarts; the block is then in [start, start + returned length). */
  finish(): number {
    let end = this.#end;
    for (let i = 0; i < this.#restartCount; i++, end += 4) {
      putFixed32(this.#bytes, end, this.#restarts[i] as number);
    }
    putFixed32(this.#bytes, end, this.#restartCount);
    return end + 4 - this.start;
  }

  reset(): void {
    this.#end = this.start;
    this.entries = 0;
    this.#restartCount = 0;
    this.#sinceRestart = 0;
  }
}
