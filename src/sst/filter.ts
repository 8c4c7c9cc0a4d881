/**
 * Full filters over whole user keys: RocksDB's FastLocalBloom, read and written.
 *
 *   lines of 64 bytes | ff | 00 | probes (and line size) | 00 00
 *
 * A key's hash (XXPH3) picks a line by its low half and the probes in that line by its high half.
 */

import type { Probe } from '../mvcc/probe.ts';
import { type Heap, type HeapRange, type HeapRoom, takeHeap } from './heap.ts';
import { mulHigh } from './kernels/js-mul64.ts';
import { hashKey } from './kernels/js-xxh3.ts';
import type { Kernels } from './kernels/kernels.ts';
import { KERNEL_RESERVED_BYTES } from './kernels/wasm-kernels.ts';

const TAIL_BYTES = 5;
const LINE_BYTES = 64;
/** Behind the lines: the tail, and a block's trailer. */
const TAIL_ROOM_BYTES = 16;
const FIRST_PART_WORDS = 2048;
const PART_WORDS = 65_536;
const GOLDEN = 0x9e3779b9 | 0;

/** Parts of PART_WORDS of builders that are done, 8 MiB at most: they would be garbage of that size for each table. */
const idleParts: Uint32Array[] = [];
const IDLE_PARTS_MAX = 32;

export interface Filter {
  readonly kind: 'bloom' | 'ribbon';
  readonly bytes: number;
  /** What kernels need to ask it themselves, where it is a Bloom filter. */
  readonly bloom: BloomData | undefined;
  mayContainHash(low: number, high: number): boolean;
}

export interface BloomData {
  readonly data: Uint8Array;
  readonly lines: number;
  readonly probes: number;
}

class BloomFilter implements Filter, BloomData {
  readonly kind = 'bloom';
  readonly bytes: number;
  readonly bloom = this;
  readonly data: Uint8Array;
  readonly lines: number;
  readonly probes: number;

  constructor(data: Uint8Array, lines: number, probes: number) {
    this.bytes = data.length;
    this.data = data;
    this.lines = lines;
    this.probes = probes;
  }

  mayContainHash(low: number, high: number): boolean {
    const data = this.data;
    const line = mulHigh(low, this.lines) * LINE_BYTES;
    let h = high | 0;
    for (let i = this.probes; i > 0; i--) {
      const bit = h >>> 23;
      if (((data[line + (bit >>> 3)] as number) & (1 << (bit & 7))) === 0) return false;
      h = Math.imul(h, GOLDEN);
    }
    return true;
  }
}

/** Undefined for a filter that is not understood: every key may then be in the table. */
export function readFilter(data: Uint8Array): Filter | undefined {
  const length = data.length - TAIL_BYTES;
  if (length <= 0) return undefined;
  const marker = data[length] as number;
  if (marker !== 0xff || data[length + 1] !== 0) return undefined;
  const layout = data[length + 2] as number;
  const probes = layout & 31;
  // The upper bits say log2(line bytes) - 6; RocksDB itself writes 0 and ignores filters that say otherwise.
  if (layout >>> 5 !== 0 || probes < 1 || probes > 30 || length % LINE_BYTES !== 0) return undefined;
  if (data[length + 3] !== 0 || data[length + 4] !== 0) return undefined;
  return new BloomFilter(data, length / LINE_BYTES, probes);
}

/** False: the key is certainly not in the table. Hashes the probe's key once for all tables. */
export function filterMayContain(filter: Filter, probe: Probe, kernels: Kernels): boolean {
  if (!probe.hashed) hashProbe(probe, kernels);
  return filter.mayContainHash(probe.hashLow, probe.hashHigh);
}

function hashProbe(probe: Probe, kernels: Kernels): void {
  const { key, keyStart, keyLength } = probe;
  if (kernels.setKey(key, keyStart, keyLength)) {
    probe.hashLow = kernels.hashOfKey();
    probe.hashHigh = kernels.keyHashHigh;
  } else hashKey(key, keyStart, keyLength, probe);
  probe.hashed = true;
}

/** RocksDB's choice of probes for a number of bits a key, in thousandths. */
function probesFor(millibits: number): number {
  if (millibits <= 2080) return 1;
  if (millibits <= 3580) return 2;
  if (millibits <= 5100) return 3;
  if (millibits <= 6640) return 4;
  if (millibits <= 8300) return 5;
  if (millibits <= 10070) return 6;
  if (millibits <= 11720) return 7;
  if (millibits <= 14001) return 8;
  if (millibits <= 16050) return 9;
  if (millibits <= 18300) return 10;
  if (millibits <= 22001) return 11;
  if (millibits <= 25501) return 12;
  return Math.min(24, Math.floor((millibits - 1) / 2000) - 1);
}

export interface FilterBlock extends HeapRange {
  /** Where `room` was too small: to be given back when the block is written. */
  readonly taken: Heap | undefined;
}

/** Collects the hashes of a table's keys and makes its filter. */
export class FilterBuilder {
  readonly #bitsPerKey: number;
  /** Two words a key. All parts are full but the last: copying what there is into ever larger ones costs more. */
  #parts: Uint32Array[] = [];
  #lastWords = 0;
  #count = 0;

  constructor(bitsPerKey: number) {
    this.#bitsPerKey = bitsPerKey;
  }

  get keys(): number {
    return this.#count;
  }

  /** Two words a key, low first. Equal hashes one after the other must come once: the versions of one key. */
  addAll(hashes: Uint32Array): void {
    for (let from = 0; from < hashes.length; ) {
      let part = this.#parts.at(-1);
      if (part === undefined || this.#lastWords === part.length) {
        part =
          part === undefined
            ? new Uint32Array(FIRST_PART_WORDS)
            : (idleParts.pop() ?? new Uint32Array(PART_WORDS));
        this.#parts.push(part);
        this.#lastWords = 0;
      }
      const words = Math.min(hashes.length - from, part.length - this.#lastWords);
      part.set(hashes.subarray(from, from + words), this.#lastWords);
      this.#lastWords += words;
      from += words;
    }
    this.#count += hashes.length >>> 1;
  }

  /**
   * The filter block; undefined when there is no key. It is made in `room`, or, when that is too small, in another heap,
   * which the caller gives back. Frees the hashes.
   */
  finish(room: HeapRoom): FilterBlock | undefined {
    if (this.#count === 0) return undefined;
    const millibits = Math.round(this.#bitsPerKey * 1000);
    const probes = probesFor(millibits);
    const lines = Math.ceil(Math.floor((this.#count * millibits + 7999) / 8000) / LINE_BYTES);
    const end = lines * LINE_BYTES;
    const length = end + TAIL_BYTES;
    const hashBytes = Math.min(this.#count * 2, PART_WORDS) * 4;
    const needed = end + TAIL_ROOM_BYTES + hashBytes;
    const taken = room.limit - room.start < needed ? takeHeap(KERNEL_RESERVED_BYTES + needed) : undefined;
    const heap = taken ?? room.heap;
    const at = taken === undefined ? room.start : KERNEL_RESERVED_BYTES;
    const { bytes } = heap;
    bytes.fill(0, at, at + length);
    const hashesAt = at + end + TAIL_ROOM_BYTES;
    const hashes = new Uint32Array(bytes.buffer, bytes.byteOffset + hashesAt, hashBytes / 4);
    for (const part of this.#parts) {
      const words = part === this.#parts.at(-1) ? this.#lastWords : part.length;
      hashes.set(words === part.length ? part : part.subarray(0, words));
      heap.kernels.setFilterBits(hashesAt, words / 2, { at, lines, probes });
    }
    bytes[at + end] = 0xff;
    bytes[at + end + 2] = probes;
    this.clear();
    return { heap, start: at, length, taken };
  }

  /** Frees the hashes. */
  clear(): void {
    for (const part of this.#parts)
      if (part.length === PART_WORDS && idleParts.length < IDLE_PARTS_MAX) idleParts.push(part);
    this.#parts = [];
    this.#count = 0;
  }
}
