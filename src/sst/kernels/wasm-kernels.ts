/** The kernels compiled to WebAssembly, working in a memory that they share with JavaScript. */

import type { EntryType } from '../../mvcc/internal-key.ts';
import type { Version } from '../../mvcc/version.ts';
import { type BlockShape, FOUND, type FoundEntry } from '../data-block.ts';
import type { FilterPlace, Kernels } from './kernels.ts';
import { WASM_BASE64 } from './wasm-bytes.ts';

/** Offsets below this are the kernels' static data and scratch tables (assembly/layout.ts). */
export const KERNEL_RESERVED_BYTES = 0x40000;

// Of assembly/layout.ts.
const KEY_HASH_HIGH = 0x22000;
const FOUND_VERSION = 0x22010;
const FOUND_REST = 0x22018;
const SHAPE = 0x22030;
const VERSIONS = 0x22048;
/** A user key of up to KEY_BYTES_MAX bytes, for `findInBlock` and `gatherEntries`. */
export const KEY = 0x23000;
export const KEY_BYTES_MAX = 4096 - 16;
/** The last key of the block that `checkDataBlock` found sound last, trailer included; until `gatherEntries`, which has its there. */
export const LAST_KEY = 0x24000;

type Ranges = (src: number, length: number, dst: number, bytes: number) => number;

interface Exports {
  decodeIndex(
    stateAt: number,
    at: number,
    end: number,
    out: number,
    room: number,
    keysAt: number,
    keysEnd: number,
  ): number;
  sortRecords(offsetsAt: number, count: number, scratchAt: number): void;
  noteRecords(from: number, end: number, offsetsAt: number, lastAt: number, inOrder: number): number;
  stageSorted(stateAt: number): number;
  delimitedRecords(stateAt: number): number;
  stageBatch(stateAt: number): number;
  gatherEntries(): number;
  encodeBlocks(stateAt: number, at: number, end: number): number;
  storeBlocks(stateAt: number, from: number, record: number, end: number): number;
  beginMerge(stateAt: number): void;
  mergeEntries(stateAt: number): number;
  checkDataBlock(
    start: number,
    length: number,
    headsBytes: number,
    rules: number,
    filterAt: number,
    filterLines: number,
    filterProbes: number,
  ): number;
  findInBlock(start: number, restartsAt: number, restarts: number, keyLength: number, bound: number): number;
  findByHeads(start: number, heads: number, keyLength: number, bound: number): number;
  blockChecksum(type: number, start: number, length: number): number;
  keyHash(start: number, length: number): number;
  setFilterBits(hashesAt: number, count: number, filterAt: number, lines: number, probes: number): void;
  lz4Compress: Ranges;
  lz4Decompress: Ranges;
  snappyCompress: Ranges;
  snappyDecompress: Ranges;
  snappyRawLength(src: number, length: number): number;
}

/** What we use of the global `WebAssembly`, which neither the ES library nor Node's types declare. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
}
interface WasmApi {
  readonly Memory: new (size: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}
const api = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;

/** Of a fixed number of 64 KiB pages. */
export function createMemory(pages: number): WasmMemory {
  return new api.Memory({ initial: pages, maximum: pages });
}

const NO_FILTER: FilterPlace = { at: 0, lines: 0, probes: 0 };

/** Compiled once in each thread that makes a heap. */
let compiled: object | undefined;

export class WasmKernels implements Kernels {
  readonly #exports: Exports;
  readonly #high: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #foundVersion: Float64Array;
  readonly #foundRest: Uint32Array;
  readonly #shape: Uint32Array;
  readonly #versions: Float64Array;
  #keyLength = 0;

  /** REQUIRES: at least KERNEL_RESERVED_BYTES of memory. */
  constructor(memory: WasmMemory) {
    compiled ??= new api.Module(Buffer.from(WASM_BASE64, 'base64'));
    const instance = new api.Instance(compiled, { env: { memory } });
    this.#exports = instance.exports as Exports;
    this.#high = new Uint32Array(memory.buffer, KEY_HASH_HIGH, 1);
    this.#bytes = new Uint8Array(memory.buffer, 0, KERNEL_RESERVED_BYTES);
    this.#foundVersion = new Float64Array(memory.buffer, FOUND_VERSION, 1);
    this.#foundRest = new Uint32Array(memory.buffer, FOUND_REST, 3);
    this.#shape = new Uint32Array(memory.buffer, SHAPE, 6);
    this.#versions = new Float64Array(memory.buffer, VERSIONS, 2);
  }

  checkDataBlock(
    start: number,
    length: number,
    headsBytes: number,
    shape: BlockShape,
    rules: number,
    filter: FilterPlace | undefined,
  ): boolean {
    const { at, lines, probes } = filter ?? NO_FILTER;
    if (this.#exports.checkDataBlock(start, length, headsBytes, rules, at, lines, probes) === 0) return false;
    const words = this.#shape;
    shape.restartsAt = words[0] as number;
    shape.restartCount = words[1] as number;
    shape.entries = words[2] as number;
    shape.deletes = words[3] as number;
    shape.headsBytes = words[4] as number;
    shape.lastKeyLength = words[5] as number;
    if (rules === 0) return true;
    shape.minVersion = this.#versions[0] as number;
    shape.maxVersion = this.#versions[1] as number;
    return true;
  }

  setKey(key: Uint8Array, keyStart: number, keyLength: number): boolean {
    if (keyLength > KEY_BYTES_MAX) return false;
    this.#keyLength = keyLength;
    const bytes = this.#bytes;
    if (keyLength > 40) bytes.set(key.subarray(keyStart, keyStart + keyLength), KEY);
    else for (let i = 0; i < keyLength; i++) bytes[KEY + i] = key[keyStart + i] as number;
    return true;
  }

  hashOfKey(): number {
    return this.#exports.keyHash(KEY, this.#keyLength) >>> 0;
  }

  findInBlock(
    start: number,
    restartsAt: number,
    restartCount: number,
    bound: number,
    found: FoundEntry,
  ): number {
    const outcome = this.#exports.findInBlock(start, restartsAt, restartCount, this.#keyLength, bound);
    return outcome === FOUND ? this.#tell(found) : outcome;
  }

  findByHeads(start: number, heads: number, bound: number, found: FoundEntry): number {
    const outcome = this.#exports.findByHeads(start, heads, this.#keyLength, bound);
    return outcome === FOUND ? this.#tell(found) : outcome;
  }

  #tell(found: FoundEntry): number {
    found.version = this.#foundVersion[0] as Version;
    const rest = this.#foundRest;
    found.type = rest[0] as EntryType;
    found.valueStart = rest[1] as number;
    found.valueLength = rest[2] as number;
    return FOUND;
  }

  // WebAssembly returns signed numbers, hence `>>> 0`.

  blockChecksum(type: number, start: number, length: number): number {
    return this.#exports.blockChecksum(type, start, length) >>> 0;
  }

  keyHash(start: number, length: number): number {
    return this.#exports.keyHash(start, length) >>> 0;
  }

  get keyHashHigh(): number {
    return this.#high[0] as number;
  }

  setFilterBits(hashesAt: number, count: number, { at, lines, probes }: FilterPlace): void {
    this.#exports.setFilterBits(hashesAt, count, at, lines, probes);
  }

  lz4Compress(src: number, length: number, dst: number, capacity: number): number {
    return this.#exports.lz4Compress(src, length, dst, capacity) >>> 0;
  }

  lz4Decompress(src: number, length: number, dst: number, rawLength: number): boolean {
    return this.#exports.lz4Decompress(src, length, dst, rawLength) !== 0;
  }

  snappyCompress(src: number, length: number, dst: number, capacity: number): number {
    return this.#exports.snappyCompress(src, length, dst, capacity) >>> 0;
  }

  snappyDecompress(src: number, length: number, dst: number, rawLength: number): boolean {
    return this.#exports.snappyDecompress(src, length, dst, rawLength) !== 0;
  }

  snappyRawLength(src: number, length: number): number {
    return this.#exports.snappyRawLength(src, length);
  }

  gatherEntries(): boolean {
    return this.#exports.gatherEntries() !== 0;
  }

  encodeBlocks(stateAt: number, at: number, end: number): number {
    return this.#exports.encodeBlocks(stateAt, at, end) >>> 0;
  }

  storeBlocks(stateAt: number, from: number, record: number, end: number): number {
    return this.#exports.storeBlocks(stateAt, from, record, end) >>> 0;
  }

  stageBatch(stateAt: number): number {
    return this.#exports.stageBatch(stateAt) >>> 0;
  }

  get merges(): boolean {
    return true;
  }

  beginMerge(stateAt: number): void {
    this.#exports.beginMerge(stateAt);
  }

  mergeEntries(stateAt: number): number {
    return this.#exports.mergeEntries(stateAt);
  }

  sortRecords(offsetsAt: number, count: number, scratchAt: number): void {
    this.#exports.sortRecords(offsetsAt, count, scratchAt);
  }

  noteRecords(from: number, end: number, offsetsAt: number, lastAt: number, inOrder: number): number {
    return this.#exports.noteRecords(from, end, offsetsAt, lastAt, inOrder) >>> 0;
  }

  stageSorted(stateAt: number): number {
    return this.#exports.stageSorted(stateAt);
  }

  delimitedRecords(stateAt: number): number {
    return this.#exports.delimitedRecords(stateAt);
  }

  decodeIndex(
    stateAt: number,
    at: number,
    end: number,
    out: number,
    room: number,
    keysAt: number,
    keysEnd: number,
  ): number {
    return this.#exports.decodeIndex(stateAt, at, end, out, room, keysAt, keysEnd) >>> 0;
  }
}
