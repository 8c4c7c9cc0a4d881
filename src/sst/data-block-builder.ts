/**
 * Builds data blocks in a range of a heap, one after the other in the same place. Entries are staged as records and
 * encoded many at a time by the kernels (kernels/js-encode-entries.ts says how), which collect the hashes of their keys.
 *
 *   state | restarts | hashes | the last key | staged records | block being built
 */

import { putFixed32 } from '../base/codec.ts';
import { putTrailer, TRAILER_BYTES } from '../mvcc/internal-key.ts';
import type { Version } from '../mvcc/version.ts';
import type { Heap } from './heap.ts';
import {
  ALMOST_FULL,
  BLOCK_BYTES,
  END,
  ENTRIES,
  HASH_COUNT,
  HASHES_AT,
  HEADER_ROOM,
  LAST_AT,
  LAST_LENGTH,
  LIMIT,
  RECORD_HEAD_BYTES,
  RESTART_COUNT,
  RESTART_INTERVAL,
  RESTARTS_AT,
  SINCE_RESTART,
  START,
  STATE_WORDS,
} from './kernels/js-encode-entries.ts';

const STATE_BYTES = STATE_WORDS * 4;
const KEY_ROOM = 65536 + TRAILER_BYTES;
/** An entry that would make a block larger than this gets one to itself, outside the heap. */
const BLOCK_ROOM_MIN = 262144;
/** The smallest entry of a block: three lengths, and the last byte of a version. */
const ENTRY_BYTES_MIN = 4;
/** The smallest record: lengths, a key of one byte, its trailer. */
const RECORD_BYTES_MIN = RECORD_HEAD_BYTES + 1 + TRAILER_BYTES;
/** Stores of the kernels may be this much too long. */
const SLACK_BYTES = 64;

interface Places {
  readonly restarts: number;
  readonly hashes: number;
  readonly lastKey: number;
  readonly staging: number;
  readonly block: number;
  readonly end: number;
}

function placesFrom(start: number, blockBytes: number): Places {
  const room = Math.max(BLOCK_ROOM_MIN, blockBytes * 2 + 65536);
  const restarts = start + STATE_BYTES;
  const hashes = restarts + (Math.ceil(room / ENTRY_BYTES_MIN / RESTART_INTERVAL) + 1) * 4;
  const lastKey = hashes + Math.ceil(room / RECORD_BYTES_MIN) * 8;
  const staging = lastKey + KEY_ROOM + SLACK_BYTES;
  const block = staging + room + SLACK_BYTES;
  return { restarts, hashes, lastKey, staging, block, end: block + room + SLACK_BYTES };
}

/** How much of a heap a builder takes. */
export function dataBlockBuilderBytes(blockBytes: number): number {
  return placesFrom(0, blockBytes).end;
}

export class DataBlockBuilder {
  /** Where the block is. */
  readonly start: number;
  readonly #heap: Heap;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #places: Places;
  readonly #state: Uint32Array;
  readonly #stateAt: number;
  /** Staged records are in [#first, #staged). */
  #first: number;
  #staged: number;
  #valueArray: Uint8Array | undefined;
  #valueView: DataView | undefined;

  /** Builds in `dataBlockBuilderBytes(blockBytes)` of the heap from `start`, a multiple of 4, on. */
  constructor(heap: Heap, start: number, blockBytes: number, wantsHashes: boolean) {
    const bytes = heap.bytes;
    const places = placesFrom(start, blockBytes);
    this.#heap = heap;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#places = places;
    this.start = places.block;
    this.#stateAt = start;
    this.#state = new Uint32Array(bytes.buffer, bytes.byteOffset + start, STATE_WORDS);
    this.#state.fill(0);
    this.#state[START] = places.block;
    this.#state[END] = places.block;
    this.#state[LIMIT] = places.end - SLACK_BYTES;
    this.#state[BLOCK_BYTES] = blockBytes;
    this.#state[ALMOST_FULL] = Math.floor((blockBytes * 90 + 99) / 100);
    this.#state[RESTARTS_AT] = places.restarts;
    this.#state[HASHES_AT] = wantsHashes ? places.hashes : 0;
    this.#first = places.staging;
    this.#staged = places.staging;
  }

  /** Entries of the block. */
  get entries(): number {
    return this.#state[ENTRIES] as number;
  }

  /** Of the entries so far, staged ones as records. */
  get bytes(): number {
    return (this.#state[END] as number) - this.start + this.#staged - this.#first;
  }

  /** Of the last entry that the block took, an internal key in the heap. */
  get lastAt(): number {
    return this.#state[LAST_AT] as number;
  }

  get lastLength(): number {
    return this.#state[LAST_LENGTH] as number;
  }

  /** Where the first staged record's internal key is; there must be one. */
  get nextAt(): number {
    return this.#first + RECORD_HEAD_BYTES;
  }

  get nextLength(): number {
    return this.#view.getUint32(this.#first, true);
  }

  get hasStaged(): boolean {
    return this.#first < this.#staged;
  }

  /** Whether an entry of an internal key of `length` bytes can be staged and added at all. */
  fits(length: number, valueLength: number): boolean {
    const { staging, block } = this.#places;
    return HEADER_ROOM + length + valueLength + 16 <= block - SLACK_BYTES - staging;
  }

  /** Whether it can be staged now; if not, `encode` first. */
  hasRoom(length: number, valueLength: number): boolean {
    return this.#staged + RECORD_HEAD_BYTES + length + valueLength <= this.#places.block - SLACK_BYTES;
  }

  /** Stages an entry; returns where its internal key now is. REQUIRES: it has room. */
  stage(
    key: Uint8Array,
    keyStart: number,
    keyLength: number,
    version: Version,
    type: number,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): number {
    const bytes = this.#bytes;
    const at = this.#staged;
    const keyAt = at + RECORD_HEAD_BYTES;
    this.#view.setUint32(at, keyLength + TRAILER_BYTES, true);
    this.#view.setUint32(at + 4, valueLength, true);
    if (keyLength <= 48) for (let i = 0; i < keyLength; i++) bytes[keyAt + i] = key[keyStart + i] as number;
    else bytes.set(key.subarray(keyStart, keyStart + keyLength), keyAt);
    putTrailer(bytes, keyAt + keyLength, version, type);
    const valueAt = keyAt + keyLength + TRAILER_BYTES;
    this.#copyValue(value, valueStart, valueLength, valueAt);
    this.#staged = valueAt + valueLength;
    return keyAt;
  }

  /**
   * Adds staged entries to the block until it is full: true, and there are more; or none is left: false. The hashes of
   * those added go to `take`, which must not keep the array.
   */
  encode(take: ((hashes: Uint32Array) => void) | undefined): boolean {
    const state = this.#state;
    this.#first = this.#heap.kernels.encodeEntries(this.#stateAt, this.#first, this.#staged);
    const hashes = state[HASH_COUNT] as number;
    if (hashes > 0) {
      const { buffer, byteOffset } = this.#bytes;
      take?.(new Uint32Array(buffer, byteOffset + this.#places.hashes, hashes * 2));
      state[HASH_COUNT] = 0;
    }
    if (this.#first < this.#staged) return true;
    this.#unstage();
    return false;
  }

  /** Makes room for records again; the last key, which the next one shares a prefix with, moves out of the way. */
  #unstage(): void {
    const { staging, lastKey } = this.#places;
    const { lastAt, lastLength } = this;
    if (lastAt !== lastKey) {
      this.#bytes.copyWithin(lastKey, lastAt, lastAt + lastLength);
      this.#state[LAST_AT] = lastKey;
    }
    this.#first = staging;
    this.#staged = staging;
  }

  /** The key of an entry that is in no block of this builder's counts as the last one. REQUIRES: nothing is staged. */
  setLast(key: Uint8Array, length: number): void {
    this.#bytes.set(key.subarray(0, length), this.#places.lastKey);
    this.#state[LAST_AT] = this.#places.lastKey;
    this.#state[LAST_LENGTH] = length;
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
    const bytes = this.#bytes;
    const end = this.#state[END] as number;
    const restarts = this.#state[RESTART_COUNT] as number;
    const { restarts: restartsAt } = this.#places;
    bytes.copyWithin(end, restartsAt, restartsAt + restarts * 4);
    putFixed32(bytes, end + restarts * 4, restarts);
    return end + restarts * 4 + 4 - this.start;
  }

  /** The next block begins. */
  reset(): void {
    this.#state[END] = this.start;
    this.#state[ENTRIES] = 0;
    this.#state[RESTART_COUNT] = 0;
    this.#state[SINCE_RESTART] = 0;
  }
}
