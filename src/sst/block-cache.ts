/**
 * The block cache: one heap of a fixed budget. Blocks are read by pread straight into it, and checked, decompressed and
 * validated there, once; after that they are read in place without checks.
 *
 *   kernels' own | scratch: blocks as on disk | arena: blocks as read
 *
 * The indexes and filters of open tables live in arrays of their own but count: the arena gives up chunks for them, down
 * to a quarter of the budget, and `TableCache` closes tables to keep them below the whole of it. Blocks too large for the arena, and
 * blocks that find everything pinned, are not cached but owned by whoever asked.
 */

import { SluiceError } from '../base/errors.ts';
import type { Probe } from '../mvcc/probe.ts';
import { BlockArena, CHUNK_BYTES } from './block-arena.ts';
import { BlockGatherer } from './block-gatherer.ts';
import { BLOCK_TRAILER_BYTES, checksumModifier } from './checksum.ts';
import { decompressBlock, rawLengthOf } from './compression.ts';
import { type BlockPlace, BlockShape, validateDataBlock } from './data-block.ts';
import { RAW_BLOCK_BYTES_MAX } from './format.ts';
import { createHeap, type Heap, heapOf } from './heap.ts';
import { KERNEL_RESERVED_BYTES } from './kernels/wasm-kernels.ts';

const READAHEAD_BYTES_MAX = 262144;
const BLOCK_BYTES_MAX = 1 << 20;
export const CACHE_BYTES_MIN = 1 << 20;

/** What the checks of a block need to know of its file. */
export interface BlockSource {
  readonly path: string;
  readonly checksumType: number;
  readonly baseContext: number;
  readonly dictionary: Uint8Array | undefined;
}

/** A validated block outside the cache. */
export interface OwnBlock {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly restartsAt: number;
  readonly restartCount: number;
}

export interface BlockCacheStats {
  readonly budgetBytes: number;
  /** Of blocks, without chunk ends. */
  readonly heldBytes: number;
  readonly heldBlocks: number;
  /** Indexes and filters of open tables. */
  readonly metadataBytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
  /** From files, as on disk. */
  readonly readBytes: number;
}

/** Heads of more entries are not made: they pay where entries are large. */
const HEADS_BYTES_MAX = 1024;

/** Once blocks are pushed out, heads are made while of so many blocks each was looked at so often. */
const HEADS_SAMPLE_BLOCKS = 256;
const HEADS_LOOKUPS_MIN = 4;

const shape = new BlockShape();

/** Throws CHECKSUM_MISMATCH unless the block at `at`, with its trailer, is the one that was written at `offset`. */
export function verifyChecksum(
  heap: Heap,
  at: number,
  length: number,
  source: BlockSource,
  offset: number,
): void {
  if (source.checksumType === 0) return;
  const b = heap.bytes;
  const p = at + length + 1;
  const stored =
    ((b[p] as number) |
      ((b[p + 1] as number) << 8) |
      ((b[p + 2] as number) << 16) |
      ((b[p + 3] as number) << 24)) >>>
    0;
  const sum = heap.kernels.blockChecksum(source.checksumType, at, length);
  if ((sum + checksumModifier(source.baseContext, offset)) >>> 0 !== stored) {
    throw new SluiceError(
      'CHECKSUM_MISMATCH',
      `${source.path}: the block of ${length} bytes at offset ${offset} does not match its checksum`,
    );
  }
}

/** Most raw bytes that so many compressed bytes can mean, by compression type: no allocation on a damaged length. */
function rawBound(type: number, length: number): number {
  switch (type) {
    case 1:
      return length * 64;
    case 2:
      return length * 1040 + 64;
    case 7:
      return length * 65536;
    default:
      return length * 255 + 64;
  }
}

/** Checked raw length of the block at `at`, whose type byte follows it. */
export function rawLength(heap: Heap, at: number, length: number, place: BlockPlace): number {
  const type = heap.bytes[at + length] as number;
  if (type === 0) return length;
  try {
    return rawLengthOf(heap, type, at, length, Math.min(RAW_BLOCK_BYTES_MAX, rawBound(type, length)));
  } catch (error) {
    throw placed(error, place);
  }
}

/** Decompresses exactly `raw` bytes, which `rawLength` gave. */
export function decompressTo(
  heap: Heap,
  at: number,
  length: number,
  to: number,
  raw: number,
  source: BlockSource,
  place: BlockPlace,
): void {
  const type = heap.bytes[at + length] as number;
  try {
    decompressBlock(heap, type, at, length, to, raw, source.dictionary);
  } catch (error) {
    throw placed(error, place);
  }
}

/** Says of which block and file an error of a codec is. */
function placed(error: unknown, place: BlockPlace): unknown {
  if (!(error instanceof SluiceError)) return error;
  const message = `${place.path}: block at offset ${place.offset}: ${error.message}`;
  return new SluiceError(error.code, message, { cause: error });
}

/** A block outside the cache, raw: `disk` holds it as on disk with its trailer. `verified`: its checksum was looked at. */
export function readOwnRaw(
  disk: Uint8Array,
  length: number,
  source: BlockSource,
  offset: number,
  verified = false,
): { bytes: Uint8Array; start: number; length: number } {
  const heap = heapOf(disk);
  if (!verified) verifyChecksum(heap, 0, length, source, offset);
  const type = disk[length] as number;
  if (type === 0) return { bytes: disk, start: 0, length };
  const raw = rawLength(heap, 0, length, { path: source.path, offset });
  const room = new Uint8Array(length + BLOCK_TRAILER_BYTES + raw);
  room.set(disk.subarray(0, length + BLOCK_TRAILER_BYTES));
  const start = length + BLOCK_TRAILER_BYTES;
  decompressTo(heapOf(room), 0, length, start, raw, source, { path: source.path, offset });
  return { bytes: room, start, length: raw };
}

export function readOwnBlock(
  disk: Uint8Array,
  length: number,
  source: BlockSource,
  offset: number,
): OwnBlock {
  const raw = readOwnRaw(disk, length, source, offset);
  validateDataBlock(raw.bytes, raw.start, raw.length, shape, { path: source.path, offset });
  return {
    bytes: raw.bytes,
    start: raw.start,
    restartsAt: shape.restartsAt,
    restartCount: shape.restartCount,
  };
}

interface Held {
  readonly frame: number;
  readonly owner: number;
  readonly block: number;
  readonly own: OwnBlock | undefined;
  readonly release: () => void;
}

export class BlockCache {
  readonly heap: Heap;
  readonly arena: BlockArena;
  /** It uses the scratch room too. */
  readonly gatherer: BlockGatherer;
  readonly budgetBytes: number;
  /** Where blocks are read to, and how much fits. Free again after each `admit`. */
  readonly scratchAt: number;
  readonly scratchBytes: number;
  /** Larger blocks are not cached. */
  readonly blockBytesMax: number;
  hits = 0;
  misses = 0;
  readBytes = 0;
  #headsPay = true;
  #sampled = 0;
  #hitsBefore = 0;
  readonly #chunks: number;
  #metadataBytes = 0;
  /** What `Table.load` brought in for a probe, until the get is repeated. */
  readonly #held = new Map<Probe, Held>();
  readonly #heldMax: number;

  /** `bytes`: the whole budget; at least CACHE_BYTES_MIN is taken. */
  constructor(bytes: number) {
    this.budgetBytes = Math.max(bytes, CACHE_BYTES_MIN);
    this.blockBytesMax = Math.min(BLOCK_BYTES_MAX, this.budgetBytes >>> 3);
    this.scratchBytes = Math.max(
      Math.min(READAHEAD_BYTES_MAX, this.budgetBytes >>> 2),
      this.blockBytesMax + 4096,
    );
    this.scratchAt = KERNEL_RESERVED_BYTES;
    const arenaAt = this.scratchAt + this.scratchBytes;
    this.#chunks = Math.max(4, Math.floor((this.budgetBytes - this.scratchBytes) / CHUNK_BYTES));
    this.heap = createHeap(arenaAt + this.#chunks * CHUNK_BYTES);
    this.arena = new BlockArena(this.heap.bytes, arenaAt, this.#chunks);
    this.gatherer = new BlockGatherer(this.heap, this.scratchAt, this.scratchBytes);
    this.#heldMax = Math.max(1, this.#chunks >>> 2);
  }

  get metadataBytes(): number {
    return this.#metadataBytes;
  }

  /** Counts indexes and filters: positive when a table opens, negative when it closes. */
  countMetadata(bytes: number): void {
    this.#metadataBytes += bytes;
    const given = Math.ceil(this.#metadataBytes / CHUNK_BYTES);
    this.arena.limit(Math.max(this.#chunks >>> 2, this.#chunks - given));
  }

  /**
   * Takes the block of `length` bytes at `at` in the heap, as on disk with its trailer, into the arena as (owner, block).
   * Returns its frame, not pinned; 0 when there is no room for it. `lookup`: it is wanted for one key, and may be again.
   */
  admit(
    source: BlockSource,
    offset: number,
    at: number,
    length: number,
    owner: number,
    block: number,
    cold: boolean,
    lookup: boolean,
  ): number {
    const heap = this.heap;
    verifyChecksum(heap, at, length, source, offset);
    const place: BlockPlace = { path: source.path, offset };
    const type = heap.bytes[at + length] as number;
    const raw = rawLength(heap, at, length, place);
    if (raw > this.blockBytesMax) return 0;
    const headsBytes =
      lookup && this.#makesHeads() && raw + HEADS_BYTES_MAX <= CHUNK_BYTES ? HEADS_BYTES_MAX : 0;
    const start = this.arena.reserve(raw + headsBytes, cold);
    if (start < 0) return 0;
    if (type === 0) heap.bytes.copyWithin(start, at, at + length);
    else decompressTo(heap, at, length, start, raw, source, place);
    if (!heap.kernels.checkDataBlock(start, raw, headsBytes, shape, 0, undefined)) {
      validateDataBlock(heap.bytes, start, raw, shape, place);
    }
    const bytes = raw + shape.headsBytes;
    const headsAt = shape.headsBytes === 0 ? 0 : start + raw;
    return this.arena.commit(start, bytes, shape.restartsAt, shape.restartCount, owner, block, headsAt);
  }

  /** Heads cost as much as two lookups without them: what is soon pushed out again is better off so. */
  #makesHeads(): boolean {
    if (++this.#sampled === HEADS_SAMPLE_BLOCKS) {
      this.#headsPay = this.hits - this.#hitsBefore >= HEADS_SAMPLE_BLOCKS * HEADS_LOOKUPS_MIN;
      this.#hitsBefore = this.hits;
      this.#sampled = 0;
    }
    return this.#headsPay || this.arena.evictions === 0;
  }

  /**
   * Verifies a block outside the heap by the heap's kernels, in scratch room, or in room that the arena lends: JavaScript takes ten
   * times as long. False when it was not done.
   */
  verifyOutside(disk: Uint8Array, length: number, source: BlockSource, offset: number): boolean {
    const bytes = length + BLOCK_TRAILER_BYTES;
    const at = bytes <= this.scratchBytes ? this.scratchAt : this.arena.reserve(bytes, false);
    if (at < 0) return false;
    this.heap.bytes.set(disk, at);
    verifyChecksum(this.heap, at, length, source, offset);
    return true;
  }

  /** Keeps a block for `probe` until it is released; the oldest ones give way when there are too many. */
  hold(
    probe: Probe,
    owner: number,
    block: number,
    frame: number,
    own: OwnBlock | undefined,
    release: () => void,
  ): void {
    this.letGo(probe);
    if (this.#held.size >= this.#heldMax) {
      const [oldest] = this.#held.keys();
      if (oldest !== undefined) this.letGo(oldest);
    }
    if (frame !== 0) this.arena.pin(frame);
    this.#held.set(probe, { frame, owner, block, own, release });
  }

  get holds(): number {
    return this.#held.size;
  }

  heldOwn(probe: Probe, owner: number, block: number): OwnBlock | undefined {
    const held = this.#held.get(probe);
    return held !== undefined && held.owner === owner && held.block === block ? held.own : undefined;
  }

  letGo(probe: Probe): void {
    const held = this.#held.get(probe);
    if (held === undefined) return;
    this.#held.delete(probe);
    if (held.frame !== 0) this.arena.unpin(held.frame);
    held.release();
  }

  stats(): BlockCacheStats {
    return {
      budgetBytes: this.budgetBytes,
      heldBytes: this.arena.bytesHeld,
      heldBlocks: this.arena.blocksHeld,
      metadataBytes: this.#metadataBytes,
      hits: this.hits,
      misses: this.misses,
      evictions: this.arena.evictions,
      readBytes: this.readBytes,
    };
  }
}
