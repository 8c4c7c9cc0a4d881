/**
 * What a tree holds at one moment: its memtables and its tables. Immutable but for inserts into the active memtable, and
 * swapped whole, so that a reader that holds a view never sees a flush, an ingest or a compaction half done.
 */

import { at } from '../base/assert.ts';
import { compareBytes, compareRanges, EMPTY_BYTES } from '../base/bytes.ts';
import type { Levels } from '../manifest/levels.ts';
import { type FileId, LEVEL_COUNT, type TableRow } from '../manifest/rows.ts';
import type { Coverage } from '../mvcc/coverage.ts';
import { type Cursor, PENDING, READY, type Status } from '../mvcc/cursor.ts';
import { TYPE_DELETE } from '../mvcc/internal-key.ts';
import type { Memtable } from '../mvcc/memtable.ts';
import type { Probe } from '../mvcc/probe.ts';
import { UncoveredCursor } from '../mvcc/uncovered-cursor.ts';
import { MAX_VERSION, NO_VERSION, type Version } from '../mvcc/version.ts';
import type { Table } from '../sst/table.ts';
import { LevelCursor } from './level-cursor.ts';

/** `searchTables` has asked every table that it must. */
export const SEARCHED = -1;

/** What lookups need of a list of rows, in its order: they then look at no row and in no map. */
interface OpenLevel {
  readonly tables: readonly Table[];
  readonly newest: Version;
  readonly minVersions: Float64Array;
  readonly maxVersions: Float64Array;
  /** NO_GLOBAL_VERSION where a table has none. */
  readonly globalVersions: Float64Array;
}

const NO_GLOBAL_VERSION = -1;

/** By list of rows, which are immutable and mostly carried over from view to view. */
const openLevels = new WeakMap<readonly TableRow[], OpenLevel>();

const newerOf = (a: Version, b: Version): Version => (a > b ? a : b);

export class View {
  readonly memtable: Memtable;
  /** Newest first. */
  readonly sealed: readonly Memtable[];
  readonly levels: Levels;
  /** Has at least the tables of `levels`. */
  readonly #tables: ReadonlyMap<FileId, Table>;
  /** The newest version of all tables, and of those below level 0. */
  readonly #newestOfAll: Version;
  readonly #newestBelow: Version;
  readonly #open: readonly OpenLevel[];
  #ids: ReadonlySet<FileId> | undefined;
  /** How many readers hold it; counted by the tree. */
  pins = 0;

  constructor(
    memtable: Memtable,
    sealed: readonly Memtable[],
    levels: Levels,
    tables: ReadonlyMap<FileId, Table>,
  ) {
    this.memtable = memtable;
    this.sealed = sealed;
    this.levels = levels;
    this.#tables = tables;
    this.#open = levels.tables.map((rows) => this.#openLevel(rows));
    const [top, ...below] = this.#open.map(({ newest }) => newest);
    this.#newestBelow = below.reduce(newerOf, NO_VERSION);
    this.#newestOfAll = newerOf(top ?? NO_VERSION, this.#newestBelow);
  }

  #openLevel(rows: readonly TableRow[]): OpenLevel {
    let level = openLevels.get(rows);
    if (level === undefined) {
      level = {
        tables: rows.map((row) => this.table(row)),
        newest: rows.reduce<Version>((newest, { maxVersion }) => newerOf(newest, maxVersion), NO_VERSION),
        minVersions: Float64Array.from(rows, (row) => row.minVersion),
        maxVersions: Float64Array.from(rows, (row) => row.maxVersion),
        globalVersions: Float64Array.from(rows, (row) => row.globalVersion ?? NO_GLOBAL_VERSION),
      };
      openLevels.set(rows, level);
    }
    return level;
  }

  /** Lookups ask every table of level 0, so their indexes and filters are the last that may be given up. */
  keepTopOpen(wanted: boolean): void {
    for (const table of at(this.#open, 0).tables) table.keepsOpen = wanted;
  }

  hasTable(id: FileId): boolean {
    this.#ids ??= new Set([...this.levels].map((row) => row.id));
    return this.#ids.has(id);
  }

  table(row: TableRow): Table {
    const table = this.#tables.get(row.id);
    if (table === undefined) throw new Error(`SluiceDB bug: table ${row.id} is in the levels but not open`);
    return table;
  }

  /** L3: in any order, each giving way to a newer version only. Range tombstones come first: they are in memory too. */
  searchMemtables(probe: Probe): void {
    if (this.levels.tombstones !== undefined) this.#cover(probe);
    this.memtable.get(probe);
    for (let i = 0; i < this.sealed.length; i++) at(this.sealed, i).get(probe);
  }

  /**
   * A range tombstone of version t hides what is older than t and nothing else, as a deletion found at t - 1 does: a
   * source may replace that only by a version ≥ t. So no source need know of range tombstones, nor be asked for what
   * they hide.
   */
  #cover(probe: Probe): void {
    const { key, keyStart, keyLength, snapshot } = probe;
    const version = this.levels.tombstones?.newest(key, keyStart, keyLength, snapshot) ?? NO_VERSION;
    if (version > NO_VERSION) probe.accept((version - 1) as Version, TYPE_DELETE, EMPTY_BYTES, 0, 0);
  }

  /**
   * Asks the tables from place `from` on (0: all). Returns SEARCHED, or the place of the table that lacks a block:
   * `tableAt` it must load, then the search goes on from there.
   *
   * L3: a table is skipped by its key range, or because no version in it is both newer than the one found and in the
   * snapshot (its filter is the table's own affair); never because of the level it is in.
   */
  searchTables(probe: Probe, from: number): number {
    if (this.#newestOfAll <= probe.version) return SEARCHED;
    const unsorted = at(this.levels.tables, 0);
    const top = at(this.#open, 0);
    for (let i = from; i < unsorted.length; i++) {
      // Newest first.
      if ((top.maxVersions[i] as number) <= probe.version) break;
      if (!hasInRange(unsorted[i] as TableRow, probe)) continue;
      if (search(top, i, probe) === PENDING) return i;
    }
    if (this.#newestBelow <= probe.version) return SEARCHED;
    const { fences } = this.levels;
    const cell = fences.cellOf(probe.key, probe.keyStart, probe.keyLength);
    const firstLevel = Math.max(1, from - unsorted.length + 1);
    for (let level = firstLevel; level < LEVEL_COUNT; level++) {
      const index = fences.tableIn(cell, level);
      if (index < 0) continue;
      if (search(this.#open[level] as OpenLevel, index, probe) === PENDING)
        return unsorted.length + level - 1;
    }
    return SEARCHED;
  }

  /** The table at a place that `searchTables` has returned. */
  tableAt(place: number, probe: Probe): Table {
    const unsorted = at(this.levels.tables, 0);
    if (place < unsorted.length) return at(at(this.#open, 0).tables, place);
    const level = place - unsorted.length + 1;
    const { fences } = this.levels;
    const index = fences.tableIn(fences.cellOf(probe.key, probe.keyStart, probe.keyLength), level);
    if (index < 0) throw new Error('SluiceDB bug: no table at the place of a pending lookup');
    return at(at(this.#open, level).tables, index);
  }

  /**
   * A cursor for each memtable, each table of level 0 and each other level that may hold a key in [lower, upper) with a
   * version ≤ `snapshot`. They may show more than that, but pass over stretches that `coverage` hides of them wholly.
   */
  cursors(
    lower?: Uint8Array,
    upper?: Uint8Array,
    snapshot: Version = MAX_VERSION,
    coverage?: Coverage,
  ): Cursor[] {
    const uncovered = (cursor: Cursor, newest: Version): Cursor =>
      coverage === undefined ? cursor : new UncoveredCursor(cursor, coverage.fork(), newest);
    const cursors: Cursor[] = [];
    for (const memtable of [this.memtable, ...this.sealed]) {
      if (memtable.entries === 0 || memtable.minVersion > snapshot) continue;
      if (isApart(memtable.smallest, memtable.largest, lower, upper)) continue;
      cursors.push(uncovered(memtable.cursor(), memtable.maxVersion));
    }
    const open = (row: TableRow): Cursor =>
      uncovered(this.table(row).cursor(row.globalVersion), row.maxVersion);
    const hidden = coverage?.fork();
    this.levels.tables.forEach((rows, level) => {
      const within = level === 0 ? rows : rows.slice(...this.#span(level, lower, upper));
      const wanted = within.filter(
        (row) =>
          row.minVersion <= snapshot &&
          !isApart(row.smallest, row.largest, lower, upper) &&
          hidden?.coversAbove(row.maxVersion, row.smallest, row.largest) !== true,
      );
      if (level === 0) cursors.push(...wanted.map(open));
      else if (wanted.length === 1) cursors.push(open(at(wanted, 0)));
      else if (wanted.length > 1) cursors.push(new LevelCursor(wanted, open));
    });
    return cursors;
  }

  /** Of the tables that may hold a key in [lower, upper) with a version in (before, through]; and how many entries these have. */
  cursorsBetween(
    lower: Uint8Array | undefined,
    upper: Uint8Array | undefined,
    before: Version,
    through: Version,
  ): { readonly cursors: Cursor[]; readonly entries: number } {
    const cursors: Cursor[] = [];
    let entries = 0;
    const open = (row: TableRow): Cursor => this.table(row).cursor(row.globalVersion, { fillCache: false });
    for (const [level, rows] of this.levels.tables.entries()) {
      const wanted = rows.filter(
        ({ minVersion, maxVersion, smallest, largest }) =>
          minVersion <= through && maxVersion > before && !isApart(smallest, largest, lower, upper),
      );
      entries += wanted.reduce((sum, row) => sum + row.entries, 0);
      if (level === 0) cursors.push(...wanted.map(open));
      else if (wanted.length > 0) cursors.push(new LevelCursor(wanted, open));
    }
    return { cursors, entries };
  }

  /** From which to which index the tables of a level ≥ 1 may have keys in [lower, upper). */
  #span(level: number, lower: Uint8Array | undefined, upper: Uint8Array | undefined): [number, number] {
    const count = at(this.levels.tables, level).length;
    const first = lower === undefined ? 0 : this.levels.firstEndingFrom(level, lower);
    const end = upper === undefined ? count : this.levels.firstEndingFrom(level, upper) + 1;
    return [first, Math.max(first, end)];
  }
}

/** REQUIRES: the probe's key is within the range of the table. */
function search(level: OpenLevel, index: number, probe: Probe): Status {
  if ((level.maxVersions[index] as number) <= probe.version) return READY;
  if ((level.minVersions[index] as number) > probe.snapshot) return READY;
  const globalVersion = level.globalVersions[index] as Version;
  const table = level.tables[index] as Table;
  return table.get(probe, globalVersion === NO_GLOBAL_VERSION ? undefined : globalVersion);
}

function hasInRange(row: TableRow, probe: Probe): boolean {
  const { key, keyStart, keyLength } = probe;
  const { smallest, largest } = row;
  return (
    compareRanges(key, keyStart, keyLength, smallest, 0, smallest.length) >= 0 &&
    compareRanges(key, keyStart, keyLength, largest, 0, largest.length) <= 0
  );
}

/** Whether [smallest, largest] and [lower, upper) have nothing in common. */
function isApart(
  smallest: Uint8Array,
  largest: Uint8Array,
  lower: Uint8Array | undefined,
  upper: Uint8Array | undefined,
): boolean {
  if (lower !== undefined && compareBytes(largest, lower) < 0) return true;
  return upper !== undefined && compareBytes(smallest, upper) >= 0;
}
