/**
 * Which compaction to run next: a pure function of the tables, the limits and what is reserved.
 *
 * L3 frees the choice from the order of levels. Any tables of level 0 may go down without the others, a level may be
 * passed over, and a table may move to any level where nothing overlaps it. What must hold is that the tables of each
 * level from 1 on stay apart: an output level's tables that overlap the range of all inputs are inputs too. As tables of
 * a level do not share keys, all versions of one key come along with it.
 */

import { at } from '../../base/assert.ts';
import { compareBytes } from '../../base/bytes.ts';
import type { Levels } from '../../manifest/levels.ts';
import { type FileId, LEVEL_COUNT, type TableRow } from '../../manifest/rows.ts';
import type { Version } from '../../mvcc/version.ts';
import { placeTable } from '../placement.ts';
import type { Reservations } from '../reservations.ts';
import { type LevelShape, type LevelTargets, levelTargets } from './level-targets.ts';
import { boundsOf, clusters, type HeldVersions, type KeyBounds, overlaps, sumBytes } from './table-ranges.ts';

export interface CompactionLimits extends LevelShape {
  /** Tables in level 0 at which they are compacted. */
  readonly level0Trigger: number;
  /** Size of a table that compaction writes. */
  readonly targetFileBytes: number;
}

/** Tables that go down as they are, each to its level. */
export interface Move {
  readonly kind: 'move';
  readonly moves: readonly { readonly table: TableRow; readonly level: number }[];
  readonly reason: string;
}

/** Tables that are merged into new ones at `level`. */
export interface Merge {
  readonly kind: 'merge';
  readonly inputs: readonly TableRow[];
  readonly level: number;
  readonly reason: string;
}

export type Choice = Move | Merge;

/** A compaction takes in at most this many target sizes where it has a choice. */
export const MERGE_FILES_MAX = 25;
/** Fewer tables of level 0 are not merged among themselves: they would be rewritten for little. */
const LEVEL0_MERGE_MIN = 4;
/** A table smaller than this part of the target size is merged with its likes, not moved: moves alone never grow tables. */
const MOVE_PART = 8;
/** A table of which range tombstones hide this part is written again without it. */
const HIDDEN_PART = 4;
const LOWEST = LEVEL_COUNT - 1;

export interface PickState {
  readonly levels: Levels;
  readonly limits: CompactionLimits;
  readonly reservations: Reservations;
  /** Nothing that is read from now on is older: tombstones up to this may go where they hide nothing (L4). */
  readonly watermark: Version;
  /** What memtables hold. */
  readonly memtables: readonly HeldVersions[];
  /** Tables that were written with versions for a snapshot that is closed since. */
  readonly stale: ReadonlySet<FileId>;
  /** How many bytes of tables range tombstones ≤ `watermark` hide, as far as it is known. */
  readonly hidden: ReadonlyMap<FileId, number>;
}

function idleTables({ levels, reservations }: PickState, level: number): TableRow[] {
  return at(levels.tables, level).filter(({ id }) => !reservations.takes(id));
}

/** What a reader has to look at above the base: each table of level 0, each level between that has any. */
function upperRuns(state: PickState, targets: LevelTargets): readonly (readonly TableRow[])[] {
  const between = state.levels.tables.map((_, level) => level).slice(1, targets.base);
  const levels = between.map((level) => idleTables(state, level)).filter((rows) => rows.length > 0);
  return [...idleTables(state, 0).map((row) => [row]), ...levels];
}

/** How urgent each level is; from 1 on it is compacted. Levels between level 0 and the base count with level 0. */
export function scores(state: PickState, targets: LevelTargets): number[] {
  return state.levels.tables.map((_, level) => {
    if (level === 0) return upperRuns(state, targets).length / state.limits.level0Trigger;
    if (level < targets.base || level === LOWEST) return 0;
    return sumBytes(idleTables(state, level)) / at(targets.bytes, level);
  });
}

/** undefined: nothing needs to be done, or all that does is blocked by what is under way. */
export function pickCompaction(state: PickState): Choice | undefined {
  const targets = levelTargets(state.levels, state.limits);
  const ranked = scores(state, targets)
    .map((score, level) => ({ score, level }))
    .filter(({ score }) => score >= 1)
    .sort((a, b) => b.score - a.score || a.level - b.level);
  for (const { level } of ranked) {
    const choice = level === 0 ? pickUpper(state, targets) : pickLevel(state, level);
    if (choice !== undefined) return choice;
  }
  return pickGarbage(state) ?? pickHidden(state);
}

/**
 * Everything in [smallest, largest] to the lowest level; 'blocked' while a compaction or an ingest stands in the way,
 * undefined when there is nothing. Bounds that are undefined are open; both are inclusive.
 */
export function pickRange(
  { levels, reservations }: PickState,
  smallest: Uint8Array | undefined,
  largest: Uint8Array | undefined,
): Merge | 'blocked' | undefined {
  const touched = [...levels].filter(
    (row) =>
      (smallest === undefined || compareBytes(row.largest, smallest) >= 0) &&
      (largest === undefined || compareBytes(row.smallest, largest) <= 0),
  );
  if (touched.length === 0) return undefined;
  const upper = touched.filter(({ level }) => level !== LOWEST);
  const bounds = boundsOf(touched);
  const inputs = [...upper, ...levels.overlapping(LOWEST, bounds.smallest, bounds.largest)];
  const merge = mergeOf({ levels, reservations }, inputs, LOWEST, 'asked for');
  return merge ?? 'blocked';
}

type Held = Pick<PickState, 'levels' | 'reservations'>;

/** The merge, when neither an input nor a place that it needs is taken. */
function mergeOf(
  { reservations }: Held,
  inputs: readonly TableRow[],
  level: number,
  reason: string,
): Merge | undefined {
  if (inputs.some(({ id }) => reservations.takes(id))) return undefined;
  const { smallest, largest } = boundsOf(inputs);
  if (level > 0 && reservations.overlapping(level, smallest, largest) !== undefined) return undefined;
  return { kind: 'merge', inputs, level, reason };
}

/** `upper` with all tables of `level` that overlap their common range. */
function downTo(state: Held, upper: readonly TableRow[], level: number, reason: string): Merge | undefined {
  const { smallest, largest } = boundsOf(upper);
  return mergeOf(state, [...upper, ...state.levels.overlapping(level, smallest, largest)], level, reason);
}

/* Level 0, and what lies between it and the base. */

function pickUpper(state: PickState, targets: LevelTargets): Choice | undefined {
  const { limits } = state;
  const runs = upperRuns(state, targets);
  const idle = runs.flat();
  const reason = `${runs.length} runs above level ${targets.base}`;
  const groups = sumBytes(idle) <= limits.targetFileBytes ? [idle] : clusters(idle);
  const alone = groups.flatMap((group) => (group.length === 1 ? group : []));
  const move = moveOf(state, alone, targets.base, reason);
  if (move !== undefined) return move;
  groups.sort((a, b) => b.length - a.length || sumBytes(a) - sumBytes(b));
  for (const group of groups) {
    const merge = downTo(state, group, targets.base, reason);
    if (merge !== undefined) return merge;
  }
  return mergeWithinLevel0(state, idleTables(state, 0));
}

/** The way down is blocked: fewer, larger tables serve readers meanwhile. The smallest ones, which cost least. */
function mergeWithinLevel0(state: PickState, idle: readonly TableRow[]): Merge | undefined {
  const { limits } = state;
  if (idle.length < limits.level0Trigger + 2) return undefined;
  const inputs: TableRow[] = [];
  let bytes = 0;
  for (const row of [...idle].sort((a, b) => a.bytes - b.bytes)) {
    bytes += row.bytes;
    // One that is larger than all before it together would be rewritten for nothing.
    if (bytes > MERGE_FILES_MAX * limits.targetFileBytes) break;
    if (inputs.length >= LEVEL0_MERGE_MIN && row.bytes > bytes / 2) break;
    inputs.push(row);
  }
  if (inputs.length < LEVEL0_MERGE_MIN) return undefined;
  return mergeOf(state, inputs, 0, `${idle.length} tables in level 0, and the way down is taken`);
}

/* Moves. */

/** Those of the tables that fit somewhere below, at `highest` or lower. Together, as they cost one edit. */
function moveOf(
  { levels, reservations, limits }: PickState,
  tables: readonly TableRow[],
  highest: number,
  reason: string,
): Move | undefined {
  const moves: { table: TableRow; level: number }[] = [];
  for (const table of tables) {
    if (table.bytes * MOVE_PART < limits.targetFileBytes && table.level === 0) continue;
    const earlier = moves.map((move) => ({ ...move.table, level: move.level }));
    const { level } = placeTable(levels, reservations, table.smallest, table.largest, earlier);
    if (level >= highest && level > table.level) moves.push({ table, level });
  }
  return moves.length === 0 ? undefined : { kind: 'move', moves, reason };
}

/* Levels from the base on. */

function pickLevel(state: PickState, level: number): Choice | undefined {
  const { levels } = state;
  const to = level + 1;
  const reason = `level ${level} is full`;
  const ranked = idleTables(state, level)
    .map((table) => ({
      table,
      ratio: sumBytes(levels.overlapping(to, table.smallest, table.largest)) / Math.max(1, table.bytes),
    }))
    // What rewrites least below comes first, then what was written longest ago.
    .sort((a, b) => a.ratio - b.ratio || a.table.maxVersion - b.table.maxVersion || a.table.id - b.table.id);
  for (const { table, ratio } of ranked) {
    if (ratio === 0) {
      const move = moveOf(state, [table], to, reason);
      if (move !== undefined) return move;
    }
    const merge = downTo(state, [table], to, reason);
    if (merge !== undefined) return widen(state, table, merge);
  }
  return undefined;
}

/** With neighbours of the table that need no more of the level below than is read anyway. */
function widen(state: PickState, table: TableRow, merge: Merge): Merge {
  const { levels, limits, reservations } = state;
  const below = merge.inputs.filter(({ level }) => level === merge.level);
  if (below.length === 0) return merge;
  const bounds = boundsOf(below);
  const isWithin = (row: KeyBounds): boolean =>
    compareBytes(row.smallest, bounds.smallest) >= 0 && compareBytes(row.largest, bounds.largest) <= 0;
  const more = levels
    .overlapping(table.level, bounds.smallest, bounds.largest)
    .filter((row) => row.id !== table.id && !reservations.takes(row.id) && isWithin(row));
  const inputs = [table, ...more, ...below];
  if (more.length === 0 || sumBytes(inputs) > MERGE_FILES_MAX * limits.targetFileBytes) return merge;
  return mergeOf(state, inputs, merge.level, merge.reason) ?? merge;
}

/* Garbage. */

/**
 * A table of the lowest level that is worth writing again for what it would lose: tombstones, when they are a good part
 * of it and are certain to go, or versions that were kept for a snapshot that is closed.
 */
function pickGarbage(state: PickState): Merge | undefined {
  const { levels, reservations, watermark, memtables, stale } = state;
  for (const table of at(levels.tables, LOWEST)) {
    if (reservations.takes(table.id)) continue;
    const isStale = stale.has(table.id);
    const isDead = table.deletes * 2 >= table.entries && table.deletes > 0 && table.maxVersion <= watermark;
    if (!isStale && !(isDead && isAlone(levels, memtables, table))) continue;
    const reason = isStale ? 'a snapshot was closed' : 'tombstones';
    const merge = mergeOf(state, [table], LOWEST, reason);
    if (merge !== undefined) return merge;
  }
  return undefined;
}

/**
 * A table of which range tombstones hide a good part, without that part, where it is: no compaction of its level may ever
 * come to it. L4: what they hide may go whatever lies elsewhere, as they stay while anything else can hold older versions.
 */
function pickHidden(state: PickState): Merge | undefined {
  const { levels, reservations, hidden } = state;
  if (hidden.size === 0) return undefined;
  for (const table of levels) {
    if (reservations.takes(table.id) || (hidden.get(table.id) ?? 0) * HIDDEN_PART < table.bytes) continue;
    const merge = mergeOf(state, [table], table.level, 'range deletions');
    if (merge !== undefined) return merge;
  }
  return undefined;
}

/** L4: nothing elsewhere can hold an older version of its keys, so that no tombstone has to stay. */
function isAlone(levels: Levels, memtables: readonly HeldVersions[], table: TableRow): boolean {
  const isOlder = ({ minVersion }: HeldVersions): boolean => minVersion < table.maxVersion;
  if (memtables.some((memtable) => isOlder(memtable) && overlaps(memtable, table))) return false;
  for (let level = 0; level < LOWEST; level++) {
    if (levels.overlapping(level, table.smallest, table.largest).some(isOlder)) return false;
  }
  return true;
}
