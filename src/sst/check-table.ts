/**
 * The check of a whole file before it is trusted: what an ingest and `sluice verify` run.
 *
 * Blocks come by big sequential reads past the cache. Every entry is looked at: its checksum and place, order, type,
 * size and version, its block's separator, and that the filter admits it, since a filter that lies hides keys for good.
 */

import type { File } from '../base/env/file-system.ts';
import { type ErrorCode, SluiceError, throwIfAborted } from '../base/errors.ts';
import { PENDING } from '../mvcc/cursor.ts';
import { KEY_BYTES_MAX, TRAILER_BYTES, trailerVersion, VALUE_BYTES_MAX } from '../mvcc/internal-key.ts';
import { decompressTo, rawLength, readOwnRaw, verifyChecksum } from './block-cache.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import {
  BlockShape,
  type EntryVisitor,
  lastValidatedKey,
  lastValidatedKeyLength,
  validateDataBlock,
} from './data-block.ts';

import { createHeap, type Heap } from './heap.ts';
import { hashKey, type KeyHash } from './kernels/js-xxh3.ts';
import { KERNEL_RESERVED_BYTES } from './kernels/wasm-kernels.ts';
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
  if (facts.rangeDeletes > 0) throw refuse(path, 'range deletions; write one delete for each key instead');
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

/** Checks entries one after the other over all blocks. */
class EntryChecker {
  entries = 0;
  deletes = 0;
  readonly #state: TableState;
  readonly #external: boolean;
  readonly #hash: KeyHash = { hashLow: 0, hashHigh: 0 };
  #last: Uint8Array = new Uint8Array(256);
  #lastLength = 0;
  #block = 0;
  #offset = 0;
  #firstInBlock = true;
  readonly visit: EntryVisitor;

  constructor(state: TableState, external: boolean) {
    this.#state = state;
    this.#external = external;
    this.visit = (key, keyLength, type, _valueStart, valueLength, sameKey) => {
      this.#check(key, keyLength, type, valueLength, sameKey);
    };
  }

  begin(block: number, offset: number): void {
    this.#block = block;
    this.#offset = offset;
    this.#firstInBlock = true;
  }

  /** After the block's last entry. */
  end(shape: BlockShape): void {
    this.entries += shape.entries;
    this.deletes += shape.deletes;
    const key = lastValidatedKey();
    const length = lastValidatedKeyLength();
    if (this.#last.length < length) this.#last = new Uint8Array(length * 2);
    for (let i = 0; i < length; i++) this.#last[i] = key[i] as number;
    this.#lastLength = length;
    if (!this.#separatorAtOrAfter(this.#block, key, length)) {
      throw this.#wrong('CORRUPTION', 'the index says that all its keys are smaller than they are');
    }
  }

  #wrong(code: ErrorCode, what: string): SluiceError {
    return new SluiceError(code, `${this.#state.path}: block at offset ${this.#offset}: ${what}`);
  }

  #separatorAtOrAfter(block: number, key: Uint8Array, length: number): boolean {
    const index = this.#state.index;
    const user = length - TRAILER_BYTES;
    const d = index.compareSeparator(block, key, 0, user);
    if (d !== 0 || index.versions === undefined) return d >= 0;
    return (index.versions[block] as number) <= trailerVersion(key, user);
  }

  #check(key: Uint8Array, keyLength: number, _type: number, valueLength: number, sameKey: boolean): void {
    const user = keyLength - TRAILER_BYTES;
    if (user < 1 || user > KEY_BYTES_MAX) {
      throw this.#wrong('INVALID_KEY', `a key of ${user} bytes; 1 to ${KEY_BYTES_MAX} are allowed`);
    }
    if (valueLength > VALUE_BYTES_MAX) {
      throw this.#wrong('INVALID_VALUE', `a value of ${valueLength} bytes; at most 1 GiB is allowed`);
    }
    let same = sameKey;
    if (this.#firstInBlock) {
      this.#firstInBlock = false;
      same = this.#checkFirst(key, keyLength, user);
    }
    if (this.#external) {
      if (same) throw this.#wrong('NOT_SORTED', 'a key comes twice; an external file has each key once');
      for (let i = user + 1; i < keyLength; i++) {
        if (key[i] !== 0) {
          const version = trailerVersion(key, user);
          throw this.#wrong(
            'UNSUPPORTED_FORMAT',
            `a key of version ${version}; an external file has version 0 only`,
          );
        }
      }
    }
    const filter = this.#state.filter;
    if (filter !== undefined && !same) {
      hashKey(key, 0, user, this.#hash);
      if (!filter.mayContainHash(this.#hash.hashLow, this.#hash.hashHigh)) {
        throw this.#wrong('CORRUPTION', 'the filter denies a key that is there');
      }
    }
  }

  /** The first entry of a block against the last one of the block before; true when both have the same user key. */
  #checkFirst(key: Uint8Array, keyLength: number, user: number): boolean {
    if (this.#lastLength === 0) return false;
    const last = this.#last;
    const lastUser = this.#lastLength - TRAILER_BYTES;
    const n = Math.min(user, lastUser);
    let i = 0;
    while (i < n && key[i] === last[i]) i++;
    let d = i < n ? (key[i] as number) - (last[i] as number) : user - lastUser;
    const same = d === 0;
    for (let j = 7; j >= 0 && d === 0; j--) d = (last[user + j] as number) - (key[user + j] as number);
    if (d <= 0)
      throw this.#wrong('NOT_SORTED', 'its first key does not come after the last key of the block before');
    if (this.#separatorAtOrAfter(this.#block - 1, key, keyLength)) {
      throw this.#wrong('CORRUPTION', 'the index says that its first key is in the block before');
    }
    return same;
  }
}

async function checkBlocks(state: TableState, options: CheckTableOptions): Promise<void> {
  const { index, path } = state;
  const heap = createHeap(KERNEL_RESERVED_BYTES + READ_BYTES * 2);
  const checker = new EntryChecker(state, options.external);
  const total = state.facts.bytes;
  for (let block = 0; block < index.blocks; ) {
    throwIfAborted(options.signal);
    const last = await readRun(state.file, state, block, heap);
    const base = KERNEL_RESERVED_BYTES - (index.offsets[block] as number);
    if (last < block) await checkLargeBlock(state, block, checker);
    for (let b = block; b <= last; b++)
      checkBlock(state, b, base + (index.offsets[b] as number), heap, checker);
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

function checkBlock(state: TableState, block: number, at: number, heap: Heap, checker: EntryChecker): void {
  const offset = state.index.offsets[block] as number;
  const length = state.index.sizes[block] as number;
  const place = { path: state.path, offset };
  verifyChecksum(heap, at, length, state, offset);
  const raw = rawLength(heap, at, length, place);
  checker.begin(block, offset);
  if (heap.bytes[at + length] === 0) {
    validateDataBlock(heap.bytes, at, length, shape, place, checker.visit);
  } else if (raw <= READ_BYTES) {
    const to = KERNEL_RESERVED_BYTES + READ_BYTES;
    decompressTo(heap, at, length, to, raw, state, place);
    validateDataBlock(heap.bytes, to, raw, shape, place, checker.visit);
  } else {
    const own = readOwnRaw(heap.bytes.slice(at, at + length + BLOCK_TRAILER_BYTES), length, state, offset);
    validateDataBlock(own.bytes, own.start, own.length, shape, place, checker.visit);
  }
  checker.end(shape);
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
  validateDataBlock(own.bytes, own.start, own.length, shape, { path: state.path, offset }, checker.visit);
  checker.end(shape);
}
