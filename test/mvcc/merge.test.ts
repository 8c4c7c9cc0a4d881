import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mergeCursors } from '../../src/mvcc/merge.ts';
import { expectWalk, walkArbitrary } from './cursor-walk.ts';
import { compareEntries, type Entry, entriesArbitrary, memtableOf } from './entries.ts';
import { ALWAYS_PENDING, dice, StutterCursor } from './stutter-cursor.ts';

/** Entries dealt to `n` sources; the same source twice is as good as any. */
const dealtArbitrary = fc
  .tuple(entriesArbitrary(120), fc.integer({ min: 0, max: 9 }))
  .chain(([entries, n]) =>
    fc.tuple(
      fc.constant(entries),
      fc.constant(n),
      fc.array(fc.nat(Math.max(0, n - 1)), { minLength: entries.length, maxLength: entries.length }),
    ),
  )
  .map(([entries, n, owners]) => {
    const sources = Array.from({ length: n }, (): Entry[] => []);
    for (const [i, entry] of entries.entries()) sources[owners[i] ?? 0]?.push(entry);
    return sources;
  });

it('merges any number of sources, in any walk, with any call pending', () => {
  fc.assert(
    fc.property(
      dealtArbitrary,
      walkArbitrary,
      fc.option(fc.integer(), { nil: undefined }),
      (sources, walk, seed) => {
        const chance = seed === undefined ? ALWAYS_PENDING : dice(seed);
        const children = sources.map((entries) => new StutterCursor(memtableOf(entries).cursor(), chance));
        const cursor = mergeCursors(children);
        expectWalk(cursor, sources.flat().sort(compareEntries), walk);
        cursor.close();
        expect(children.every((child) => child.closed)).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
});

it('shows an entry that two sources hold twice, the earlier source first, both ways', () => {
  fc.assert(
    fc.property(entriesArbitrary(20), walkArbitrary, (entries, walk) => {
      const twin = (value: string) =>
        memtableOf(entries.map((e) => ({ ...e, value: Buffer.from(value) }))).cursor();
      const both = entries.flatMap((e) => ['first', 'second'].map((v) => ({ ...e, value: Buffer.from(v) })));
      expectWalk(mergeCursors([twin('first'), twin('second')]), both.sort(compareEntries), walk);
    }),
  );
});

it('returns a single child as it is', () => {
  const child = memtableOf([]).cursor();
  expect(mergeCursors([child])).toBe(child);
});
