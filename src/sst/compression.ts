/**
 * Block compression of the table format, version 2 and up:
 *
 *   snappy            raw Snappy stream
 *   all others        varint32 raw length | raw deflate stream, LZ4 block or ZSTD frame
 *
 * The type is the first byte of the block's trailer. A block is stored raw (type 0) when compression saves less than an
 * eighth of it, or more than is read again (`RAW_BYTES_FREE`). What a block claims is checked against limits before anything
 * is allocated or decompressed.
 */

import { inflateRawSync } from 'node:zlib';
import { unreachable } from '../base/assert.ts';
import { putVarint, varintLength } from '../base/codec.ts';
import { SluiceError } from '../base/errors.ts';
import type { Heap } from './heap.ts';
import { lz4Decompress } from './kernels/js-lz4.ts';
import { zstdCompress, zstdDecompress } from './zstd.ts';

export const COMPRESSION_NONE = 0;
export const COMPRESSION_SNAPPY = 1;
export const COMPRESSION_ZLIB = 2;
export const COMPRESSION_LZ4 = 4;
/** The same stream as LZ4, made by a slower compressor. */
export const COMPRESSION_LZ4HC = 5;
export const COMPRESSION_ZSTD = 7;
export type CompressionType = 0 | 1 | 2 | 4 | 5 | 7;

/** What we write. */
export type CompressionKind = 'none' | 'snappy' | 'lz4' | 'zstd';

/** RocksDB's names, as in the property `rocksdb.compression`. */
const NAMES = ['NoCompression', 'Snappy', 'Zlib', 'BZip2', 'LZ4', 'LZ4HC', 'Xpress', 'ZSTD'] as const;
const LZ4_WINDOW_BYTES = 65536;

/**
 * Up to here a block may be compressed by any factor, beyond it by this one: what a block takes in memory is bounded, or in
 * proportion to the file. A frame of 64 KB can hold a gigabyte of zeros.
 */
const RAW_BYTES_FREE = 32 << 20;
const EXPANSION_MAX = 8;

export function compressionType(kind: CompressionKind): CompressionType {
  switch (kind) {
    case 'none':
      return COMPRESSION_NONE;
    case 'snappy':
      return COMPRESSION_SNAPPY;
    case 'lz4':
      return COMPRESSION_LZ4;
    case 'zstd':
      return COMPRESSION_ZSTD;
    default:
      return unreachable(kind);
  }
}

export function compressionName(type: number): string {
  return NAMES[type] ?? `compression type ${type}`;
}

/** The type byte as a type we can read; else UNSUPPORTED_FORMAT naming it. */
export function readableCompression(type: number): CompressionType {
  switch (type) {
    case 0:
    case 1:
    case 2:
    case 4:
    case 5:
    case 7:
      return type;
    default:
      throw new SluiceError(
        'UNSUPPORTED_FORMAT',
        `Blocks compressed with ${compressionName(type)} cannot be read: rewrite the file with another compression`,
      );
  }
}

function isTooDense(raw: number, compressed: number): boolean {
  return raw > RAW_BYTES_FREE && raw > compressed * EXPANSION_MAX;
}

/**
 * The length that the block [src, src + length) claims to have when decompressed. Throws CORRUPTION when that is over
 * `maxRawBytes` or cannot be read, UNSUPPORTED_FORMAT for a compression we do not have, or a block that is large and
 * compressed by more than we take.
 */
export function rawLengthOf(
  heap: Heap,
  type: number,
  src: number,
  length: number,
  maxRawBytes: number,
): number {
  const known = readableCompression(type);
  let raw = length;
  if (known === COMPRESSION_SNAPPY) {
    raw = heap.kernels.snappyRawLength(src, length);
    if (raw < 0) throw corruption(known, 'its raw length cannot be read');
  } else if (known !== COMPRESSION_NONE) {
    raw = readPrefix(heap.bytes, known, src, length);
  }
  if (raw > maxRawBytes) {
    throw corruption(known, `it claims ${raw} bytes when decompressed, over the limit of ${maxRawBytes}`);
  }
  if (known !== COMPRESSION_NONE && isTooDense(raw, length)) {
    throw new SluiceError(
      'UNSUPPORTED_FORMAT',
      `A block of ${length} bytes claims ${raw} when decompressed: over ${RAW_BYTES_FREE} they may be ${EXPANSION_MAX} ` +
        'times as many at most. Write such large values without compression',
    );
  }
  return raw;
}

/**
 * Decompresses the block [src, src + length), its type byte given apart, to `dst` and returns the raw length. Throws
 * CORRUPTION when the block is damaged or its raw length is over `dstCapacity`; what was written at dst is then undefined,
 * what lies outside is untouched. `dictionary` is the content of the meta block `rocksdb.compression_dict`.
 * REQUIRES: the ranges do not overlap; for ZSTD, `ensureZstd()` was awaited.
 */
export function decompressBlock(
  heap: Heap,
  type: number,
  src: number,
  length: number,
  dst: number,
  dstCapacity: number,
  dictionary?: Uint8Array,
): number {
  const raw = rawLengthOf(heap, type, src, length, dstCapacity);
  const known = readableCompression(type);
  if (known === COMPRESSION_NONE) {
    heap.bytes.copyWithin(dst, src, src + length);
  } else if (known === COMPRESSION_SNAPPY) {
    if (!heap.kernels.snappyDecompress(src, length, dst, raw))
      throw corruption(known, 'it does not decompress');
  } else {
    let start = src;
    while ((heap.bytes[start] as number) >= 128) start++;
    start++;
    decompressStream(heap, known, start, src + length - start, dst, raw, dictionary);
  }
  return raw;
}

function decompressStream(
  heap: Heap,
  type: Exclude<CompressionType, 0 | 1>,
  src: number,
  length: number,
  dst: number,
  raw: number,
  dictionary: Uint8Array | undefined,
): void {
  const stream = (): Uint8Array => heap.bytes.subarray(src, src + length);
  switch (type) {
    case COMPRESSION_LZ4:
    case COMPRESSION_LZ4HC: {
      const done =
        dictionary === undefined
          ? heap.kernels.lz4Decompress(src, length, dst, raw)
          : decompressAfterDictionary(stream(), heap.bytes, dst, raw, dictionary);
      if (!done) throw corruption(type, 'it does not decompress');
      return;
    }
    case COMPRESSION_ZLIB:
      heap.bytes.set(inflate(stream(), raw, dictionary), dst);
      return;
    case COMPRESSION_ZSTD:
      heap.bytes.set(zstdDecompress(stream(), raw, dictionary), dst);
      return;
    default:
      unreachable(type);
  }
}

/** LZ4 with a dictionary: matches reach into it, so it must lie right before the output. Foreign files only; slow. */
function decompressAfterDictionary(
  stream: Uint8Array,
  bytes: Uint8Array,
  dst: number,
  raw: number,
  dictionary: Uint8Array,
): boolean {
  const window = dictionary.subarray(Math.max(0, dictionary.length - LZ4_WINDOW_BYTES));
  const at = window.length + raw;
  const work = new Uint8Array(at + stream.length);
  work.set(window);
  work.set(stream, at);
  if (!lz4Decompress(work, at, stream.length, window.length, raw, window.length)) return false;
  bytes.set(work.subarray(window.length, at), dst);
  return true;
}

function inflate(stream: Uint8Array, raw: number, dictionary: Uint8Array | undefined): Uint8Array {
  const limit = { maxOutputLength: Math.max(1, raw) };
  let output: Uint8Array;
  try {
    output = inflateRawSync(stream, dictionary === undefined ? limit : { ...limit, dictionary });
  } catch (cause) {
    throw corruption(COMPRESSION_ZLIB, 'it does not decompress', cause);
  }
  if (output.length !== raw) {
    throw corruption(COMPRESSION_ZLIB, `it holds ${output.length} bytes, not ${raw}`);
  }
  return output;
}

/**
 * Compresses [src, src + length) to dst and returns the length written; 0 when the block is to be stored raw, because it
 * does not fit `capacity`, saves less than an eighth, or more than is read again. A capacity of `length` is always enough.
 * REQUIRES: the ranges do not overlap; for ZSTD, `ensureZstd()` was awaited.
 */
export function compressBlock(
  heap: Heap,
  kind: CompressionKind,
  src: number,
  length: number,
  dst: number,
  capacity: number,
): number {
  const written = compressAny(heap, kind, src, length, dst, capacity);
  return isTooDense(length, written) ? 0 : written;
}

function compressAny(
  heap: Heap,
  kind: CompressionKind,
  src: number,
  length: number,
  dst: number,
  capacity: number,
): number {
  const most = Math.min(capacity, length - Math.floor(length / 8) - 1);
  if (most <= 0) return 0;
  switch (kind) {
    case 'none':
      return 0;
    case 'snappy':
      return heap.kernels.snappyCompress(src, length, dst, most);
    case 'lz4': {
      const prefix = varintLength(length);
      if (prefix >= most) return 0;
      putVarint(heap.bytes, dst, length);
      const written = heap.kernels.lz4Compress(src, length, dst + prefix, most - prefix);
      return written === 0 ? 0 : prefix + written;
    }
    case 'zstd': {
      const prefix = varintLength(length);
      const frame = zstdCompress(heap.bytes.subarray(src, src + length));
      if (frame === undefined || prefix + frame.length > most) return 0;
      putVarint(heap.bytes, dst, length);
      heap.bytes.set(frame, dst + prefix);
      return prefix + frame.length;
    }
    default:
      return unreachable(kind);
  }
}

function readPrefix(bytes: Uint8Array, type: CompressionType, src: number, length: number): number {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 5 && i < length; i++) {
    const byte = bytes[src + i] as number;
    value += (byte & 127) * scale;
    if (byte < 128 && value <= 0xffffffff) return value;
    scale *= 128;
  }
  throw corruption(type, 'its raw length cannot be read');
}

function corruption(type: CompressionType, what: string, cause?: unknown): SluiceError {
  return new SluiceError('CORRUPTION', `A block of compression ${NAMES[type]} is damaged: ${what}`, {
    cause,
  });
}
