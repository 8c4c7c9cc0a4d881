/** The kernels in plain TypeScript, over any byte array. */

import { AssertionError } from '../../base/assert.ts';
import { EMPTY_BYTES } from '../../base/bytes.ts';
import { noteRecords, stageSorted } from './js-arena.ts';
import { crc32c } from './js-crc32c.ts';
import { delimitedRecords } from './js-delimited-records.ts';
import { encodeBlocks, storeBlocks } from './js-encode-blocks.ts';
import { setFilterBits } from './js-filter-bits.ts';
import { gatherEntries } from './js-gather-entries.ts';
import { lz4Compress, lz4Decompress } from './js-lz4.ts';
import { snappyCompress, snappyDecompress, snappyRawLength } from './js-snappy.ts';
import { sortRecords } from './js-sort-records.ts';
import { stageBatch } from './js-stage-batch.ts';
import { hashKey, xxh3Low } from './js-xxh3.ts';
import { xxh32, xxh64Low } from './js-xxhash.ts';
import { type FilterPlace, type Kernels, UNKNOWN } from './kernels.ts';

export class JsKernels implements Kernels {
  readonly #bytes: Uint8Array;
  #key: Uint8Array = EMPTY_BYTES;
  #keyStart = 0;
  #keyLength = 0;
  readonly #hash = { hashLow: 0, hashHigh: 0 };

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** `validateDataBlock` and `findInBlock` are in TypeScript as it is. */
  checkDataBlock(): boolean {
    return false;
  }

  setKey(key: Uint8Array, keyStart: number, keyLength: number): boolean {
    this.#key = key;
    this.#keyStart = keyStart;
    this.#keyLength = keyLength;
    return true;
  }

  hashOfKey(): number {
    hashKey(this.#key, this.#keyStart, this.#keyLength, this.#hash);
    return this.#hash.hashLow;
  }

  findInBlock(): number {
    return UNKNOWN;
  }

  findByHeads(): number {
    return UNKNOWN;
  }

  blockChecksum(type: number, start: number, length: number): number {
    const bytes = this.#bytes;
    switch (type) {
      case 1: {
        const crc = crc32c(bytes, start, length + 1);
        return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
      }
      case 2:
        return xxh32(bytes, start, length + 1) >>> 0;
      case 3:
        return xxh64Low(bytes, start, length + 1) >>> 0;
      case 4:
        return (xxh3Low(bytes, start, length) ^ Math.imul(bytes[start + length] as number, 0x6b9083d9)) >>> 0;
      default:
        return 0;
    }
  }

  keyHash(start: number, length: number): number {
    hashKey(this.#bytes, start, length, this.#hash);
    return this.#hash.hashLow;
  }

  get keyHashHigh(): number {
    return this.#hash.hashHigh;
  }

  setFilterBits(hashesAt: number, count: number, filter: FilterPlace): void {
    setFilterBits(this.#bytes, hashesAt, count, filter);
  }

  lz4Compress(src: number, length: number, dst: number, capacity: number): number {
    return lz4Compress(this.#bytes, src, length, dst, capacity);
  }

  lz4Decompress(src: number, length: number, dst: number, rawLength: number): boolean {
    return lz4Decompress(this.#bytes, src, length, dst, rawLength);
  }

  snappyCompress(src: number, length: number, dst: number, capacity: number): number {
    return snappyCompress(this.#bytes, src, length, dst, capacity);
  }

  snappyDecompress(src: number, length: number, dst: number, rawLength: number): boolean {
    return snappyDecompress(this.#bytes, src, length, dst, rawLength);
  }

  snappyRawLength(src: number, length: number): number {
    return snappyRawLength(this.#bytes, src, length);
  }

  gatherEntries(): boolean {
    return gatherEntries(this.#bytes);
  }

  encodeBlocks(stateAt: number, at: number, end: number): number {
    return encodeBlocks(this, this.#bytes, stateAt, at, end);
  }

  storeBlocks(stateAt: number, from: number, record: number, end: number): number {
    return storeBlocks(this, this.#bytes, stateAt, from, record, end);
  }

  stageBatch(stateAt: number): number {
    return stageBatch(this.#bytes, stateAt);
  }

  get merges(): boolean {
    return false;
  }

  beginMerge(): never {
    throw new AssertionError('SluiceDB bug: these kernels do not merge');
  }

  mergeEntries(): never {
    throw new AssertionError('SluiceDB bug: these kernels do not merge');
  }

  sortRecords(offsetsAt: number, count: number): void {
    sortRecords(this.#bytes, offsetsAt, count);
  }

  noteRecords(from: number, end: number, offsetsAt: number, lastAt: number, inOrder: number): number {
    return noteRecords(this.#bytes, from, end, offsetsAt, lastAt, inOrder);
  }

  stageSorted(stateAt: number): number {
    return stageSorted(this.#bytes, stateAt);
  }

  delimitedRecords(stateAt: number): number {
    return delimitedRecords(this.#bytes, stateAt);
  }

  /** `forEachIndexEntry` is in TypeScript as it is. */
  decodeIndex(): number {
    return 0xffffffff;
  }
}
