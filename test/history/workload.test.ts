/** L1, L5: concurrent clients, files, flushes, compactions and readers of other processes; the checker finds no anomaly. */

import { expect, onTestFinished, test } from 'vitest';
import { makeMemoryDirectory } from '../base/database.ts';
import { LENGTH } from '../base/length.ts';
import { SEED } from '../base/seed.ts';
import { Epochs } from './epochs.ts';

/** Over 100,000 with the test command. */
const TRANSACTIONS = LENGTH > 1 ? Math.round(21_000 * LENGTH) : 15_000;
const EPOCHS = 5;
const READERS = 2;

test(`${TRANSACTIONS} transactions are strictly serializable`, async () => {
  const epochs = await Epochs.open(makeMemoryDirectory(), {
    seed: SEED,
    readers: READERS,
    transactions: TRANSACTIONS / EPOCHS,
    threads: false,
  });
  onTestFinished(() => epochs.close());
  for (let epoch = 0; epoch < EPOCHS; epoch++) await epochs.next();
  const { transactions, committed, besideWriter } = epochs.totals;
  expect(transactions - besideWriter).toBeGreaterThanOrEqual(TRANSACTIONS);
  expect(committed).toBeGreaterThan(transactions / 2);
  expect(besideWriter).toBeGreaterThan(EPOCHS);
}, 1_800_000);
