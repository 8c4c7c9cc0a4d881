/**
 * Writes a table, format_version 5, block by block as its entries come in key order. Blocks, index and filter are byte
 * for byte what RocksDB 7.8 writes for the same options. Nothing is allocated per entry.
 *
 *   heap: kernels' own | two keys (the last and the next) | block being built | output, written when 512 KiB are full
 *
 * Memory grows with the number of keys by 8 bytes (filter hashes) and with the number of blocks (index).
 */

import { createHash, type Hash } from 'node:crypto';
import { compareRanges, copyRange, formatKey } from '../base/bytes.ts';
import { putFixed32, putVarint, varintLength } from '../base/codec.ts';
import type { File } from '../base/env/file-system.ts';
import { SluiceError } from '../base/errors.ts';
import {
  type EntryType,
  KEY_BYTES_MAX,
  putTrailer,
  TRAILER_BYTES,
  TYPE_DELETE,
  trailerVersion,
  VALUE_BYTES_MAX,
} from '../mvcc/internal-key.ts';
import { MAX_VERSION, NO_VERSION, type Version } from '../mvcc/version.ts';
import { BlockBuilder, varintBytes } from './block-builder.ts';
import { type CompressionKind, compressBlock, compressionType } from './compression.ts';
import { FilterBuilder } from './filter.ts';
import { putFooter } from './footer.ts';
import {
  BLOCK_TRAILER_BYTES,
  type BlockHandle,
  CHECKSUM_NAMES,
  type ChecksumName,
  FOOTER_BYTES,
  FORMAT_VERSION_WRITTEN,
  META_FILTER_WRITTEN,
  META_PROPERTIES,
} from './format.ts';
import { createHeap, type Heap, heapOf, KERNEL_RESERVED_BYTES } from './heap.ts';
import { IndexBuilder } from './index-builder.ts';
import { encodeProperties } from './property-builder.ts';

const RESTART_INTERVAL = 16;
const KEY_ROOM = 65536;
const WRITE_BYTES = 524288;
/** An entry that would make a block larger than this gets one to itself, outside the heap. */
const BLOCK_ROOM_MIN = 262144;

export interface TableBuilderOptions {
  readonly compression?: CompressionKind;
  /** Blocks are cut at about this size before compression. Default 4096. */
  readonly blockBytes?: number;
  /** 0: no filter. Default 10. */
  readonly filterBitsPerKey?: number;
  readonly checksum?: ChecksumName;
  /** A file for ingesting anywhere: all versions 0, each key once. */
  readonly external: boolean;
  /** Identity of the writing database, for people and tools. */
  readonly dbId?: string;
  /** Seconds since the epoch, for people and tools. */
  readonly createdSeconds?: number;
  /** Digest of the whole file as it is written. */
  readonly sha256?: boolean;
  /** A heap of `builderHeapBytes(blockBytes)` that nothing else uses meanwhile; made when missing. */
  readonly heap?: Heap;
}

export interface BuiltTable {
  readonly bytes: number;
  readonly entries: number;
  readonly deletes: number;
  /** User keys, inclusive; empty when there is no entry. */
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
  readonly minVersion: Version;
  readonly maxVersion: Version;
  /** Lower-case hex. */
  readonly sha256: string | undefined;
}

function blockRoom(blockBytes: number): number {
  return Math.max(BLOCK_ROOM_MIN, blockBytes * 2 + 65536);
}

/** What a builder needs of a heap that it is given. */
export function builderHeapBytes(blockBytes = 4096): number {
  return KERNEL_RESERVED_BYTES + KEY_ROOM * 2 + 64 + blockRoom(blockBytes) * 2 + WRITE_BYTES + 4096;
}

export class TableBuilder {
  readonly #file: File;
  readonly #heap: Heap;
  readonly #bytes: Uint8Array;
  readonly #compression: CompressionKind;
  readonly #blockBytes: number;
  readonly #almostFullBytes: number;
  readonly #checksumType: number;
  readonly #options: TableBuilderOptions;
  readonly #filter: FilterBuilder | undefined;
  readonly #index = new IndexBuilder();
  readonly #hash: Hash | undefined;

  /** Where the last key and the next one are, in turns; internal keys. */
  #lastAt: number;
  #nextAt: number;
  #lastLength = 0;
  readonly #blockAt: number;
  readonly #blockCapacity: number;
  #blockEnd: number;
  #blockEntries = 0;
  #restarts = new Uint32Array(256);
  #restartCount = 0;
  #sinceRestart = 0;
  /** The last block was written and waits for the key after it to get its separator. */
  #pendingOffset = -1;
  #pendingBytes = 0;
  readonly #outAt: number;
  #outLength = 0;
  #written = 0;
  #separator = new Uint8Array(256);
  #following = new Uint8Array(256);

  #valueArray: Uint8Array | undefined;
  #valueView: DataView | undefined;
  readonly #view: DataView;

  #entries = 0;
  #deletes = 0;
  #rawKeyBytes = 0;
  #rawValueBytes = 0;
  #dataBytes = 0;
  #smallest: Uint8Array = new Uint8Array(0);
  #minVersion: Version = MAX_VERSION;
  #maxVersion: Version = NO_VERSION;
  #finished = false;

  constructor(file: File, options: TableBuilderOptions) {
    this.#file = file;
    this.#options = options;
    this.#compression = options.compression ?? 'lz4';
    this.#blockBytes = options.blockBytes ?? 4096;
    this.#almostFullBytes = Math.floor((this.#blockBytes * 90 + 99) / 100);
    this.#checksumType = CHECKSUM_NAMES.indexOf(options.checksum ?? 'xxh3');
    this.#heap = options.heap ?? createHeap(builderHeapBytes(this.#blockBytes));
    this.#bytes = this.#heap.bytes;
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
    const bits = options.filterBitsPerKey ?? 10;
    this.#filter = bits > 0 ? new FilterBuilder(bits) : undefined;
    this.#hash = options.sha256 ? createHash('sha256') : undefined;
    this.#lastAt = KERNEL_RESERVED_BYTES;
    this.#nextAt = this.#lastAt + KEY_ROOM + 32;
    this.#blockAt = this.#nextAt + KEY_ROOM + 32;
    this.#blockCapacity = blockRoom(this.#blockBytes);
    this.#blockEnd = this.#blockAt;
    this.#outAt = this.#blockAt + this.#blockCapacity;
  }

  get entries(): number {
    return this.#entries;
  }

  /** What the file would have if it were finished now, without index and filter. */
  get bytes(): number {
    return this.#written + this.#outLength + (this.#blockEnd - this.#blockAt);
  }

  /**
   * Adds an entry; keys ascend and the versions of a key descend, else NOT_SORTED. INVALID_KEY and INVALID_VALUE for
   * sizes out of bounds.
   */
  add(
    key: Uint8Array,
    keyStart: number,
    keyLength: number,
    version: Version,
    type: EntryType,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): void {
    if (this.#finished) throw new SluiceError('CLOSED', `${this.#file.path}: the table was finished`);
    if (keyLength < 1 || keyLength > KEY_BYTES_MAX) {
      throw new SluiceError('INVALID_KEY', `A key of ${keyLength} bytes; 1 to ${KEY_BYTES_MAX} are allowed`);
    }
    if (valueLength > VALUE_BYTES_MAX) {
      throw new SluiceError('INVALID_VALUE', `A value of ${valueLength} bytes; at most 1 GiB is allowed`);
    }
    const bytes = this.#bytes;
    const next = this.#nextAt;
    const last = this.#lastAt;
    const lastUser = this.#lastLength - TRAILER_BYTES;
    const n = keyLength < lastUser ? keyLength : lastUser;
    let shared = 0;
    while (shared < n && bytes[last + shared] === key[keyStart + shared]) {
      bytes[next + shared] = bytes[last + shared] as number;
      shared++;
    }
    for (let i = shared; i < keyLength; i++) bytes[next + i] = key[keyStart + i] as number;
    putTrailer(bytes, next + keyLength, version, type);
    const length = keyLength + TRAILER_BYTES;
    if (this.#entries > 0) {
      if (shared < n) {
        if ((bytes[next + shared] as number) < (bytes[last + shared] as number))
          this.#notSorted(keyLength, version);
      } else {
        if (keyLength < lastUser) this.#notSorted(keyLength, version);
        if (keyLength === lastUser) this.#checkSameKey(keyLength, version);
        // The prefix may go on into the trailers.
        const whole = length < this.#lastLength ? length : this.#lastLength;
        while (shared < whole && bytes[next + shared] === bytes[last + shared]) shared++;
      }
    } else this.#smallest = copyRange(key, keyStart, keyLength);

    if (this.#blockEntries > 0 && this.#isFull(length, valueLength)) this.#finishBlock();
    if (this.#pendingOffset >= 0) this.#addSeparator(length);
    if (this.#filter !== undefined) {
      const low = this.#heap.kernels.keyHash(next, keyLength);
      this.#filter.add(low, this.#heap.kernels.keyHashHigh);
    }
    if (this.#blockEnd + 32 + length + valueLength + this.#restartCount * 4 > this.#outAt) {
      this.#addLarge(length, value, valueStart, valueLength);
    } else this.#append(shared, length, value, valueStart, valueLength);

    this.#lastAt = next;
    this.#nextAt = last;
    this.#lastLength = length;
    this.#entries++;
    if (type === TYPE_DELETE) this.#deletes++;
    this.#rawKeyBytes += length;
    this.#rawValueBytes += valueLength;
    if (version < this.#minVersion) this.#minVersion = version;
    if (version > this.#maxVersion) this.#maxVersion = version;
  }

  #append(prefix: number, length: number, value: Uint8Array, valueStart: number, valueLength: number): void {
    const bytes = this.#bytes;
    let shared = prefix;
    if (this.#blockEntries === 0 || this.#sinceRestart >= RESTART_INTERVAL) {
      if (this.#restartCount === this.#restarts.length) {
        const grown = new Uint32Array(this.#restartCount * 2);
        grown.set(this.#restarts);
        this.#restarts = grown;
      }
      this.#restarts[this.#restartCount++] = this.#blockEnd - this.#blockAt;
      this.#sinceRestart = 0;
      shared = 0;
    }
    let p = this.#blockEnd;
    const unshared = length - shared;
    if ((shared | unshared | valueLength) < 128) {
      bytes[p] = shared;
      bytes[p + 1] = unshared;
      bytes[p + 2] = valueLength;
      p += 3;
    } else {
      p = putVarint(bytes, p, shared);
      p = putVarint(bytes, p, unshared);
      p = putVarint(bytes, p, valueLength);
    }
    const from = this.#nextAt + shared;
    for (let i = 0; i < unshared; i++) bytes[p + i] = bytes[from + i] as number;
    p += unshared;
    this.#copyValue(value, valueStart, valueLength, p);
    this.#blockEnd = p + valueLength;
    this.#blockEntries++;
    this.#sinceRestart++;
  }

  /** Views cost more than copying a hundred bytes: word by word through a view kept for the array used last time too. */
  #copyValue(value: Uint8Array, start: number, length: number, to: number): void {
    const bytes = this.#bytes;
    if (length <= 32) {
      for (let i = 0; i < length; i++) bytes[to + i] = value[start + i] as number;
      return;
    }
    if (value !== this.#valueArray) {
      this.#valueArray = value;
      this.#valueView = undefined;
    } else if (length <= 512) {
      this.#valueView ??= new DataView(value.buffer, value.byteOffset, value.length);
      const source = this.#valueView;
      const target = this.#view;
      let i = 0;
      for (; i + 4 <= length; i += 4) target.setInt32(to + i, source.getInt32(start + i, true), true);
      for (; i < length; i++) bytes[to + i] = value[start + i] as number;
      return;
    }
    if (value === bytes) bytes.copyWithin(to, start, start + length);
    else bytes.set(length === value.length ? value : value.subarray(start, start + length), to);
  }

  /** RocksDB's rule: at the block size, or before it when over nine tenths are there and the entry would exceed it. */
  #isFull(length: number, valueLength: number): boolean {
    const now = this.#blockEnd - this.#blockAt + this.#restartCount * 4 + 4;
    if (now >= this.#blockBytes) return true;
    if (now > this.#almostFullBytes) {
      const restart = this.#sinceRestart >= RESTART_INTERVAL ? 4 : 0;
      const header = 4 + varintLength(length) + varintLength(valueLength);
      if (now + length + valueLength + restart + header > this.#blockBytes) return true;
    }
    // Not RocksDB's: what does not fit our room gets a block of its own.
    return this.#blockEnd + 32 + length + valueLength + this.#restartCount * 4 + 8 > this.#outAt;
  }

  #checkSameKey(keyLength: number, version: Version): void {
    if (this.#options.external) this.#notSorted(keyLength, version);
    const last = trailerVersion(this.#bytes, this.#lastAt + keyLength);
    if (version >= last) this.#notSorted(keyLength, version);
  }

  #notSorted(keyLength: number, version: Version): never {
    const next = formatKey(copyRange(this.#bytes, this.#nextAt, keyLength));
    const lastUser = this.#lastLength - TRAILER_BYTES;
    const last = formatKey(copyRange(this.#bytes, this.#lastAt, lastUser));
    const same =
      compareRanges(this.#bytes, this.#nextAt, keyLength, this.#bytes, this.#lastAt, lastUser) === 0;
    const message = !same
      ? `key ${next} comes after ${last}; keys must be added in ascending order of their bytes`
      : this.#options.external
        ? `key ${next} comes twice; an external file has each key once`
        : `version ${version} of key ${next} does not come after a newer one`;
    throw new SluiceError('NOT_SORTED', `${this.#file.path}: ${message}`);
  }

  /** Writes the block being built; its index entry waits for the next key. */
  #finishBlock(): void {
    const bytes = this.#bytes;
    let end = this.#blockEnd;
    for (let i = 0; i < this.#restartCount; i++, end += 4)
      putFixed32(bytes, end, this.#restarts[i] as number);
    putFixed32(bytes, end, this.#restartCount);
    end += 4;
    const length = end - this.#blockAt;
    const out = this.#outAt + this.#outLength;
    this.#pendingOffset = this.#written + this.#outLength;
    let stored = 0;
    if (this.#compression !== 'none') {
      const room = bytes.length - out - BLOCK_TRAILER_BYTES;
      stored = compressBlock(
        this.#heap,
        this.#compression,
        this.#blockAt,
        length,
        out,
        Math.min(room, length),
      );
    }
    let type = 0;
    if (stored === 0) {
      bytes.copyWithin(out, this.#blockAt, end);
      stored = length;
    } else type = compressionType(this.#compression);
    bytes[out + stored] = type;
    const sum = this.#checksum(this.#heap, out, stored);
    putFixed32(bytes, out + stored + 1, sum);
    this.#pendingBytes = stored;
    this.#outLength += stored + BLOCK_TRAILER_BYTES;
    this.#dataBytes += stored + BLOCK_TRAILER_BYTES;
    if (this.#outLength >= WRITE_BYTES) this.#flush();
    this.#blockEnd = this.#blockAt;
    this.#blockEntries = 0;
    this.#restartCount = 0;
    this.#sinceRestart = 0;
  }

  #checksum(heap: Heap, start: number, length: number): number {
    return this.#checksumType === 0 ? 0 : heap.kernels.blockChecksum(this.#checksumType, start, length);
  }

  /** `nextLength` 0: there is no next key. */
  #addSeparator(nextLength: number): void {
    const bytes = this.#bytes;
    if (this.#separator.length < this.#lastLength) this.#separator = new Uint8Array(this.#lastLength * 2);
    if (this.#following.length < nextLength) this.#following = new Uint8Array(nextLength * 2);
    for (let i = 0; i < this.#lastLength; i++) this.#separator[i] = bytes[this.#lastAt + i] as number;
    for (let i = 0; i < nextLength; i++) this.#following[i] = bytes[this.#nextAt + i] as number;
    this.#index.add(
      this.#separator,
      this.#lastLength,
      nextLength === 0 ? undefined : this.#following,
      nextLength,
      this.#pendingOffset,
      this.#pendingBytes,
    );
    this.#pendingOffset = -1;
  }

  /** An entry too large for our room: a block with nothing else, in memory of its own. */
  #addLarge(length: number, value: Uint8Array, valueStart: number, valueLength: number): void {
    const room = new Uint8Array(40 + length + valueLength);
    let p = putVarint(room, 0, 0);
    p = putVarint(room, p, length);
    p = putVarint(room, p, valueLength);
    room.set(this.#bytes.subarray(this.#nextAt, this.#nextAt + length), p);
    p += length;
    room.set(value.subarray(valueStart, valueStart + valueLength), p);
    p += valueLength;
    putFixed32(room, p, 0);
    putFixed32(room, p + 4, 1);
    const handle = this.#writeBlock(room, p + 8, this.#compression);
    this.#pendingOffset = handle.offset;
    this.#pendingBytes = handle.bytes;
    this.#dataBytes += handle.bytes + BLOCK_TRAILER_BYTES;
  }

  /** Writes a block that is not in the heap; `block` has room for a trailer or is copied. */
  #writeBlock(block: Uint8Array, length: number, compression: CompressionKind): BlockHandle {
    this.#flush();
    let disk = block;
    let stored = length;
    let type = 0;
    if (compression !== 'none') {
      const both = new Uint8Array(length * 2 + BLOCK_TRAILER_BYTES);
      both.set(block.subarray(0, length));
      const packed = compressBlock(heapOf(both), compression, 0, length, length, length);
      if (packed > 0) {
        disk = both.subarray(length);
        stored = packed;
        type = compressionType(compression);
      }
    }
    if (disk.length < stored + BLOCK_TRAILER_BYTES) {
      const grown = new Uint8Array(stored + BLOCK_TRAILER_BYTES);
      grown.set(disk.subarray(0, stored));
      disk = grown;
    }
    disk[stored] = type;
    putFixed32(disk, stored + 1, this.#checksum(heapOf(disk), 0, stored));
    const handle = { offset: this.#written, bytes: stored };
    this.#write(disk, 0, stored + BLOCK_TRAILER_BYTES);
    return handle;
  }

  #flush(): void {
    if (this.#outLength === 0) return;
    this.#write(this.#bytes, this.#outAt, this.#outLength);
    this.#outLength = 0;
  }

  #write(source: Uint8Array, start: number, length: number): void {
    this.#file.writeSync(source, start, length, this.#written);
    this.#hash?.update(source.subarray(start, start + length));
    this.#written += length;
  }

  /** Writes all that is left. Does not sync the file nor close it: that is the caller's. */
  finish(): BuiltTable {
    if (this.#finished) throw new SluiceError('CLOSED', `${this.#file.path}: the table was finished`);
    this.#finished = true;
    if (this.#blockEntries > 0) this.#finishBlock();
    if (this.#pendingOffset >= 0) this.#addSeparator(0);
    const meta = new BlockBuilder(1);
    const filterKeys = this.#filter?.keys ?? 0;
    const filter = this.#filter?.finish();
    if (filter !== undefined) {
      const handle = this.#writeBlock(filter, filter.length, 'none');
      meta.add(Buffer.from(META_FILTER_WRITTEN), varintBytes(handle.offset, handle.bytes));
    }
    const indexBlock = this.#index.finish();
    const index = this.#writeBlock(indexBlock, indexBlock.length, 'none');
    const properties = encodeProperties({
      external: this.#options.external,
      compression: this.#compression,
      dbId: this.#options.dbId ?? '',
      createdSeconds: this.#options.createdSeconds ?? 0,
      blocks: this.#index.blocks,
      dataBytes: this.#dataBytes,
      entries: this.#entries,
      deletes: this.#deletes,
      filterKeys,
      filterBytes: filter?.length ?? 0,
      indexBytes: index.bytes + BLOCK_TRAILER_BYTES,
      indexUserKeys: this.#index.userKeys,
      rawKeyBytes: this.#rawKeyBytes,
      rawValueBytes: this.#rawValueBytes,
    });
    const propertiesAt = this.#writeBlock(properties, properties.length, 'none');
    meta.add(Buffer.from(META_PROPERTIES), varintBytes(propertiesAt.offset, propertiesAt.bytes));
    const metaBlock = meta.finish();
    const metaindex = this.#writeBlock(metaBlock, metaBlock.length, 'none');
    const footer = new Uint8Array(FOOTER_BYTES);
    const formatVersion = FORMAT_VERSION_WRITTEN;
    putFooter(footer, 0, { formatVersion, checksumType: this.#checksumType, metaindex, index });
    this.#write(footer, 0, FOOTER_BYTES);
    return {
      bytes: this.#written,
      entries: this.#entries,
      deletes: this.#deletes,
      smallest: this.#smallest,
      largest: copyRange(this.#bytes, this.#lastAt, Math.max(0, this.#lastLength - TRAILER_BYTES)),
      minVersion: this.#entries === 0 ? NO_VERSION : this.#minVersion,
      maxVersion: this.#maxVersion,
      sha256: this.#hash?.digest('hex'),
    };
  }

  /** Gives the memory back. The file is the caller's to close and unlink. */
  abandon(): void {
    this.#finished = true;
    this.#filter?.finish();
  }
}
