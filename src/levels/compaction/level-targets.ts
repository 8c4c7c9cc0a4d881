/**
 * How much each level should hold, sized from the bottom up (RocksDB's level_compaction_dynamic_level_bytes): the lowest
 * level takes what there is, each level above a `levelMultiplier`th of the one below it, down to the base level, which
 * level 0 is compacted to. So nine tenths of the data lie in the lowest level however little there is, and space that
 * overwritten entries take stays near a tenth.
 *
 * Levels between level 0 and the base have no place in that. Ingests put tables there, where all levels below overlap.
 * Each is one more run to look at, as a table of level 0 is, and is compacted with those, straight to the base (L3).
 */

import type { Levels } from '../../manifest/levels.ts';
import { LEVEL_COUNT } from '../../manifest/rows.ts';

export interface LevelShape {
  /** The base level aims at most at this. */
  readonly levelBaseBytes: number;
  readonly levelMultiplier: number;
}

export interface LevelTargets {
  /** Where tables of level 0 are merged to. */
  readonly base: number;
  /** By level; 0 for those above the base, Infinity for the lowest. */
  readonly bytes: readonly number[];
}

const LOWEST = LEVEL_COUNT - 1;

export function levelTargets(levels: Levels, { levelBaseBytes, levelMultiplier }: LevelShape): LevelTargets {
  let largest = 0;
  for (let level = 1; level <= LOWEST; level++) largest = Math.max(largest, levels.bytes(level));
  let base = LOWEST;
  let target = largest;
  while (base > 1 && target > levelBaseBytes) {
    base--;
    target /= levelMultiplier;
  }
  const bytes: number[] = new Array<number>(LEVEL_COUNT).fill(0);
  // A base that is nearly empty would be emptied at every turn if it had to stay so.
  let aim = Math.max(target, levelBaseBytes);
  for (let level = base; level < LOWEST; level++, aim *= levelMultiplier) bytes[level] = aim;
  bytes[LOWEST] = Number.POSITIVE_INFINITY;
  return { base, bytes };
}

/** An estimate of what compactions still have to write until every level is within its target. */
export function pendingBytes(levels: Levels, shape: LevelShape, level0Trigger: number): number {
  const { base, bytes } = levelTargets(levels, shape);
  let pending = 0;
  let runs = levels.tables[0]?.length ?? 0;
  let arriving = levels.bytes(0);
  for (let level = 1; level < base; level++) {
    if (levels.bytes(level) > 0) runs++;
    arriving += levels.bytes(level);
  }
  if (runs < level0Trigger) arriving = 0;
  else pending += arriving + levels.bytes(base);
  for (let level = base; level < LOWEST; level++) {
    const has = levels.bytes(level) + (level === base ? arriving : 0);
    const excess = has - (bytes[level] ?? 0);
    if (excess <= 0) continue;
    const below = levels.bytes(level + 1);
    pending += excess * (1 + Math.min(shape.levelMultiplier, below / Math.max(1, has)));
  }
  return pending;
}
