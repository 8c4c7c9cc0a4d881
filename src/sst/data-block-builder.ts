/**
 * Builds data blocks in a range of a heap, one after the other in the same place. Entries are staged as records and
 * encoded many blocks at a time by the kernels (kernels/js-encode-blocks.ts says how), which also store the blocks that
 * fill and collect hashes of keys and what the index needs.
 *
 *   state | restarts | hashes | index records | the last key | staged records | block being built
 */

import { assert } from '../base/assert.ts';
import { putTrailer, TRAILER_BYTES } from '../mvcc/internal-key.ts';
import { MAX_VERSION as NO_MINIMUM, NO_VERSION, type Version } from '../mvcc/version.ts';
import { type CompressionKind, compressionType } from './compression.ts';
import { CHECKSUM_NAMES, type ChecksumName } from './format.ts';
import type { Heap } from './heap.ts';
import {
  ALMOST_FULL,
  BLOCK_BYTES,
  BLOCK_FULL,
  BY_CALLER,
  beginBlock,
  CHECKSUM,
  COMPRESSION,
  END,
  ENTRIES,
  finishBlock,
  HASH_COUNT,
  HASHES_AT,
  HEADER_ROOM,
  INDEX_AT,
  INDEX_LIMIT,
  INDEX_RECORD_HEAD_BYTES,
  KEY_BYTES,
  LAST_AT,
  LAST_LENGTH,
  LIMIT,
  MAX_VERSION,
  MIN_VERSION,
  NO_MORE,
  noteEntry,
  OUT_AT,
  OUT_LIMIT,
  RECORD_HEAD_BYTES,
  RESTART_INTERVAL,
  RESTARTS_AT,
  START,
  STATE_WORDS,
  TOTAL_DELETES,
  TOTAL_ENTRIES,
  VALUE_BYTES,
  WHY,
} from './kernels/js-encode-blocks.ts';

const STATE_BYTES = STATE_WORDS * 4;
const KEY_ROOM = 65536 + TRAILER_BYTES;
/** An entry that would make a block larger than this gets one to itself, outside the heap. */
const BLOCK_ROOM_MIN = 262144;
/** The smallest entry of a block: three lengths, and the last byte of a version. */
const ENTRY_BYTES_MIN = 4;
/** The smallest record: lengths, a key of one byte, its trailer. */
const RECORD_BYTES_MIN = RECORD_HEAD_BYTES + 1 + TRAILER_BYTES;
/** One record of the longest key, at least. */
const INDEX_ROOM = INDEX_RECORD_HEAD_BYTES + KEY_ROOM;
/** Stores of the kernels may be this much too long. */
const SLACK_BYTES = 64;

interface Places {
  readonly restarts: number;
  readonly hashes: number;
  readonly index: number;
  readonly lastKey: number;
  readonly staging: number;
  readonly block: number;
  readonly end: number;
}

function placesFrom(start: number, blockBytes: number): Places {
  const room = Math.max(BLOCK_ROOM_MIN, blockBytes * 2 + 65536);
  const restarts = start + STATE_BYTES;
  const hashes = restarts + (Math.ceil(room / ENTRY_BYTES_MIN / RESTART_INTERVAL) + 1) * 4;
  const index = hashes + Math.ceil(room / RECORD_BYTES_MIN) * 8;
  const lastKey = index + INDEX_ROOM + SLACK_BYTES;
  const staging = lastKey + KEY_ROOM + SLACK_BYTES;
  const block = staging + room + SLACK_BYTES;
  return { restarts, hashes, index, lastKey, staging, block, end: block + room + SLACK_BYTES };
}

/** How much of a heap a builder takes. */
export function dataBlockBuilderBytes(blockBytes: number): number {
  return placesFrom(0, blockBytes).end;
}

/** What becomes of a block that is full. */
export interface Sealing {
  readonly compression: CompressionKind;
  readonly checksumType: number;
}

/** By what a table is asked to be. */
export function sealingOf(compression: CompressionKind = 'lz4', checksum: ChecksumName = 'xxh3'): Sealing {
  return { compression, checksumType: CHECKSUM_NAMES.indexOf(checksum) };
}

/** By somebody else, later. */
export const RAW: Sealing = { compression: 'none', checksumType: 0 };

export interface DataBlockOptions extends Sealing {
  readonly blockBytes: number;
  readonly wantsHashes: boolean;
}

/** Where full blocks are stored: [at, limit) of the heap. */
export interface OutputRoom {
  readonly at: number;
  readonly limit: number;
  /** They are there up to `end`. */
  took(end: number): void;
}

export class DataBlockBuilder {
  /** Where the block is. */
  readonly start: number;
  readonly #heap: Heap;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #places: Places;
  readonly #state: Uint32Array;
  readonly #sums: Float64Array;
  readonly #stateAt: number;
  /** Staged records are in [#first, #staged), and may go on to stageEnd. */
  #first: number;
  #staged: number;
  readonly stageEnd: number;

  /** Builds in `dataBlockBuilderBytes(blockBytes)` of the heap from `start`, a multiple of 8, on. */
  constructor(heap: Heap, start: number, options: DataBlockOptions) {
    const { blockBytes } = options;
    const bytes = heap.bytes;
    const places = placesFrom(start, blockBytes);
    this.#heap = heap;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#places = places;
    this.start = places.block;
    this.#stateAt = start;
    const state = new Uint32Array(bytes.buffer, bytes.byteOffset + start, STATE_WORDS);
    state.fill(0);
    state[START] = places.block;
    state[END] = places.block;
    state[LIMIT] = places.end - SLACK_BYTES;
    state[BLOCK_BYTES] = blockBytes;
    state[ALMOST_FULL] = Math.floor((blockBytes * 90 + 99) / 100);
    state[RESTARTS_AT] = places.restarts;
    state[HASHES_AT] = options.wantsHashes ? places.hashes : 0;
    state[INDEX_AT] = places.index;
    state[INDEX_LIMIT] = places.index + INDEX_ROOM;
    this.#state = state;
    this.sealAs(options);
    this.#sums = new Float64Array(bytes.buffer, bytes.byteOffset + start, STATE_WORDS / 2);
    this.#sums[MIN_VERSION / 2] = NO_MINIMUM;
    this.#sums[MAX_VERSION / 2] = NO_VERSION;
    this.#first = places.staging;
    this.#staged = places.staging;
    this.stageEnd = places.block - SLACK_BYTES;
  }

  /** Of blocks that fill from now on. */
  sealAs({ compression, checksumType }: Sealing): void {
    this.#state[COMPRESSION] = compression === 'zstd' ? BY_CALLER : compressionType(compression);
    this.#state[CHECKSUM] = checksumType;
  }

  /** Entries of the block. */
  get entries(): number {
    return this.#state[ENTRIES] as number;
  }

  /** Of the entries so far, staged ones as records. */
  get bytes(): number {
    return (this.#state[END] as number) - this.start + this.#staged - this.#first;
  }

  /** Of the last entry that a block took, an internal key in the heap. */
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

  /** Of all entries that blocks took, staged ones not among them. */
  get totals(): { entries: number; deletes: number; keyBytes: number; valueBytes: number } {
    return {
      entries: this.#state[TOTAL_ENTRIES] as number,
      deletes: this.#state[TOTAL_DELETES] as number,
      keyBytes: this.#sums[KEY_BYTES / 2] as number,
      valueBytes: this.#sums[VALUE_BYTES / 2] as number,
    };
  }

  get minVersion(): Version {
    return this.#sums[MIN_VERSION / 2] as Version;
  }

  get maxVersion(): Version {
    return this.#sums[MAX_VERSION / 2] as Version;
  }

  /** Where the next record goes. */
  get stagedAt(): number {
    return this.#staged;
  }

  /** There are records up to here. */
  staged(end: number): void {
    this.#staged = end;
  }

  /** The most bytes of internal key and value that a record may have: one that the room of a block is sure to take. */
  get recordBytesMax(): number {
    const { staging, block } = this.#places;
    return block - SLACK_BYTES - staging - HEADER_ROOM - 16;
  }

  /** Whether an entry of an internal key of `length` bytes can be staged and added at all. */
  fits(length: number, valueLength: number): boolean {
    return length + valueLength <= this.recordBytesMax;
  }

  /** Whether it can be staged now; if not, `encode` first. */
  hasRoom(length: number, valueLength: number): boolean {
    return this.#staged + RECORD_HEAD_BYTES + length + valueLength <= this.stageEnd;
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
    // Making a view costs as much as copying a hundred bytes.
    if (valueLength <= 32)
      for (let i = 0; i < valueLength; i++) bytes[valueAt + i] = value[valueStart + i] as number;
    else
      bytes.set(
        valueLength === value.length ? value : value.subarray(valueStart, valueStart + valueLength),
        valueAt,
      );
    this.#staged = valueAt + valueLength;
    return keyAt;
  }

  /**
   * Adds staged entries to blocks and stores those that fill. 'done': none is staged any more; 'room': `output` has to be
   * written first, or hashes and index records taken; 'block': the block is full, and the caller's to store.
   */
  encode(output: OutputRoom): 'done' | 'room' | 'block' {
    const state = this.#state;
    state[OUT_AT] = output.at;
    state[OUT_LIMIT] = output.limit;
    this.#first = this.#heap.kernels.encodeBlocks(this.#stateAt, this.#first, this.#staged);
    output.took(state[OUT_AT] as number);
    const why = state[WHY] as number;
    if (why !== NO_MORE) return why === BLOCK_FULL ? 'block' : 'room';
    this.#unstage();
    return 'done';
  }

  /**
   * Stores blocks that were built elsewhere (block-encoder.ts), and says in their index records how many bytes they have now;
   * returns where those are. To be used at once. REQUIRES: nothing is staged nor in a block; `output` has room for all.
   */
  store(
    output: OutputRoom,
    raw: Uint8Array,
    index: Uint8Array,
  ): { readonly at: number; readonly end: number } {
    const state = this.#state;
    const { index: at, staging } = this.#places;
    const end = at + index.length;
    this.#bytes.set(raw, staging);
    this.#bytes.set(index, at);
    state[OUT_AT] = output.at;
    state[OUT_LIMIT] = output.limit;
    const done = this.#heap.kernels.storeBlocks(this.#stateAt, staging, at, end);
    assert(done === end, 'the output has room for blocks that are stored');
    output.took(state[OUT_AT] as number);
    return { at, end };
  }

  /** The hashes of the keys added since they were taken last; to be used at once. */
  takeHashes(): Uint32Array {
    const { buffer, byteOffset } = this.#bytes;
    const hashes = new Uint32Array(
      buffer,
      byteOffset + this.#places.hashes,
      (this.#state[HASH_COUNT] as number) * 2,
    );
    this.#state[HASH_COUNT] = 0;
    return hashes;
  }

  /** Where the index records of the blocks stored since they were taken last are, in the heap; to be used at once. */
  takeIndexRecords(): { readonly at: number; readonly end: number } {
    const at = this.#places.index;
    const end = this.#state[INDEX_AT] as number;
    this.#state[INDEX_AT] = at;
    return { at, end };
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

  /** An entry was stored in a block of its own, outside the heap. REQUIRES: nothing is staged. */
  addedOutside(key: Uint8Array, valueLength: number): void {
    const { lastKey } = this.#places;
    this.#bytes.set(key, lastKey);
    noteEntry(this.#bytes, this.#state, this.#sums, lastKey, key.length, valueLength);
  }

  /** Appends the restarts; the block is then in [start, start + returned length). */
  finish(): number {
    return finishBlock(this.#bytes, this.#state) - this.start;
  }

  /** The next block begins. */
  reset(): void {
    beginBlock(this.#state);
  }
}
