/** Random good histories are found good, and every planted anomaly is found. */

import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../base/seeded-random.ts';
import { checkHistory } from './check-history.ts';
import type { History } from './history.ts';
import { MUTATIONS } from './mutations.ts';
import { SerialHistory, type SerialOptions } from './serial.ts';

const SEEDS = 60;

const KINDS: Readonly<Record<string, SerialOptions>> = {
  'one after the other, without versions of snapshots': { transactions: 40, overlap: 0.4, snapshots: false },
  'one after the other': { transactions: 40, overlap: 0.4, snapshots: true },
  'overlapping in time': { transactions: 60, overlap: 12, snapshots: true },
};

const make = (seed: number, options: SerialOptions): History =>
  SerialHistory.make(new SeededRandom(seed), options);

describe.each(Object.entries(KINDS))('transactions %s', (_, options) => {
  test(`${SEEDS} good histories have no anomaly`, () => {
    let reads = 0;
    for (let seed = 0; seed < SEEDS; seed++) {
      const report = checkHistory(make(seed, options));
      expect(report.anomalies, `seed ${seed}`).toEqual([]);
      reads += report.reads;
    }
    expect(reads).toBeGreaterThan(SEEDS * options.transactions);
  });

  const mutations = Object.entries(MUTATIONS).filter(
    ([, { needsSnapshots = false }]) => options.snapshots || !needsSnapshots,
  );
  test.each(mutations)('%s is found in each of them', (_, mutation) => {
    let planted = 0;
    for (let seed = 0; seed < SEEDS; seed++) {
      const good = make(seed, options);
      const mutant = mutation.plant(good, new SeededRandom(seed));
      if (mutant === undefined) continue;
      planted++;
      const names = checkHistory(mutant.history).anomalies.map(({ name }) => name);
      const found = names.some((name) => mutant.expected.includes(name));
      expect(found, `seed ${seed}: ${names.join(', ')}`).toBe(true);
    }
    expect(planted).toBeGreaterThan(SEEDS / 2);
  });
});
