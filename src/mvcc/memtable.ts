/**
 * A memtable: the newest entries of a tree, sorted, in one flat arena that is filled once and then dropped whole.
 *
 * One thread writes. A cursor stays valid while inserts go on, and what it shows of its snapshot does not change,
 * because every later insert has a higher version (L1).
 */

import { assert } from '../base/assert.ts';
import { EMPTY_BYTES } from '../base/bytes.ts';
import { ArenaPool } from './arena-pool.ts';
import type { Cursor } from './cursor.ts';
import { type EntryType, KEY_BYTES_MAX, TYPE_DELETE } from './internal-key.ts';
import { ENTRY_HEADER_WORDS, MemtableArena, NONE } from './memtable-arena.ts';
import { MemtableCursor } from './memtable-cursor.ts';
import { type IndexPlaces, MemtableIndex } from './memtable-index.ts';
import type { Probe } from './probe.ts';
import { MAX_VERSION, NO_VERSION, type Version } from './version.ts';

/** An array's limit, less a little. Pages of it that are not written cost nothing. */
const ARENA_BYTES_MAX = 0xffff0000;
const FIRST_WORDS = 1;

function entryWords(keyLength: number, valueLength: number): number {
  return ENTRY_HEADER_WORDS + ((keyLength + 3) >>> 2) + ((valueLength + 3) >>> 2);
}

/** What an entry can cost besides its bytes: header, padding, and its share of index nodes that are half full. */
const ENTRY_OVERHEAD_BYTES = 48;
/** An index of that height has more entries than an arena holds. */
const HEIGHT_MAX = 8;

/** Room to stage a key of one byte more than the longest. */
function stagingWords(keyLength: number): number {
  return ENTRY_HEADER_WORDS + (keyLength >>> 2) + 1;
}

function batchBytes(entries: number, dataBytes: number, longestKey: number): number {
  const key = Math.max(longestKey, Math.min(dataBytes, KEY_BYTES_MAX));
  const slack = stagingWords(key) + HEIGHT_MAX * MemtableIndex.NODE_WORDS_MAX;
  return entries * ENTRY_OVERHEAD_BYTES + dataBytes + slack * 4;
}

/** A memtable as plain data over shared memory, for another thread to read: nothing is copied when it is posted. */
export interface MemtableImage {
  readonly buffer: SharedArrayBuffer;
  readonly tail: number;
  readonly index: IndexPlaces;
  readonly capacityBytes: number;
  readonly entries: number;
  readonly deletes: number;
  readonly minVersion: Version;
  readonly maxVersion: Version;
}

export class Memtable {
  readonly capacityBytes: number;
  entries = 0;
  /** How many of the entries are tombstones. */
  deletes = 0;
  /** Of all entries; minVersion is MAX_VERSION while empty. */
  minVersion: Version = MAX_VERSION;
  maxVersion: Version = NO_VERSION;
  readonly #arena: MemtableArena;
  readonly #index: MemtableIndex;
  readonly #pool: ArenaPool | undefined;
  #longestKey = 0;
  #isFreed = false;

  /** A capacity that an empty memtable needs to take the entry. */
  static bytesNeeded(keyLength: number, valueLength: number): number {
    const fixed = FIRST_WORDS + MemtableIndex.ROOT_WORDS + 2 * MemtableIndex.NODE_WORDS_MAX;
    const words = fixed + entryWords(keyLength, valueLength) + stagingWords(keyLength);
    return words * 4;
  }

  /** A capacity that takes `entries` entries of `dataBytes` bytes of keys and values together. */
  static bytesForBatch(entries: number, dataBytes: number): number {
    const fixed = FIRST_WORDS + MemtableIndex.ROOT_WORDS;
    return fixed * 4 + batchBytes(entries, dataBytes, 0);
  }

  /**
   * Empty, in memory from the pool where there is one; or the one of an image, which is for reading only: by cursors, as
   * lookups write to its scratch.
   */
  constructor(capacityBytes: number, from?: ArenaPool | MemtableImage) {
    const pool = from instanceof ArenaPool ? from : undefined;
    const image = from instanceof ArenaPool ? undefined : from;
    const least = Memtable.bytesNeeded(1, 0);
    this.capacityBytes = Math.max(capacityBytes, least);
    const words = Math.ceil(Math.min(this.capacityBytes, ARENA_BYTES_MAX) / 4);
    const buffer = image?.buffer ?? pool?.take(words * 4) ?? new SharedArrayBuffer(words * 4);
    this.#pool = pool;
    this.#arena = new MemtableArena(buffer, image?.tail);
    this.#index = new MemtableIndex(this.#arena, image?.index);
    if (image === undefined) return;
    this.entries = image.entries;
    this.deletes = image.deletes;
    this.minVersion = image.minVersion;
    this.maxVersion = image.maxVersion;
  }

  /** For another thread. REQUIRES: nothing is inserted any more. */
  get image(): MemtableImage {
    const { capacityBytes, entries, deletes, minVersion, maxVersion } = this;
    assert(!this.#isFreed, 'a memtable is read after it was given up');
    const { buffer, tail } = this.#arena;
    const index = this.#index.places;
    return { buffer, tail, index, capacityBytes, entries, deletes, minVersion, maxVersion };
  }

  /** Whether `entries` inserts with `dataBytes` bytes of keys and values together will all succeed. */
  hasRoomFor(entries: number, dataBytes: number): boolean {
    const bytes = batchBytes(entries, dataBytes, this.#longestKey);
    if (this.bytesUsed + bytes > this.capacityBytes) return false;
    return this.#arena.tail * 4 + bytes <= this.#arena.bytes.length;
  }

  /** Memory taken, whatever is in it. */
  get roomBytes(): number {
    return this.#arena.bytes.length;
  }

  get bytesUsed(): number {
    return this.#arena.tail * 4;
  }

  /** Copies the entry in. False when there is no room, and nothing is changed. REQUIRES: (key, version) is not there. */
  insert(
    key: Uint8Array,
    keyStart: number,
    keyLength: number,
    version: Version,
    type: EntryType,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): boolean {
    const arena = this.#arena;
    const longestKey = Math.max(keyLength, this.#longestKey);
    const words = entryWords(keyLength, valueLength) + this.#index.growthWords + stagingWords(longestKey);
    if (arena.tail + words > arena.words.length) return false;
    if ((arena.tail + words) * 4 > this.capacityBytes) return false;

    const entry = arena.stage(key, keyStart, keyLength, version);
    arena.keepStaged(type, value, valueStart, valueLength);
    this.#index.insert(entry);
    this.#longestKey = longestKey;
    this.entries++;
    if (type === TYPE_DELETE) this.deletes++;
    if (version < this.minVersion) this.minVersion = version;
    if (version > this.maxVersion) this.maxVersion = version;
    return true;
  }

  /** Gives the probe the newest entry of its key that is ≤ its snapshot and newer than what it has found (L3). */
  get(probe: Probe): void {
    if (this.maxVersion <= probe.version || this.minVersion > probe.snapshot) return;
    if (probe.keyLength > this.#longestKey) return;
    const arena = this.#arena;
    const staged = arena.stage(probe.key, probe.keyStart, probe.keyLength, probe.snapshot);
    const entry = this.#index.lowerBound(staged);
    if (entry === NONE || arena.compareKeys(entry, staged) !== 0) return;
    const version = arena.version(entry);
    if (version <= probe.version) return;
    probe.accept(version, arena.type(entry), arena.bytes, arena.valueStart(entry), arena.valueLength(entry));
  }

  cursor(): Cursor {
    assert(!this.#isFreed, 'a memtable is read after it was given up');
    return new MemtableCursor(this.#arena, this.#index, (key, start, length, version) =>
      this.#lowerBound(key, start, length, version),
    );
  }

  /** Its memory is the next memtable's. REQUIRES: nobody reads it any more, neither by a cursor nor in another thread. */
  free(): void {
    assert(!this.#isFreed, 'a memtable is given up twice');
    this.#isFreed = true;
    this.#pool?.give(this.#arena.buffer);
  }

  /** A copy of the smallest user key; empty while there is no entry. */
  get smallest(): Uint8Array {
    return this.#keyOf(this.#index.first());
  }

  get largest(): Uint8Array {
    return this.#keyOf(this.#index.last());
  }

  #keyOf(entry: number): Uint8Array {
    if (entry === NONE) return EMPTY_BYTES;
    const start = this.#arena.keyStart(entry);
    return this.#arena.bytes.slice(start, start + this.#arena.keyLength(entry));
  }

  #lowerBound(key: Uint8Array, start: number, length: number, version: Version): number {
    // One byte more than the longest key here decides every comparison, and is what room is kept for.
    const staged = length > this.#longestKey ? this.#longestKey + 1 : length;
    return this.#index.lowerBound(this.#arena.stage(key, start, staged, version));
  }
}
