/** test/simulation: random lives of a database on a simulated disk, with faults and crashes. */

import { simulation } from '../../simulation/check.ts';
import { counts } from '../../simulation/run.ts';
import type { Suite } from '../suite.ts';

/** Of one seed; a failing one is shrunk. */
const CHUNK = 25;

export const suite: Suite = {
  shows:
    'whatever the disk does and wherever the machine stops, what was acknowledged is there and the rest whole or not',

  async run({ seed, timeIsUp, progress }) {
    let scenarios = 0;
    for (let chunk = 0; !timeIsUp(); chunk++) {
      await simulation.check(CHUNK, seed + chunk);
      scenarios += CHUNK;
      progress(`${scenarios.toLocaleString('en')} scenarios`);
    }
    return { scenarios, ...counts };
  },
};
