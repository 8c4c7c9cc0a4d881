/**
 * The tables of one level, which do not overlap, as one cursor. A table is opened when the cursor comes to it.
 *
 * The cursor stays on its table until the next one is READY, so that a PENDING step leaves the position as it was. After
 * a PENDING seek only the same call or an absolute one may follow.
 */

import { assert, at as elementAt } from '../base/assert.ts';
import { compareRanges, copyRange, EMPTY_BYTES } from '../base/bytes.ts';
import type { TableRow } from '../manifest/rows.ts';
import { type Cursor, PENDING, READY, type Status } from '../mvcc/cursor.ts';
import type { Gathering } from '../mvcc/gathering.ts';
import { type EntryType, TYPE_DELETE } from '../mvcc/internal-key.ts';
import { NO_VERSION, type Version } from '../mvcc/version.ts';

const NOWHERE = -1;

export class LevelCursor implements Cursor {
  valid = false;
  keyBytes: Uint8Array = EMPTY_BYTES;
  keyStart = 0;
  keyLength = 0;
  version: Version = NO_VERSION;
  type: EntryType = TYPE_DELETE;
  valueBytes: Uint8Array = EMPTY_BYTES;
  valueStart = 0;
  valueLength = 0;

  readonly #tables: readonly TableRow[];
  readonly #open: (table: TableRow) => Cursor;
  /** The cursor of the entry shown, and its table's index. */
  #current: Cursor | undefined;
  #index = NOWHERE;
  /** The cursor of the table that is being entered. */
  #entering: Cursor | undefined;
  #enteringIndex = NOWHERE;
  /** The current cursor has run off its table: forward 1, reverse -1; the entry shown is still its last. */
  #crossing = 0;
  #pending: Cursor | undefined;
  /** The pending seek has found nothing in its first table, and goes on in the one at `#seekOnAt`. */
  #seekOnAt = NOWHERE;
  #seekKey: Uint8Array = EMPTY_BYTES;
  #seekVersion: Version = NO_VERSION;

  /** `tables`: of a level ≥ 1, in key order. */
  constructor(tables: readonly TableRow[], open: (table: TableRow) => Cursor) {
    this.#tables = tables;
    this.#open = open;
  }

  first(): Status {
    return this.#enterForward(0);
  }

  last(): Status {
    return this.#enterReverse(this.#tables.length - 1);
  }

  seek(key: Uint8Array, keyStart: number, keyLength: number, version: Version): Status {
    if (this.#seeksOn(key, keyStart, keyLength, version)) return this.#enterForward(this.#seekOnAt);
    // The first table that ends at or after the key.
    let low = 0;
    let high = this.#tables.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { largest } = elementAt(this.#tables, middle);
      if (compareRanges(largest, 0, largest.length, key, keyStart, keyLength) < 0) low = middle + 1;
      else high = middle;
    }
    if (low === this.#tables.length) return this.#runOff();
    const cursor = this.#cursorOf(low);
    if (cursor.seek(key, keyStart, keyLength, version) === PENDING) return this.#waitFor(cursor);
    if (cursor.valid) return this.#arrive(cursor, low);
    // All its versions of its last key are newer than the one sought.
    if (this.#enterForward(low + 1) === READY) return READY;
    this.#seekOnAt = low + 1;
    this.#seekKey = copyRange(key, keyStart, keyLength);
    this.#seekVersion = version;
    return PENDING;
  }

  seekBefore(key: Uint8Array, keyStart: number, keyLength: number, inclusive: boolean): Status {
    // The last table that begins before the key, or with it.
    let low = 0;
    let high = this.#tables.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { smallest } = elementAt(this.#tables, middle);
      const order = compareRanges(smallest, 0, smallest.length, key, keyStart, keyLength);
      if (order < 0 || (inclusive && order === 0)) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return this.#runOff();
    const cursor = this.#cursorOf(low - 1);
    if (cursor.seekBefore(key, keyStart, keyLength, inclusive) === PENDING) return this.#waitFor(cursor);
    return cursor.valid ? this.#arrive(cursor, low - 1) : this.#enterReverse(low - 2);
  }

  next(): Status {
    const current = this.#atEntry();
    if (this.#crossing === -1) {
      // A prev() was given up: back to the entry shown.
      if (current.first() === PENDING) return this.#waitFor(current);
      this.#crossing = 0;
    }
    if (this.#crossing === 0) {
      if (current.next() === PENDING) return this.#waitFor(current);
      if (current.valid) return this.#show(current);
      this.#crossing = 1;
    }
    return this.#enterForward(this.#index + 1);
  }

  prev(): Status {
    const current = this.#atEntry();
    if (this.#crossing === 1) {
      if (current.last() === PENDING) return this.#waitFor(current);
      this.#crossing = 0;
    }
    if (this.#crossing === 0) {
      if (current.prev() === PENDING) return this.#waitFor(current);
      if (current.valid) return this.#show(current);
      this.#crossing = -1;
    }
    return this.#enterReverse(this.#index - 1);
  }

  gather(gathering: Gathering): boolean {
    const current = this.#atEntry();
    if (this.#crossing !== 0 || current.gather?.(gathering) !== true) return false;
    this.#show(current);
    return true;
  }

  async load(): Promise<void> {
    await this.#pending?.load();
  }

  loadSync(): void {
    this.#pending?.loadSync();
  }

  close(): void {
    this.valid = false;
    this.#current?.close();
    this.#entering?.close();
    this.#current = undefined;
    this.#entering = undefined;
  }

  /** Asking the first table again could need a block that made room for the next table's, and so for ever. */
  #seeksOn(key: Uint8Array, keyStart: number, keyLength: number, version: Version): boolean {
    if (this.#seekOnAt === NOWHERE || this.#seekVersion !== version) return false;
    return compareRanges(this.#seekKey, 0, this.#seekKey.length, key, keyStart, keyLength) === 0;
  }

  #atEntry(): Cursor {
    assert(this.valid && this.#current !== undefined, 'a level cursor was stepped while it had no entry');
    return this.#current;
  }

  /** To the first entry of table `index` or a later one. No table is empty, but a damaged one may seem so. */
  #enterForward(index: number): Status {
    for (let i = index; i < this.#tables.length; i++) {
      const cursor = this.#cursorOf(i);
      if (cursor.first() === PENDING) return this.#waitFor(cursor);
      if (cursor.valid) return this.#arrive(cursor, i);
    }
    return this.#runOff();
  }

  #enterReverse(index: number): Status {
    for (let i = index; i >= 0; i--) {
      const cursor = this.#cursorOf(i);
      if (cursor.last() === PENDING) return this.#waitFor(cursor);
      if (cursor.valid) return this.#arrive(cursor, i);
    }
    return this.#runOff();
  }

  /** A cursor of table `index`: the one there is, or a new one, which becomes the current one by `#arrive`. */
  #cursorOf(index: number): Cursor {
    if (index === this.#index && this.#current !== undefined) return this.#current;
    if (index === this.#enteringIndex && this.#entering !== undefined) return this.#entering;
    this.#entering?.close();
    this.#entering = this.#open(elementAt(this.#tables, index));
    this.#enteringIndex = index;
    return this.#entering;
  }

  #waitFor(cursor: Cursor): Status {
    this.#pending = cursor;
    return PENDING;
  }

  #arrive(cursor: Cursor, index: number): Status {
    this.#seekOnAt = NOWHERE;
    if (cursor === this.#entering) {
      this.#current?.close();
      this.#current = cursor;
      this.#index = index;
      this.#entering = undefined;
      this.#enteringIndex = NOWHERE;
    }
    this.#crossing = 0;
    this.valid = true;
    return this.#show(cursor);
  }

  #runOff(): Status {
    this.#seekOnAt = NOWHERE;
    this.#crossing = 0;
    this.valid = false;
    return READY;
  }

  #show(cursor: Cursor): Status {
    if (this.keyBytes !== cursor.keyBytes) this.keyBytes = cursor.keyBytes;
    this.keyStart = cursor.keyStart;
    this.keyLength = cursor.keyLength;
    this.version = cursor.version;
    this.type = cursor.type;
    if (this.valueBytes !== cursor.valueBytes) this.valueBytes = cursor.valueBytes;
    this.valueStart = cursor.valueStart;
    this.valueLength = cursor.valueLength;
    return READY;
  }
}
