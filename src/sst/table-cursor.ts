/**
 * A cursor over one table, both ways.
 *
 * Forward, the key is rebuilt in one buffer, entry by entry. Backward, entries can only be read from a restart point on:
 * those before the position are kept (ReverseKeys), so that a step back is a step through them.
 *
 * Longer than 400 lines because position, pins and what a PENDING call left behind are one state that all moves share.
 */

import { copyInto, copyRange, equalRanges } from '../base/bytes.ts';
import { fixed32 } from '../base/codec.ts';
import { type Cursor, PENDING, READY, type Status } from '../mvcc/cursor.ts';
import type { Gathering } from '../mvcc/gathering.ts';
import { type EntryType, TYPE_DELETE, trailerVersion } from '../mvcc/internal-key.ts';
import { NO_VERSION, type Version } from '../mvcc/version.ts';
import {
  FRAME_RESTART_COUNT,
  FRAME_RESTARTS_AT,
  FRAME_WORDS,
  PLACE_MARKS,
  PLACE_WORDS,
  USED,
} from './block-arena.ts';
import type { BlockCache, OwnBlock } from './block-cache.ts';
import { loadBlock, loadBlockSync } from './block-load.ts';
import { restartBefore } from './data-block.ts';
import { LAST_KEY } from './kernels/wasm-kernels.ts';
import { ReverseKeys } from './reverse-keys.ts';
import type { TableState } from './table-state.ts';

const NO_BLOCK = -1;
/** From the third block in a row on, a cursor is taken for a scan, which reads ahead: so much, then twice that, up to … */
const SCAN_BLOCKS = 2;
const READAHEAD_BYTES_MIN = 8192;
const READAHEAD_BYTES_MAX = 262144;

/** What a cursor needs of its table. */
export interface CursorTable {
  readonly cache: BlockCache;
  readonly state: TableState | undefined;
  openSync(): TableState;
  open(): Promise<TableState>;
}

export class TableCursor implements Cursor {
  valid = false;
  keyBytes: Uint8Array = new Uint8Array(64);
  keyStart = 0;
  keyLength = 0;
  version: Version = NO_VERSION;
  type: EntryType = TYPE_DELETE;
  valueBytes: Uint8Array;
  valueStart = 0;
  valueLength = 0;

  readonly #table: CursorTable;
  readonly #globalVersion: Version | undefined;
  readonly #readaheadBytes: number;
  readonly #cold: boolean;
  #state: TableState | undefined;

  /** The current block, pinned while it is in the cache. */
  #block = NO_BLOCK;
  #frame = 0;
  /** It, when it is not in the cache. */
  #own: OwnBlock | undefined;
  #blockStart = 0;
  #restartsAt = 0;
  #restartCount = 0;
  /** The current entry and the one after it; `#key` is the internal key of the current one when `#forward`. */
  #entryAt = 0;
  #nextAt = 0;
  #key: Uint8Array;
  #keyLength = 0;
  #forward = true;
  /** How many blocks it has gone on to since it last sought its place. */
  #inARow = 0;
  #readaheadNextBytes = READAHEAD_BYTES_MIN;

  /** What the last PENDING lacked, and what `load` brought for it. */
  #wanted = NO_BLOCK;
  #loaded = NO_BLOCK;
  #loadedFrame = 0;
  #loadedOwn: OwnBlock | undefined;

  /** The position before a seek, while the seek may still end PENDING. */
  #savedBlock = NO_BLOCK;
  #savedFrame = 0;
  #savedOwn: OwnBlock | undefined;
  #savedEntry = 0;
  #skip: { readonly key: Uint8Array; readonly bound: number; readonly to: number } | undefined;

  readonly #reverse = new ReverseKeys();

  constructor(
    table: CursorTable,
    globalVersion: Version | undefined,
    readaheadBytes: number,
    fillCache: boolean,
  ) {
    this.#table = table;
    this.#globalVersion = globalVersion;
    this.#readaheadBytes = readaheadBytes;
    this.#cold = !fillCache;
    this.#key = this.keyBytes;
    this.valueBytes = table.cache.heap.bytes;
  }

  first(): Status {
    this.#sought();
    const state = this.#open();
    if (state === undefined) return PENDING;
    if (state.index.blocks === 0) return this.#end();
    if (!this.#enter(state, 0)) return PENDING;
    return this.#toFirstEntry();
  }

  last(): Status {
    const state = this.#open();
    if (state === undefined) return PENDING;
    const last = state.index.blocks - 1;
    if (last < 0) return this.#end();
    if (!this.#enter(state, last)) return PENDING;
    return this.#toLastEntry();
  }

  seek(key: Uint8Array, keyStart: number, keyLength: number, version: Version): Status {
    this.#sought();
    const state = this.#open();
    if (state === undefined) return PENDING;
    const global = this.#globalVersion;
    // With a global version no entry of the key is at or below an older version, and all are otherwise.
    const bound = global === undefined ? version : version >= global ? Number.POSITIVE_INFINITY : -1;
    const block = state.index.search(key, keyStart, keyLength, bound);
    if (block >= state.index.blocks) return this.#end();
    if (this.#skips(key, keyStart, keyLength, bound, block + 1) && this.#enter(state, block + 1)) {
      return this.#toFirstEntry();
    }
    this.#save();
    if (!this.#enter(state, block)) return this.#pending();
    if (this.#seekInBlock(key, keyStart, keyLength, bound)) return this.#moved();
    // After all entries of the block, yet not after its separator.
    if (this.#enterNext(state) === READY) return this.#moved();
    this.#skip = { key: copyRange(key, keyStart, keyLength), bound, to: block + 1 };
    return this.#pending();
  }

  seekBefore(key: Uint8Array, keyStart: number, keyLength: number, inclusive: boolean): Status {
    const state = this.#open();
    if (state === undefined) return PENDING;
    const bound = inclusive ? -1 : Number.POSITIVE_INFINITY;
    const block = state.index.search(key, keyStart, keyLength, bound);
    if (block >= state.index.blocks) return this.last();
    if (this.#skips(key, keyStart, keyLength, bound, block - 1) && this.#enter(state, block - 1)) {
      return this.#toLastEntry();
    }
    this.#save();
    if (!this.#enter(state, block)) return this.#pending();
    if (!this.#seekInBlock(key, keyStart, keyLength, bound)) this.#toLastEntry();
    else if (this.prev() === PENDING) {
      this.#skip = { key: copyRange(key, keyStart, keyLength), bound, to: block - 1 };
      return this.#pending();
    }
    return this.#moved();
  }

  next(): Status {
    if (!this.#forward) this.#turnForward();
    if (this.#nextAt < this.#restartsAt) {
      this.#step();
      return READY;
    }
    const state = this.#state as TableState;
    return this.#enterNext(state);
  }

  prev(): Status {
    const state = this.#state as TableState;
    if (this.#forward || this.#reverse.left === 0) {
      if (this.#entryAt === this.#blockStart) {
        if (this.#block === 0) return this.#end();
        if (!this.#enter(state, this.#block - 1)) return PENDING;
        return this.#toLastEntry();
      }
      this.#collectBefore(this.#entryAt);
    }
    this.#stepBack();
    return READY;
  }

  /** Block after block, as long as they are in the cache: nothing is loaded meanwhile, so only the last is pinned. */
  gather(gathering: Gathering): boolean {
    const state = this.#state as TableState;
    if (!this.#forward || this.#own !== undefined) return false;
    const global = this.#globalVersion;
    // A transaction's own tables have a global version: without one, all are versions of commits.
    const bound =
      global === undefined ? gathering.snapshot : gathering.sees(global) ? Number.POSITIVE_INFINITY : -1;
    const { cache } = this.#table;
    const { gatherer, arena } = cache;
    if (!gatherer.begin(gathering, bound, this.#key, this.#keyLength)) return false;
    let stoodIn = NO_BLOCK;
    let { entryAt, nextAt, valueAt, valueLength } = gatherer;
    let at = this.#nextAt;
    let limit = this.#restartsAt;
    for (let block = this.#block; ; block++) {
      const ended = gatherer.run(at, limit, this.#endsBefore(state, block, gathering));
      if (gatherer.entryAt !== 0) {
        ({ entryAt, nextAt, valueAt, valueLength } = gatherer);
        if (block !== this.#block) {
          this.#inARow++;
          cache.hits++;
        }
        stoodIn = block;
      }
      const frame = ended && block + 1 < state.index.blocks ? (state.slots[block + 1] as number) : 0;
      if (frame === 0) break;
      at = arena.places[frame * PLACE_WORDS] as number;
      limit = arena.frames[frame * FRAME_WORDS + FRAME_RESTARTS_AT] as number;
    }
    gatherer.finish(gathering);
    if (stoodIn === NO_BLOCK) return false;
    if (stoodIn !== this.#block) {
      this.#setBlock(stoodIn, state.slots[stoodIn] as number, undefined);
      this.#dropLoaded();
    }
    this.#entryAt = entryAt;
    this.#nextAt = nextAt;
    const length = gatherer.keyLength;
    if (length > this.#key.length) this.#growKey(length);
    copyInto(cache.heap.bytes, LAST_KEY, length, this.#key, 0);
    this.#keyLength = length;
    this.#publish(this.#key, length, valueAt, valueLength);
    return true;
  }

  /** Whether the whole block is before the end of the run, as far as its separator tells. */
  #endsBefore(state: TableState, block: number, gathering: Gathering): boolean {
    if (!gathering.hasEnd) return true;
    const { endBytes, endStart, endLength } = gathering;
    return state.index.compareSeparator(block, endBytes, endStart, endLength) < 0;
  }

  loadSync(): void {
    if (this.#state === undefined) this.#adopt(this.#table.openSync());
    if (this.#wanted === NO_BLOCK) return;
    const state = this.#state as TableState;
    const own = loadBlockSync(this.#table.cache, state, this.#wanted, this.#readahead(), this.#readsCold());
    this.#keep(state, this.#wanted, own);
  }

  async load(): Promise<void> {
    if (this.#state === undefined) {
      await this.#table.open();
      this.#adopt(this.#table.openSync());
    }
    const state = this.#state as TableState;
    const block = this.#wanted;
    if (block === NO_BLOCK) return;
    state.retain();
    try {
      await loadBlock(this.#table.cache, state, block, this.#readahead(), this.#readsCold(), (own) => {
        // Not when the cursor was closed meanwhile.
        if (this.#state === state) this.#keep(state, block, own);
      });
    } finally {
      state.release();
    }
  }

  get #isScan(): boolean {
    return this.#inARow >= SCAN_BLOCKS;
  }

  #readahead(): number {
    if (this.#readaheadBytes > 0) return this.#readaheadBytes;
    if (!this.#isScan || this.#wanted !== this.#block + 1) return 0;
    const bytes = this.#readaheadNextBytes;
    this.#readaheadNextBytes = Math.min(bytes * 2, READAHEAD_BYTES_MAX);
    return bytes;
  }

  /** A scan pushes nothing out of a full cache; one that has room keeps what it brings. */
  #readsCold(): boolean {
    return this.#cold || (this.#isScan && this.#table.cache.arena.evictions > 0);
  }

  close(): void {
    this.valid = false;
    this.#dropLoaded();
    this.#leave();
    this.#state?.release();
    this.#state = undefined;
  }

  #sought(): void {
    this.#inARow = 0;
    this.#readaheadNextBytes = READAHEAD_BYTES_MIN;
  }

  #open(): TableState | undefined {
    const state = this.#state;
    if (state !== undefined) return state;
    this.#wanted = NO_BLOCK;
    const open = this.#table.state;
    if (open !== undefined) this.#adopt(open);
    return open;
  }

  #adopt(state: TableState): void {
    if (this.#state !== undefined) return;
    state.retain();
    state.used = true;
    this.#state = state;
  }

  #keep(state: TableState, block: number, own: OwnBlock | undefined): void {
    this.#dropLoaded();
    const frame = own === undefined ? (state.slots[block] as number) : 0;
    if (frame !== 0) this.#table.cache.arena.pin(frame);
    this.#loaded = block;
    this.#loadedFrame = frame;
    this.#loadedOwn = own;
    this.#wanted = NO_BLOCK;
  }

  #dropLoaded(): void {
    if (this.#loadedFrame !== 0) this.#table.cache.arena.unpin(this.#loadedFrame);
    this.#loaded = NO_BLOCK;
    this.#loadedFrame = 0;
    this.#loadedOwn = undefined;
  }

  /**
   * True when the last seek, which was for the same key, found its place in the block before or after the one that the
   * index names, and that block has been loaded since. Without this a cache too full to hold both would never let the
   * seek finish.
   */
  #skips(key: Uint8Array, keyStart: number, keyLength: number, bound: number, to: number): boolean {
    const skip = this.#skip;
    if (skip === undefined) return false;
    this.#skip = undefined;
    const same = equalRanges(skip.key, 0, skip.key.length, key, keyStart, keyLength);
    return same && skip.bound === bound && skip.to === to && this.#loaded === to;
  }

  /** Keeps the position for the case that a seek which must look into a block to know ends PENDING. */
  #save(): void {
    this.#savedBlock = this.valid ? this.#block : NO_BLOCK;
    this.#savedEntry = this.#entryAt - this.#blockStart;
    this.#savedFrame = this.valid ? this.#frame : 0;
    this.#savedOwn = this.#own;
    if (this.#savedFrame !== 0) this.#table.cache.arena.pin(this.#savedFrame);
  }

  #moved(): Status {
    if (this.#savedFrame !== 0) this.#table.cache.arena.unpin(this.#savedFrame);
    this.#savedFrame = 0;
    this.#savedOwn = undefined;
    return READY;
  }

  /** Back to the saved position. */
  #pending(): Status {
    if (this.#savedBlock === NO_BLOCK) {
      this.valid = false;
    } else if (this.#savedBlock !== this.#block || this.#savedEntry !== this.#entryAt - this.#blockStart) {
      this.#setBlock(this.#savedBlock, this.#savedFrame, this.#savedOwn);
      const at = this.#blockStart + this.#savedEntry;
      this.#nextAt = this.#restartBefore(at + 1);
      this.#forward = true;
      do this.#step();
      while (this.#entryAt < at);
    }
    this.#moved();
    return PENDING;
  }

  #end(): Status {
    this.valid = false;
    return READY;
  }

  #has(state: TableState, block: number): boolean {
    if (block === this.#block || block === this.#loaded || state.slots[block] !== 0) return true;
    this.#wanted = block;
    return false;
  }

  #leave(): void {
    if (this.#frame !== 0) this.#table.cache.arena.unpin(this.#frame);
    this.#frame = 0;
    this.#own = undefined;
    this.#block = NO_BLOCK;
  }

  /** Makes a block current, without a position in it. False, and nothing changed, when it is not in memory. */
  #enter(state: TableState, block: number): boolean {
    if (block === this.#block) return true;
    if (!this.#has(state, block)) return false;
    const own = block === this.#loaded ? this.#loadedOwn : undefined;
    if (own === undefined) this.#table.cache.hits++;
    this.#setBlock(block, own === undefined ? (state.slots[block] as number) : 0, own);
    this.#dropLoaded();
    return true;
  }

  #setBlock(block: number, frame: number, own: OwnBlock | undefined): void {
    const cache = this.#table.cache;
    if (frame !== 0) cache.arena.pin(frame);
    this.#leave();
    this.#block = block;
    this.#frame = frame;
    this.#own = own;
    if (own !== undefined) {
      this.valueBytes = own.bytes;
      this.#blockStart = own.start;
      this.#restartsAt = own.restartsAt;
      this.#restartCount = own.restartCount;
      return;
    }
    const at = frame * FRAME_WORDS;
    const place = frame * PLACE_WORDS;
    const { frames, places } = cache.arena;
    // What a scan passes is not thereby worth keeping.
    if (!this.#cold && !this.#isScan)
      places[place + PLACE_MARKS] = (places[place + PLACE_MARKS] as number) | USED;
    this.valueBytes = cache.heap.bytes;
    this.#blockStart = places[place] as number;
    this.#restartsAt = frames[at + FRAME_RESTARTS_AT] as number;
    this.#restartCount = frames[at + FRAME_RESTART_COUNT] as number;
  }

  /** To the first entry of the next block, or off the end. */
  #enterNext(state: TableState): Status {
    const block = this.#block + 1;
    if (block >= state.index.blocks) return this.#end();
    if (!this.#enter(state, block)) return PENDING;
    this.#inARow++;
    return this.#toFirstEntry();
  }

  #toFirstEntry(): Status {
    this.#nextAt = this.#blockStart;
    this.#forward = true;
    this.#step();
    return READY;
  }

  /** Reads the entry at `#nextAt`; `#key` holds the one before it. */
  #step(): void {
    const bytes = this.valueBytes;
    let p = this.#nextAt;
    this.#entryAt = p;
    let shared = bytes[p] as number;
    let unshared = bytes[p + 1] as number;
    let valueLength = bytes[p + 2] as number;
    if ((shared | unshared | valueLength) < 128) p += 3;
    else {
      shared = this.#varint(p);
      unshared = this.#varint(this.#varintEnd);
      valueLength = this.#varint(this.#varintEnd);
      p = this.#varintEnd;
    }
    const length = shared + unshared;
    if (length > this.#key.length) this.#growKey(length);
    const key = this.#key;
    const end = p + unshared;
    for (let i = shared; p < end; i++, p++) key[i] = bytes[p] as number;
    this.#keyLength = length;
    this.#nextAt = end + valueLength;
    this.#publish(key, length, end, valueLength);
  }

  #publish(key: Uint8Array, length: number, valueStart: number, valueLength: number): void {
    const user = length - 8;
    this.keyBytes = key;
    this.keyStart = 0;
    this.keyLength = user;
    this.type = key[user] as EntryType;
    this.version = this.#globalVersion ?? trailerVersion(key, user);
    this.valueStart = valueStart;
    this.valueLength = valueLength;
    this.valid = true;
  }

  #varintEnd = 0;
  #varint(at: number): number {
    const bytes = this.valueBytes;
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[at++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) break;
      scale *= 128;
    }
    this.#varintEnd = at;
    return value;
  }

  #growKey(length: number): void {
    const grown = new Uint8Array(length * 2);
    grown.set(this.#key);
    this.#key = grown;
  }

  /** To the first entry of the current block at or after (key, bound); false when it has none. */
  #seekInBlock(key: Uint8Array, keyStart: number, keyLength: number, bound: number): boolean {
    const bytes = this.valueBytes;
    const restartsAt = this.#restartsAt;
    const restart = restartBefore(
      bytes,
      this.#blockStart,
      restartsAt,
      this.#restartCount,
      key,
      keyStart,
      keyLength,
      bound,
    );
    this.#nextAt = this.#blockStart + fixed32(bytes, restartsAt + restart * 4);
    this.#forward = true;
    while (this.#nextAt < restartsAt) {
      this.#step();
      const own = this.#key;
      const user = this.keyLength;
      const n = user < keyLength ? user : keyLength;
      let i = 0;
      while (i < n && own[i] === key[keyStart + i]) i++;
      if (i < n) {
        if ((own[i] as number) > (key[keyStart + i] as number)) return true;
      } else if (user > keyLength) return true;
      else if (user === keyLength && bound >= 0 && (bound === Infinity || this.version <= bound)) return true;
    }
    return false;
  }

  /** The start of the restart interval that holds the entry before `at`. */
  #restartBefore(at: number): number {
    const bytes = this.valueBytes;
    let low = 0;
    let high = this.#restartCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#blockStart + fixed32(bytes, this.#restartsAt + middle * 4) < at) low = middle;
      else high = middle - 1;
    }
    return this.#blockStart + fixed32(bytes, this.#restartsAt + low * 4);
  }

  #toLastEntry(): Status {
    this.#collectBefore(this.#restartsAt);
    this.#stepBack();
    return READY;
  }

  /** Keeps the entries from the restart point before `end` up to `end`, or the last of them. */
  #collectBefore(end: number): void {
    this.#nextAt = this.#restartBefore(end);
    this.#reverse.clear();
    while (this.#nextAt < end) {
      this.#step();
      this.#reverse.push(this.#key, this.#keyLength, this.#entryAt, this.valueStart, this.#nextAt);
    }
    this.#forward = false;
  }

  /** REQUIRES: an entry is kept. */
  #stepBack(): void {
    const reverse = this.#reverse;
    reverse.pop();
    this.#entryAt = reverse.start;
    this.#nextAt = reverse.end;
    this.#publish(reverse.key, reverse.length, reverse.value, reverse.end - reverse.value);
  }

  /** Makes `#key` the current key again, which the next entry builds on. */
  #turnForward(): void {
    const length = this.keyLength + 8;
    if (length > this.#key.length) this.#growKey(length);
    this.#key.set(this.keyBytes.subarray(0, length));
    this.#keyLength = length;
    this.#forward = true;
  }
}
