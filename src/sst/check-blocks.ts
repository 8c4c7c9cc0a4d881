/**
 * The check of a run of data blocks, from first to last: their checksums, or every entry in them. Blocks come by big
 * sequential reads past the cache. It is told of the table as plain data, so it may be done in another thread.
 */

import { SluiceError } from '../base/errors.ts';
import { type BlockSource, decompressTo, rawLength, readOwnRaw, verifyChecksum } from './block-cache.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import { type BlockPlace, BlockShape, lastValidatedKey, validateDataBlock } from './data-block.ts';
import { EntryChecker, type EntryRules, type RawBytes } from './entry-checker.ts';
import { readFilter } from './filter.ts';
import { createHeap, type Heap } from './heap.ts';
import { ENTRY_RULES, EXTERNAL_RULES, type FilterPlace } from './kernels/kernels.ts';
import { KERNEL_RESERVED_BYTES, LAST_KEY } from './kernels/wasm-kernels.ts';

export interface BlockCheckJob extends BlockSource {
  /** Of each block, without its trailer. In order and within the file: whoever decoded the index has seen to that. */
  readonly offsets: Float64Array;
  readonly sizes: Uint32Array;
  /** What the entries are held against; undefined: checksums only. */
  readonly entries: EntriesJob | undefined;
}

export interface EntriesJob extends EntryRules {
  /** Blocks may be compressed with it: `ensureZstd` is awaited first. */
  readonly zstd: boolean;
  /** The filter's block, raw. */
  readonly filter: Uint8Array | undefined;
  /** The first block is another job's: only its last key matters, which the next block's first must come after. */
  readonly joins: boolean;
}

/** What the blocks hold, where entries were looked at. */
export interface CheckedEntries {
  readonly entries: number;
  readonly deletes: number;
  /** Infinity and -1 where there are none. */
  readonly minVersion: number;
  readonly maxVersion: number;
}

export const NO_ENTRIES: CheckedEntries = {
  entries: 0,
  deletes: 0,
  minVersion: Number.POSITIVE_INFINITY,
  maxVersion: -1,
};

/** Wanted in target[start …]. */
export interface BlockRead {
  readonly target: Uint8Array;
  readonly start: number;
  readonly length: number;
  readonly position: number;
}

const READ_BYTES = 1 << 20;
const READ_AT = KERNEL_RESERVED_BYTES;
const RAW_AT = READ_AT + READ_BYTES;
const FILTER_AT = RAW_AT + READ_BYTES;
const FILTER_ROOM_MIN = 1 << 20;
/** A larger heap is not kept for the next check. */
const IDLE_HEAP_BYTES_MAX = 16 << 20;

/** One heap kept for the next check: to make one takes longer than to check a small file. */
let idleHeap: Heap | undefined;

function takeHeap(filterBytes: number): Heap {
  const heap = idleHeap;
  idleHeap = undefined;
  const needed = FILTER_AT + Math.max(filterBytes, FILTER_ROOM_MIN);
  return heap !== undefined && heap.bytes.length >= needed ? heap : createHeap(needed);
}

/**
 * Yields what is to be read; it is there when the next step is taken. Throws what is wrong with a block.
 * REQUIRES: every step is taken, or `return` is called.
 */
export function* checkBlocks(job: BlockCheckJob): Generator<BlockRead, CheckedEntries, undefined> {
  const heap = takeHeap(job.entries?.filter?.length ?? 0);
  try {
    const blocks = new BlockChecker(job, heap);
    const { offsets, sizes } = job;
    for (let block = 0; block < offsets.length; ) {
      const from = offsets[block] as number;
      const bytes = (sizes[block] as number) + BLOCK_TRAILER_BYTES;
      if (bytes > READ_BYTES) {
        const disk = new Uint8Array(bytes);
        yield { target: disk, start: 0, length: bytes, position: from };
        blocks.checkLarge(block++, disk);
        continue;
      }
      const last = runEnd(job, block);
      const length = endOf(job, last) - from;
      yield { target: heap.bytes, start: READ_AT, length, position: from };
      for (; block <= last; block++) blocks.check(block, READ_AT + (offsets[block] as number) - from);
    }
    return blocks.result;
  } finally {
    if (heap.bytes.length <= IDLE_HEAP_BYTES_MAX) idleHeap = heap;
  }
}

function endOf({ offsets, sizes }: BlockCheckJob, block: number): number {
  return (offsets[block] as number) + (sizes[block] as number) + BLOCK_TRAILER_BYTES;
}

/** The last of the blocks from `block` on that fit one read. */
function runEnd(job: BlockCheckJob, block: number): number {
  const from = job.offsets[block] as number;
  let last = block;
  while (last + 1 < job.offsets.length && endOf(job, last + 1) - from <= READ_BYTES) last++;
  return last;
}

const shape = new BlockShape();

class BlockChecker {
  readonly #job: BlockCheckJob;
  readonly #heap: Heap;
  readonly #entries: EntryChecker | undefined;
  readonly #filter: FilterPlace | undefined;
  readonly #rules: number;

  constructor(job: BlockCheckJob, heap: Heap) {
    this.#job = job;
    this.#heap = heap;
    const { entries } = job;
    const filter = entries?.filter && readFilter(entries.filter);
    this.#entries = entries && new EntryChecker(job.path, entries, filter);
    const bloom = filter?.bloom;
    if (bloom !== undefined) {
      heap.bytes.set(bloom.data, FILTER_AT);
      this.#filter = { at: FILTER_AT, lines: bloom.lines, probes: bloom.probes };
    }
    this.#rules = entries?.external ? ENTRY_RULES | EXTERNAL_RULES : ENTRY_RULES;
  }

  get result(): CheckedEntries {
    if (this.#entries === undefined) return NO_ENTRIES;
    const { entries, deletes, minVersion, maxVersion } = this.#entries;
    return { entries, deletes, minVersion, maxVersion };
  }

  /** A block that was read to `at` in the heap. */
  check(block: number, at: number): void {
    const job = this.#job;
    const heap = this.#heap;
    const offset = job.offsets[block] as number;
    const length = job.sizes[block] as number;
    verifyChecksum(heap, at, length, job, offset);
    const entries = this.#entries;
    if (entries === undefined) return;
    const place = { path: job.path, offset };
    const raw = rawLength(heap, at, length, place);
    entries.begin(block, offset);
    if (heap.bytes[at + length] === 0) {
      this.#checkEntries({ bytes: heap.bytes, start: at, length }, place, entries);
    } else if (raw <= READ_BYTES) {
      decompressTo(heap, at, length, RAW_AT, raw, job, place);
      this.#checkEntries({ bytes: heap.bytes, start: RAW_AT, length: raw }, place, entries);
    } else {
      const disk = heap.bytes.slice(at, at + length + BLOCK_TRAILER_BYTES);
      checkEach(readOwnRaw(disk, length, job, offset), place, entries);
    }
    this.#joined(block);
  }

  /** A block that does not fit the heap's room. */
  checkLarge(block: number, disk: Uint8Array): void {
    const job = this.#job;
    const offset = job.offsets[block] as number;
    const length = job.sizes[block] as number;
    if (this.#entries === undefined) {
      verifyChecksum(heapWith(disk), KERNEL_RESERVED_BYTES, length, job, offset);
      return;
    }
    const own = readOwnRaw(disk, length, job, offset);
    this.#entries.begin(block, offset);
    checkEach(own, { path: job.path, offset }, this.#entries);
    this.#joined(block);
  }

  #joined(block: number): void {
    if (block === 0 && this.#job.entries?.joins) this.#entries?.forgetCounts();
  }

  /** By the kernels; what is not right by all their rules, one by one, which finds what is wrong with it. */
  #checkEntries(block: RawBytes, place: BlockPlace, entries: EntryChecker): void {
    const { bytes, kernels } = this.#heap;
    // No key of a sound block is longer than the block: the kernel need not know what they may have.
    const mayBeTooLong = block.length > entries.keyBytesMax;
    if (
      !mayBeTooLong &&
      kernels.checkDataBlock(block.start, block.length, 0, shape, this.#rules, this.#filter)
    ) {
      const last = bytes.subarray(LAST_KEY, LAST_KEY + shape.lastKeyLength);
      entries.endSound(block, shape, last);
    } else checkEach(block, place, entries);
  }
}

/** The block behind the kernels' own area: in JavaScript its checksum takes ten times as long. */
function heapWith(disk: Uint8Array): Heap {
  const heap = createHeap(KERNEL_RESERVED_BYTES + disk.length);
  heap.bytes.set(disk, KERNEL_RESERVED_BYTES);
  return heap;
}

function checkEach(block: RawBytes, place: BlockPlace, entries: EntryChecker): void {
  validateDataBlock(block.bytes, block.start, block.length, shape, place, entries.visit);
  entries.end(shape, lastValidatedKey());
}

/** What a read that did not bring all it should says of the file. */
export function endsEarly(path: string, position: number): SluiceError {
  return new SluiceError('CORRUPTION', `${path}: the file ends at ${position}, within a data block`);
}
