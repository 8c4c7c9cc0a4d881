/** The checker finds each kind of anomaly where one is planted, names it, and says why; and finds nothing in what is right. */

import { describe, expect, test } from 'vitest';
import { checkHistory } from './check-history.ts';
import type { History } from './history.ts';
import { append, del, deleteRange, get, history, put, rollback, savepoint, scan } from './planted.ts';

const names = (told: History): string[] => checkHistory(told).anomalies.map(({ name }) => name);

describe('finds', () => {
  test.each<[name: string, History]>([
    [
      'G0',
      // The lists show that each wrote before the other.
      history(
        [{}, append('l1', 1), append('l2', 2)],
        [{}, append('l1', 3), append('l2', 4)],
        [{}, get('l1', [1, 3]), get('l2', [4, 2])],
      ),
    ],
    ['G1a', history([{ outcome: 'aborted' }, put('x', 1)], [{}, get('x', 1)])],
    ['G1a', history([{ outcome: 'aborted' }, append('l', 1)], [{}, get('l', [1])])],
    ['G1a', history([{}, savepoint, put('x', 1), rollback, put('y', 2)], [{}, get('x', 1)])],
    ['G1b', history([{}, put('x', 1), put('x', 2)], [{}, get('x', 1)])],
    ['G1b', history([{}, append('l', 1), append('l', 2)], [{}, get('l', [1])], [{}, get('l', [1, 2])])],
    ['G1b', history([{}, put('x', 1), del('x')], [{}, scan('a', 'z', ['x', 1])])],
    ['G1b', history([{}, put('x', 1), deleteRange('a', 'z')], [{}, get('x', 1)])],
    ['G1c', history([{}, put('x', 1), get('y', 2)], [{}, put('y', 2), get('x', 1)])],
    [
      'lost update',
      history([{}, put('x', 1)], [{}, get('x', 1), put('x', 2)], [{}, get('x', 1), put('x', 3)]),
    ],
    ['lost update', history([{}, get('x', undefined), put('x', 1)], [{}, get('x', undefined), put('x', 2)])],
    ['lost update', history([{}, append('l', 1)], [{}, append('l', 2)], [{}, get('l', [2])])],
    [
      'G-single',
      history([{}, put('x', 1), put('y', 2)], [{}, put('x', 3), put('y', 4)], [{}, get('x', 1), get('y', 4)]),
    ],
    ['G-single', history([{}, append('l', 1), append('m', 2)], [{}, get('l', [1]), get('m', undefined)])],
    [
      'G-single',
      // A scan that missed one key of a transaction and found another.
      history([{}, put('x', 1), put('y', 2)], [{}, scan('a', 'z', ['y', 2])]),
    ],
    [
      'G2-item',
      history(
        [{}, put('x', 1), put('y', 2)],
        [{}, get('x', 1), get('y', 2), put('x', 3)],
        [{}, get('x', 1), get('y', 2), put('y', 4)],
      ),
    ],
    [
      'G2-item',
      history([{}, get('l', undefined), append('m', 1)], [{}, get('m', undefined), append('l', 2)]),
    ],
    ['G2', history([{}, scan('a', 'm'), put('x', 1)], [{}, scan('n', 'z'), put('b', 2)])],
    [
      'G2',
      history(
        [{}, put('a', 1)],
        [{}, scan('a', 'c', ['a', 1]), put('b', 2)],
        [{}, scan('a', 'c', ['a', 1]), del('a')],
      ),
    ],
    ['internal', history([{}, put('x', 1), get('x', undefined)])],
    ['internal', history([{}, put('x', 1), del('x'), scan('a', 'z', ['x', 1])])],
    ['internal', history([{}, put('x', 1), deleteRange('a', 'z'), get('x', 1)])],
    ['internal', history([{}, put('x', 1), savepoint, put('x', 2), rollback, get('x', 2)])],
    ['internal', history([{}, put('x', 1)], [{}, get('x', 1), get('x', undefined)])],
    ['internal', history([{}, put('x', 1)], [{}, scan('a', 'z', ['x', 1]), scan('w', 'z')])],
    ['internal', history([{}, append('l', 1), get('l', undefined)])],
    ['internal', history([{}, put('x', 1)], [{}, scan('a', 'm', ['x', 1])])],
    ['internal', history([{}, put('x', 1)], [{}, scan('a', 'z', ['x', 1], ['x', 1])])],
    ['unwritten', history([{}, get('x', 1)])],
    ['unwritten', history([{}, put('y', 1)], [{}, get('x', 1)])],
    [
      'incompatible order',
      history([{}, append('l', 1)], [{}, append('l', 2)], [{}, get('l', [1, 2])], [{}, get('l', [2])]),
    ],
    ['duplicate', history([{}, append('l', 1)], [{}, get('l', [1, 1])])],
    ['version order', history([{ version: 7 }, put('x', 1)], [{ version: 7 }, put('y', 2)])],
    ['version order', history([{}, append('l', 1)], [{}, append('l', 2)], [{}, get('l', [2, 1])])],
    ['wrong snapshot', history([{}, put('x', 1)], [{}, put('x', 2)], [{ snapshot: 1 }, get('x', 2)])],
    ['wrong snapshot', history([{}, append('l', 1)], [{ snapshot: 1 }, get('l', undefined)])],
    ['wrong snapshot', history([{}, put('x', 1)], [{}, del('x')], [{ snapshot: 1 }, get('x', undefined)])],
    ['G-single-realtime', history([{ at: [0, 1] }, put('x', 1)], [{ at: [2, 3] }, get('x', undefined)])],
    [
      'G-single-realtime',
      // What a lagging reader has seen, a later one sees.
      history(
        [{}, put('x', 1)],
        [{ lagging: true, at: [1, 2] }, get('x', 1)],
        [{ lagging: true, at: [3, 4] }, get('x', undefined)],
      ),
    ],
    ['G1c-realtime', history([{ at: [0, 1], lagging: true }, get('x', 1)], [{ at: [2, 3] }, put('x', 1)])],
    [
      'G0-realtime',
      history([{ at: [5, 6], version: 1 }, put('x', 1)], [{ at: [0, 1], version: 2 }, put('x', 2)]),
    ],
    [
      'G2-item-realtime',
      history(
        [{ at: [0, 9] }, get('x', undefined), put('y', 1)],
        [{ at: [0, 1], snapshot: 0 }, get('y', undefined)],
        [{ at: [2, 3] }, put('x', 2)],
        [{ at: [4, 5], snapshot: 0 }, get('y', undefined)],
        [{ at: [6, 7] }, get('x', 2)],
      ),
    ],
  ])('%s', (name, told) => {
    expect(names(told)).toContain(name);
  });
});

describe('accepts', () => {
  test.each<[what: string, History]>([
    ['nothing', history()],
    [
      'a reader of its own writes',
      history([{}, put('x', 1), get('x', 1), del('x'), scan('a', 'z'), append('l', 2), get('l', [2])]),
    ],
    [
      'an aborted write that nobody saw',
      history([{ outcome: 'aborted' }, put('x', 1), get('x', 1)], [{}, get('x', undefined)]),
    ],
    ['an unknown outcome, seen', history([{ outcome: 'unknown' }, put('x', 1)], [{}, get('x', 1)])],
    [
      'an unknown outcome, not seen',
      history([{ outcome: 'unknown' }, put('x', 1)], [{ at: [2000, 2001] }, get('x', undefined)]),
    ],
    [
      'a reader that lags behind',
      history([{ at: [0, 1] }, put('x', 1)], [{ at: [2, 3], lagging: true }, get('x', undefined)]),
    ],
    [
      'a serial order other than that of real time, where they overlap',
      history([{ at: [0, 5] }, put('x', 1)], [{ at: [1, 4] }, get('x', undefined)]),
    ],
    [
      'blind writes in any order',
      history(
        [{}, put('x', 1), put('y', 2)],
        [{}, put('x', 3)],
        [{}, del('y')],
        [{}, scan('a', 'z', ['x', 3])],
      ),
    ],
    [
      'a miss, by its snapshot',
      history(
        [{}, del('x')],
        [{}, put('x', 1)],
        [{}, del('x')],
        [{ snapshot: 3, at: [2000, 2001] }, get('x', undefined)],
      ),
    ],
  ])('%s', (_, told) => {
    expect(names(told)).toEqual([]);
  });
});

test('a cycle is explained dependency by dependency', () => {
  const told = history(
    [{}, put('x', 1), put('y', 2)],
    [{ snapshot: 1 }, get('x', 1), scan('y', 'z', ['y', 2]), put('x', 3)],
    [{ snapshot: 1 }, get('x', 1), get('y', 2), put('y', 4)],
  );
  expect(checkHistory(told).anomalies.map(({ explanation }) => explanation)).toEqual([
    [
      'G2-item: T2 → T3 → T2',
      '  T2 must come before T3: at y T2 read 2, over which T3 wrote 4 (rw)',
      '  T3 must come before T2: at x T3 read 1, over which T2 wrote 3 (rw)',
      '  T2: in writer, read at 1, committed at 2',
      '  T3: in writer, read at 1, committed at 3',
    ].join('\n'),
  ]);
});

test('the shortest cycle of a long one is told', () => {
  const ring = Array.from(
    { length: 50 },
    (_, n) => [{}, put(`k${n}`, n + 1), get(`k${(n + 1) % 50}`, ((n + 1) % 50) + 1)] as const,
  );
  const [anomaly, ...others] = checkHistory(
    history(...ring, [{}, put('z', 60), get('k0', 1)], [{}, get('z', 60)]),
  ).anomalies;
  expect([anomaly?.name, anomaly?.transactions.length, others.length]).toEqual(['G1c', 50, 0]);
  const chord = history(
    ...ring,
    [{}, put('z', 60), get('k0', 1)],
    [{}, put('y', 61), get('z', 60)],
    [{}, put('w', 62), get('w', 62)],
  );
  expect(checkHistory(chord).anomalies).toHaveLength(1);
  const short = history(
    [{}, put('a', 1), get('b', 2)],
    [{}, put('b', 2), get('a', 1), get('c', 3)],
    [{}, put('c', 3), get('a', 1)],
  );
  expect(checkHistory(short).anomalies[0]?.transactions).toEqual([1, 2]);
});

test('each history ends with what the next begins with', () => {
  const { end } = checkHistory(history([{}, put('x', 1), put('y', 2)], [{}, del('y'), put('x', 3)]));
  expect(end).toEqual(
    new Map([
      ['x', { value: 3, version: 2 }],
      ['y', { value: undefined, version: 2 }],
    ]),
  );
  const next = history([{ version: 3, snapshot: 2 }, get('x', 3), get('y', undefined)]);
  expect(names({ ...next, initial: end })).toEqual([]);
  expect(names({ ...history([{ version: 3 }, get('x', 1)]), initial: end })).toEqual(['unwritten']);
});
