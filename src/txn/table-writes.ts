/**
 * What an ingested table wrote, as the conflict window asks it. L5: the file's range is tried first (two string
 * compares), then its filter and index, then the block; so a wide file aborts only those who read a key that is in it.
 *
 * Tombstones in the file are writes like any other. The answer is the file's own, whatever compaction made of the
 * table since: the window pins the original.
 */

import { type Cursor, PENDING } from '../mvcc/cursor.ts';
import { Probe } from '../mvcc/probe.ts';
import { MAX_VERSION, type Version } from '../mvcc/version.ts';
import type { Table } from '../sst/table.ts';
import { keyBytes, keyString, type ReadRange } from './read-set.ts';

/** Any version will do here: the window is asked whether a key is in the file, not at which version. */
const SOME_VERSION = 1 as Version;

export interface TableWrites {
  readonly version: Version;
  readonly keyspace: string;
  /** Keys as latin1 strings, both inclusive. */
  readonly smallest: string;
  readonly largest: string;
  readonly table: Table;
  /** Gives back the pin on the file. */
  readonly release: () => void;
}

/** A key that is in the file and was read; 'no'; or 'pending': load and ask again. */
export type Answer = { readonly key: string } | 'no' | 'pending';

/** One transaction's questions to one table. It owns its position, as several checks may run at a time. */
export class TableQuestion {
  readonly writes: TableWrites;
  readonly #probe = new Probe();
  #cursor: Cursor | undefined;
  #pending: 'none' | 'probe' | 'cursor' = 'none';

  constructor(writes: TableWrites) {
    this.writes = writes;
  }

  containsPoint(points: Iterable<string>): Answer {
    const { smallest, largest, table } = this.writes;
    for (const key of points) {
      if (key < smallest || key > largest) continue;
      const bytes = keyBytes(key);
      this.#probe.reset(bytes, 0, bytes.length, MAX_VERSION);
      if (table.get(this.#probe, SOME_VERSION) === PENDING) {
        this.#pending = 'probe';
        return 'pending';
      }
      if (this.#probe.found) return { key };
    }
    return 'no';
  }

  containsInRange(ranges: Iterable<ReadRange>): Answer {
    const { smallest, largest, table } = this.writes;
    for (const range of ranges) {
      if (range.lower > largest || (range.upper !== undefined && range.upper <= smallest)) continue;
      if (range.upper === range.lower) continue;
      this.#cursor ??= table.cursor(SOME_VERSION);
      const lower = keyBytes(range.lower);
      if (this.#cursor.seek(lower, 0, lower.length, MAX_VERSION) === PENDING) {
        this.#pending = 'cursor';
        return 'pending';
      }
      if (!this.#cursor.valid) continue;
      const key = keyString(this.#cursor.keyBytes, this.#cursor.keyStart, this.#cursor.keyLength);
      if (range.upper === undefined || key < range.upper) return { key };
    }
    return 'no';
  }

  /** Brings in what the last 'pending' answer lacked. */
  async load(): Promise<void> {
    if (this.#pending === 'probe') await this.writes.table.load(this.#probe);
    if (this.#pending === 'cursor') await this.#cursor?.load();
    this.#pending = 'none';
  }

  loadSync(): void {
    if (this.#pending === 'probe') this.writes.table.loadSync(this.#probe);
    if (this.#pending === 'cursor') this.#cursor?.loadSync();
    this.#pending = 'none';
  }

  close(): void {
    this.#cursor?.close();
    this.#cursor = undefined;
  }
}
