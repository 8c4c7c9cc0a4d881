/** Fences say of every key what a search in each level says, whatever was added and dropped before. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { Levels } from '../../src/manifest/levels.ts';
import { LEVEL_COUNT, type TableRow } from '../../src/manifest/rows.ts';
import { table } from './rows.ts';

/** Keys whose heads tie: by what they share, by zeros at their end, and by being longer than a head. */
const key = fc
  .tuple(
    fc.constantFrom('', 'shared/', 'shared/longer/'),
    fc.array(fc.constantFrom(0, 1, 97), { maxLength: 8 }),
  )
  .map(([prefix, rest]) => Buffer.concat([Buffer.from(prefix), Buffer.from(rest)]))
  .filter((bytes) => bytes.length > 0);
const deepKey = key.map((bytes) => Buffer.concat([Buffer.from('all share this: '), bytes]));

function rowsOf(level: number, edges: readonly Uint8Array[]): TableRow[] {
  const sorted = [...edges].sort(compareBytes);
  const rows: TableRow[] = [];
  for (let i = 0; i < sorted.length; i += 2) {
    const smallest = sorted[i] as Uint8Array;
    // A table of one key where their number is odd.
    rows.push(table(level * 100 + i, { level, smallest, largest: sorted[i + 1] ?? smallest }));
  }
  return rows;
}

function expectSame(levels: Levels, asked: readonly Uint8Array[]): void {
  const told: (number | undefined)[] = [];
  const expected: (number | undefined)[] = [];
  for (const bytes of asked) {
    const inside = Buffer.concat([Buffer.of(7), bytes, Buffer.of(7)]);
    const cell = levels.fences.cellOf(inside, 1, bytes.length);
    for (let level = 1; level < LEVEL_COUNT; level++) {
      told.push(levels.tables[level]?.[levels.fences.tableIn(cell, level)]?.id);
      expected.push(levels.find(level, bytes)?.id);
    }
  }
  expect(told).toEqual(expected);
}

function check(keys: fc.Arbitrary<Buffer>): void {
  const edges = fc.uniqueArray(keys, { maxLength: 9, selector: (bytes) => bytes.toString('hex') });
  fc.assert(
    fc.property(
      fc.array(edges, { minLength: LEVEL_COUNT, maxLength: LEVEL_COUNT }),
      fc.array(fc.oneof(key, deepKey), { maxLength: 10 }),
      fc.nat(),
      (all, others, choice) => {
        const rows = all.flatMap((own, level) => rowsOf(level, own));
        const asked = [
          ...all.flat(),
          ...others,
          ...all.flat().map((own) => Buffer.concat([own, Buffer.of(0)])),
        ];
        const levels = Levels.of(rows);
        expectSame(levels, asked);
        expectSame(levels.withTombstones(undefined), asked);
        const dropped = rows.filter((_, i) => (choice >>> (i % 31)) & 1);
        const fewer = levels.drop(dropped.map(({ id }) => id));
        expectSame(fewer, asked);
        expectSame(fewer.add(dropped), asked);
      },
    ),
    { numRuns: 100 },
  );
}

test('each level is answered as by a search of its own', () => {
  check(key);
  check(deepKey);
  check(fc.oneof(key, deepKey));
});

test('they are made anew only when a level below 0 has changed', () => {
  const levels = Levels.of(rowsOf(3, [Buffer.from('a'), Buffer.from('m')]));
  const upper = rowsOf(0, [Buffer.from('b'), Buffer.from('c')]);
  expect(levels.add(upper).fences).not.toBe(levels.drop([300 as never]).fences);
  expect(levels.add(upper).fences).not.toBe(Levels.EMPTY.fences);
  const { fences } = levels;
  expect(levels.add(upper).fences).toBe(fences);
  expect(levels.add(rowsOf(2, [Buffer.from('b'), Buffer.from('c')])).fences).not.toBe(fences);
});
