/** What the contract is held by: a database, and clusters of three replicas that take the calls in turn. */

import { onTestFinished } from 'vitest';
import { open as openPlain } from '../../src/index.ts';
import { openText, type TestOptions, type TextDb } from '../base/database.ts';
import { LENGTH } from '../base/length.ts';
import { CLUSTERS, openingNodes } from '../cluster/clusters.ts';
import { RoamingClusters } from '../cluster/roaming.ts';

/** How the tests of a `describe` open theirs. */
export interface Openers {
  readonly open: typeof openPlain;
  /** Strings as keys and values; the caller closes. */
  readonly openText: (dir: string, options?: TestOptions) => Promise<TextDb>;
  /** As openText, closed when the test ends. */
  readonly openDatabase: (dir: string, options?: TestOptions) => Promise<TextDb>;
  /** Resolves when a keyspace that was just asked for is there: at once, but in a cluster. */
  readonly settled: () => Promise<void>;
}

interface DatabaseKind {
  readonly name: string;
  /** Of a long suite, every so manieth test. */
  readonly every: number;
  /** Within `describe`. */
  readonly openers: () => Openers;
}

function openersOf(opening: Pick<Openers, 'open' | 'openText' | 'settled'>): Openers {
  return {
    ...opening,
    openDatabase: async (dir, options) => {
      const db = await opening.openText(dir, options);
      onTestFinished(() => db.close());
      return db;
    },
  };
}

const EMBEDDED: DatabaseKind = {
  name: 'a database',
  every: 1,
  openers: () => openersOf({ open: openPlain, openText, settled: async () => undefined }),
};

export const DATABASES: readonly DatabaseKind[] = [
  EMBEDDED,
  ...CLUSTERS.map((cluster) => ({
    name: `a cluster ${cluster.name}`,
    every: cluster.every,
    openers: () => {
      const { open, settled } = new RoamingClusters(openingNodes(cluster));
      const text = { keyEncoding: 'utf8', valueEncoding: 'utf8', blockCacheBytes: 4 << 20 } as const;
      return openersOf({ open, openText: (dir, options) => open(dir, { ...text, ...options }), settled });
    },
  })),
];

/** Of suites that take long: `npm test` asks a database alone. */
export const LONG_DATABASES: readonly DatabaseKind[] = LENGTH > 1 ? DATABASES : [EMBEDDED];
