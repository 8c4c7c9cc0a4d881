/** Range tombstones by their definition: which version covers a key, and what of a source is left. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { Coverage } from '../../src/mvcc/coverage.ts';
import {
  joinSpans,
  type KeySpan,
  type RangeTombstone,
  RangeTombstones,
} from '../../src/mvcc/range-tombstones.ts';
import { UncoveredCursor } from '../../src/mvcc/uncovered-cursor.ts';
import { MAX_VERSION, type Version, versionOf } from '../../src/mvcc/version.ts';
import { expectWalk, walkArbitrary } from './cursor-walk.ts';
import { compareEntries, entriesArbitrary, keyArbitrary, memtableOf } from './entries.ts';
import { ALWAYS_PENDING, dice, StutterCursor } from './stutter-cursor.ts';

const spanArbitrary: fc.Arbitrary<KeySpan> = fc.record({
  from: fc.oneof({ weight: 5, arbitrary: keyArbitrary }, fc.constant(new Uint8Array(0))),
  to: fc.option(keyArbitrary, { nil: undefined, freq: 6 }),
});

function tombstonesArbitrary(maxVersion: number): fc.Arbitrary<RangeTombstone[]> {
  const version = fc.integer({ min: 1, max: maxVersion }).map(versionOf);
  return fc.array(
    fc.tuple(spanArbitrary, version).map(([span, at]) => ({ ...span, version: at })),
    { maxLength: 8 },
  );
}

function has({ from, to }: KeySpan, key: Uint8Array): boolean {
  return compareBytes(from, key) <= 0 && (to === undefined || compareBytes(key, to) < 0);
}

function newestOf(list: readonly RangeTombstone[], key: Uint8Array, snapshot: Version): Version {
  const seen = list.filter((tombstone) => tombstone.version <= snapshot && has(tombstone, key));
  return versionOf(Math.max(0, ...seen.map(({ version }) => version)));
}

it('the newest version that covers a key is found, at every snapshot', () => {
  fc.assert(
    fc.property(
      tombstonesArbitrary(12),
      fc.array(keyArbitrary, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 0, max: 13 }).map(versionOf),
      (list, keys, snapshot) => {
        const tombstones = RangeTombstones.of(list);
        const coverage = Coverage.of(tombstones, snapshot, undefined, undefined, undefined);
        for (const key of [...keys, ...list.flatMap(({ from, to }) => [from, to ?? from])]) {
          const wanted = newestOf(list, key, snapshot);
          expect(tombstones?.newest(key, 0, key.length, snapshot) ?? 0).toBe(wanted);
          expect(coverage?.newest(key, 0, key.length) ?? 0).toBe(wanted);
        }
      },
    ),
    { numRuns: 500 },
  );
});

it('touches() knows whether a range has a covered key', () => {
  const keys = fc.sample(keyArbitrary, 200);
  fc.assert(
    fc.property(
      tombstonesArbitrary(3),
      fc.option(keyArbitrary, { nil: undefined }),
      fc.option(keyArbitrary, { nil: undefined }),
      (list, lower, upper) => {
        fc.pre(lower === undefined || upper === undefined || compareBytes(lower, upper) < 0);
        const ends = list.flatMap(({ from }) => [from]);
        const inside = [...keys, ...ends, ...(lower === undefined ? [] : [lower])].filter(
          (key) =>
            (lower === undefined || compareBytes(key, lower) >= 0) &&
            (upper === undefined || compareBytes(key, upper) < 0),
        );
        const covered = inside.some((key) => newestOf(list, key, MAX_VERSION) > 0);
        expect(RangeTombstones.of(list)?.touches(lower, upper) ?? false).toBe(covered);
      },
    ),
    { numRuns: 500 },
  );
});

it('spans of one version are joined to as few as cover the same keys', () => {
  fc.assert(
    fc.property(fc.array(spanArbitrary, { maxLength: 8 }), fc.array(keyArbitrary), (spans, keys) => {
      const joined = joinSpans(spans);
      for (const key of [...keys, ...spans.flatMap(({ from, to }) => [from, to ?? from])]) {
        expect(joined.some((span) => has(span, key))).toBe(spans.some((span) => has(span, key)));
      }
      for (const [i, { from, to }] of joined.entries()) {
        if (to !== undefined) expect(compareBytes(from, to)).toBeLessThan(0);
        const next = joined[i + 1];
        if (next !== undefined) expect(compareBytes(to ?? next.from, next.from)).toBeLessThan(0);
      }
    }),
  );
});

it('a source shows what is left of it, in any walk, with any call pending', () => {
  fc.assert(
    fc.property(
      entriesArbitrary(40, 8),
      tombstonesArbitrary(16),
      tombstonesArbitrary(16),
      fc.integer({ min: 0, max: 16 }).map(versionOf),
      walkArbitrary,
      fc.option(fc.integer(), { nil: undefined }),
      (entries, ofTree, ofOwn, snapshot, walk, seed) => {
        const newest = versionOf(Math.max(0, ...entries.map(({ version }) => version)));
        const own = ofOwn.map((tombstone) => ({ ...tombstone, version: versionOf(tombstone.version + 100) }));
        const list = [...ofTree.filter(({ version }) => version <= snapshot), ...own];
        const left = entries.filter(({ key }) => newestOf(list, key, MAX_VERSION) <= newest);
        const tombstones = RangeTombstones.of(ofTree);
        const coverage = Coverage.of(tombstones, snapshot, RangeTombstones.of(own), undefined, undefined);
        fc.pre(coverage !== undefined);
        const chance = seed === undefined ? ALWAYS_PENDING : dice(seed);
        const inner = new StutterCursor(memtableOf(entries).cursor(), chance);
        const cursor = new UncoveredCursor(inner, coverage, newest);
        expectWalk(cursor, left.sort(compareEntries), walk, 'key');
        cursor.close();
        expect(inner.closed).toBe(true);
      },
    ),
    { numRuns: 1000 },
  );
});
