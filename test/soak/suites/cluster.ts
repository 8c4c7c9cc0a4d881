/** Faults of nodes, of etcd and of what is between them, on processes of this machine under load. */

import { Rounds } from '../../cluster/faults/rounds.ts';
import type { Suite } from '../suite.ts';

export const suite: Suite = {
  shows: 'a cluster loses no acknowledged commit, and all its replicas hold the same, whatever fails',

  async run({ seed, timeIsUp, progress }) {
    let doing: string[] = [];
    const rounds = await Rounds.start(seed, (fault) => doing.push(fault));
    const { totals } = rounds;
    try {
      do {
        doing = [];
        await rounds.next(timeIsUp);
        progress(`${totals.committed.toLocaleString('en')} commits in ${totals.rounds} rounds`);
      } while (!timeIsUp());
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`after ${doing.join(', then ')}: ${why}`, { cause: error });
    } finally {
      await rounds.close();
    }
    const { faults, ...counts } = totals;
    return { ...counts, ...Object.fromEntries(faults) };
  },
};
