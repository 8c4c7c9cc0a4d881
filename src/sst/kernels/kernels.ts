/**
 * The hot loops over blocks, all in one memory and addressed by (start, length) offsets into it.
 *
 * Two implementations give byte-identical output: WebAssembly (wasm-kernels.ts, compiled from assembly/) and plain
 * TypeScript (js-kernels.ts), which is the oracle in tests and the fallback. None of them reads or writes a byte outside
 * the ranges it is given, so callers need no slack after a region. Ranges must lie inside the memory and must not overlap.
 */
export interface Kernels {
  /**
   * The u32 of a block trailer, for the block [start, start + length) followed in memory by its compression type byte
   * at start + length. `type`: 0 none, 1 crc32c (masked), 2 xxhash32, 3 xxhash64, 4 XXH3; see ../checksum.ts.
   */
  blockChecksum(type: number, start: number, length: number): number;

  /** XXPH3 of a key, what RocksDB's filters hash by: the low 32 bits, unsigned. `keyHashHigh` then has the others. */
  keyHash(start: number, length: number): number;
  /** The high 32 bits, unsigned, of the last `keyHash`. */
  readonly keyHashHigh: number;

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
}
