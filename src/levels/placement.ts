/**
 * Which level a finished table goes to: the lowest one, searched from the bottom up, in which neither a table nor a
 * reserved range overlaps it; level 0 takes what fits nowhere.
 *
 * L3: levels above may hold older data of the range, and so may memtables. The ranges of tables count, not the keys in
 * them: level order carries no age, but within a level tables must not overlap.
 */

import { compareBytes } from '../base/bytes.ts';
import type { Levels } from '../manifest/levels.ts';
import { LEVEL_COUNT, type TableRow } from '../manifest/rows.ts';
import type { Reservation, Reservations } from './reservations.ts';

/** A table as far as placement is concerned. */
export type PlacedRange = Pick<TableRow, 'level' | 'smallest' | 'largest'>;

/** What kept a table out of a level: the first of its tables there, else one of the same commit, else a reservation. */
export type Blocker =
  | { readonly kind: 'table'; readonly level: number; readonly table: TableRow }
  | { readonly kind: 'earlier'; readonly level: number; readonly earlier: PlacedRange }
  | { readonly kind: 'reservation'; readonly level: number; readonly reservation: Reservation };

export interface Placement {
  readonly level: number;
  /** One for each level below, from the bottom up. */
  readonly blockers: readonly Blocker[];
}

/**
 * `earlier`: tables of the same commit that have their level and are not installed; they stand in the way like others.
 * The bounds are user keys, both inclusive.
 */
export function placeTable(
  levels: Levels,
  reservations: Reservations,
  smallest: Uint8Array,
  largest: Uint8Array,
  earlier: readonly PlacedRange[] = [],
): Placement {
  const blockers: Blocker[] = [];
  for (let level = LEVEL_COUNT - 1; level > 0; level--) {
    const blocker = blockerAt(levels, reservations, level, smallest, largest, earlier);
    if (blocker === undefined) return { level, blockers };
    blockers.push(blocker);
  }
  return { level: 0, blockers };
}

function blockerAt(
  levels: Levels,
  reservations: Reservations,
  level: number,
  smallest: Uint8Array,
  largest: Uint8Array,
  earlier: readonly PlacedRange[],
): Blocker | undefined {
  const first = levels.tables[level]?.[levels.firstEndingFrom(level, smallest)];
  if (first !== undefined && compareBytes(first.smallest, largest) <= 0) {
    return { kind: 'table', level, table: first };
  }
  for (const other of earlier) {
    if (other.level !== level) continue;
    if (compareBytes(other.smallest, largest) <= 0 && compareBytes(smallest, other.largest) <= 0) {
      return { kind: 'earlier', level, earlier: other };
    }
  }
  const reservation = reservations.overlapping(level, smallest, largest);
  return reservation === undefined ? undefined : { kind: 'reservation', level, reservation };
}
