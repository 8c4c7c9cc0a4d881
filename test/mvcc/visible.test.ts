import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import type { Cursor, Status } from '../../src/mvcc/cursor.ts';
import { TYPE_DELETE, TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import type { Bounds } from '../../src/mvcc/key-range.ts';
import { mergeCursors } from '../../src/mvcc/merge.ts';
import { OVERLAY_FLOOR, type Version, versionOf } from '../../src/mvcc/version.ts';
import { VisibleCursor } from '../../src/mvcc/visible.ts';
import { type Entry, entriesArbitrary, keyArbitrary, memtableOf, settle, text } from './entries.ts';
import { ALWAYS_PENDING, dice, StutterCursor } from './stutter-cursor.ts';

/** Versions from 100 on are the transaction's own: 100 + n is statement n. */
const OWN = 100;

function withOverlay(entry: Entry): Entry {
  if (entry.version < OWN) return entry;
  return { ...entry, version: (OVERLAY_FLOOR + entry.version - OWN) as Version };
}

const boundsArbitrary: fc.Arbitrary<Bounds> = fc
  .record({
    lower: fc.option(fc.tuple(fc.constantFrom('gt' as const, 'gte' as const), keyArbitrary)),
    upper: fc.option(fc.tuple(fc.constantFrom('lt' as const, 'lte' as const), keyArbitrary)),
  })
  .map(({ lower, upper }) => ({
    ...(lower === null ? {} : { [lower[0]]: lower[1] }),
    ...(upper === null ? {} : { [upper[0]]: upper[1] }),
  }));

interface Reader {
  readonly snapshot: Version;
  /** undefined: no own statements are seen; else those up to this one. */
  readonly through: Version | undefined;
}

const readerArbitrary: fc.Arbitrary<Reader> = fc.record({
  snapshot: fc.integer({ min: 0, max: 12 }).map(versionOf),
  through: fc.option(
    fc.integer({ min: 0, max: 12 }).map((n) => (OVERLAY_FLOOR + n) as Version),
    { nil: undefined },
  ),
});

function inBounds(key: Uint8Array, { gt, gte, lt, lte }: Bounds): boolean {
  if (gt !== undefined && compareBytes(key, gt) <= 0) return false;
  if (gte !== undefined && compareBytes(key, gte) < 0) return false;
  if (lt !== undefined && compareBytes(key, lt) >= 0) return false;
  return lte === undefined || compareBytes(key, lte) <= 0;
}

/** What a reader sees, by the definition. */
function oracle(entries: readonly Entry[], reader: Reader, bounds: Bounds): Entry[] {
  const newest = new Map<string, Entry>();
  for (const entry of entries) {
    const own = entry.version >= OVERLAY_FLOOR;
    if (
      own ? reader.through === undefined || entry.version > reader.through : entry.version > reader.snapshot
    )
      continue;
    const known = newest.get(text(entry.key));
    if (known === undefined || known.version < entry.version) newest.set(text(entry.key), entry);
  }
  return [...newest.values()]
    .filter((entry) => entry.type === TYPE_VALUE && inBounds(entry.key, bounds))
    .sort((a, b) => compareBytes(a.key, b.key));
}

function visible(inner: Cursor, { snapshot, through }: Reader, bounds: Bounds): VisibleCursor {
  const overlay = through === undefined ? {} : { overlayFloor: OVERLAY_FLOOR, overlayThrough: through };
  return new VisibleCursor(inner, { snapshot, ...overlay }, bounds);
}

function showVisible(cursor: VisibleCursor): string {
  if (!cursor.valid) return 'end';
  const { keyBytes, keyStart, keyLength, version, valueBytes, valueStart, valueLength } = cursor;
  const key = text(keyBytes.slice(keyStart, keyStart + keyLength));
  return `${key}@${version}=${text(valueBytes.slice(valueStart, valueStart + valueLength))}`;
}

const showEntry = (entry: Entry | undefined): string =>
  entry === undefined ? 'end' : `${text(entry.key)}@${entry.version}=${text(entry.value)}`;

type Step =
  | { readonly call: 'first' | 'last' | 'next' | 'prev' }
  | { readonly call: 'seek' | 'seekBefore'; readonly key: Uint8Array; readonly inclusive: boolean };

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.constantFrom('next' as const, 'prev' as const).map((call) => ({ call })), weight: 10 },
  { arbitrary: fc.constantFrom('first' as const, 'last' as const).map((call) => ({ call })), weight: 2 },
  {
    arbitrary: fc.record({
      call: fc.constantFrom('seek' as const, 'seekBefore' as const),
      key: keyArbitrary,
      inclusive: fc.boolean(),
    }),
    weight: 3,
  },
);

function expectWalk(cursor: VisibleCursor, seen: readonly Entry[], walk: readonly Step[]): void {
  let at = -1;
  for (const step of walk) {
    if (seen[at] === undefined && (step.call === 'next' || step.call === 'prev')) continue;
    const call = (): Status => {
      if (step.call === 'seek' || step.call === 'seekBefore')
        return cursor[step.call](step.key, step.inclusive);
      return cursor[step.call]();
    };
    settle(cursor, call);
    if (step.call === 'first') at = 0;
    else if (step.call === 'last') at = seen.length - 1;
    else if (step.call === 'next') at++;
    else if (step.call === 'prev') at--;
    else if (step.call === 'seek' || step.call === 'seekBefore') {
      const forward = step.call === 'seek';
      // Exclusive seek and inclusive seekBefore both draw the line after the key.
      const after = forward ? !step.inclusive : step.inclusive;
      const { key } = step;
      const line = seen.findIndex((entry) => {
        const order = compareBytes(entry.key, key);
        return after ? order > 0 : order >= 0;
      });
      at = (line < 0 ? seen.length : line) - (forward ? 0 : 1);
    }
    expect(showVisible(cursor)).toBe(showEntry(seen[at]));
  }
}

describe('a visible cursor', () => {
  it('shows what a snapshot sees, in any walk, with any call pending', () => {
    const entries = entriesArbitrary(150, 12).chain((committed) =>
      entriesArbitrary(20, 12).map((own) => [
        ...committed,
        ...own.map((e) => withOverlay({ ...e, version: (e.version + OWN) as Version })),
      ]),
    );
    fc.assert(
      fc.property(
        entries,
        readerArbitrary,
        boundsArbitrary,
        fc.array(stepArbitrary, { maxLength: 60 }),
        fc.option(fc.integer(), { nil: undefined }),
        (all, reader, bounds, walk, seed) => {
          const chance = seed === undefined ? ALWAYS_PENDING : dice(seed);
          const sources = [0, 1, 2].map((n) => memtableOf(all.filter((_, i) => i % 3 === n)).cursor());
          const inner = mergeCursors(sources.map((source) => new StutterCursor(source, chance)));
          expectWalk(visible(inner, reader, bounds), oracle(all, reader, bounds), walk);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('stays right where keys have many versions, or large values', () => {
    const few = fc.oneof(fc.nat(4), fc.nat(60));
    const manyVersions = fc.array(
      fc.record({
        key: fc.nat(4),
        versions: few,
        deletedFrom: fc.nat(60),
        large: fc.boolean(),
      }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(
        manyVersions,
        few,
        fc.option(few, { nil: undefined }),
        fc.array(stepArbitrary, { maxLength: 30 }),
        fc.integer(),
        (keys, snapshot, own, walk, seed) => {
          const entries = new Map<string, Entry>();
          for (const { key, versions, deletedFrom, large } of keys) {
            for (let v = 1; v <= versions; v++) {
              const type = v % 7 === deletedFrom % 7 ? TYPE_DELETE : TYPE_VALUE;
              const value =
                type === TYPE_DELETE ? Buffer.alloc(0) : Buffer.alloc(large && v % 3 !== 1 ? 5000 : 3, v);
              entries.set(`${key}@${v}`, { key: Buffer.of(97 + key), version: versionOf(v), type, value });
            }
          }
          const committed = [...entries.values()];
          // The same again as the transaction's own statements.
          const all = committed.concat(
            committed
              .filter(({ key }) => (key[0] ?? 0) % 2 === 0)
              .map((e) => withOverlay({ ...e, version: (e.version + OWN) as Version })),
          );
          const through = own === undefined ? undefined : ((OVERLAY_FLOOR + own) as Version);
          const reader = { snapshot: versionOf(snapshot), through };
          const inner = new StutterCursor(memtableOf(all).cursor(), dice(seed));
          expectWalk(visible(inner, reader, {}), oracle(all, reader, {}), walk);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('passes over a thousand versions of a key in a few steps', () => {
    const all: Entry[] = [];
    for (const key of ['a', 'b', 'c']) {
      for (let v = 1; v <= 1000; v++) {
        all.push({
          key: Buffer.from(key),
          version: versionOf(v),
          type: TYPE_VALUE,
          value: Buffer.from(`${v}`),
        });
      }
    }
    let moves = 0;
    // A move is a draw; it is never PENDING.
    const inner = new StutterCursor(memtableOf(all, 8 << 20).cursor(), () => {
      moves++;
      return 1;
    });
    const cursor = visible(inner, { snapshot: versionOf(500), through: undefined }, {});
    const seen: string[] = [];
    for (cursor.first(); cursor.valid; cursor.next()) seen.push(showVisible(cursor));
    expect(seen).toEqual(['a@500=500', 'b@500=500', 'c@500=500']);
    expect(moves).toBeLessThan(100);
    moves = 0;
    seen.length = 0;
    for (cursor.last(); cursor.valid; cursor.prev()) seen.push(showVisible(cursor));
    expect(seen).toEqual(['c@500=500', 'b@500=500', 'a@500=500']);
    expect(moves).toBeLessThan(100);
  });

  it('does not pass over deletions again when a pending call is repeated', () => {
    const all: Entry[] = [];
    for (let n = 0; n < 1000; n++) {
      all.push({
        key: Buffer.from(`k${1000 + n}`),
        version: versionOf(1),
        type: TYPE_DELETE,
        value: Buffer.alloc(0),
      });
    }
    all.push({ key: Buffer.from('a'), version: versionOf(1), type: TYPE_VALUE, value: Buffer.from('first') });
    all.push({ key: Buffer.from('z'), version: versionOf(1), type: TYPE_VALUE, value: Buffer.from('last') });
    for (const [call, shown] of [
      [(c: VisibleCursor) => c.seek(Buffer.from('b')), 'z@1=last'],
      [(c: VisibleCursor) => c.seekBefore(Buffer.from('y')), 'a@1=first'],
    ] as const) {
      let moves = 0;
      const inner = new StutterCursor(memtableOf(all).cursor(), () => (moves++ % 10 === 0 ? 0 : 1));
      const cursor = visible(inner, { snapshot: versionOf(1), through: undefined }, {});
      settle(cursor, () => call(cursor));
      expect(showVisible(cursor)).toBe(shown);
      expect(moves).toBeLessThan(2500);
    }
  });
});
