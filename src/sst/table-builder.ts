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
import { putFixed32, putVarint } from '../base/codec.ts';
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
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import type { CompressionKind } from './compression.ts';
import { DataBlockBuilder } from './data-block-builder.ts';
import { FilterBuilder } from './filter.ts';
import { putFooter } from './footer.ts';
import {
  CHECKSUM_NAMES,
  type ChecksumName,
  FOOTER_BYTES,
  FORMAT_VERSION_WRITTEN,
  META_FILTER_WRITTEN,
  META_PROPERTIES,
} from './format.ts';
import { createHeap, type Heap } from './heap.ts';
import { IndexBuilder } from './index-builder.ts';
import { KERNEL_RESERVED_BYTES } from './kernels/wasm-kernels.ts';
import { encodeProperties } from './property-builder.ts';
import { TableOutput, WRITE_BYTES } from './table-output.ts';

const KEY_ROOM = 65536;
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
  readonly #checksumType: number;
  readonly #options: TableBuilderOptions;
  readonly #filter: FilterBuilder | undefined;
  readonly #index = new IndexBuilder();
  readonly #hash: Hash | undefined;

  /** Where the last key and the next one are, in turns; internal keys. */
  #lastAt: number;
  #nextAt: number;
  #lastLength = 0;
  /** The last block was written and waits for the key after it to get its separator. */
  #pendingOffset = -1;
  #pendingBytes = 0;
  readonly #output: TableOutput;
  readonly #block: DataBlockBuilder;
  #separator = new Uint8Array(256);
  #following = new Uint8Array(256);

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
    const blockBytes = options.blockBytes ?? 4096;
    this.#checksumType = CHECKSUM_NAMES.indexOf(options.checksum ?? 'xxh3');
    this.#heap = options.heap ?? createHeap(builderHeapBytes(blockBytes));
    this.#bytes = this.#heap.bytes;
    const bits = options.filterBitsPerKey ?? 10;
    this.#filter = bits > 0 ? new FilterBuilder(bits) : undefined;
    this.#lastAt = KERNEL_RESERVED_BYTES;
    this.#nextAt = this.#lastAt + KEY_ROOM + 32;
    const blockAt = this.#nextAt + KEY_ROOM + 32;
    const blockLimit = blockAt + blockRoom(blockBytes);
    this.#block = new DataBlockBuilder(this.#bytes, blockAt, blockLimit, blockBytes);
    const hash = options.sha256 ? createHash('sha256') : undefined;
    this.#hash = hash;
    this.#output = new TableOutput(file, this.#heap, blockLimit, this.#checksumType, hash);
  }

  get entries(): number {
    return this.#entries;
  }

  /** What the file would have if it were finished now, without index and filter. */
  get bytes(): number {
    return this.#output.bytes + this.#block.bytes;
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

    if (this.#block.entries > 0 && this.#block.isFull(length, valueLength)) this.#finishBlock();
    if (this.#pendingOffset >= 0) this.#addSeparator(length);
    if (this.#filter !== undefined) {
      const low = this.#heap.kernels.keyHash(next, keyLength);
      this.#filter.add(low, this.#heap.kernels.keyHashHigh);
    }
    if (!this.#block.fits(length, valueLength)) this.#addLarge(length, value, valueStart, valueLength);
    else this.#block.add(next, shared, length, value, valueStart, valueLength);

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
        ? `key ${next} comes twice; each key may be added once`
        : `version ${version} of key ${next} does not come after a newer one`;
    throw new SluiceError('NOT_SORTED', `${this.#file.path}: ${message}`);
  }

  /** Writes the block being built; its index entry waits for the next key. */
  #finishBlock(): void {
    this.#pendingOffset = this.#output.bytes;
    this.#pendingBytes = this.#output.append(this.#block.start, this.#block.finish(), this.#compression);
    this.#dataBytes += this.#pendingBytes + BLOCK_TRAILER_BYTES;
    this.#block.reset();
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
    const handle = this.#output.write(room, p + 8, this.#compression);
    this.#pendingOffset = handle.offset;
    this.#pendingBytes = handle.bytes;
    this.#dataBytes += handle.bytes + BLOCK_TRAILER_BYTES;
  }

  /** Writes all that is left. Does not sync the file nor close it: that is the caller's. */
  finish(): BuiltTable {
    if (this.#finished) throw new SluiceError('CLOSED', `${this.#file.path}: the table was finished`);
    this.#finished = true;
    if (this.#block.entries > 0) this.#finishBlock();
    if (this.#pendingOffset >= 0) this.#addSeparator(0);
    const meta = new BlockBuilder(1);
    const filterKeys = this.#filter?.keys ?? 0;
    const filter = this.#filter?.finish();
    if (filter !== undefined) {
      const handle = this.#output.write(filter, filter.length, 'none');
      meta.add(Buffer.from(META_FILTER_WRITTEN), varintBytes(handle.offset, handle.bytes));
    }
    const indexBlock = this.#index.finish();
    const index = this.#output.write(indexBlock, indexBlock.length, 'none');
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
    const propertiesAt = this.#output.write(properties, properties.length, 'none');
    meta.add(Buffer.from(META_PROPERTIES), varintBytes(propertiesAt.offset, propertiesAt.bytes));
    const metaBlock = meta.finish();
    const metaindex = this.#output.write(metaBlock, metaBlock.length, 'none');
    const footer = new Uint8Array(FOOTER_BYTES);
    const formatVersion = FORMAT_VERSION_WRITTEN;
    putFooter(footer, 0, { formatVersion, checksumType: this.#checksumType, metaindex, index });
    this.#output.end(footer);
    return {
      bytes: this.#output.bytes,
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
