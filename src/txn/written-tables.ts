/**
 * The tables that recent commits wrote: the part of the conflict window that may need a file.
 *
 * Per keyspace they lie in groups (TableGroup), oldest first, each group larger than the next: a commit's tables
 * become a group, which is merged with its neighbour while that is not larger. So there are as many groups as the number
 * of tables has digits, a table is merged as often, and a reader passes over the groups older than its snapshot.
 */

import { NO_VERSION, type Version } from '../mvcc/version.ts';
import type { ReadRange } from './read-set.ts';
import { TableGroup } from './table-group.ts';
import type { TableWrites } from './table-writes.ts';

export class WrittenTables {
  /** Ascending versions. */
  readonly #tables: TableWrites[] = [];
  readonly #groups = new Map<string, TableGroup[]>();
  #newest: Version = NO_VERSION;
  #trimmed: Version = NO_VERSION;

  get length(): number {
    return this.#tables.length;
  }

  /** No table entered has a higher version. */
  get newest(): Version {
    return this.#newest;
  }

  /** REQUIRES: versions above all entered before. */
  enter(tables: readonly TableWrites[]): void {
    const added = new Map<string, TableWrites[]>();
    for (const table of [...tables].sort((a, b) => a.version - b.version)) {
      this.#tables.push(table);
      this.#newest = table.version;
      const list = added.get(table.keyspace);
      if (list === undefined) added.set(table.keyspace, [table]);
      else list.push(table);
    }
    for (const [keyspace, list] of added) this.#enterGroup(keyspace, list.sort(bySmallest));
  }

  /** Takes out, and returns, what was written at or before `version`. What is asked at a lower snapshot from now on is not whole. */
  trim(version: Version): TableWrites[] {
    let n = 0;
    while (n < this.#tables.length && (this.#tables[n] as TableWrites).version <= version) n++;
    if (n === 0) return [];
    this.#trimmed = version;
    const taken = this.#tables.splice(0, n);
    for (const keyspace of new Set(taken.map((table) => table.keyspace))) this.#trimGroups(keyspace);
    return taken;
  }

  /** Calls back for each pair of a point, and a table written after `snapshot` in whose range it lies. */
  forEachAt(
    keyspace: string,
    points: Iterable<string>,
    snapshot: Version,
    visit: (table: TableWrites, point: string) => void,
  ): void {
    const after = this.#atLeastTrimmed(snapshot);
    const groups = this.#groupsAfter(keyspace, after);
    if (groups.length === 0) return;
    for (const point of points) {
      for (const group of groups) group.forEachAt(point, after, visit);
    }
  }

  /** Calls back for each pair of a range, and a table written after `snapshot` whose range overlaps it. */
  forEachIn(
    keyspace: string,
    ranges: Iterable<ReadRange>,
    snapshot: Version,
    visit: (table: TableWrites, range: ReadRange) => void,
  ): void {
    const after = this.#atLeastTrimmed(snapshot);
    const groups = this.#groupsAfter(keyspace, after);
    if (groups.length === 0) return;
    for (const range of ranges) {
      for (const group of groups) group.forEachIn(range, after, visit);
    }
  }

  /** Groups may still have tables that were trimmed and given back. */
  #atLeastTrimmed(snapshot: Version): Version {
    return snapshot > this.#trimmed ? snapshot : this.#trimmed;
  }

  #groupsAfter(keyspace: string, version: Version): readonly TableGroup[] {
    const groups = this.#groups.get(keyspace) ?? [];
    const first = groups.findIndex((group) => group.newest > version);
    return first < 0 ? [] : groups.slice(first);
  }

  #enterGroup(keyspace: string, tables: readonly TableWrites[]): void {
    let groups = this.#groups.get(keyspace);
    if (groups === undefined) {
      groups = [];
      this.#groups.set(keyspace, groups);
    }
    let merged = tables;
    for (let last = groups.at(-1); last !== undefined; last = groups.at(-1)) {
      if (last.tables.length > merged.length) break;
      merged = mergeTables(last.tables, merged, this.#trimmed);
      groups.pop();
    }
    groups.push(new TableGroup(merged));
  }

  /** Groups go when all of their tables are trimmed, and are made anew when half of them are. */
  #trimGroups(keyspace: string): void {
    const kept: TableGroup[] = [];
    for (const group of this.#groups.get(keyspace) ?? []) {
      const trimmed = group.countUpTo(this.#trimmed);
      if (trimmed === group.tables.length) continue;
      const anew = trimmed * 2 >= group.tables.length;
      kept.push(anew ? new TableGroup(mergeTables(group.tables, [], this.#trimmed)) : group);
    }
    if (kept.length > 0) this.#groups.set(keyspace, kept);
    else this.#groups.delete(keyspace);
  }
}

function bySmallest(a: TableWrites, b: TableWrites): number {
  return a.smallest < b.smallest ? -1 : a.smallest > b.smallest ? 1 : 0;
}

/** Both in order of their smallest keys; without what was written at or before `trimmed`. */
function mergeTables(
  a: readonly TableWrites[],
  b: readonly TableWrites[],
  trimmed: Version,
): readonly TableWrites[] {
  const merged: TableWrites[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    const takeLeft = right === undefined || (left !== undefined && left.smallest <= right.smallest);
    const table = (takeLeft ? left : right) as TableWrites;
    if (takeLeft) i++;
    else j++;
    if (table.version > trimmed) merged.push(table);
  }
  return merged;
}
