/**
 * The conflict window: what commits after the oldest active transaction's snapshot wrote (docs/ARCHITECTURE.md
 * "Writing").
 *
 * An entry is made in the same synchronous section that takes its version, so commits in flight already conflict. It
 * goes when its commit fails, and is trimmed when its version ≤ both the visible version and the oldest active
 * snapshot: not before, since a transaction that begins now reads at the visible version, below a commit in flight.
 */

import { MAX_VERSION, type Version } from '../mvcc/version.ts';
import { inRange, type ReadRange, type ReadSet } from './read-set.ts';
import type { TableWrites } from './table-writes.ts';
import { WindowFilters } from './window-filters.ts';
import type { WrittenKey } from './written-keys.ts';
import { type PendingRun, WrittenRuns } from './written-runs.ts';
import { WrittenTables } from './written-tables.ts';

/** What a commit conflicts with. An undefined key: the keyspace itself was swapped or dropped. */
export interface Conflict {
  readonly keyspace: string;
  readonly key: string | undefined;
  readonly version: Version;
}

/** A range deletion. L5: a write of every key in it, whether there was something to delete or not. */
export interface WrittenRange extends Readonly<ReadRange> {
  readonly keyspace: string;
  readonly version: Version;
}

/** A keyspace's pointer moved from one generation to another, or to none. */
interface WrittenPointer {
  readonly keyspace: string;
  readonly version: Version;
  /** Whoever read anything and wrote to the old generation conflicts too. */
  readonly ofWriters: boolean;
}

const TABLE_BYTES = 256;
const RANGE_BYTES = 256;

export class ConflictWindow {
  readonly #runs = new WrittenRuns();
  readonly tables = new WrittenTables();
  readonly filters = new WindowFilters();
  /** Ascending versions. */
  #ranges: WrittenRange[] = [];
  #swaps: WrittenPointer[] = [];

  /** Rough bytes of memory held; not counted are batches in flight, and filters, which have a bound of their own. */
  get bytes(): number {
    return this.#runs.bytes + this.tables.length * TABLE_BYTES + this.#ranges.length * RANGE_BYTES;
  }

  /** REQUIRES: in version order. */
  enterPuts(run: PendingRun): void {
    this.#runs.enter(run);
  }

  /** REQUIRES: versions above all entered before. */
  enterTables(tables: readonly TableWrites[]): void {
    this.tables.enter(tables);
    for (const table of tables) this.filters.hold(table);
  }

  /** REQUIRES: versions above all entered before. */
  enterRanges(ranges: readonly WrittenRange[]): void {
    this.#ranges.push(...[...ranges].sort((a, b) => a.version - b.version));
  }

  /** Creating an empty one is no change to any reader. */
  enterSwap(keyspace: string, version: Version, ofWriters: boolean): void {
    this.#swaps.push({ keyspace, version, ofWriters });
  }

  /** The run has failed: it wrote nothing. */
  removePuts(run: PendingRun): void {
    this.#runs.remove(run);
  }

  /** The run's batch is about to be reused: keep what active transactions may still ask for. */
  absorb(run: PendingRun, oldestNeeded: Version): void {
    this.#runs.absorb(run, oldestNeeded);
  }

  /** Forgets entries ≤ `version`. */
  trim(version: Version): void {
    this.#runs.trim(version);
    this.#releaseTables(version);
    if (this.#ranges.length > 0 && (this.#ranges[0] as WrittenRange).version <= version)
      this.#ranges = this.#ranges.filter((range) => range.version > version);
    if (this.#swaps.length > 0) this.#swaps = this.#swaps.filter((swap) => swap.version > version);
  }

  /** Everything in memory: keys of puts, range deletions, and pointers. Complete and synchronous. */
  findInMemory(reads: ReadSet, snapshot: Version): Conflict | undefined {
    for (const swap of this.#swaps) {
      const { keyspace, version, ofWriters } = swap;
      if (version <= snapshot) continue;
      if ([...reads.keyspaces()].includes(keyspace) || (ofWriters && reads.written.has(keyspace)))
        return { keyspace, version, key: undefined };
    }
    for (const [keyspace, points] of reads.points) {
      const found: WrittenKey | undefined = this.#runs.findPoint(keyspace, points, snapshot);
      if (found !== undefined) return found;
    }
    for (const [keyspace, ranges] of reads.ranges) {
      const found = this.#runs.findInRanges(keyspace, ranges, snapshot);
      if (found !== undefined) return found;
    }
    return this.#findInWrittenRanges(reads, snapshot);
  }

  /**
   * Calls back for each key that a put transaction wrote after `after` in the range; returns the version through which
   * that is all.
   */
  keysIn(keyspace: string, range: ReadRange, after: Version, visit: (written: WrittenKey) => void): Version {
    return this.#runs.forEachIn(keyspace, range, after, visit);
  }

  /** Range deletions after `after`, oldest first. */
  rangesAfter(after: Version): readonly WrittenRange[] {
    const first = this.#ranges.findIndex(({ version }) => version > after);
    return first < 0 ? [] : this.#ranges.slice(first);
  }

  #findInWrittenRanges(reads: ReadSet, snapshot: Version): Conflict | undefined {
    for (let i = this.#ranges.length - 1; i >= 0; i--) {
      const written = this.#ranges[i] as WrittenRange;
      const { keyspace, version } = written;
      if (version <= snapshot) break;
      for (const key of reads.points.get(keyspace) ?? []) {
        if (inRange(key, written)) return { keyspace, key, version };
      }
      for (const range of reads.ranges.get(keyspace) ?? []) {
        const key = range.lower > written.lower ? range.lower : written.lower;
        if (inRange(key, written) && inRange(key, range)) return { keyspace, key, version };
      }
    }
    return undefined;
  }

  close(): void {
    this.#releaseTables(MAX_VERSION);
  }

  #releaseTables(version: Version): void {
    for (const table of this.tables.trim(version)) {
      this.filters.forget(table);
      table.release();
    }
  }
}
