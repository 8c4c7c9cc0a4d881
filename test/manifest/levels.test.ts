/** Levels keep their order and answer range questions as a scan of all tables would. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { Levels } from '../../src/manifest/levels.ts';
import type { FileId, TableRow, TreeId } from '../../src/manifest/rows.ts';
import type { Version } from '../../src/mvcc/version.ts';
import { table } from './rows.ts';

const key = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 255);
const span = (
  id: number,
  level: number,
  from: number,
  to: number,
  change: Partial<TableRow> = {},
): TableRow => table(id, { level, smallest: key(from), largest: key(to), ...change });
const idsOf = (tables: Iterable<TableRow>): number[] => [...tables].map(({ id }) => id);

test('level 0 is newest first, by version and then by id', () => {
  const versions: [number, number][] = [
    [1, 50],
    [2, 70],
    [3, 50],
    [4, 10],
  ];
  const levels = Levels.of(versions.map(([id, v]) => span(id, 0, 0, 9, { maxVersion: v as Version })));
  expect(idsOf(levels.tables[0] ?? [])).toEqual([2, 3, 1, 4]);
});

test('values are immutable, and share the levels that an edit leaves alone', () => {
  const before = Levels.of([span(1, 1, 0, 9), span(2, 2, 0, 9)]);
  const after = before.drop([1 as FileId]).add([span(3, 1, 20, 30), span(4, 1, 10, 19)]);
  expect(idsOf(before)).toEqual([1, 2]);
  expect(idsOf(after)).toEqual([4, 3, 2]);
  expect(after.tables[2]).toBe(before.tables[2]);
  expect(after.count).toBe(3);
  expect(after.bytes(1)).toBe(2000);
  expect(after.add([])).toBe(after);
  expect(after.drop([])).toBe(after);
});

test('overlap in a level below 0, a doubled edge included, is a bug', () => {
  const levels = Levels.of([span(1, 1, 0, 9)]);
  expect(() => levels.add([span(2, 1, 9, 20)])).toThrow(/L3: tables 1 and 2 of level 1 overlap/);
  expect(() => levels.add([span(2, 1, 3, 4)])).toThrow(/L3/);
  levels.add([span(2, 0, 3, 4), span(3, 0, 3, 4)]);
});

test('dropping a table that is not there is a bug', () => {
  expect(() => Levels.of([span(1, 1, 0, 9)]).drop([2 as FileId])).toThrow(/1 of the tables to drop/);
});

test('byTree separates the trees', () => {
  const trees = Levels.byTree([span(1, 1, 0, 9), span(2, 1, 0, 9, { tree: 2 as TreeId }), span(3, 0, 0, 9)]);
  expect(idsOf(trees.get(1 as TreeId) ?? [])).toEqual([3, 1]);
  expect(idsOf(trees.get(2 as TreeId) ?? [])).toEqual([2]);
});

describe('range questions', () => {
  /** Disjoint tables of a level from sorted distinct edges. */
  const disjoint = fc.uniqueArray(fc.nat({ max: 1000 }), { maxLength: 40 }).map((edges) => {
    const sorted = edges.sort((a, b) => a - b);
    const rows: TableRow[] = [];
    for (let i = 0; i + 1 < sorted.length; i += 2)
      rows.push(span(i + 1, 1, sorted[i] ?? 0, sorted[i + 1] ?? 0));
    return rows;
  });
  const anywhere = fc
    .array(fc.tuple(fc.nat({ max: 1000 }), fc.nat({ max: 1000 })), { maxLength: 10 })
    .map((spans) => spans.map(([a, b], i) => span(100 + i, 0, Math.min(a, b), Math.max(a, b))));

  test('find and overlapping agree with a scan', () => {
    fc.assert(
      fc.property(
        disjoint,
        anywhere,
        fc.nat({ max: 1001 }),
        fc.nat({ max: 50 }),
        (rows, zero, from, length) => {
          const levels = Levels.of([
            ...fc.sample(fc.shuffledSubarray(rows, { minLength: rows.length }), 1).flat(),
            ...zero,
          ]);
          const [smallest, largest] = [key(from), key(from + length)];
          const meets = (t: TableRow): boolean =>
            compareBytes(t.smallest, largest) <= 0 && compareBytes(t.largest, smallest) >= 0;
          expect(idsOf(levels.overlapping(1, smallest, largest))).toEqual(idsOf(rows.filter(meets)));
          expect(idsOf(levels.overlapping(0, smallest, largest)).sort()).toEqual(
            idsOf(zero.filter(meets)).sort(),
          );
          const holder = rows.find(
            (t) => compareBytes(t.smallest, smallest) <= 0 && compareBytes(t.largest, smallest) >= 0,
          );
          expect(levels.find(1, smallest)?.id).toBe(holder?.id);
        },
      ),
    );
  });
});
