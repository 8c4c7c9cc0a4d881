/** What the contract is held by: a database, and clusters of three replicas that take the calls in turn. */

import { onTestFinished } from 'vitest';
import { open as openPlain } from '../../src/index.ts';
import { openText, type TestOptions, type TextDb } from '../base/database.ts';
import { LENGTH } from '../base/length.ts';
import { CLUSTERS, openingNodes } from '../cluster/clusters.ts';
import { directoryOf, NODES, READ_BESIDE, RoamingClusters } from '../cluster/roaming.ts';

/** How the tests of a `describe` open theirs. */
export interface Openers {
  readonly open: typeof openPlain;
  /** Strings as keys and values; the caller closes. */
  readonly openText: (dir: string, options?: TestOptions) => Promise<TextDb>;
  /** As openText, closed when the test ends. */
  readonly openDatabase: (dir: string, options?: TestOptions) => Promise<TextDb>;
  /** Resolves when a keyspace that was just asked for is there: at once, but in a cluster. */
  readonly settled: () => Promise<void>;
  /** Itself; of a cluster its nodes. */
  readonly nodesOf: <D extends object>(db: D) => readonly D[];
  /** Where `nodesOf` have theirs. */
  readonly dirsOf: (dir: string) => readonly string[];
  /** Which of them `readOnly` opens beside its writer. */
  readonly readerBeside: number;
}

interface DatabaseKind {
  readonly name: string;
  /** Of a long suite, every so manieth test. */
  readonly every: number;
  /** Within `describe`. */
  readonly openers: () => Openers;
}

function openersOf(opening: Omit<Openers, 'openDatabase'>): Openers {
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
  openers: () =>
    openersOf({
      open: openPlain,
      openText,
      settled: async () => undefined,
      nodesOf: (db) => [db],
      dirsOf: (dir) => [dir],
      readerBeside: 0,
    }),
};

export const DATABASES: readonly DatabaseKind[] = [
  EMBEDDED,
  ...CLUSTERS.map((cluster) => ({
    name: `a cluster ${cluster.name}`,
    every: cluster.every,
    openers: () => {
      const { open, settled, nodesOf } = new RoamingClusters(openingNodes(cluster));
      const text = { keyEncoding: 'utf8', valueEncoding: 'utf8', blockCacheBytes: 4 << 20 } as const;
      return openersOf({
        open,
        openText: (dir, options) => open(dir, { ...text, ...options }),
        settled,
        nodesOf,
        dirsOf: (dir) => NODES.map((node) => directoryOf(dir, node)),
        readerBeside: NODES.indexOf(READ_BESIDE),
      });
    },
  })),
];

/** Of suites that take long: `npm test` asks a database alone. */
export const LONG_DATABASES: readonly DatabaseKind[] = LENGTH > 1 ? DATABASES : [EMBEDDED];
