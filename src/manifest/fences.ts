/**
 * Which table of each level ≥ 1 has a key within its range, by one search for all levels.
 *
 * The bounds of their tables cut the keys into cells, within which each level has the same one table, or none. A bound
 * lies just before the smallest key of a table or just after the largest of one. The search is over heads of the bounds,
 * six bytes each after what all bounds share, and reads whole bounds only where those tie.
 */

import { compareBytes, compareRanges, EMPTY_BYTES } from '../base/bytes.ts';
import { keyHead } from '../base/key-head.ts';
import { LEVEL_COUNT, type TableRow } from './rows.ts';

const SORTED_LEVELS = LEVEL_COUNT - 1;
const NONE = -1;

/** Bounds 2 i and 2 i + 1 of a level are those of its table i. */
function boundOf(rows: readonly TableRow[], n: number): Uint8Array {
  const row = rows[n >>> 1] as TableRow;
  return opensAt(n) ? row.smallest : row.largest;
}

const opensAt = (n: number): boolean => (n & 1) === 0;

export class Fences {
  /** The bounds, ascending; of the same key those before it first. */
  readonly #keys: readonly Uint8Array[];
  /** 1: just before the key; 0: just after. */
  readonly #opens: Uint8Array;
  readonly #heads: Float64Array;
  /** What all bounds share. */
  readonly #prefix: Uint8Array;
  /** For each cell, the one before bound 0 first, and each level from 1 on: the index of the table there, or NONE. */
  readonly #tables: Int32Array;

  /** `levels`: LEVEL_COUNT lists, of which those from 1 on do not overlap and are ordered by key (L3). */
  constructor(levels: readonly (readonly TableRow[])[]) {
    const sorted = levels.slice(1);
    this.#prefix = sharedPrefix(sorted);
    const common = this.#prefix.length;
    const bounds = sorted.reduce((sum, rows) => sum + rows.length * 2, 0);
    const keys = new Array<Uint8Array>(bounds);
    const opens = new Uint8Array(bounds);
    const heads = new Float64Array(bounds);
    const tables = new Int32Array((bounds + 1) * SORTED_LEVELS).fill(NONE);
    /** Of each level: the bound whose turn it is, and its head, Infinity at the end. */
    const turns = new Uint32Array(SORTED_LEVELS);
    const turnHeads = Float64Array.from(sorted, (rows) => headOf(rows, 0, common));
    for (let bound = 0; bound < bounds; bound++) {
      let level = 0;
      for (let other = 1; other < SORTED_LEVELS; other++) {
        const head = turnHeads[other] as number;
        const least = turnHeads[level] as number;
        if (head < least || (head === least && isFirst(sorted, turns, other, level))) level = other;
      }
      const n = turns[level] as number;
      const rows = sorted[level] as readonly TableRow[];
      keys[bound] = boundOf(rows, n);
      opens[bound] = opensAt(n) ? 1 : 0;
      heads[bound] = turnHeads[level] as number;
      const cell = (bound + 1) * SORTED_LEVELS;
      for (let i = 0; i < SORTED_LEVELS; i++) tables[cell + i] = tables[cell + i - SORTED_LEVELS] as number;
      tables[cell + level] = opensAt(n) ? n >>> 1 : NONE;
      turns[level] = n + 1;
      turnHeads[level] = headOf(rows, n + 1, common);
    }
    this.#keys = keys;
    this.#opens = opens;
    this.#heads = heads;
    this.#tables = tables;
  }

  /** In which cell the key is. */
  cellOf(key: Uint8Array, keyStart: number, keyLength: number): number {
    const heads = this.#heads;
    const prefix = this.#prefix;
    const common = prefix.length;
    const n = common < keyLength ? common : keyLength;
    for (let i = 0; i < n; i++) {
      const d = (key[keyStart + i] as number) - (prefix[i] as number);
      if (d !== 0) return d < 0 ? 0 : heads.length;
    }
    if (keyLength < common) return 0;
    const head = keyHead(key, keyStart + common, keyStart + keyLength);
    let low = 0;
    let high = heads.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const h = heads[middle] as number;
      if (h > head) high = middle;
      else if (h < head || this.#isBefore(middle, key, keyStart, keyLength)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isBefore(bound: number, key: Uint8Array, keyStart: number, keyLength: number): boolean {
    const own = this.#keys[bound] as Uint8Array;
    const d = compareRanges(own, 0, own.length, key, keyStart, keyLength);
    return d < 0 || (d === 0 && this.#opens[bound] === 1);
  }

  /** The index of the table of a level ≥ 1 that has the keys of a cell within its range; negative when none has. */
  tableIn(cell: number, level: number): number {
    return this.#tables[cell * SORTED_LEVELS + level - 1] as number;
  }
}

function headOf(rows: readonly TableRow[], n: number, common: number): number {
  if (n === rows.length * 2) return Number.POSITIVE_INFINITY;
  const key = boundOf(rows, n);
  return keyHead(key, common, key.length);
}

/** Whether level `a`'s bound comes before that of level `b`, whose head is the same. */
function isFirst(
  levels: readonly (readonly TableRow[])[],
  turns: Uint32Array,
  a: number,
  b: number,
): boolean {
  const rows = levels[a] as readonly TableRow[];
  const n = turns[a] as number;
  if (n === rows.length * 2) return false;
  const m = turns[b] as number;
  const d = compareBytes(boundOf(rows, n), boundOf(levels[b] as readonly TableRow[], m));
  return d < 0 || (d === 0 && opensAt(n) && !opensAt(m));
}

/** Keys between the least and the greatest bound all begin with what these two share. */
function sharedPrefix(levels: readonly (readonly TableRow[])[]): Uint8Array {
  let least: Uint8Array | undefined;
  let greatest: Uint8Array | undefined;
  for (const rows of levels) {
    const smallest = rows[0]?.smallest;
    const largest = rows.at(-1)?.largest;
    if (smallest === undefined || largest === undefined) continue;
    if (least === undefined || compareBytes(smallest, least) < 0) least = smallest;
    if (greatest === undefined || compareBytes(largest, greatest) > 0) greatest = largest;
  }
  if (least === undefined || greatest === undefined) return EMPTY_BYTES;
  let common = 0;
  while (common < least.length && least[common] === greatest[common]) common++;
  return least.slice(0, common);
}
