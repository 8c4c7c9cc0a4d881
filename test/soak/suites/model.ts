/** test/model: random histories of one client against the oracle, and each again with every ingest replaced by puts (L7). */

import { checkHistories } from '../../model/check.ts';
import type { History } from '../../model/history.ts';
import { Run } from '../../model/run.ts';
import type { Suite } from '../suite.ts';

/** Of one seed; a failing one is shrunk. */
const CHUNK = 25;

async function bothWays(history: History): Promise<void> {
  await Run.history(history);
  await Run.history(history, { ingestAs: 'puts' });
}

export const suite: Suite = {
  shows: 'random histories read as the oracle says, and the same with every ingest replaced by puts',

  async run({ seed, timeIsUp, progress }) {
    // With these small tables are made quickest.
    process.env['SLUICE_KERNELS'] = 'js';
    let histories = 0;
    for (let chunk = 0; !timeIsUp(); chunk++) {
      histories += await checkHistories(CHUNK, bothWays, seed + chunk);
      progress(`${histories.toLocaleString('en')} histories`);
    }
    return { histories };
  },
};
