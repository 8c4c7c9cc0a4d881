/** test/history for as long as wanted: larger epochs, background threads, three readers. */

import { makeMemoryDirectory } from '../../base/database.ts';
import { Epochs } from '../../history/epochs.ts';
import type { Suite } from '../suite.ts';

export const suite: Suite = {
  shows: 'concurrent clients and readers of other processes see a strictly serializable database',

  async run({ seed, timeIsUp, progress }) {
    const epochs = await Epochs.open(makeMemoryDirectory(), {
      seed,
      readers: 3,
      transactions: 40_000,
      threads: true,
    });
    try {
      while (!timeIsUp()) {
        await epochs.next();
        progress(`${epochs.totals.transactions.toLocaleString('en')} transactions`);
      }
    } finally {
      await epochs.close();
    }
    const { transactions, committed, besideWriter, reads, dependencies, epochs: checked } = epochs.totals;
    return {
      transactions,
      committed,
      'of other processes': besideWriter,
      reads,
      dependencies,
      epochs: checked,
    };
  },
};
