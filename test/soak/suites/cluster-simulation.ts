/** test/cluster/simulation: a cluster of three simulated machines, with faults of their disks, of their network and of the log's. */

import { counts } from '../../cluster/simulation/counts.ts';
import { clusterSimulation } from '../../cluster/simulation/simulation.ts';
import type { Suite } from '../suite.ts';

/** Of one seed; a failing one is shrunk. */
const CHUNK = 25;

export const suite: Suite = {
  shows:
    'whatever fails on three replicas and between them, one order of the log explains what everybody read, and all hold the same',

  async run({ seed, timeIsUp, progress }) {
    for (let chunk = 0; !timeIsUp(); chunk++) {
      await clusterSimulation.check(CHUNK, seed + chunk);
      progress(`${counts.scenarios.toLocaleString('en')} scenarios`);
    }
    return counts;
  },
};
