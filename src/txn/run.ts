/**
 * A run: consecutive puts and deletes of one transaction, one of its layers. Later statements win.
 *
 * Its cursor gives each entry the version OVERLAY_FLOOR + number of its statement, so that a transaction's own writes
 * merge with the tree under one rule: the highest version wins.
 */

import { assert } from '../base/assert.ts';
import { EMPTY_BYTES } from '../base/bytes.ts';
import { type Cursor, READY, type Status } from '../mvcc/cursor.ts';
import { type EntryType, TYPE_DELETE, TYPE_VALUE } from '../mvcc/internal-key.ts';
import { OVERLAY_FLOOR, type Version } from '../mvcc/version.ts';
import { keyString, pooledCopy } from './read-set.ts';

export interface RunEntry {
  readonly key: Uint8Array;
  /** undefined: a delete. */
  readonly value: Uint8Array | undefined;
  readonly statement: number;
}

/** The writes of a run to one keyspace. */
export class RunSection {
  readonly #entries = new Map<string, RunEntry>();
  #sorted: string[] | undefined;
  #dataBytes = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of keys and values. */
  get dataBytes(): number {
    return this.#dataBytes;
  }

  set(entry: RunEntry): void {
    const key = keyString(entry.key, 0, entry.key.length);
    const old = this.#entries.get(key);
    if (old === undefined) this.#sorted = undefined;
    else this.#dataBytes -= old.key.length + (old.value?.length ?? 0);
    this.#entries.set(key, entry);
    this.#dataBytes += entry.key.length + (entry.value?.length ?? 0);
  }

  get(key: Uint8Array): RunEntry | undefined {
    return this.#entries.get(keyString(key, 0, key.length));
  }

  /** Entries in key order. */
  *sorted(): Iterable<RunEntry> {
    for (const key of this.#order()) yield this.#entries.get(key) as RunEntry;
  }

  /** Over the entries as they are now. */
  cursor(): Cursor {
    const keys = this.#order();
    return new RunCursor(
      keys,
      keys.map((key) => this.#entries.get(key) as RunEntry),
    );
  }

  /** Copies keys and values, which may be the caller's so far. */
  own(): void {
    for (const [key, entry] of this.#entries) {
      const value = entry.value && pooledCopy(entry.value);
      this.#entries.set(key, { key: pooledCopy(entry.key), value, statement: entry.statement });
    }
  }

  /** Takes over all entries of a later section. */
  absorb(later: RunSection): void {
    for (const entry of later.#entries.values()) this.set(entry);
  }

  #order(): string[] {
    this.#sorted ??= [...this.#entries.keys()].sort((a, b) => (a < b ? -1 : 1));
    return this.#sorted;
  }
}

export class RunCursor implements Cursor {
  readonly #keys: readonly string[];
  readonly #entries: readonly RunEntry[];
  #index = -1;

  valid = false;
  keyBytes: Uint8Array = EMPTY_BYTES;
  readonly keyStart = 0;
  keyLength = 0;
  version: Version = OVERLAY_FLOOR;
  type: EntryType = TYPE_DELETE;
  valueBytes: Uint8Array = EMPTY_BYTES;
  readonly valueStart = 0;
  valueLength = 0;

  /** Both in key order. */
  constructor(keys: readonly string[], entries: readonly RunEntry[]) {
    this.#keys = keys;
    this.#entries = entries;
  }

  first(): Status {
    return this.#moveTo(0);
  }

  last(): Status {
    return this.#moveTo(this.#entries.length - 1);
  }

  seek(key: Uint8Array, keyStart: number, keyLength: number, version: Version): Status {
    const target = keyString(key, keyStart, keyLength);
    let index = this.#lowerBound(target);
    const entry = this.#entries[index];
    const older = entry !== undefined && this.#keys[index] === target && versionOfRunEntry(entry) > version;
    if (older) index++;
    return this.#moveTo(index);
  }

  seekBefore(key: Uint8Array, keyStart: number, keyLength: number, inclusive: boolean): Status {
    const target = keyString(key, keyStart, keyLength);
    const index = this.#lowerBound(target);
    return this.#moveTo(inclusive && this.#keys[index] === target ? index : index - 1);
  }

  next(): Status {
    return this.#moveTo(this.#index + 1);
  }

  prev(): Status {
    return this.#moveTo(this.#index - 1);
  }

  load(): Promise<void> {
    return Promise.resolve(this.loadSync());
  }

  loadSync(): void {
    assert(false, 'a run is in memory and never pending');
  }

  close(): void {
    this.valid = false;
  }

  #moveTo(index: number): Status {
    this.#index = index;
    const entry = this.#entries[index];
    this.valid = entry !== undefined;
    if (entry === undefined) return READY;
    this.keyBytes = entry.key;
    this.keyLength = entry.key.length;
    this.version = versionOfRunEntry(entry);
    this.type = entry.value === undefined ? TYPE_DELETE : TYPE_VALUE;
    this.valueBytes = entry.value ?? EMPTY_BYTES;
    this.valueLength = this.valueBytes.length;
    return READY;
  }

  #lowerBound(target: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] as string) < target) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function versionOfRunEntry(entry: RunEntry): Version {
  return (OVERLAY_FLOOR + entry.statement) as Version;
}
