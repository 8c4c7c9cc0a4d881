/**
 * Tables of one keyspace in the conflict window, such that those which overlap a key or range are found without going
 * through the others. Immutable.
 *
 * They are in order of their smallest keys, so that those beginning early enough come first; over them lies a tree of
 * the largest keys, by which those that end too early are passed over. They may overlap one another at will; where they
 * do not, the last that begins early enough is all that is looked at.
 */

import type { Version } from '../mvcc/version.ts';
import type { ReadRange } from './read-set.ts';
import { SortedKeys } from './sorted-keys.ts';
import type { TableWrites } from './table-writes.ts';

export class TableGroup {
  readonly tables: readonly TableWrites[];
  readonly newest: Version;
  readonly #smallest: SortedKeys;
  /** Ascending. */
  readonly #versions: Float64Array;
  /** Node i has the nodes 2i and 2i+1 below it and holds the largest key of the tables there; the leaves come last. */
  readonly #reach: readonly string[];
  readonly #leaves: number;
  /** For each table the largest key of it and all before it. */
  readonly #reachBefore: readonly string[];

  /** REQUIRES: at least one table, in order of their smallest keys. */
  constructor(tables: readonly TableWrites[]) {
    this.tables = tables;
    this.#smallest = new SortedKeys(tables.map((table) => table.smallest));
    this.#versions = Float64Array.from(tables, (table) => table.version).sort();
    this.newest = this.#versions[tables.length - 1] as Version;
    let leaves = 1;
    while (leaves < tables.length) leaves *= 2;
    this.#leaves = leaves;
    const reach = new Array<string>(leaves * 2).fill('');
    for (const [i, table] of tables.entries()) reach[leaves + i] = table.largest;
    for (let node = leaves - 1; node > 0; node--) {
      const left = reach[node * 2] as string;
      const right = reach[node * 2 + 1] as string;
      reach[node] = left > right ? left : right;
    }
    this.#reach = reach;
    let furthest = '';
    this.#reachBefore = tables.map(({ largest }) => {
      if (largest > furthest) furthest = largest;
      return furthest;
    });
  }

  /** How many of the tables were written at or before `version`. */
  countUpTo(version: Version): number {
    const versions = this.#versions;
    let low = 0;
    let high = versions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((versions[middle] as number) <= version) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Calls back for each table written after `after` whose range has the key in it. */
  forEachAt(key: string, after: Version, visit: (table: TableWrites, key: string) => void): void {
    this.#forEach(key, this.#smallest.countBelow(key, true), after, key, visit);
  }

  /** Calls back for each table written after `after` whose range overlaps this one. */
  forEachIn(range: ReadRange, after: Version, visit: (table: TableWrites, range: ReadRange) => void): void {
    const { lower, upper } = range;
    if (upper === lower) return;
    const end = upper === undefined ? this.tables.length : this.#smallest.countBelow(upper, false);
    this.#forEach(lower, end, after, range, visit);
  }

  #forEach<T>(
    lower: string,
    end: number,
    after: Version,
    read: T,
    visit: (table: TableWrites, read: T) => void,
  ): void {
    for (let i = this.#last(end, lower); i >= 0; i = this.#last(i, lower)) {
      const table = this.tables[i] as TableWrites;
      if (table.version > after) visit(table, read);
    }
  }

  /** The last table before `end` whose largest key is `lower` or above; -1 when there is none. */
  #last(end: number, lower: string): number {
    if (end === 0 || (this.#reachBefore[end - 1] as string) < lower) return -1;
    const reach = this.#reach;
    let node = this.#leaves + end - 1;
    while ((reach[node] as string) < lower) {
      // To the next subtree on the left; there is one, or the reach of all up to here would have been too short.
      while ((node & 1) === 0) node >>>= 1;
      node--;
    }
    while (node < this.#leaves) {
      node = node * 2 + 1;
      if ((reach[node] as string) < lower) node--;
    }
    return node - this.#leaves;
  }
}
