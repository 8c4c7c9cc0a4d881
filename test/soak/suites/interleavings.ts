/**
 * test/interleavings: one space after the other, the small ones first. Of two cases that differ only in which transaction is
 * called the first a reduced space has one. The last takes days.
 */

import { Play } from '../../interleavings/play.ts';
import { type Case, Space, STATEMENTS, STATEMENTS_IN_MEMORY } from '../../interleavings/space.ts';
import type { Suite } from '../suite.ts';

const SPACES = [
  new Space({ transactions: 2, operations: 3, statements: STATEMENTS_IN_MEMORY, reduced: false }),
  new Space({ transactions: 2, operations: 4, statements: STATEMENTS_IN_MEMORY, reduced: true }),
  new Space({ transactions: 3, operations: 3, statements: STATEMENTS_IN_MEMORY, reduced: true }),
  new Space({ transactions: 2, operations: 3, statements: STATEMENTS, reduced: false }),
  new Space({ transactions: 2, operations: 4, statements: STATEMENTS, reduced: true }),
  new Space({ transactions: 3, operations: 3, statements: STATEMENTS, reduced: true }),
  new Space({ transactions: 2, operations: 4, statements: STATEMENTS, reduced: false }),
  new Space({ transactions: 3, operations: 3, statements: STATEMENTS, reduced: false }),
];

function* casesOf(space: Space, seed: number): Iterable<Case> {
  for (const number of space.numbers(seed)) yield space.at(number);
}

export const suite: Suite = {
  shows: 'small transactions, however they interleave, abort exactly when they must and are serializable',

  async run({ seed, timeIsUp, progress }) {
    const play = new Play();
    const figures: Record<string, string> = {};
    let all = 0;
    try {
      for (const space of SPACES) {
        if (timeIsUp()) break;
        const count = await play.run(casesOf(space, seed), (so) => {
          progress(`${space.name}: ${so.toLocaleString('en')} of ${space.size.toLocaleString('en')}`);
          return timeIsUp();
        });
        all += count;
        figures[space.name] = `${count.toLocaleString('en')} of ${space.size.toLocaleString('en')}`;
      }
    } finally {
      await play.close();
    }
    return { interleavings: all, ...figures };
  },
};
