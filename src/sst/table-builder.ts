/**
 * Writes a table, format_version 5, block by block as its entries come in key order. Blocks, index and filter are byte
 * for byte what RocksDB 7.8 writes for the same options. Nothing is allocated per entry.
 *
 *   heap: kernels' own | entries and the block being built | output, written when 512 KiB are full
 *
 * Memory grows with the number of keys by 8 bytes (filter hashes) and with the number of blocks (index).
 */

import { createHash, type Hash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { copyRange, EMPTY_BYTES } from '../base/bytes.ts';
import { fixed32 } from '../base/codec.ts';
import type { File } from '../base/env/file-system.ts';
import { SluiceError } from '../base/errors.ts';
import {
  type EntryType,
  KEY_BYTES_MAX,
  putTrailer,
  TRAILER_BYTES,
  TYPE_DELETE,
  TYPE_VALUE,
  trailerVersion,
  VALUE_BYTES_MAX,
} from '../mvcc/internal-key.ts';
import { NO_VERSION, type Version } from '../mvcc/version.ts';
import { BlockBuilder, varintBytes } from './block-builder.ts';
import type { BuiltBlocks, CutBlock, StagedRecords, TableTotals } from './built-blocks.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import type { CompressionKind } from './compression.ts';
import { DataBlockBuilder, dataBlockBuilderBytes, type Sealing, sealingOf } from './data-block-builder.ts';
import { notSorted } from './entry-order.ts';
import { FilterBuilder } from './filter.ts';
import { putFooter } from './footer.ts';
import {
  type ChecksumName,
  FOOTER_BYTES,
  FORMAT_VERSION_WRITTEN,
  META_FILTER_WRITTEN,
  META_PROPERTIES,
} from './format.ts';
import { giveHeapBack, type Heap, takeHeap } from './heap.ts';
import { IndexBuilder } from './index-builder.ts';
import { STORED_ROOM } from './kernels/js-encode-blocks.ts';
import { KERNEL_RESERVED_BYTES } from './kernels/wasm-kernels.ts';
import { loneBlock } from './lone-block.ts';
import { encodeProperties } from './property-builder.ts';
import { TableOutput, WRITE_BYTES } from './table-output.ts';

/** A heap that nothing else uses meanwhile, from `heapAt` on: `builderHeapBytes(blockBytes)` of it. */
export interface TableHeap {
  readonly heap: Heap;
  /** A multiple of 8; KERNEL_RESERVED_BYTES when missing. */
  readonly heapAt?: number;
}

export interface TableBuilderOptions extends Partial<TableHeap> {
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
}

export interface BuiltTable extends Omit<TableTotals, 'keyBytes' | 'valueBytes'> {
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string | undefined;
}

/** How large a heap has to be in which a builder has what lies from `heapAt` on. */
export function builderHeapBytes(blockBytes = 4096, heapAt = KERNEL_RESERVED_BYTES): number {
  const blocks = dataBlockBuilderBytes(blockBytes);
  // The output has room for one more block than is written at a time.
  return heapAt + blocks * 2 + WRITE_BYTES + 4096;
}

export class TableBuilder {
  readonly #file: File;
  /** Not the caller's own: it goes back when the table is finished or abandoned. */
  #takenHeap: Heap | undefined;
  readonly #bytes: Uint8Array;
  readonly #sealing: Sealing;
  readonly #options: TableBuilderOptions;
  readonly #filter: FilterBuilder | undefined;
  readonly #index = new IndexBuilder();
  readonly #hash: Hash | undefined;
  readonly #output: TableOutput;
  readonly #block: DataBlockBuilder;

  #entries = 0;
  /** The last internal key that was added, in the heap. */
  #lastAt = 0;
  #lastLength = 0;
  /** The last block was stored by itself and waits for the key after it to get its separator. */
  #pending: { readonly last: Uint8Array; readonly offset: number; readonly stored: number } | undefined;
  #smallest: Uint8Array = EMPTY_BYTES;
  #finished = false;

  constructor(file: File, options: TableBuilderOptions) {
    this.#file = file;
    this.#options = options;
    const blockBytes = options.blockBytes ?? 4096;
    this.#sealing = sealingOf(options.compression, options.checksum);
    const heap = options.heap ?? takeHeap(builderHeapBytes(blockBytes));
    this.#takenHeap = options.heap === undefined ? heap : undefined;
    this.#bytes = heap.bytes;
    const bits = options.filterBitsPerKey ?? 10;
    this.#filter = bits > 0 ? new FilterBuilder(bits) : undefined;
    const blockAt = options.heapAt ?? KERNEL_RESERVED_BYTES;
    const blockLimit = blockAt + dataBlockBuilderBytes(blockBytes);
    this.#block = new DataBlockBuilder(heap, blockAt, {
      blockBytes,
      ...this.#sealing,
      wantsHashes: bits > 0,
    });
    this.#hash = options.sha256 ? createHash('sha256') : undefined;
    const room = { heap, start: blockLimit, limit: builderHeapBytes(blockBytes, blockAt) };
    this.#output = new TableOutput(file, room, this.#sealing.checksumType, this.#hash);
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
    if (this.#entries === 0) this.#smallest = copyRange(key, keyStart, keyLength);
    else this.#checkOrder(key, keyStart, keyLength, version);

    const block = this.#block;
    const length = keyLength + TRAILER_BYTES;
    if (block.fits(length, valueLength)) {
      if (!block.hasRoom(length, valueLength)) this.encodeStaged();
      this.#lastAt = block.stage(key, keyStart, keyLength, version, type, value, valueStart, valueLength);
    } else {
      const internal = new Uint8Array(length);
      internal.set(key.subarray(keyStart, keyStart + keyLength));
      putTrailer(internal, keyLength, version, type);
      this.#addLarge(internal, value, valueStart, valueLength);
    }
    this.#lastLength = length;
    this.#entries++;
  }

  #checkOrder(key: Uint8Array, keyStart: number, keyLength: number, version: Version): void {
    const bytes = this.#bytes;
    const last = this.#lastAt;
    const lastUser = this.#lastLength - TRAILER_BYTES;
    const n = keyLength < lastUser ? keyLength : lastUser;
    let i = 0;
    while (i < n && bytes[last + i] === key[keyStart + i]) i++;
    if (i < n) {
      if ((key[keyStart + i] as number) < (bytes[last + i] as number))
        this.#notSorted(key, keyStart, keyLength, version);
    } else if (keyLength < lastUser) this.#notSorted(key, keyStart, keyLength, version);
    else if (keyLength === lastUser) {
      // The versions of a key descend.
      const newer = trailerVersion(bytes, last + keyLength);
      if (this.#options.external || version >= newer) this.#notSorted(key, keyStart, keyLength, version);
    }
  }

  /** Whoever has entries in the heap may stage them itself as records: from here … */
  get stagedAt(): number {
    return this.#block.stagedAt;
  }

  /** … to here at most; what has more bytes of internal key and value than `recordBytesMax` is to be added. */
  get stageEnd(): number {
    return this.#block.stageEnd;
  }

  get recordBytesMax(): number {
    return this.#block.recordBytesMax;
  }

  /**
   * `entries` were staged as records from `stagedAt` to `end`, sorted and after all others, and all as `add` would take
   * them; the internal key of the last one is at `lastAt`.
   */
  addStaged(end: number, entries: number, lastAt: number, lastLength: number): void {
    const block = this.#block;
    if (this.#entries === 0) {
      this.#smallest = copyRange(
        this.#bytes,
        block.nextAt,
        fixed32(this.#bytes, block.stagedAt) - TRAILER_BYTES,
      );
    }
    block.staged(end);
    this.#entries += entries;
    this.#lastAt = lastAt;
    this.#lastLength = lastLength;
  }

  /** Adds entries that were staged as records elsewhere, as `addStaged` takes them; one may be as large as a value may. */
  addRecords({ bytes, length, entries, lastAt, lastLength }: StagedRecords): void {
    const block = this.#block;
    if (length > block.stageEnd - block.stagedAt) this.encodeStaged();
    const at = block.stagedAt;
    if (length <= block.stageEnd - at) {
      this.#bytes.set(bytes.subarray(0, length), at);
      this.addStaged(at + length, entries, at + lastAt, lastLength);
      return;
    }
    assert(entries === 1, 'what does not fit is one large entry');
    const user = lastLength - TRAILER_BYTES;
    const trailer = lastAt + user;
    const value = trailer + TRAILER_BYTES;
    const type = bytes[trailer] === TYPE_DELETE ? TYPE_DELETE : TYPE_VALUE;
    this.add(bytes, lastAt, user, trailerVersion(bytes, trailer), type, bytes, value, length - value);
  }

  /** Encodes what is staged, and stores the blocks that fill: there is room again. */
  encodeStaged(): void {
    const block = this.#block;
    if (this.#pending !== undefined && block.hasStaged) {
      this.#addPending(copyRange(this.#bytes, block.nextAt, block.nextLength));
    }
    for (;;) {
      const offset = this.#output.bytes;
      const outcome = block.encode(this.#output);
      this.#filter?.addAll(block.takeHashes());
      const records = block.takeIndexRecords();
      this.#index.addRecords(this.#bytes, records.at, records.end, offset);
      if (outcome === 'done') break;
      if (outcome === 'block') this.#storeBlock(copyRange(this.#bytes, block.nextAt, block.nextLength));
    }
    this.#lastAt = block.lastAt;
  }

  /**
   * Stores blocks that were built elsewhere (block-encoder.ts), as they come from there: all of a table are, or none.
   * What is told of its entries comes with `finish`.
   */
  addBlocks({ sealed, bytes, index, hashes }: BuiltBlocks): void {
    this.#output.reserve(bytes.length + STORED_ROOM);
    const offset = this.#output.bytes;
    if (sealed) {
      this.#output.copy(bytes);
      this.#index.addRecords(index, 0, index.length, offset);
    } else {
      const { at, end } = this.#block.store(this.#output, bytes, index);
      this.#index.addRecords(this.#bytes, at, end, offset);
    }
    this.#filter?.addAll(hashes);
  }

  /** As `addBlocks`. */
  addBlock({ raw, last, next }: CutBlock): void {
    const { offset, bytes } = this.#output.write(raw, raw.length, this.#sealing.compression);
    this.#index.add(last, next, offset, bytes);
  }

  #notSorted(key: Uint8Array, keyStart: number, keyLength: number, version: Version): never {
    const last = { bytes: this.#bytes, start: this.#lastAt, length: this.#lastLength - TRAILER_BYTES };
    const place = { bytes: key, start: keyStart, length: keyLength };
    throw notSorted(this.#file.path, place, last, version, this.#options.external);
  }

  /** Stores the block being built; `next`: the internal key after it, if there is one. */
  #storeBlock(next: Uint8Array | undefined): void {
    const { start, lastAt, lastLength } = this.#block;
    const offset = this.#output.bytes;
    const stored = this.#output.append(start, this.#block.finish(), this.#sealing.compression);
    this.#block.reset();
    this.#index.add(copyRange(this.#bytes, lastAt, lastLength), next, offset, stored);
  }

  #addPending(next: Uint8Array | undefined): void {
    if (this.#pending === undefined) return;
    const { last, offset, stored } = this.#pending;
    this.#index.add(last, next, offset, stored);
    this.#pending = undefined;
  }

  /** An entry too large for our room: a block with nothing else, in memory of its own. */
  #addLarge(key: Uint8Array, value: Uint8Array, valueStart: number, valueLength: number): void {
    this.encodeStaged();
    if (this.#block.entries > 0) this.#storeBlock(key);
    this.#addPending(key);
    const block = loneBlock(key, value.subarray(valueStart, valueStart + valueLength));
    const { offset, bytes: stored } = this.#output.write(block, block.length, this.#sealing.compression);
    this.#pending = { last: key, offset, stored };
    this.#block.addedOutside(key, valueLength);
    this.#lastAt = this.#block.lastAt;
  }

  get #totals(): TableTotals {
    const { deletes, keyBytes, valueBytes } = this.#block.totals;
    return {
      entries: this.#entries,
      deletes,
      keyBytes,
      valueBytes,
      smallest: this.#smallest,
      largest: copyRange(this.#bytes, this.#lastAt, Math.max(0, this.#lastLength - TRAILER_BYTES)),
      minVersion: this.#entries === 0 ? NO_VERSION : this.#block.minVersion,
      maxVersion: this.#block.maxVersion,
    };
  }

  /**
   * Writes all that is left. Does not sync the file nor close it: that is the caller's. `elsewhere`: of entries whose blocks
   * were built there.
   */
  finish(elsewhere?: TableTotals): BuiltTable {
    if (this.#finished) throw new SluiceError('CLOSED', `${this.#file.path}: the table was finished`);
    this.#finished = true;
    this.encodeStaged();
    if (this.#block.entries > 0) this.#storeBlock(undefined);
    this.#addPending(undefined);
    const dataBytes = this.#output.bytes;
    const { keyBytes, valueBytes, ...facts } = elsewhere ?? this.#totals;
    const meta = new BlockBuilder(1);
    const filterKeys = this.#filter?.keys ?? 0;
    const filter = this.#filter?.finish(this.#output.takeRoom());
    if (filter !== undefined) {
      const handle = this.#output.writeInPlace(filter);
      if (filter.taken !== undefined) giveHeapBack(filter.taken);
      meta.add(Buffer.from(META_FILTER_WRITTEN), varintBytes(handle.offset, handle.bytes));
    }
    const indexBlock = this.#index.finish();
    const index = this.#output.write(indexBlock, indexBlock.length, 'none');
    const properties = encodeProperties({
      external: this.#options.external,
      compression: this.#sealing.compression,
      dbId: this.#options.dbId ?? '',
      createdSeconds: this.#options.createdSeconds ?? 0,
      blocks: this.#index.blocks,
      dataBytes,
      entries: facts.entries,
      deletes: facts.deletes,
      filterKeys,
      filterBytes: filter?.length ?? 0,
      indexBytes: index.bytes + BLOCK_TRAILER_BYTES,
      indexUserKeys: this.#index.userKeys,
      rawKeyBytes: keyBytes,
      rawValueBytes: valueBytes,
    });
    const propertiesAt = this.#output.write(properties, properties.length, 'none');
    meta.add(Buffer.from(META_PROPERTIES), varintBytes(propertiesAt.offset, propertiesAt.bytes));
    const metaBlock = meta.finish();
    const metaindex = this.#output.write(metaBlock, metaBlock.length, 'none');
    const footer = new Uint8Array(FOOTER_BYTES);
    const { checksumType } = this.#sealing;
    putFooter(footer, 0, { formatVersion: FORMAT_VERSION_WRITTEN, checksumType, metaindex, index });
    this.#output.end(footer);
    const built = { ...facts, bytes: this.#output.bytes, sha256: this.#hash?.digest('hex') };
    this.#giveHeapBack();
    return built;
  }

  /** Gives the memory back. The file is the caller's to close and unlink. */
  abandon(): void {
    this.#finished = true;
    this.#filter?.clear();
    this.#index.abandon();
    this.#giveHeapBack();
  }

  #giveHeapBack(): void {
    if (this.#takenHeap !== undefined) giveHeapBack(this.#takenHeap);
    this.#takenHeap = undefined;
  }
}
