/**
 * The open state of a table: descriptor, facts, index, filter, and which blocks are cached. Closed and reopened at will
 * (TableCache); whoever is in the middle of something counts as a user and keeps it.
 *
 * Opening is a generator of reads, so that one code serves the synchronous and the asynchronous way.
 */

import { assert } from '../base/assert.ts';
import { ByteReader } from '../base/codec.ts';
import type { File, FileSystem } from '../base/env/file-system.ts';
import { nodeEnv } from '../base/env/node-env.ts';
import { SluiceError } from '../base/errors.ts';
import { type BlockCache, type BlockSource, readOwnRaw } from './block-cache.ts';
import { forEachMetaEntry } from './block-entries.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import { type Filter, readFilter } from './filter.ts';
import { decodeFooter, type Footer, readHandle } from './footer.ts';
import {
  type BlockHandle,
  FOOTER_BYTES,
  INDEX_TWO_LEVEL,
  META_DICTIONARY,
  META_FULL_FILTER,
  META_INDEX,
  META_PROPERTIES,
  PROPERTY_GLOBAL_SEQNO,
} from './format.ts';
import { giveHeapBack, heapOf, takeHeap } from './heap.ts';
import { DECODE_ROOM_BYTES, type DecodeRoom, type Decoding } from './index-decoder.ts';
import { KERNEL_RESERVED_BYTES } from './kernels/wasm-kernels.ts';
import { type Steps, TailReader, tailBytes } from './opening-reads.ts';
import {
  type ContentFact,
  checkReadable,
  dataBlocks,
  hasWholeKeyFilter,
  indexForm,
  propertyFacts,
  type TableFacts,
  usesZstd,
} from './table-facts.ts';
import {
  buildIndex,
  buildIndexInSteps,
  forEachIndexEntry,
  type IndexForm,
  type RawBlock,
  type TableIndex,
} from './table-index.ts';
import { ensureZstd, zstdReady } from './zstd.ts';

/** So many lookups in a row that find their key, and the filter is left out while the next one does. */
const SURE_AFTER = 64;

/** Of an index, as in the file: less is decoded in a few milliseconds. */
const STEPPED_INDEX_BYTES_MIN = 1 << 20;

export class TableState implements BlockSource {
  readonly path: string;
  readonly file: File;
  readonly footer: Footer;
  readonly checksumType: number;
  readonly baseContext: number;
  readonly dictionary: Uint8Array | undefined;
  readonly metaBlocks: ReadonlyMap<string, BlockHandle>;
  /** All but what needs data blocks and range deletions. */
  readonly facts: Omit<TableFacts, ContentFact>;
  readonly index: TableIndex;
  readonly filter: Filter | undefined;
  /** Data block → frame in the cache; 0: not there. */
  readonly slots: Int32Array;
  readonly owner: number;
  /** Set by reads, cleared by the clock of TableCache. */
  used = true;
  /** How many lookups in a row have found their key here. */
  #met = 0;
  #users = 0;
  #retired = false;
  readonly #cache: BlockCache;
  readonly #metadataBytes: number;

  constructor(cache: BlockCache, file: File, parts: TableParts) {
    this.#cache = cache;
    this.path = file.path;
    this.file = file;
    this.footer = parts.footer;
    this.checksumType = parts.footer.checksumType;
    this.baseContext = parts.footer.baseContext;
    this.dictionary = parts.dictionary;
    this.metaBlocks = parts.metaBlocks;
    this.facts = parts.facts;
    this.index = parts.index;
    this.filter = parts.filter;
    this.slots = new Int32Array(parts.index.blocks);
    this.owner = cache.arena.addOwner(this.slots);
    this.#metadataBytes =
      this.index.bytes + this.slots.byteLength + (this.filter?.bytes ?? 0) + (this.dictionary?.length ?? 0);
    cache.countMetadata(this.#metadataBytes);
  }

  /**
   * Lookups of late have all found their key: the filter would cost each a miss of the processor's cache, and save nothing. It
   * is asked again from the first that finds nothing, so of so many blocks that are read one is read in vain at most.
   */
  get sureOfKeys(): boolean {
    return this.#met >= SURE_AFTER;
  }

  /** A lookup has found its key here, or has not. */
  met(found: boolean): void {
    if (!found) this.#met = 0;
    else if (this.#met < SURE_AFTER) this.#met++;
  }

  get busy(): boolean {
    return this.#users > 0;
  }

  retain(): void {
    this.#users++;
  }

  release(): void {
    this.#users--;
    if (this.#retired && this.#users === 0) this.#dispose();
  }

  /** Closes as soon as nobody uses it. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    if (this.#users === 0) this.#dispose();
  }

  #dispose(): void {
    this.#cache.arena.removeOwner(this.owner);
    this.#cache.countMetadata(-this.#metadataBytes);
    this.index.free();
    this.file.closeSync();
  }
}

interface TableParts {
  readonly footer: Footer;
  readonly metaBlocks: ReadonlyMap<string, BlockHandle>;
  readonly facts: Omit<TableFacts, ContentFact>;
  readonly index: TableIndex;
  readonly filter: Filter | undefined;
  readonly dictionary: Uint8Array | undefined;
}

export function openTableSync(fs: FileSystem, cache: BlockCache, path: string, forMerge = false): TableState {
  const file = fs.openSync(path, 'read');
  try {
    const steps = openSteps(cache, file.path, file.sizeSync(), forMerge);
    for (;;) {
      const step = steps.next();
      if (step.done) return new TableState(cache, file, step.value);
      if (step.value === 'zstd') {
        requireZstd(path);
        continue;
      }
      if (step.value === 'turn') continue;
      const { target, position } = step.value;
      requireAll(file.path, target, file.readSync(target, 0, target.length, position), position);
    }
  } catch (error) {
    file.closeSync();
    throw error;
  }
}

export async function openTable(
  fs: FileSystem,
  cache: BlockCache,
  path: string,
  forMerge = false,
): Promise<TableState> {
  const file = await fs.open(path, 'read');
  try {
    const steps = openSteps(cache, file.path, file.sizeSync(), forMerge);
    for (;;) {
      const step = steps.next();
      if (step.done) return new TableState(cache, file, step.value);
      if (step.value === 'zstd') {
        await ensureZstd();
        continue;
      }
      if (step.value === 'turn') {
        await nodeEnv.clock.turn();
        continue;
      }
      const { target, position } = step.value;
      requireAll(file.path, target, await file.read(target, 0, target.length, position), position);
    }
  } catch (error) {
    file.closeSync();
    throw error;
  }
}

function requireZstd(path: string): void {
  if (zstdReady()) return;
  throw new SluiceError(
    'UNSUPPORTED_FORMAT',
    `${path}: compressed with ZSTD, which cannot be started synchronously: open the table asynchronously first`,
  );
}

function requireAll(path: string, target: Uint8Array, got: number, position: number): void {
  if (got !== target.length) {
    throw new SluiceError(
      'CORRUPTION',
      `${path}: the file ends early: ${target.length} bytes wanted at ${position}, ${got} there`,
    );
  }
}

function* openSteps(
  cache: BlockCache,
  path: string,
  fileBytes: number,
  forMerge: boolean,
): Steps<TableParts> {
  const tail = new Uint8Array(tailBytes(fileBytes));
  yield { target: tail, position: fileBytes - tail.length };
  const footer = decodeFooter(
    tail.slice(Math.max(0, tail.length - FOOTER_BYTES)),
    fileBytes,
    path,
    (type, bytes, length) => heapOf(bytes).kernels.blockChecksum(type, 0, length),
  );
  const reader = new TailReader(cache, path, tail, fileBytes - tail.length);
  const { checksumType, baseContext } = footer;
  const source: BlockSource = { path, checksumType, baseContext, dictionary: undefined };
  const limit = fileBytes - FOOTER_BYTES;
  const metaBlocks = readMetaindex(yield* reader.raw(footer.metaindex, source), limit);

  const properties = new Map<string, Uint8Array>();
  const propertiesAt = metaBlocks.get(META_PROPERTIES);
  if (propertiesAt === undefined)
    throw new SluiceError('UNSUPPORTED_FORMAT', `${path}: a table without a properties block`);
  readProperties(yield* reader.disk(propertiesAt), propertiesAt, source, properties);
  const facts = propertyFacts(path, fileBytes, footer.formatVersion, checksumType, properties);
  checkReadable(facts);
  if (usesZstd(facts)) yield 'zstd';

  const indexAt = footer.index ?? metaBlocks.get(META_INDEX);
  if (indexAt === undefined) throw new SluiceError('CORRUPTION', `${path}: the metaindex names no index`);
  const form = indexForm(facts);
  assert(cache.scratchBytes >= DECODE_ROOM_BYTES, 'the cache has no room to decode an index in');
  const decoding = { inScratch: forMerge, blocks: dataBlocks(properties) };
  const build = (blocks: readonly RawBlock[]): Steps<TableIndex> =>
    indexSteps(blocks, form, limit, { heap: cache.heap, at: cache.scratchAt }, decoding);
  const index =
    form.type === INDEX_TWO_LEVEL
      ? yield* build(yield* readPartitions(reader, yield* reader.raw(indexAt, source), form, limit, source))
      : yield* reader.borrowed(indexAt, source, (block) => build([block]));

  const dictionaryAt = metaBlocks.get(META_DICTIONARY);
  let dictionary: Uint8Array | undefined;
  if (dictionaryAt !== undefined) {
    const raw = yield* reader.raw(dictionaryAt, source);
    if (raw.length > 0) dictionary = raw.bytes.slice(raw.start, raw.start + raw.length);
  }
  const filterAt = fullFilter(metaBlocks);
  let filter: Filter | undefined;
  if (filterAt !== undefined && !forMerge && hasWholeKeyFilter(properties)) {
    const raw = yield* reader.raw(filterAt, source);
    const bytes = raw.bytes.subarray(raw.start, raw.start + raw.length);
    // It is kept, and what it is a part of would be kept with it.
    filter = readFilter(bytes.length * 2 < bytes.buffer.byteLength ? bytes.slice() : bytes);
  }
  const anyFilter = [...metaBlocks.keys()].some((name) => /filter\./.test(name));
  return {
    footer,
    metaBlocks,
    facts: {
      ...facts,
      blocks: index.blocks,
      filter: filter?.kind ?? (anyFilter ? 'not understood' : 'none'),
      filterBytes: filterAt?.bytes ?? 0,
    },
    index,
    filter,
    dictionary,
  };
}

/** Of megabytes: in steps, and in a heap of its own, since others run between them. */
function* indexSteps(
  blocks: readonly RawBlock[],
  form: IndexForm,
  limit: number,
  room: DecodeRoom,
  decoding: Decoding,
): Steps<TableIndex> {
  const bytes = blocks.reduce((sum, { length }) => sum + length, 0);
  if (bytes < STEPPED_INDEX_BYTES_MIN) return buildIndex(blocks, form, limit, room, decoding);
  yield 'turn';
  const heap = takeHeap(KERNEL_RESERVED_BYTES + DECODE_ROOM_BYTES);
  const index = yield* buildIndexInSteps(blocks, form, limit, { heap, at: KERNEL_RESERVED_BYTES }, decoding);
  giveHeapBack(heap);
  yield 'turn';
  return index;
}

function readMetaindex(block: RawBlock, limit: number): Map<string, BlockHandle> {
  const handles = new Map<string, BlockHandle>();
  forEachMetaEntry(block.bytes, block.start, block.length, block, (name, value) => {
    // Not every entry is a handle in every version: only those that can be are kept.
    if (!name.includes('.')) return;
    handles.set(name, readHandle(new ByteReader(value), limit, block.path, name));
  });
  return handles;
}

function fullFilter(metaBlocks: ReadonlyMap<string, BlockHandle>): BlockHandle | undefined {
  for (const [name, handle] of metaBlocks) if (name.startsWith(META_FULL_FILTER)) return handle;
  return undefined;
}

function readProperties(
  disk: Uint8Array,
  handle: BlockHandle,
  source: BlockSource,
  properties: Map<string, Uint8Array>,
): void {
  const place = { path: source.path, offset: handle.offset };
  const decode = (raw: { bytes: Uint8Array; start: number; length: number }): number => {
    let seqnoAt = -1;
    properties.clear();
    forEachMetaEntry(raw.bytes, raw.start, raw.length, place, (name, value, at) => {
      properties.set(name, value);
      if (name === PROPERTY_GLOBAL_SEQNO && value.length === 8) seqnoAt = at;
    });
    return seqnoAt;
  };
  try {
    // The values stay: a copy of the block is what they are parts of.
    decode(readOwnRaw(disk.slice(), handle.bytes, source, handle.offset));
  } catch (error) {
    // RocksDB's ingest by default writes the global seqno into the file in place and leaves the checksum of the block
    // as it was, that of zeros.
    if (!(error instanceof SluiceError && error.code === 'CHECKSUM_MISMATCH')) throw error;
    if (disk[handle.bytes] !== 0) throw error;
    let seqnoAt = -1;
    try {
      seqnoAt = decode({ bytes: disk.slice(), start: 0, length: handle.bytes });
    } catch {
      throw error;
    }
    if (seqnoAt < 0) throw error;
    const zeroed = disk.slice();
    zeroed.fill(0, seqnoAt, seqnoAt + 8);
    readOwnRaw(zeroed, handle.bytes, source, handle.offset);
  }
}

/** The blocks of a two-level index, in order. */
function* readPartitions(
  reader: TailReader,
  top: RawBlock,
  form: IndexForm,
  limit: number,
  source: BlockSource,
): Steps<RawBlock[]> {
  const handles: BlockHandle[] = [];
  let end = 0;
  forEachIndexEntry(top, form, (_key, _start, _length, offset, bytes) => {
    // In order and apart, which bounds their sum by the file's size.
    if (offset < end || bytes < 0 || offset + bytes + BLOCK_TRAILER_BYTES > limit) {
      throw new SluiceError('CORRUPTION', `${top.path}: index partition of ${bytes} bytes at ${offset}`);
    }
    end = offset + bytes + BLOCK_TRAILER_BYTES;
    handles.push({ offset, bytes });
  });
  const blocks: RawBlock[] = [];
  for (const handle of handles) blocks.push(yield* reader.raw(handle, source));
  return blocks;
}
