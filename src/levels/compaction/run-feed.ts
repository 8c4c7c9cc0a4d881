/** One run of a merge by the kernels: its tables one after the other, block by block, through a cursor in the heap. */

import { at as elementAt } from '../../base/assert.ts';
import { putVarint } from '../../base/codec.ts';
import type { FileSystem } from '../../base/env/file-system.ts';
import { SluiceError } from '../../base/errors.ts';
import { tableName } from '../../manifest/directory.ts';
import type { TableRow } from '../../manifest/rows.ts';
import { PENDING } from '../../mvcc/cursor.ts';
import { TRAILER_BYTES } from '../../mvcc/internal-key.ts';
import { FileKey, type PrefixRewrite, WITHIN } from '../../mvcc/prefix-rewrite.ts';
import type { BlockCache } from '../../sst/block-cache.ts';
import { BlockFeed, FEED_BLOCK_BYTES } from '../../sst/block-feed.ts';
import { type BlockEntry, entriesOf } from '../../sst/block-walk.ts';
import type { Heap } from '../../sst/heap.ts';
import * as M from '../../sst/kernels/merge-state.ts';
import { Table } from '../../sst/table.ts';
import type { RunPlaces } from './merge-places.ts';
import { BlockPrefixer } from './prefixed-block.ts';

/** Three lengths before an entry. */
const HEADER_BYTES_MAX = 15;

export interface RunOptions {
  /** In key order. */
  readonly rows: readonly TableRow[];
  /** Blocks that have no key from this one on are left out. */
  readonly from: Uint8Array | undefined;
  readonly tablesDir: string;
  readonly fs: FileSystem;
  /** To open tables by. */
  readonly cache: BlockCache;
}

export class RunFeed {
  readonly cursorAt: number;
  /** Of the block loaded last, as decompressed. */
  blockBytes = 0;
  readonly #options: RunOptions;
  readonly #heap: Heap;
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;
  readonly #feed: BlockFeed;
  #next = 0;
  #table: Table | undefined;
  #path = '';
  /** Of the table, when its keys are read under another prefix. */
  #prefixer: BlockPrefixer | undefined;
  #readByCache = 0;
  /** Entries of a block that is not in the heap, and the one shown. */
  #entries: Iterator<BlockEntry> | undefined;
  #entry: BlockEntry | undefined;
  #entryBytes: Uint8Array;

  constructor(options: RunOptions, heap: Heap, cursorAt: number, places: RunPlaces) {
    this.#options = options;
    this.#heap = heap;
    this.#entryBytes = heap.bytes;
    this.cursorAt = cursorAt;
    this.#words = new Uint32Array(heap.bytes.buffer, cursorAt, M.CURSOR_WORDS);
    this.#words.fill(0);
    this.#words[M.CURSOR_KEY] = places.key;
    this.#doubles = new Float64Array(heap.bytes.buffer, cursorAt, M.CURSOR_WORDS >>> 1);
    this.#feed = new BlockFeed(heap, places.feed);
  }

  get bytesRead(): number {
    return this.#feed.readBytes + this.#readByCache;
  }

  /** The table that the entry shown is of. */
  get path(): string {
    return this.#path;
  }

  /** The user key of the entry shown, in the heap; likewise its trailer, with the global version applied. */
  get keyAt(): number {
    return this.#words[M.CURSOR_KEY] as number;
  }

  get keyLength(): number {
    return (this.#words[M.CURSOR_KEY_LENGTH] as number) - TRAILER_BYTES;
  }

  get trailerAt(): number {
    return this.cursorAt + M.CURSOR_TRAILER * 4;
  }

  /** Its value, wherever that is. */
  get valueBytes(): Uint8Array {
    return this.#entry === undefined ? this.#heap.bytes : this.#entryBytes;
  }

  get valueStart(): number {
    return this.#entry?.valueStart ?? (this.#words[M.CURSOR_VALUE] as number);
  }

  get valueLength(): number {
    return this.#entry?.valueLength ?? (this.#words[M.CURSOR_VALUE_LENGTH] as number);
  }

  /** Loads the next block for the cursor; false when the run has ended. PENDING: its next table has to be opened first. */
  advance(): boolean | typeof PENDING {
    const words = this.#words;
    this.#entry = undefined;
    words[M.CURSOR_VALUE_OUTSIDE] = 0;
    for (;;) {
      const entry = this.#entries?.next();
      if (entry !== undefined && entry.done !== true) {
        this.#showAlone(entry.value);
        return true;
      }
      this.#entries = undefined;
      if (this.#table !== undefined && this.#feed.next()) {
        const { start, limit, own } = this.#feed;
        if (own === undefined) {
          if (this.#loadBlock(start, limit)) return true;
        } else {
          this.#entryBytes = own.bytes;
          this.#entries = entriesOf(own);
        }
      } else {
        this.close();
        if (this.#next < this.#options.rows.length) return PENDING;
        words[M.CURSOR_STATUS] = M.ENDED;
        return false;
      }
    }
  }

  close(): void {
    this.#table?.dispose();
    this.#table = undefined;
  }

  /** False: with the prefix it is too large for the room, so its entries are shown one by one. */
  #loadBlock(start: number, limit: number): boolean {
    const prefixer = this.#prefixer;
    if (prefixer === undefined) {
      this.#load(start, limit);
      return true;
    }
    const { bytes } = this.#heap;
    const { roomAt } = this.#feed;
    if (prefixer.roomFor(bytes, start, limit) > FEED_BLOCK_BYTES) {
      const own = bytes.slice(start, limit);
      this.#entryBytes = own;
      this.#entries = entriesOf({ bytes: own, start: 0, restartsAt: own.length, restartCount: 0 });
      return false;
    }
    // At the end of the room, from where it is written to the beginning; a chunk has blocks to come and is left as it is.
    const length = limit - start;
    const from = roomAt + FEED_BLOCK_BYTES - length;
    bytes.copyWithin(from, start, limit);
    this.#load(roomAt, prefixer.write(bytes, from, from + length, roomAt));
    return true;
  }

  #load(start: number, limit: number): void {
    this.#words[M.CURSOR_AT] = start;
    this.#words[M.CURSOR_LIMIT] = limit;
    this.#words[M.CURSOR_STATUS] = M.LOADED;
    this.blockBytes = limit - start;
  }

  /** REQUIRES: `advance` is PENDING. */
  async openNext(): Promise<void> {
    const { rows, from, tablesDir, fs, cache } = this.#options;
    const row = elementAt(rows, this.#next++);
    const path = `${tablesDir}/${tableName(row.id)}`;
    const readBefore = cache.readBytes;
    this.#table = new Table({ path, fs, cache, forMerge: true });
    this.#path = path;
    this.#prefixer = row.prefix && new BlockPrefixer(row.prefix, path);
    const state = await this.#table.open();
    this.#feed.enter(state, row.prefix === undefined ? from : fileKeyOf(from, row.prefix));
    this.#readByCache += cache.readBytes - readBefore;
    // The version that the manifest gives the table is baked into the keys that come out.
    this.#words[M.CURSOR_HAS_GLOBAL_VERSION] = row.globalVersion === undefined ? 0 : 1;
    this.#doubles[M.CURSOR_GLOBAL_VERSION / 2] = row.globalVersion ?? 0;
  }

  /** An entry of a block that is not in the heap becomes a block by itself; without its value, where that is too large. */
  #showAlone(entry: BlockEntry): void {
    const { valueStart, valueLength } = entry;
    const key = this.#prefixer?.key(entry.key) ?? entry.key;
    if (HEADER_BYTES_MAX + key.length > FEED_BLOCK_BYTES) {
      throw new SluiceError('INVALID_KEY', `${this.#path}: a key of ${key.length} bytes; 65,535 are allowed`);
    }
    const { bytes } = this.#heap;
    const isOutside = HEADER_BYTES_MAX + key.length + valueLength > FEED_BLOCK_BYTES;
    const start = this.#feed.roomAt;
    let p = putVarint(bytes, start, 0);
    p = putVarint(bytes, p, key.length);
    p = putVarint(bytes, p, isOutside ? 0 : valueLength);
    bytes.set(key, p);
    p += key.length;
    if (!isOutside) {
      bytes.set(this.#entryBytes.subarray(valueStart, valueStart + valueLength), p);
      p += valueLength;
    }
    this.#load(start, p);
    this.blockBytes = key.length + valueLength;
    this.#words[M.CURSOR_VALUE_OUTSIDE] = isOutside ? 1 : 0;
    if (isOutside) this.#entry = entry;
  }
}

/** undefined: its first key is as good; blocks that are before the range after all are merged and left out. */
function fileKeyOf(key: Uint8Array | undefined, prefix: PrefixRewrite): Uint8Array | undefined {
  if (key === undefined) return undefined;
  const fileKey = new FileKey(prefix);
  if (fileKey.set(key, 0, key.length) !== WITHIN) return undefined;
  return fileKey.bytes.slice(fileKey.start, fileKey.start + fileKey.length);
}
