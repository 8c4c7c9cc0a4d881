/** Key ranges of several tables. */

import { assert } from '../../base/assert.ts';
import { compareBytes } from '../../base/bytes.ts';
import type { TableRow } from '../../manifest/rows.ts';
import type { Version } from '../../mvcc/version.ts';

/** User keys, both inclusive. */
export interface KeyBounds {
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
}

/** What a source of entries may hold: no key outside the bounds, no version below the lowest. */
export interface HeldVersions extends KeyBounds {
  readonly minVersion: Version;
}

export function overlaps(a: KeyBounds, b: KeyBounds): boolean {
  return compareBytes(a.smallest, b.largest) <= 0 && compareBytes(b.smallest, a.largest) <= 0;
}

export function sumBytes(rows: readonly TableRow[]): number {
  return rows.reduce((sum, row) => sum + row.bytes, 0);
}

/** From the first key of all to the last. */
export function boundsOf(ranges: readonly KeyBounds[]): KeyBounds {
  const first = ranges[0];
  assert(first !== undefined, 'no tables have no bounds');
  let { smallest, largest } = first;
  for (const range of ranges) {
    if (compareBytes(range.smallest, smallest) < 0) smallest = range.smallest;
    if (compareBytes(range.largest, largest) > 0) largest = range.largest;
  }
  return { smallest, largest };
}

/** Groups of tables whose ranges hang together; the groups lie apart from each other. */
export function clusters(rows: readonly TableRow[]): TableRow[][] {
  const groups: TableRow[][] = [];
  let end: Uint8Array | undefined;
  for (const row of [...rows].sort((a, b) => compareBytes(a.smallest, b.smallest))) {
    const group = groups.at(-1);
    if (group === undefined || end === undefined || compareBytes(row.smallest, end) > 0) {
      groups.push([row]);
      end = row.largest;
      continue;
    }
    group.push(row);
    if (compareBytes(row.largest, end) > 0) end = row.largest;
  }
  return groups;
}
