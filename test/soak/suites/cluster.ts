/** Faults of nodes, of etcd and of what is between them, on processes of this machine under load. */

import { Rounds } from '../../cluster/faults/rounds.ts';
import type { Suite } from '../suite.ts';

export const suite: Suite = {
  shows: 'a cluster loses no acknowledged commit, and all its replicas hold the same, whatever fails',

  async run({ seed, timeIsUp, progress }) {
    let doing: string[] = [];
    let hasFailed = true;
    const rounds = await Rounds.start(seed, (fault) => doing.push(fault));
    const { totals } = rounds;
    try {
      do {
        doing = [];
        await rounds.next(timeIsUp);
        progress(`${totals.committed.toLocaleString('en')} commits in ${totals.rounds} rounds`);
      } while (!timeIsUp());
      hasFailed = false;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const where = `faults, journals, and what the nodes said, are in ${rounds.root}`;
      throw new Error(`after ${doing.join(', then ')}: ${why}\n(${where})`, { cause: error });
    } finally {
      await rounds.close(hasFailed);
    }
    const { faults, ...counts } = totals;
    return { ...counts, ...Object.fromEntries(faults) };
  },
};
