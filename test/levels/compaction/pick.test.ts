/** The pick as a function: single choices, and that choosing again and again comes to an end with every level in shape. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { levelTargets, pendingBytes } from '../../../src/levels/compaction/level-targets.ts';
import {
  type Choice,
  type PickState,
  pickCompaction,
  pickRange,
  scores,
} from '../../../src/levels/compaction/pick.ts';
import { boundsOf } from '../../../src/levels/compaction/table-ranges.ts';
import { Reservations } from '../../../src/levels/reservations.ts';
import { Levels } from '../../../src/manifest/levels.ts';
import type { FileId, TableRow } from '../../../src/manifest/rows.ts';
import { versionOf } from '../../../src/mvcc/version.ts';
import { table } from '../../manifest/rows.ts';
import { text } from '../../mvcc/entries.ts';

const LIMITS = { level0Trigger: 4, levelBaseBytes: 1000, levelMultiplier: 10, targetFileBytes: 100 };

/** '5 a..c 200': level, range, bytes. Ids count from 1. */
function rowsOf(...lines: string[]): TableRow[] {
  return lines.map((line, i) => {
    const [level = '', range = '', bytes = '100'] = line.split(' ');
    const [smallest = '', largest = ''] = range.split('..');
    return {
      ...table(i + 1),
      level: Number(level),
      smallest: Buffer.from(smallest),
      largest: Buffer.from(largest),
      bytes: Number(bytes),
      entries: 10,
      deletes: 0,
      minVersion: versionOf(i + 1),
      maxVersion: versionOf(i + 1),
    };
  });
}

function stateOf(rows: readonly TableRow[], changes: Partial<PickState> = {}): PickState {
  return {
    levels: Levels.of(rows),
    limits: LIMITS,
    reservations: new Reservations(),
    watermark: versionOf(1000),
    memtables: [],
    stale: new Set(),
    hidden: new Map(),
    ...changes,
  };
}

function show(choice: Choice | 'blocked' | undefined): string {
  if (choice === undefined) return 'nothing';
  if (choice === 'blocked') return choice;
  if (choice.kind === 'move') return choice.moves.map((m) => `${m.table.id} to ${m.level}`).join(', ');
  const ids = choice.inputs.map(({ id }) => id).sort((a, b) => a - b);
  return `${ids.join('+')} at ${choice.level}`;
}

const pick = (rows: readonly TableRow[], changes: Partial<PickState> = {}): string =>
  show(pickCompaction(stateOf(rows, changes)));

describe('level targets', () => {
  test('grow upwards from the lowest level to a base that is small enough', () => {
    const targets = (...lines: string[]) => levelTargets(Levels.of(rowsOf(...lines)), LIMITS);
    expect(targets()).toMatchObject({ base: 6 });
    expect(targets('6 a..b 1000')).toMatchObject({ base: 6 });
    expect(targets('6 a..b 1001')).toMatchObject({ base: 5, bytes: [0, 0, 0, 0, 0, 1000, Infinity] });
    expect(targets('6 a..b 50000')).toMatchObject({ base: 4, bytes: [0, 0, 0, 0, 1000, 10_000, Infinity] });
    expect(targets('6 a..b 1e12')).toMatchObject({ base: 1 });
  });
  test('what is above them has to be written, and what it falls on', () => {
    const pending = (...lines: string[]) => pendingBytes(Levels.of(rowsOf(...lines)), LIMITS, 4);
    expect(pending('0 a..b', '0 a..b', '0 a..b', '6 a..b 700')).toBe(0);
    expect(pending('0 a..b', '0 a..b', '0 a..b', '0 a..b', '6 a..b 700')).toBe(1100);
    expect(pending('3 a..b 200', '6 a..b 700')).toBe(0);
    expect(pending('5 a..b 1200', '6 a..b 2400')).toBe(200 * (1 + 2));
  });
});

describe('level 0', () => {
  test('waits for its trigger', () => {
    expect(pick(rowsOf('0 a..c', '0 a..c', '0 a..c', '6 a..b'))).toBe('nothing');
  });
  test('goes to the base with what overlaps there', () => {
    const rows = rowsOf('0 a..c', '0 b..d', '0 a..b', '0 c..f', '6 a..b', '6 e..g', '6 h..i');
    expect(pick(rows)).toBe('1+2+3+4+5+6 at 6');
  });
  test('levels above the base are runs like those', () => {
    const rows = rowsOf('0 a..c', '2 b..d', '2 e..f', '4 a..f', '6 a..c 200', '6 g..h');
    expect(pick(rows)).toBe('nothing');
    expect(pick([...rows, ...rowsOf('', '', '', '', '', '', '0 a..b').slice(6)])).toBe('1+2+3+4+5+7 at 6');
  });
  test('in groups that lie apart; those alone move as deep as they fit', () => {
    const rows = rowsOf('0 a..b', '0 c..d', '0 m..n', '0 m..o', '0 x..y', '6 a..c 2000', '5 c..f 10');
    expect(pick(rows)).toBe('1 to 5, 5 to 6');
    const groups = rowsOf('0 a..c', '0 c..d', '0 m..n', '0 m..o', '0 m..p', '6 a..z 2000');
    expect(pick(groups)).toBe('3+4+5 at 5');
  });
  test('small tables are merged rather than moved', () => {
    expect(pick(rowsOf('0 a..b 5', '0 c..d 5', '0 e..f 5', '0 g..h 5'))).toBe('1+2+3+4 at 6');
  });
  test('is merged within itself while the way down is taken', () => {
    const rows = rowsOf(...new Array<string>(6).fill('0 a..c'), '6 a..d 500');
    const reservations = new Reservations();
    reservations.reserve(6, Buffer.from('b'), Buffer.from('b'), 'someone');
    expect(pick(rows, { reservations })).toBe('1+2+3+4+5+6 at 0');
    expect(pick(rows.slice(1), { reservations })).toBe('nothing');
  });
});

describe('other levels', () => {
  test('what overlaps least below goes first, with neighbours that cost no more', () => {
    const lower = ['6 a..c 2000', '6 d..f 100', '6 g..i 2000'];
    expect(pick(rowsOf('5 a..b 600', '5 d..e 600', '5 g..h 600', ...lower))).toBe('2+5 at 6');
    expect(pick(rowsOf('5 a..b 500', '5 d..d 400', '5 e..f 300', '5 g..h 600', ...lower))).toBe('2+3+6 at 6');
  });
  test('not what is taken', () => {
    const rows = rowsOf('5 a..b 600', '5 d..e 600', '6 a..c 2000', '6 d..f 100');
    const reservations = new Reservations();
    reservations.reserve(6, Buffer.from('d'), Buffer.from('f'), 'someone', [2 as FileId, 4 as FileId]);
    expect(pick(rows, { reservations })).toBe('nothing');
    expect(pick([...rows, ...rowsOf('', '', '', '', '5 m..n 700').slice(4)], { reservations })).toBe(
      '5 to 6',
    );
  });
});

describe('garbage', () => {
  const dead = rowsOf('6 a..c').map((row) => ({ ...row, deletes: 6, maxVersion: versionOf(50) }));
  test('a table of tombstones is written again when they are certain to go', () => {
    expect(pick(dead)).toBe('1 at 6');
    expect(pick(dead, { watermark: versionOf(49) })).toBe('nothing');
    const older = { smallest: Buffer.from('b'), largest: Buffer.from('b'), minVersion: versionOf(3) };
    expect(pick(dead, { memtables: [older] })).toBe('nothing');
    expect(pick(dead, { memtables: [{ ...older, minVersion: versionOf(50) }] })).toBe('1 at 6');
    expect(pick([...dead, ...rowsOf('', '0 b..b').slice(1)])).toBe('nothing');
  });
  test('a table that a closed snapshot held back is written again', () => {
    expect(pick(rowsOf('6 a..c', '6 d..e'), { stale: new Set([2 as FileId]) })).toBe('2 at 6');
  });
});

describe('range deletions', () => {
  const rows = rowsOf('0 a..z 400', '5 a..c 100', '6 a..c 800');
  const hidden = (...bytes: [number, number][]) => ({
    hidden: new Map(bytes.map(([id, hiddenBytes]) => [id as FileId, hiddenBytes])),
  });
  test('a table of which they hide a quarter is written again where it is', () => {
    expect(pick(rows, hidden([1, 99], [2, 24], [3, 199]))).toBe('nothing');
    expect(pick(rows, hidden([1, 100]))).toBe('1 at 0');
    expect(pick(rows, hidden([2, 25]))).toBe('2 at 5');
    expect(pick(rows, hidden([1, 99], [3, 200]))).toBe('3 at 6');
  });
  test('not while it is taken, nor before what makes lookups slow', () => {
    const reservations = new Reservations();
    reservations.reserve(6, Buffer.from('b'), Buffer.from('b'), 'someone', [1 as FileId]);
    expect(pick(rows, { ...hidden([1, 400], [3, 800]), reservations })).toBe('nothing');
    expect(pick(rows, { ...hidden([1, 400], [2, 100]), reservations })).toBe('2 at 5');
    const full = [...rows, ...rowsOf('', '', '', '0 a..b', '0 a..b', '0 a..b').slice(3)];
    expect(pick(full, hidden([3, 800]))).toBe('1+2+3+4+5+6 at 6');
  });
});

describe('a range by hand', () => {
  const rows = rowsOf('0 a..b', '3 b..k', '6 a..a', '6 j..l', '6 x..z', '0 y..y');
  const range = (smallest?: string, largest?: string, changes: Partial<PickState> = {}) => {
    const bytes = (end?: string) => (end === undefined ? undefined : Buffer.from(end));
    return show(pickRange(stateOf(rows, changes), bytes(smallest), bytes(largest)));
  };
  test('takes what it touches, and all below that the range of it touches', () => {
    expect(range()).toBe('1+2+3+4+5+6 at 6');
    expect(range('c', 'd')).toBe('2+4 at 6');
    expect(range('m', 'n')).toBe('nothing');
  });
  test('waits for what is taken', () => {
    const reservations = new Reservations();
    reservations.reserve(6, Buffer.from('j'), Buffer.from('l'), 'someone', [4 as FileId]);
    expect(range('c', 'd', { reservations })).toBe('blocked');
    expect(range('y', undefined, { reservations })).toBe('5+6 at 6');
  });
});

/** What a choice does, as far as the shape of levels is concerned: a merge keeps all bytes, cut at the target size. */
function applied(rows: readonly TableRow[], choice: Choice, nextId: () => number): TableRow[] {
  if (choice.kind === 'move') {
    const levels = new Map(choice.moves.map(({ table: { id }, level }) => [id, level]));
    return rows.map((row) => ({ ...row, level: levels.get(row.id) ?? row.level }));
  }
  const taken = new Set(choice.inputs.map(({ id }) => id));
  const { smallest, largest } = boundsOf(choice.inputs);
  const bytes = choice.inputs.reduce((sum, row) => sum + row.bytes, 0);
  const keys = [...new Set(choice.inputs.flatMap((row) => [text(row.smallest), text(row.largest)]))].sort();
  const pieces = Math.max(
    1,
    Math.min(Math.ceil(bytes / LIMITS.targetFileBytes), Math.floor(keys.length / 2)),
  );
  const per = Math.ceil(keys.length / pieces);
  const outputs: TableRow[] = [];
  for (let i = 0; i < keys.length; i += per) {
    const part = keys.slice(i, i + per);
    outputs.push({
      ...(choice.inputs[0] as TableRow),
      id: nextId() as FileId,
      level: choice.level,
      smallest: i === 0 ? smallest : Buffer.from(part[0] ?? ''),
      largest: i + per >= keys.length ? largest : Buffer.from(part.at(-1) ?? ''),
      bytes: Math.ceil((bytes * part.length) / keys.length),
    });
  }
  return [...rows.filter(({ id }) => !taken.has(id)), ...outputs];
}

const range = fc.tuple(fc.integer({ min: 10, max: 99 }), fc.integer({ min: 0, max: 20 }));
const placed = fc.record({ level: fc.nat(6), range, bytes: fc.integer({ min: 1, max: 400 }) });

test('choosing until there is nothing to do ends, with every level in shape and apart (L3)', () => {
  fc.assert(
    fc.property(fc.array(placed, { minLength: 1, maxLength: 40 }), (tables) => {
      let rows: TableRow[] = [];
      for (const {
        level,
        range: [from, length],
        bytes,
      } of tables) {
        const [row] = rowsOf(`0 ${from}..${Math.min(99, from + length)} ${bytes}`);
        if (row === undefined) continue;
        const next = { ...row, id: (rows.length + 1) as FileId };
        const fits = Levels.of(rows).overlapping(level, row.smallest, row.largest).length === 0;
        rows.push({ ...next, level: fits ? level : 0 });
      }
      let id = rows.length;
      for (let steps = 0; ; steps++) {
        expect(steps).toBeLessThan(500);
        const choice = pickCompaction(stateOf(rows));
        if (choice === undefined) break;
        // Levels.of asserts that they lie apart.
        rows = applied(rows, choice, () => ++id);
        Levels.of(rows);
      }
      const state = stateOf(rows);
      for (const score of scores(state, levelTargets(state.levels, LIMITS))) expect(score).toBeLessThan(1);
    }),
    { numRuns: 300 },
  );
});
