/**
 * A position in a memtable. Entries never move, so the entry's offset is the position; its place in the index is kept for
 * going on from there, and found again when an insert has moved it.
 */

import { type Cursor, READY, type Status } from './cursor.ts';
import { type EntryType, TYPE_DELETE } from './internal-key.ts';
import { type MemtableArena, NONE } from './memtable-arena.ts';
import type { MemtableIndex } from './memtable-index.ts';
import { MAX_VERSION, NO_VERSION, type Version } from './version.ts';

type LowerBound = (key: Uint8Array, start: number, length: number, version: Version) => number;

export class MemtableCursor implements Cursor {
  valid = false;
  readonly keyBytes: Uint8Array;
  keyStart = 0;
  keyLength = 0;
  version: Version = NO_VERSION;
  type: EntryType = TYPE_DELETE;
  readonly valueBytes: Uint8Array;
  valueStart = 0;
  valueLength = 0;
  readonly #arena: MemtableArena;
  readonly #lowerBound: LowerBound;
  readonly #index: MemtableIndex;
  #entry = NONE;
  #leaf = NONE;
  #slot = 0;

  constructor(arena: MemtableArena, index: MemtableIndex, lowerBound: LowerBound) {
    this.#arena = arena;
    this.#index = index;
    this.#lowerBound = lowerBound;
    this.keyBytes = arena.bytes;
    this.valueBytes = arena.bytes;
  }

  first(): Status {
    return this.#moveTo(this.#index.first());
  }

  last(): Status {
    return this.#moveTo(this.#index.last());
  }

  seek(key: Uint8Array, keyStart: number, keyLength: number, version: Version): Status {
    return this.#moveTo(this.#lowerBound(key, keyStart, keyLength, version));
  }

  seekBefore(key: Uint8Array, keyStart: number, keyLength: number, inclusive: boolean): Status {
    let entry: number;
    if (inclusive) {
      // After every version of the key: version 0 is the last there can be.
      entry = this.#lowerBound(key, keyStart, keyLength, NO_VERSION);
      if (entry !== NONE && this.#isAtVersionZeroOf(entry, key, keyStart, keyLength))
        return this.#moveTo(entry);
    } else {
      entry = this.#lowerBound(key, keyStart, keyLength, MAX_VERSION);
    }
    if (entry === NONE) return this.last();
    return this.#moveTo(this.#index.before(entry, this.#index.leaf, this.#index.slot));
  }

  next(): Status {
    return this.#moveTo(this.#index.after(this.#entry, this.#leaf, this.#slot));
  }

  prev(): Status {
    return this.#moveTo(this.#index.before(this.#entry, this.#leaf, this.#slot));
  }

  async load(): Promise<void> {}
  loadSync(): void {}
  close(): void {
    this.valid = false;
  }

  #isAtVersionZeroOf(entry: number, key: Uint8Array, keyStart: number, keyLength: number): boolean {
    const arena = this.#arena;
    if (arena.version(entry) !== NO_VERSION || arena.keyLength(entry) !== keyLength) return false;
    const start = arena.keyStart(entry);
    for (let i = 0; i < keyLength; i++) if (arena.bytes[start + i] !== key[keyStart + i]) return false;
    return true;
  }

  #moveTo(entry: number): Status {
    this.#entry = entry;
    this.valid = entry !== NONE;
    if (entry === NONE) return READY;
    this.#leaf = this.#index.leaf;
    this.#slot = this.#index.slot;
    const arena = this.#arena;
    this.keyStart = arena.keyStart(entry);
    this.keyLength = arena.keyLength(entry);
    this.version = arena.version(entry);
    this.type = arena.type(entry);
    this.valueLength = arena.valueLength(entry);
    this.valueStart = arena.valueStart(entry);
    return READY;
  }
}
