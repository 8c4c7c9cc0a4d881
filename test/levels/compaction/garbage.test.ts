/** L4 against brute force: whatever a compaction leaves out, every reader sees what it saw. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GarbageRule, type Retention } from '../../../src/levels/compaction/garbage.ts';
import type { HeldVersions } from '../../../src/levels/compaction/table-ranges.ts';
import { TYPE_DELETE, TYPE_VALUE } from '../../../src/mvcc/internal-key.ts';
import { type Version, versionOf } from '../../../src/mvcc/version.ts';
import { compareEntries, type Entry, entriesArbitrary, text } from '../../mvcc/entries.ts';

/** What is left of the inputs. */
function compacted(
  inputs: readonly Entry[],
  retention: Retention,
  coveredBy?: (key: string, upTo: Version) => Version,
): Entry[] {
  const covered =
    coveredBy &&
    ((key: Uint8Array, start: number, length: number, upTo: Version) =>
      coveredBy(text(key.subarray(start, start + length)), upTo));
  const rule = new GarbageRule(retention, covered);
  return [...inputs]
    .sort(compareEntries)
    .filter(({ key, version, type }) => rule.keeps(key, 0, key.length, version, type));
}

/** The value of each key that a reader at `version` sees. */
function read(entries: readonly Entry[], version: number): Map<string, string> {
  const newest = new Map<string, Entry>();
  for (const entry of entries) {
    const other = newest.get(text(entry.key));
    if (entry.version > version || (other !== undefined && other.version > entry.version)) continue;
    newest.set(text(entry.key), entry);
  }
  const values = [...newest].filter(([, { type }]) => type === TYPE_VALUE);
  return new Map(values.map(([key, { value }]) => [key, text(value)] as const).sort());
}

function boundsOf(entries: readonly Entry[]): HeldVersions[] {
  if (entries.length === 0) return [];
  const keys = entries.map(({ key }) => key).sort(Buffer.compare);
  const minVersion = versionOf(Math.min(...entries.map(({ version }) => version)));
  return [{ smallest: keys[0] as Uint8Array, largest: keys.at(-1) as Uint8Array, minVersion }];
}

const entry = (key: string, version: number, value?: string): Entry => ({
  key: Buffer.from(key),
  version: versionOf(version),
  type: value === undefined ? TYPE_DELETE : TYPE_VALUE,
  value: Buffer.from(value ?? ''),
});

const NOTHING_ELSE: Retention = { snapshots: [], horizon: versionOf(100), keepVersions: 1, outside: [] };
const left = (inputs: readonly Entry[], retention: Partial<Retention> = {}) =>
  compacted(inputs, { ...NOTHING_ELSE, ...retention }).map(({ key, version }) => `${text(key)}@${version}`);
const versions = (...list: number[]): Version[] => list.map(versionOf);

const HISTORY = [entry('a', 9, 'x'), entry('a', 7), entry('a', 5, 'y'), entry('a', 3, 'z')];

describe('what may go', () => {
  test('without snapshots all but the newest version goes', () => {
    expect(left(HISTORY)).toEqual(['a@9']);
  });
  test('above the horizon everything stays, and the newest at it', () => {
    expect(left(HISTORY, { horizon: versionOf(6) })).toEqual(['a@9', 'a@7', 'a@5']);
    expect(left(HISTORY, { horizon: versionOf(7) })).toEqual(['a@9']);
  });
  test('each snapshot keeps the version that it sees', () => {
    expect(left(HISTORY, { snapshots: versions(4, 8) })).toEqual(['a@9', 'a@7', 'a@3']);
    expect(left(HISTORY, { snapshots: versions(6) })).toEqual(['a@9', 'a@5']);
    expect(left(HISTORY, { snapshots: versions(7, 7) })).toEqual(['a@9']);
  });
  test('a tombstone goes, with what is older, when nothing outside is older', () => {
    const deleted = HISTORY.slice(1);
    expect(left(deleted)).toEqual([]);
    const older = { smallest: Buffer.from('A'), largest: Buffer.from('b'), minVersion: versionOf(2) };
    expect(left(deleted, { outside: [older] })).toEqual(['a@7']);
    const apart = { ...older, smallest: Buffer.from('aa') };
    expect(left(deleted, { outside: [apart] })).toEqual([]);
    const newer = { ...older, minVersion: versionOf(7) };
    expect(left(deleted, { outside: [newer] })).toEqual([]);
  });
  test('a tombstone that a snapshot does not see stays for the others', () => {
    expect(left(HISTORY.slice(1), { snapshots: versions(5) })).toEqual(['a@7', 'a@5']);
  });
  test('so many versions stay as are asked for, down to a tombstone that goes', () => {
    expect(left(HISTORY, { keepVersions: 2 })).toEqual(['a@9', 'a@7']);
    expect(left(HISTORY, { keepVersions: 4 })).toEqual(['a@9', 'a@7', 'a@5', 'a@3']);
    expect(left(HISTORY.slice(1), { keepVersions: 4 })).toEqual([]);
  });
  test('what a range deletion covers goes, for all who see the deletion', () => {
    const inputs = [entry('a', 9, 'x'), entry('b', 4, 'y')];
    const coveredBy = (_: string, upTo: Version): Version => versionOf(upTo >= 6 ? 6 : 0);
    expect(compacted(inputs, NOTHING_ELSE, coveredBy).length).toBe(1);
    expect(compacted(inputs, { ...NOTHING_ELSE, snapshots: versions(5) }, coveredBy).length).toBe(2);
  });
  test('what only a snapshot needs is counted', () => {
    const rule = new GarbageRule({ ...NOTHING_ELSE, snapshots: versions(4, 8) });
    for (const { key, version, type } of HISTORY) rule.keeps(key, 0, key.length, version, type);
    expect(rule.heldBack).toBe(2);
  });
});

const VERSION_MAX = 12;

/** Entries of a tree in a few sources, some of which are compacted. */
const scene = fc.record({
  entries: entriesArbitrary(40, VERSION_MAX),
  places: fc.array(fc.nat(4), { minLength: 40, maxLength: 40 }),
  inputs: fc.uniqueArray(fc.nat(4), { minLength: 1 }),
  snapshots: fc.array(fc.integer({ min: 0, max: VERSION_MAX }), { maxLength: 3 }),
  horizon: fc.integer({ min: 0, max: VERSION_MAX }),
  keepVersions: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 3 })),
});

test('no reader at a snapshot, or from the horizon on, sees any difference', () => {
  fc.assert(
    fc.property(scene, ({ entries, places, inputs, snapshots, horizon, keepVersions }) => {
      const sources: Entry[][] = [[], [], [], [], []];
      for (const [i, each] of entries.entries()) sources[places[i] ?? 0]?.push(each);
      const taken = sources.filter((_, i) => inputs.includes(i)).flat();
      const others = sources.filter((_, i) => !inputs.includes(i));
      const retention: Retention = {
        snapshots: snapshots.sort((a, b) => a - b).map(versionOf),
        horizon: versionOf(horizon),
        keepVersions,
        outside: others.flatMap(boundsOf),
      };
      const after = [...others.flat(), ...compacted(taken, retention)];
      const readers = new Set(snapshots);
      for (let version = horizon; version <= VERSION_MAX + 1; version++) readers.add(version);
      for (const version of readers) expect(read(after, version)).toEqual(read(entries, version));
    }),
    { numRuns: 3000 },
  );
});

test('resurrection: an ingested tombstone below older puts stays deleted, whatever is merged in whatever order', () => {
  // The put is in a memtable or in level 0; the newer tombstone was ingested below it; an older put lies deeper still.
  const sources = [
    [entry('k', 4, 'in memory')],
    [entry('k', 3, 'level 0')],
    [entry('k', 5)],
    [entry('k', 1, 'old')],
  ];
  const orders = fc.array(fc.uniqueArray(fc.nat(3), { minLength: 1 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(orders, (merges) => {
      let now: readonly (readonly Entry[])[] = sources;
      for (const chosen of merges) {
        const inputs = now.filter((_, i) => chosen.includes(i)).flat();
        const others = now.filter((_, i) => !chosen.includes(i));
        const outside = others.flatMap(boundsOf);
        now = [...others, compacted(inputs, { ...NOTHING_ELSE, outside })];
        expect(read(now.flat(), 100).size).toBe(0);
      }
    }),
  );
});
