/**
 * The check of a whole file before it is trusted: what an ingest and `sluice verify` run.
 *
 * Blocks come by big sequential reads past the cache. Every entry is looked at: its checksum and place, order, type,
 * size and version, its block's separator, and that the filter admits it, since a filter that lies hides keys for good.
 */

import type { File } from '../base/env/file-system.ts';
import { SluiceError, throwIfAborted } from '../base/errors.ts';
import { PENDING } from '../mvcc/cursor.ts';
import { decompressTo, rawLength, readOwnRaw, verifyChecksum } from './block-cache.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import { type BlockPlace, BlockShape, lastValidatedKey, validateDataBlock } from './data-block.ts';

import { EntryChecker, type RawBytes } from './entry-checker.ts';
import type { Filter } from './filter.ts';
import { createHeap, type Heap } from './heap.ts';
import { ENTRY_RULES, EXTERNAL_RULES, type FilterPlace } from './kernels/kernels.ts';
import { KERNEL_RESERVED_BYTES, LAST_KEY } from './kernels/wasm-kernels.ts';
import type { Table } from './table.ts';
import type { TableFacts } from './table-facts.ts';
import type { TableState } from './table-state.ts';

const READ_BYTES = 1 << 20;

export interface CheckTableOptions {
  /**
   * 'blocks': everything. 'footer': footer, metaindex, properties, index, filter, and the first and last entry. 'none':
   * what opening checks. A block that was not checked here is checked when it is first read.
   */
  readonly verify: 'blocks' | 'footer' | 'none';
  /** A file to be given a version: every version in it must be 0 and every key there once. */
  readonly external: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((bytesDone: number, bytesTotal: number) => void) | undefined;
}

/** Throws what is wrong with the file, naming place and cause; else says what it holds. */
export async function checkTable(table: Table, options: CheckTableOptions): Promise<TableFacts> {
  throwIfAborted(options.signal);
  await table.open();
  const state = table.openSync();
  state.retain();
  try {
    checkContents(state, options.external);
    if (options.verify === 'blocks') await checkBlocks(state, options);
    const facts = table.facts;
    if (options.external) checkRangeVersions(facts);
    if (options.verify === 'footer' && options.external) checkEnds(table);
    return facts;
  } finally {
    state.release();
  }
}

function refuse(path: string, what: string): SluiceError {
  return new SluiceError('UNSUPPORTED_FORMAT', `${path}: ${what}`);
}

function checkContents(state: TableState, external: boolean): void {
  const { facts, path } = state;
  if (facts.mergeOperands > 0)
    throw refuse(path, `${facts.mergeOperands} merge operands; only values and deletes are supported`);
  if (external && facts.externalVersion === undefined && !facts.own) {
    throw refuse(
      path,
      'not made for ingesting (no rocksdb.external_sst_file.version): write it with SstFileWriter or SstWriter',
    );
  }
  if (
    external &&
    facts.externalVersion !== undefined &&
    facts.externalVersion !== 1 &&
    facts.externalVersion !== 2
  ) {
    throw refuse(path, `external file version ${facts.externalVersion}; 1 and 2 are supported`);
  }
}

function checkRangeVersions({ path, rangeTombstones }: TableFacts): void {
  const wrong = rangeTombstones.find(({ version }) => version !== 0);
  if (wrong === undefined) return;
  throw refuse(path, `a range deletion has version ${wrong.version}; an external file has version 0 only`);
}

function checkEnds(table: Table): void {
  const cursor = table.cursor(undefined);
  try {
    for (const end of ['first', 'last'] as const) {
      while (cursor[end]() === PENDING) cursor.loadSync();
      if (cursor.valid && cursor.version !== 0) {
        throw refuse(
          table.path,
          `its ${end} key has version ${cursor.version}; an external file has version 0 only`,
        );
      }
    }
  } finally {
    cursor.close();
  }
}

/** One heap kept for the next check: to make one takes longer than to check a small file. */
let idleHeap: Heap | undefined;
const IDLE_HEAP_BYTES_MAX = 16 << 20;
const FILTER_ROOM_MIN = 1 << 20;

/** A heap with room for blocks and a filter behind it, which nobody else uses. */
function takeHeap(filterBytes: number): Heap {
  const heap = idleHeap;
  idleHeap = undefined;
  const needed = KERNEL_RESERVED_BYTES + READ_BYTES * 2 + Math.max(filterBytes, FILTER_ROOM_MIN);
  return heap !== undefined && heap.bytes.length >= needed ? heap : createHeap(needed);
}

function giveBack(heap: Heap): void {
  if (heap.bytes.length <= IDLE_HEAP_BYTES_MAX) idleHeap = heap;
}

/** The file's filter as the kernels read it, in the heap behind the room for blocks. */
function placeFilter(filter: Filter | undefined, heap: Heap): FilterPlace | undefined {
  const bloom = filter?.bloom;
  if (bloom === undefined) return undefined;
  const at = KERNEL_RESERVED_BYTES + READ_BYTES * 2;
  heap.bytes.set(bloom.data, at);
  return { at, lines: bloom.lines, probes: bloom.probes };
}

async function checkBlocks(state: TableState, options: CheckTableOptions): Promise<void> {
  const heap = takeHeap(state.filter?.bytes ?? 0);
  try {
    await checkBlocksIn(heap, state, options);
  } finally {
    giveBack(heap);
  }
}

async function checkBlocksIn(heap: Heap, state: TableState, options: CheckTableOptions): Promise<void> {
  const { index, path } = state;
  const checker = new EntryChecker(state, options.external);
  const place = placeFilter(state.filter, heap);
  const blocks = new BlockChecker(state, heap, place, checker, options.external);
  const total = state.facts.bytes;
  for (let block = 0; block < index.blocks; ) {
    throwIfAborted(options.signal);
    const last = await readRun(state.file, state, block, heap);
    const base = KERNEL_RESERVED_BYTES - (index.offsets[block] as number);
    if (last < block) await checkLargeBlock(state, block, checker);
    for (let b = block; b <= last; b++) blocks.check(b, base + (index.offsets[b] as number));
    block = Math.max(last, block) + 1;
    options.onProgress?.(Math.min(total, offsetAfter(state, block - 1)), total);
  }
  if (checker.entries !== state.facts.entries) {
    throw new SluiceError(
      'CORRUPTION',
      `${path}: holds ${checker.entries} entries but says ${state.facts.entries}`,
    );
  }
  if (checker.deletes !== state.facts.deletes) {
    throw new SluiceError(
      'CORRUPTION',
      `${path}: holds ${checker.deletes} deletes but says ${state.facts.deletes}`,
    );
  }
  options.onProgress?.(total, total);
}

function offsetAfter(state: TableState, block: number): number {
  return (state.index.offsets[block] as number) + (state.index.sizes[block] as number) + BLOCK_TRAILER_BYTES;
}

/** Reads as many blocks from `block` on as fit; returns the last one, `block - 1` when not even that one fits. */
async function readRun(file: File, state: TableState, block: number, heap: Heap): Promise<number> {
  const from = state.index.offsets[block] as number;
  let last = block - 1;
  while (last + 1 < state.index.blocks && offsetAfter(state, last + 1) - from <= READ_BYTES) last++;
  if (last < block) return last;
  const bytes = offsetAfter(state, last) - from;
  const got = await file.read(heap.bytes, KERNEL_RESERVED_BYTES, bytes, from);
  if (got !== bytes) {
    throw new SluiceError('CORRUPTION', `${file.path}: the file ends at ${from + got}, within a data block`);
  }
  return last;
}

const shape = new BlockShape();

class BlockChecker {
  readonly #state: TableState;
  readonly #heap: Heap;
  readonly #filter: FilterPlace | undefined;
  readonly #checker: EntryChecker;
  readonly #rules: number;

  constructor(
    state: TableState,
    heap: Heap,
    filter: FilterPlace | undefined,
    checker: EntryChecker,
    external: boolean,
  ) {
    this.#state = state;
    this.#heap = heap;
    this.#filter = filter;
    this.#checker = checker;
    this.#rules = external ? ENTRY_RULES | EXTERNAL_RULES : ENTRY_RULES;
  }

  /** A block that was read to `at` in the heap. */
  check(block: number, at: number): void {
    const state = this.#state;
    const heap = this.#heap;
    const offset = state.index.offsets[block] as number;
    const length = state.index.sizes[block] as number;
    const place = { path: state.path, offset };
    verifyChecksum(heap, at, length, state, offset);
    const raw = rawLength(heap, at, length, place);
    this.#checker.begin(block, offset);
    if (heap.bytes[at + length] === 0) {
      this.#checkEntries({ bytes: heap.bytes, start: at, length }, place);
    } else if (raw <= READ_BYTES) {
      const to = KERNEL_RESERVED_BYTES + READ_BYTES;
      decompressTo(heap, at, length, to, raw, state, place);
      this.#checkEntries({ bytes: heap.bytes, start: to, length: raw }, place);
    } else {
      const disk = heap.bytes.slice(at, at + length + BLOCK_TRAILER_BYTES);
      checkEach(readOwnRaw(disk, length, state, offset), place, this.#checker);
    }
  }

  /** By the kernels; what is not right by all their rules, one by one, which finds what is wrong with it. */
  #checkEntries(block: RawBytes, place: BlockPlace): void {
    const { bytes, kernels } = this.#heap;
    if (kernels.checkDataBlock(block.start, block.length, 0, shape, this.#rules, this.#filter)) {
      const last = bytes.subarray(LAST_KEY, LAST_KEY + shape.lastKeyLength);
      this.#checker.endSound(block, shape, last);
    } else checkEach(block, place, this.#checker);
  }
}

function checkEach(block: RawBytes, place: BlockPlace, checker: EntryChecker): void {
  validateDataBlock(block.bytes, block.start, block.length, shape, place, checker.visit);
  checker.end(shape, lastValidatedKey());
}

async function checkLargeBlock(state: TableState, block: number, checker: EntryChecker): Promise<void> {
  const offset = state.index.offsets[block] as number;
  const length = state.index.sizes[block] as number;
  const disk = new Uint8Array(length + BLOCK_TRAILER_BYTES);
  const got = await state.file.read(disk, 0, disk.length, offset);
  if (got !== disk.length) {
    throw new SluiceError(
      'CORRUPTION',
      `${state.path}: the file ends at ${offset + got}, within a data block`,
    );
  }
  const own = readOwnRaw(disk, length, state, offset);
  checker.begin(block, offset);
  checkEach(own, { path: state.path, offset }, checker);
}
