/**
 * L7, and the same versions everywhere: random histories through all nodes of a cluster read as the oracle says, and all replicas have
 * the same entries with the same versions; also one that was closed for a while, or lost all that it had, amid the history, or lagged: that
 * has what the others had.
 */

import fc from 'fast-check';
import { describe, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { TestOptions } from '../base/database.ts';
import { LENGTH } from '../base/length.ts';
import { checkArbitrary, TIMEOUT_MS } from '../model/check.ts';
import { type History, history } from '../model/history.ts';
import { Run } from '../model/run.ts';
import { CLUSTERS, openingNodes } from './clusters.ts';
import { ALL_KEPT } from './nodes.ts';
import { type Absence, RoamingClusters } from './roaming.ts';

/** One node is away from before one operation until before another. */
interface Upset {
  readonly how: Absence;
  readonly from: number;
  readonly operations: number;
  /** Of the log, that reach one that lags before each operation. */
  readonly entries: number;
}

interface Upsetting {
  readonly ops: History;
  readonly upsets: readonly Upset[];
}

const upsetting: fc.Arbitrary<Upsetting> = fc.record({
  ops: history,
  upsets: fc.array(
    fc.record({
      how: fc.constantFrom('closed', 'wiped', 'lagging', 'lagging'),
      from: fc.nat(19),
      operations: fc.integer({ min: 1, max: 12 }),
      entries: fc.nat(2),
    }),
    { maxLength: 3 },
  ),
});

const OPTIONS: TestOptions = {
  ...ALL_KEPT,
  // The log is trimmed within a history, so that who comes back may have to begin from a peer.
  ...{ windowVersions: 16 },
  memtableBytes: 1 << 16,
  // No timer is early here: commits wait for their log.
  env: nodeEnv,
};

describe.each(CLUSTERS)('$name', (cluster) => {
  const openNode = openingNodes(cluster);
  const histories = Math.round((LENGTH > 1 ? 16 * LENGTH : 60) / cluster.every);
  test(
    `${histories} histories`,
    async () => {
      await checkArbitrary(upsetting, histories, async ({ ops, upsets }) => {
        const clusters = new RoamingClusters(openNode);
        const upset = async (at: number): Promise<void> => {
          if (upsets.some(({ from, operations }) => at === from + operations)) await clusters.bringBack();
          for (const { from, operations, entries } of upsets)
            if (at > from && at < from + operations) await clusters.letThrough(entries);
          for (const { from, how } of upsets) if (at === from) await clusters.takeAway(how);
        };
        const { settled } = clusters;
        const open = async (dir: string, options: TestOptions) => {
          await clusters.bringBack();
          const db = await clusters.open(dir, { keyEncoding: 'utf8', valueEncoding: 'utf8', ...options });
          await settled();
          return db;
        };
        await Run.history(ops, { open: OPTIONS, cluster: { open, settled, upset } });
      });
    },
    TIMEOUT_MS,
  );
});
