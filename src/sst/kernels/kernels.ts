import type { BlockShape, FoundEntry } from '../data-block.ts';

/** User keys of 1 to 65,535 bytes and values of at most 1 GiB. */
export const ENTRY_RULES = 1;
/** Besides, version 0 only and every key once in the block. */
export const EXTERNAL_RULES = 2;
/** `findInBlock` cannot tell. */
export const UNKNOWN = 3;

/** A Bloom filter in the same memory. */
export interface FilterPlace {
  readonly at: number;
  readonly lines: number;
  readonly probes: number;
}

/**
 * The hot loops over blocks, all in one memory and addressed by (start, length) offsets into it.
 *
 * Two implementations give byte-identical output: WebAssembly (wasm-kernels.ts, compiled from assembly/) and plain
 * TypeScript (js-kernels.ts), which is the oracle in tests and the fallback. None of them reads or writes a byte outside
 * the ranges it is given, so callers need no slack after a region. Ranges must lie inside the memory and must not overlap.
 */
export interface Kernels {
  /**
   * True: the data block is sound by all the rules of `validateDataBlock` (../data-block.ts), and `shape` is filled.
   * False: ask `validateDataBlock`, which knows what is wrong, if anything is.
   *
   * `headsBytes`: room behind the block in which a lookup's aid may be put (assembly/block-heads.ts), 0 for none; how
   * much was taken is in `shape`. `rules`: what entries must be besides, ENTRY_RULES and EXTERNAL_RULES. `filter`: admits
   * every key of the block, or it is not sound.
   */
  checkDataBlock(
    start: number,
    length: number,
    headsBytes: number,
    shape: BlockShape,
    rules: number,
    filter: FilterPlace | undefined,
  ): boolean;

  /** The key of the `findInBlock`s that follow, borrowed for them; false when they cannot take it. */
  setKey(key: Uint8Array, keyStart: number, keyLength: number): boolean;
  /** `keyHash` of that key. */
  hashOfKey(): number;
  /** As `findInBlock` of ../data-block.ts, or UNKNOWN when it must be asked. REQUIRES: a sound block. */
  findInBlock(
    start: number,
    restartsAt: number,
    restartCount: number,
    bound: number,
    found: FoundEntry,
  ): number;
  /** The same by the block's heads, which are at `heads`; UNKNOWN: `findInBlock` must be asked. */
  findByHeads(start: number, heads: number, bound: number, found: FoundEntry): number;

  /**
   * The u32 of a block trailer, for the block [start, start + length) followed in memory by its compression type byte
   * at start + length. `type`: 0 none, 1 crc32c (masked), 2 xxhash32, 3 xxhash64, 4 XXH3; see ../checksum.ts.
   */
  blockChecksum(type: number, start: number, length: number): number;

  /** XXPH3 of a key, what RocksDB's filters hash by: the low 32 bits, unsigned. `keyHashHigh` then has the others. */
  keyHash(start: number, length: number): number;
  /** The high 32 bits, unsigned, of the last `keyHash`. */
  readonly keyHashHigh: number;

  /** Adds `count` keys to a Bloom filter, whose hashes are at `hashesAt`: low and high u32 each. A multiple of 4. */
  setFilterBits(hashesAt: number, count: number, filter: FilterPlace): void;

  /** Writes an LZ4 block to [dst, dst + capacity) and returns its length; 0 when it does not fit. */
  lz4Compress(src: number, length: number, dst: number, capacity: number): number;
  /** False when the input is damaged or is not exactly `rawLength` bytes when decoded; the output is then undefined. */
  lz4Decompress(src: number, length: number, dst: number, rawLength: number): boolean;

  /** As `lz4Compress`, in raw Snappy form: a varint of the raw length first. */
  snappyCompress(src: number, length: number, dst: number, capacity: number): number;
  /** As `lz4Decompress`. */
  snappyDecompress(src: number, length: number, dst: number, rawLength: number): boolean;
  /** The raw length that a Snappy stream claims; -1 when the varint is damaged. */
  snappyRawLength(src: number, length: number): number;

  /** As js-gather-entries.ts has it, which also says what is in the state. REQUIRES: a sound block. */
  gatherEntries(): boolean;

  /** As js-encode-blocks.ts has it, which also says what is in the state at `stateAt`, a multiple of 8. */
  encodeBlocks(stateAt: number, at: number, end: number): number;

  /** As js-encode-blocks.ts has it. */
  storeBlocks(stateAt: number, from: number, record: number, end: number): number;

  /** As js-stage-batch.ts has it, which also says what is in the state at `stateAt`, a multiple of 8. */
  stageBatch(stateAt: number): number;

  /** Whether the merge kernel is there; where it is not, cursors do its work (levels/compaction/cursor-merge.ts). */
  readonly merges: boolean;
  /** Orders the cursors in the heap of the merge whose state is at `stateAt`, as merge-state.ts has it. */
  beginMerge(stateAt: number): void;
  /** Merges on until it is at the end, or something is to be done or answered; returns what. */
  mergeEntries(stateAt: number): number;

  /** As js-sort-records.ts has it; `scratchAt`: `sortScratchBytes(count)` of room. All three are multiples of 4. */
  sortRecords(offsetsAt: number, count: number, scratchAt: number): void;

  /** As js-arena.ts has both. REQUIRES: 16 bytes behind the room for staged records that are nobody else’s. */
  noteRecords(from: number, end: number, offsetsAt: number, lastAt: number, inOrder: number): number;
  stageSorted(stateAt: number): number;

  /** As js-delimited-records.ts has it. REQUIRES: 16 bytes behind the text, and behind the room for records, that are nobody else’s. */
  delimitedRecords(stateAt: number): number;

  /** As assembly/decode-index.ts has it; 0xffffffff: ask `forEachIndexEntry` of ../table-index.ts. */
  decodeIndex(
    stateAt: number,
    at: number,
    end: number,
    out: number,
    room: number,
    keysAt: number,
    keysEnd: number,
  ): number;
}
