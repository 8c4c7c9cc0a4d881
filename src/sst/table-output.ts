/**
 * The file under a table builder: blocks go out with their trailers, small ones collected in the heap and written when
 * 512 KiB are full.
 */

import type { Hash } from 'node:crypto';
import { putFixed32 } from '../base/codec.ts';
import type { File } from '../base/env/file-system.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import { type CompressionKind, compressBlock, compressionType } from './compression.ts';
import type { BlockHandle } from './format.ts';
import { giveHeapBack, type Heap, type HeapRange, type HeapRoom, takeHeap } from './heap.ts';
import { KERNEL_RESERVED_BYTES } from './kernels/wasm-kernels.ts';

export const WRITE_BYTES = 524288;

export class TableOutput {
  readonly #file: File;
  readonly #heap: Heap;
  readonly #checksumType: number;
  readonly #hash: Hash | undefined;
  /** The collected blocks: from here to the limit there is room for WRITE_BYTES and one more block. */
  readonly #outAt: number;
  /** Where the room for blocks ends: what lies behind may be somebody else's. */
  readonly limit: number;
  #outLength = 0;
  #written = 0;

  constructor(file: File, { heap, start, limit }: HeapRoom, checksumType: number, hash: Hash | undefined) {
    this.#file = file;
    this.#heap = heap;
    this.#outAt = start;
    this.limit = limit;
    this.#checksumType = checksumType;
    this.#hash = hash;
  }

  get bytes(): number {
    return this.#written + this.#outLength;
  }

  /** Where the next block goes; what lies before is stored and `took`. */
  get at(): number {
    return this.#outAt + this.#outLength;
  }

  /** Blocks were put at `at`, with their trailers, up to `end`. */
  took(end: number): void {
    this.#outLength = end - this.#outAt;
    if (this.#outLength >= WRITE_BYTES) this.#flush();
  }

  /** Adds the block at [start, start + length) of the heap; returns its length as stored, without the trailer. */
  append(start: number, length: number, compression: CompressionKind): number {
    const bytes = this.#heap.bytes;
    const out = this.at;
    const room = this.limit - out - BLOCK_TRAILER_BYTES;
    let type = compressionType(compression);
    let stored = compressBlock(this.#heap, compression, start, length, out, Math.min(room, length));
    if (stored === 0) {
      bytes.copyWithin(out, start, start + length);
      stored = length;
      type = 0;
    }
    this.#seal(out, stored, type);
    return stored;
  }

  /** There is room for so many bytes then. REQUIRES: no more than a block's and WRITE_BYTES. */
  reserve(bytes: number): void {
    if (this.limit - this.at < bytes) this.#flush();
  }

  /** Adds blocks that have their trailers. REQUIRES: there is room. */
  copy(blocks: Uint8Array): void {
    this.#heap.bytes.set(blocks, this.at);
    this.took(this.at + blocks.length);
  }

  /** Puts the trailer after the block at `out`, which is the next one. */
  #seal(out: number, stored: number, type: number): void {
    const { bytes } = this.#heap;
    bytes[out + stored] = type;
    putFixed32(bytes, out + stored + 1, this.#checksum(this.#heap, out, stored));
    this.took(out + stored + BLOCK_TRAILER_BYTES);
  }

  /** Room that is nobody's until the next block is added. */
  takeRoom(): HeapRoom {
    this.#flush();
    return { heap: this.#heap, start: Math.ceil(this.#outAt / 8) * 8, limit: this.limit };
  }

  /** Writes a block from where it is, in any heap, behind which there is room for a trailer. */
  writeInPlace({ heap, start, length }: HeapRange, type = 0): BlockHandle {
    this.#flush();
    const handle = { offset: this.#written, bytes: length };
    heap.bytes[start + length] = type;
    putFixed32(heap.bytes, start + length + 1, this.#checksum(heap, start, length));
    this.#write(heap.bytes, start, length + BLOCK_TRAILER_BYTES);
    return handle;
  }

  /** Writes a block that is not in the heap. */
  write(block: Uint8Array, length: number, compression: CompressionKind): BlockHandle {
    this.#flush();
    const room = this.limit - this.#outAt;
    if (compression === 'none' && length + BLOCK_TRAILER_BYTES <= room) {
      const handle = { offset: this.#written, bytes: length };
      this.#heap.bytes.set(block.length === length ? block : block.subarray(0, length), this.#outAt);
      this.#seal(this.#outAt, length, 0);
      return handle;
    }
    return this.#writeLarge(block.length === length ? block : block.subarray(0, length), compression);
  }

  /** By the kernels of another heap: those over a plain array take ten times as long. */
  #writeLarge(block: Uint8Array, compression: CompressionKind): BlockHandle {
    const { length } = block;
    const packs = compression !== 'none';
    const raw = KERNEL_RESERVED_BYTES;
    const heap = takeHeap(raw + length * (packs ? 2 : 1) + BLOCK_TRAILER_BYTES);
    heap.bytes.set(block, raw);
    const packed = packs ? compressBlock(heap, compression, raw, length, raw + length, length) : 0;
    const stored = packed === 0 ? { start: raw, length } : { start: raw + length, length: packed };
    const handle = this.writeInPlace({ heap, ...stored }, packed === 0 ? 0 : compressionType(compression));
    giveHeapBack(heap);
    return handle;
  }

  /** Writes bytes that are no block: the footer. */
  end(bytes: Uint8Array): void {
    this.#flush();
    this.#write(bytes, 0, bytes.length);
  }

  #checksum(heap: Heap, start: number, length: number): number {
    return this.#checksumType === 0 ? 0 : heap.kernels.blockChecksum(this.#checksumType, start, length);
  }

  #flush(): void {
    if (this.#outLength === 0) return;
    this.#write(this.#heap.bytes, this.#outAt, this.#outLength);
    this.#outLength = 0;
  }

  #write(source: Uint8Array, start: number, length: number): void {
    this.#file.writeSync(source, start, length, this.#written);
    this.#hash?.update(source.subarray(start, start + length));
    this.#written += length;
  }
}
