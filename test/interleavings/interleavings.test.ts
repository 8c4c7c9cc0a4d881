/**
 * L5, L6: all interleavings of small transactions do exactly what the rule of snapshots and conflicts says, and what some
 * serial order explains. Here whole spaces of those that touch memory only, and a random part of the others each time;
 * all of them: `npm run soak -- --suite interleavings`.
 */

import { expect, onTestFinished, test } from 'vitest';
import { LENGTH } from '../base/length.ts';
import { SEED } from '../base/seed.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { isSerial, predict } from './oracle.ts';
import { Play } from './play.ts';
import { type Case, Space, STATEMENTS, STATEMENTS_IN_MEMORY } from './space.ts';

function* beginning(space: Space, count: number, seed: number): Iterable<Case> {
  let left = count;
  for (const number of space.numbers(seed)) {
    if (left-- === 0) return;
    yield space.at(number);
  }
}

async function play(space: Space, count: number): Promise<void> {
  const seed = Math.floor(new SeededRandom(SEED).float() * space.size);
  const run = new Play();
  onTestFinished(() => run.close());
  try {
    expect(await run.run(beginning(space, count, seed))).toBe(count);
  } catch (error) {
    throw new Error(`${space.name}, from number ${seed}: ${String(error)}`, { cause: error });
  }
}

test.each([
  new Space({ transactions: 2, operations: 2, statements: STATEMENTS, reduced: false }),
  new Space({ transactions: 3, operations: 2, statements: STATEMENTS_IN_MEMORY, reduced: false }),
  new Space({ transactions: 2, operations: 3, statements: STATEMENTS_IN_MEMORY, reduced: false }),
])('all of $name: $size', (space) => play(space, space.size), 900_000);

test.each([
  {
    count: 500,
    space: new Space({ transactions: 2, operations: 3, statements: STATEMENTS, reduced: false }),
  },
  {
    count: 500,
    space: new Space({ transactions: 2, operations: 4, statements: STATEMENTS, reduced: false }),
  },
  {
    count: 500,
    space: new Space({ transactions: 3, operations: 3, statements: STATEMENTS, reduced: false }),
  },
  {
    count: Math.round(3000 * LENGTH),
    space: new Space({ transactions: 2, operations: 4, statements: STATEMENTS_IN_MEMORY, reduced: true }),
  },
  {
    count: Math.round(3000 * LENGTH),
    space: new Space({ transactions: 3, operations: 3, statements: STATEMENTS_IN_MEMORY, reduced: true }),
  },
])('$count of $space.name: $space.size', ({ count, space }) => play(space, count), 900_000);

test('a space has every case once', () => {
  const small = new Space({ transactions: 2, operations: 3, statements: ['get x', 'put x'], reduced: false });
  const cases = new Set([...small.numbers(7)].map((number) => JSON.stringify(small.at(number))));
  // Of 20 ways to interleave three and three, half begin with the first.
  expect(cases.size).toBe(2 ** 4 * 10);
  expect(small.size).toBe(cases.size);
  const reduced = new Space({ transactions: 3, operations: 3, statements: ['scan'], reduced: true });
  const orders = [...reduced.numbers(0)].map((number) => reduced.at(number).order);
  // The second has 3 ways to lie about the first commit, the third 6 about the first two.
  expect(new Set(orders.map(String)).size).toBe(18);
  for (const order of orders) expect([...order].sort().join('')).toBe('000111222');
});

test('a reduced space has every outcome of the whole one', () => {
  const options = { transactions: 2, operations: 3, statements: STATEMENTS } as const;
  const outcomes = (space: Space): Set<string> =>
    new Set(
      [...space.numbers(0)].map((number) => {
        const one = space.at(number);
        const { committed, reads, end } = predict(one);
        const each = one.programs.map((program, i) => JSON.stringify([program, committed[i], reads[i]]));
        // Whoever is named first: values tell names, so they are taken out.
        return `${each.sort().join()} ${Object.keys(end).join()}`.replaceAll(/\d\.\d/g, 'v');
      }),
    );
  const whole = outcomes(new Space({ ...options, reduced: false }));
  expect(outcomes(new Space({ ...options, reduced: true }))).toEqual(whole);
  expect(whole.size).toBeGreaterThan(1000);
});

test('the oracle refuses what no serial order explains', () => {
  const one: Case = {
    programs: [
      ['get x', 'put y'],
      ['get y', 'put x'],
    ],
    order: [0, 1, 0, 1, 0, 1],
  };
  const skewed = { committed: [true, true], reads: [['x=0'], ['y=-']], end: { x: '2.2', y: '1.2' } };
  expect(isSerial(one, skewed)).toBe(false);
  expect(isSerial(one, { ...skewed, reads: [['x=0'], ['y=1.2']] })).toBe(true);
  expect(isSerial(one, { ...skewed, reads: [['x=0'], ['y=1.2']], end: { x: '0', y: '1.2' } })).toBe(false);
  expect(predict(one).committed).toEqual([true, false]);
});
