import fc from 'fast-check';
import { expect, it } from 'vitest';
import { at } from '../../src/base/assert.ts';
import { compareBytes } from '../../src/base/bytes.ts';
import { LevelCursor } from '../../src/levels/level-cursor.ts';
import { TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { versionOf } from '../../src/mvcc/version.ts';
import { table } from '../manifest/rows.ts';
import { expectWalk, walkArbitrary } from '../mvcc/cursor-walk.ts';
import {
  compareEntries,
  type Entry,
  entriesArbitrary,
  memtableOf,
  settle,
  showCursor,
} from '../mvcc/entries.ts';
import { ALWAYS_PENDING, dice, StutterCursor } from '../mvcc/stutter-cursor.ts';

/** Cuts sorted entries into tables, never between the versions of one key (L3). */
function cut(sorted: readonly Entry[], every: number): Entry[][] {
  const parts: Entry[][] = [];
  for (const entry of sorted) {
    const last = parts.at(-1);
    const before = last?.at(-1);
    const sameKey = before !== undefined && compareBytes(before.key, entry.key) === 0;
    if (last !== undefined && (sameKey || last.length < every)) last.push(entry);
    else parts.push([entry]);
  }
  return parts;
}

it('is one cursor over the tables of a level, in any walk, with any call pending', () => {
  fc.assert(
    fc.property(
      entriesArbitrary(60),
      fc.integer({ min: 1, max: 20 }),
      walkArbitrary,
      fc.option(fc.integer(), { nil: undefined }),
      (entries, every, walk, seed) => {
        const chance = seed === undefined ? ALWAYS_PENDING : dice(seed);
        const sorted = entries.sort(compareEntries);
        const parts = cut(sorted, every);
        const rows = parts.map((part, i) =>
          table(i + 1, { level: 3, smallest: at(part, 0).key, largest: at(part, part.length - 1).key }),
        );
        const opened: StutterCursor[] = [];
        const cursor = new LevelCursor(rows, (row) => {
          opened.push(new StutterCursor(memtableOf(at(parts, row.id - 1)).cursor(), chance));
          return at(opened, opened.length - 1);
        });
        expectWalk(cursor, sorted, walk);
        // One table is open at a time, or two while it moves from one to the other.
        expect(opened.filter((child) => !child.closed).length).toBeLessThanOrEqual(2);
        cursor.close();
        expect(opened.every((child) => child.closed)).toBe(true);
      },
    ),
    { numRuns: 1000 },
  );
});

it('does not ask the first table again when the pending seek has gone on to the next', () => {
  const entry = (key: string): Entry => ({
    key: Buffer.from(key),
    version: versionOf(5),
    type: TYPE_VALUE,
    value: Buffer.from('v'),
  });
  const parts = [[entry('a')], [entry('b'), entry('c')], [entry('d')]];
  const rows = parts.map((part, i) =>
    table(i + 1, { level: 3, smallest: at(part, 0).key, largest: at(part, part.length - 1).key }),
  );
  const cursor = new LevelCursor(
    rows,
    (row) => new StutterCursor(memtableOf(at(parts, row.id - 1)).cursor(), ALWAYS_PENDING),
  );
  const seek = (key: string, version: number) => () =>
    cursor.seek(Buffer.from(key), 0, 1, versionOf(version));
  settle(cursor, seek('a', 5));
  expect(showCursor(cursor)).toBe('a@5=v');
  settle(cursor, seek('c', 4));
  expect(showCursor(cursor)).toBe('d@5=v');
  settle(cursor, seek('c', 5));
  expect(showCursor(cursor)).toBe('c@5=v');
  settle(cursor, seek('d', 4));
  expect(showCursor(cursor)).toBe('end');
});
