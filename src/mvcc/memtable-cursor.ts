/** A position in a memtable's entry list. Entries never move, so that it needs nothing but an offset. */

import { EMPTY_BYTES } from '../base/bytes.ts';
import { type Cursor, READY, type Status } from './cursor.ts';
import { type EntryType, TYPE_DELETE } from './internal-key.ts';
import { HEAD, type MemtableArena, NEXT, PREVIOUS } from './memtable-arena.ts';
import { MAX_VERSION, NO_VERSION, type Version } from './version.ts';

type LowerBound = (key: Uint8Array, start: number, length: number, version: Version) => number;

export class MemtableCursor implements Cursor {
  valid = false;
  readonly keyBytes: Uint8Array;
  keyStart = 0;
  keyLength = 0;
  version: Version = NO_VERSION;
  type: EntryType = TYPE_DELETE;
  valueBytes: Uint8Array = EMPTY_BYTES;
  valueStart = 0;
  valueLength = 0;
  readonly #arena: MemtableArena;
  readonly #lowerBound: LowerBound;
  #entry = HEAD;

  constructor(arena: MemtableArena, lowerBound: LowerBound) {
    this.#arena = arena;
    this.#lowerBound = lowerBound;
    this.keyBytes = arena.bytes;
  }

  first(): Status {
    return this.#moveTo(this.#arena.words[HEAD + NEXT] as number);
  }

  last(): Status {
    return this.#moveTo(this.#arena.words[HEAD + PREVIOUS] as number);
  }

  seek(key: Uint8Array, keyStart: number, keyLength: number, version: Version): Status {
    return this.#moveTo(this.#lowerBound(key, keyStart, keyLength, version));
  }

  seekBefore(key: Uint8Array, keyStart: number, keyLength: number, inclusive: boolean): Status {
    let entry: number;
    if (inclusive) {
      // After every version of the key: version 0 is the last there can be.
      entry = this.#lowerBound(key, keyStart, keyLength, NO_VERSION);
      if (entry !== HEAD && this.#isAtVersionZeroOf(entry, key, keyStart, keyLength))
        return this.#moveTo(entry);
    } else {
      entry = this.#lowerBound(key, keyStart, keyLength, MAX_VERSION);
    }
    return this.#moveTo(this.#arena.words[entry + PREVIOUS] as number);
  }

  next(): Status {
    return this.#moveTo(this.#arena.words[this.#entry + NEXT] as number);
  }

  prev(): Status {
    return this.#moveTo(this.#arena.words[this.#entry + PREVIOUS] as number);
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
    this.valid = entry !== HEAD;
    if (entry === HEAD) return READY;
    const arena = this.#arena;
    this.keyStart = arena.keyStart(entry);
    this.keyLength = arena.keyLength(entry);
    this.version = arena.version(entry);
    this.type = arena.type(entry);
    this.valueLength = arena.valueLength(entry);
    this.valueStart = arena.valueStart(entry);
    const valueBytes = arena.valueBytes(entry);
    if (this.valueBytes !== valueBytes) this.valueBytes = valueBytes;
    return READY;
  }
}
