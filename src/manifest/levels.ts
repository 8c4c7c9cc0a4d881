/**
 * The tables of one tree by level, and its range tombstones: an immutable value, shared by the views that read it.
 *
 * Level 0 is ordered newest first, so that a reader that has found a version can skip the tables whose newest is
 * older. The tables of each other level do not overlap (L3) and are ordered by key.
 */

import { assert, at } from '../base/assert.ts';
import { compareBytes, formatKey } from '../base/bytes.ts';
import type { RangeTombstones } from '../mvcc/range-tombstones.ts';
import { Fences } from './fences.ts';
import { type FileId, LEVEL_COUNT, type TableRow, type TreeId } from './rows.ts';

const NO_TABLES: readonly TableRow[] = [];

function newestFirst(a: TableRow, b: TableRow): number {
  return b.maxVersion - a.maxVersion || b.id - a.id;
}

function byKey(a: TableRow, b: TableRow): number {
  return compareBytes(a.smallest, b.smallest);
}

export class Levels {
  static readonly EMPTY = new Levels(
    Array.from({ length: LEVEL_COUNT }, () => NO_TABLES),
    undefined,
  );

  /** LEVEL_COUNT lists. */
  readonly tables: readonly (readonly TableRow[])[];

  /** They are above every level: versions alone say what they hide. */
  readonly tombstones: RangeTombstones | undefined;

  /** Made when first asked for, and handed on for as long as the levels below 0 stay as they are. */
  #fences: Fences | undefined;

  private constructor(
    tables: readonly (readonly TableRow[])[],
    tombstones: RangeTombstones | undefined,
    before?: Levels,
  ) {
    this.tables = tables;
    this.tombstones = tombstones;
    if (before?.tables.every((rows, level) => level === 0 || rows === tables[level])) {
      this.#fences = before.#fences;
    }
  }

  /** Tells which tables of the levels ≥ 1 have a key within their range. */
  get fences(): Fences {
    this.#fences ??= new Fences(this.tables);
    return this.#fences;
  }

  static of(rows: Iterable<TableRow>): Levels {
    return Levels.EMPTY.add([...rows]);
  }

  /** The levels of every tree that has tables. */
  static byTree(rows: Iterable<TableRow>): Map<TreeId, Levels> {
    const lists = new Map<TreeId, TableRow[]>();
    for (const row of rows) {
      const list = lists.get(row.tree);
      if (list === undefined) lists.set(row.tree, [row]);
      else list.push(row);
    }
    return new Map([...lists].map(([tree, list]) => [tree, Levels.of(list)]));
  }

  /** Of all levels. */
  get count(): number {
    return this.tables.reduce((sum, level) => sum + level.length, 0);
  }

  bytes(level: number): number {
    return at(this.tables, level).reduce((sum, table) => sum + table.bytes, 0);
  }

  *[Symbol.iterator](): IterableIterator<TableRow> {
    for (const level of this.tables) yield* level;
  }

  /** The rows' ids must be new here: drop a table before adding it at another level. */
  add(rows: readonly TableRow[]): Levels {
    if (rows.length === 0) return this;
    return new Levels(
      this.tables.map((old, level) => {
        const added = rows.filter((row) => row.level === level);
        if (added.length === 0) return old;
        const tables = [...old, ...added].sort(level === 0 ? newestFirst : byKey);
        if (level > 0) checkDisjoint(tables);
        return tables;
      }),
      this.tombstones,
      this,
    );
  }

  withTombstones(tombstones: RangeTombstones | undefined): Levels {
    return new Levels(this.tables, tombstones, this);
  }

  /** Every id must be here. */
  drop(ids: Iterable<FileId>): Levels {
    const dropped = new Set(ids);
    if (dropped.size === 0) return this;
    let left = dropped.size;
    const levels = this.tables.map((old) => {
      const kept = old.filter(({ id }) => !dropped.has(id));
      left -= old.length - kept.length;
      return kept.length === old.length ? old : kept;
    });
    assert(left === 0, `${left} of the tables to drop are not in the tree`);
    return new Levels(levels, this.tombstones, this);
  }

  /** The table of a level ≥ 1 whose range has `key`. */
  find(level: number, key: Uint8Array): TableRow | undefined {
    const tables = at(this.tables, level);
    const table = tables[this.firstEndingFrom(level, key)];
    return table !== undefined && compareBytes(table.smallest, key) <= 0 ? table : undefined;
  }

  /** Index of the first table of a level ≥ 1 that ends at or after `key`; the level's length when none does. */
  firstEndingFrom(level: number, key: Uint8Array): number {
    assert(level > 0, 'the tables of level 0 are not ordered by key');
    const tables = at(this.tables, level);
    let low = 0;
    let high = tables.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(at(tables, middle).largest, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The tables of a level that have a key in [smallest, largest] within their range, in the level's order. */
  overlapping(level: number, smallest: Uint8Array, largest: Uint8Array): readonly TableRow[] {
    const tables = at(this.tables, level);
    if (level === 0) {
      return tables.filter(
        (table) => compareBytes(table.smallest, largest) <= 0 && compareBytes(table.largest, smallest) >= 0,
      );
    }
    const first = this.firstEndingFrom(level, smallest);
    let end = first;
    while (end < tables.length && compareBytes(at(tables, end).smallest, largest) <= 0) end++;
    return first === end ? NO_TABLES : tables.slice(first, end);
  }
}

function checkDisjoint(tables: readonly TableRow[]): void {
  for (let i = 1; i < tables.length; i++) {
    const before = at(tables, i - 1);
    const after = at(tables, i);
    assert(
      compareBytes(before.largest, after.smallest) < 0,
      `L3: tables ${before.id} and ${after.id} of level ${after.level} overlap at ${formatKey(after.smallest)}`,
    );
  }
}
