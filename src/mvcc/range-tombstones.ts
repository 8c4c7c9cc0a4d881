/**
 * Range tombstones: a span of keys deleted at a version. An entry of version x is hidden from a reader at snapshot s by a
 * tombstone of version t that covers its key when x < t ≤ s. At x = t the entry wins, as in RocksDB: a file's points
 * stand over the range deletions of the same file.
 *
 * They are kept as a skyline: the ends of all spans cut the keys into fragments, each with the versions that cover it,
 * newest first. It is made when first asked for, and n overlapping spans may make n² versions of it: what newer
 * tombstones make superfluous is to be collected.
 */

import { compareBytes, compareRanges, EMPTY_BYTES } from '../base/bytes.ts';
import { NO_VERSION, type Version } from './version.ts';

/** User keys from `from` up to and without `to`; an empty `from` is the beginning, an undefined `to` the end. */
export interface KeySpan {
  readonly from: Uint8Array;
  readonly to: Uint8Array | undefined;
}

export interface RangeTombstone extends KeySpan {
  readonly version: Version;
}

const NONE: readonly Version[] = [];

interface Fragments {
  /** Ascending; the first is empty. Fragment i ends where the next one starts, the last one nowhere. */
  readonly starts: readonly Uint8Array[];
  /** Versions of each fragment, newest first. Neighbours differ. */
  readonly versions: readonly (readonly Version[])[];
}

/** The tombstones of one tree, or of one transaction. Immutable. */
export class RangeTombstones {
  readonly list: readonly RangeTombstone[];
  #fragments: Fragments | undefined;

  private constructor(list: readonly RangeTombstone[]) {
    this.list = list;
  }

  /** undefined for none, so that readers have one thing to look at. */
  static of(list: readonly RangeTombstone[]): RangeTombstones | undefined {
    return list.length === 0 ? undefined : new RangeTombstones(list);
  }

  get starts(): readonly Uint8Array[] {
    return this.#made().starts;
  }

  /** Of the fragment, newest first. */
  versionsOf(fragment: number): readonly Version[] {
    return this.#made().versions[fragment] ?? NONE;
  }

  /** The fragment that has the key. */
  find(key: Uint8Array, start: number, length: number): number {
    const { starts } = this.#made();
    let low = 1;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const from = starts[middle] as Uint8Array;
      if (compareRanges(from, 0, from.length, key, start, length) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The newest version ≤ `snapshot` in the fragment, NO_VERSION when there is none. */
  newestIn(fragment: number, snapshot: Version): Version {
    for (const version of this.versionsOf(fragment)) if (version <= snapshot) return version;
    return NO_VERSION;
  }

  /** The newest version ≤ `snapshot` that covers the key, NO_VERSION when there is none. */
  newest(key: Uint8Array, start: number, length: number, snapshot: Version): Version {
    return this.newestIn(this.find(key, start, length), snapshot);
  }

  /** Whether any of them has a key in [lower, upper). */
  touches(lower: Uint8Array | undefined, upper: Uint8Array | undefined): boolean {
    const first = this.find(lower ?? EMPTY_BYTES, 0, lower?.length ?? 0);
    if (this.versionsOf(first).length > 0) return true;
    // Neighbours differ, so the next fragment is not empty.
    const next = this.starts[first + 1];
    return next !== undefined && (upper === undefined || compareBytes(next, upper) < 0);
  }

  #made(): Fragments {
    this.#fragments ??= makeFragments(this.list);
    return this.#fragments;
  }
}

/** A sweep over the ends of the spans, with the versions that cover the place in a sorted list. */
function makeFragments(list: readonly RangeTombstone[]): Fragments {
  const ends: { key: Uint8Array; version: Version; opens: boolean }[] = [];
  for (const { from, to, version } of list) {
    if (to !== undefined && compareBytes(from, to) >= 0) continue;
    ends.push({ key: from, version, opens: true });
    if (to !== undefined) ends.push({ key: to, version, opens: false });
  }
  ends.sort((a, b) => compareBytes(a.key, b.key));
  const starts: Uint8Array[] = [EMPTY_BYTES];
  const versions: (readonly Version[])[] = [NONE];
  const active: Version[] = [];
  for (let i = 0; i < ends.length; ) {
    const key = (ends[i] as (typeof ends)[0]).key;
    for (let end = ends[i]; end !== undefined && compareBytes(end.key, key) === 0; end = ends[++i]) {
      const place = placeOf(active, end.version);
      if (end.opens) active.splice(place, 0, end.version);
      else active.splice(place, 1);
    }
    const covering = active.filter((version, j) => version !== active[j - 1]);
    if (key.length === 0) versions[0] = covering;
    else if (!sameVersions(versions.at(-1) ?? NONE, covering)) {
      starts.push(key);
      versions.push(covering);
    }
  }
  return { starts, versions };
}

/** The index of the first version ≤ `version` in a descending list. */
function placeOf(versions: readonly Version[], version: Version): number {
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((versions[middle] as Version) > version) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sameVersions(a: readonly Version[], b: readonly Version[]): boolean {
  return a.length === b.length && a.every((version, i) => version === b[i]);
}

/** Sorted, without empty spans, and with those that touch made one: what one version deletes, said as shortly as can be. */
export function joinSpans(spans: readonly KeySpan[]): KeySpan[] {
  const sorted = spans
    .filter(({ from, to }) => to === undefined || compareBytes(from, to) < 0)
    .sort((a, b) => compareBytes(a.from, b.from));
  const joined: KeySpan[] = [];
  for (const span of sorted) {
    const last = joined.at(-1);
    if (last === undefined || (last.to !== undefined && compareBytes(last.to, span.from) < 0)) {
      joined.push(span);
    } else if (last.to !== undefined && (span.to === undefined || compareBytes(last.to, span.to) < 0)) {
      joined[joined.length - 1] = { from: last.from, to: span.to };
    }
  }
  return joined;
}
