/**
 * Concurrent clients of three replicas, some of a dataset whose versions are swapped under them, some that send each commit twice under one id:
 * their history is strictly serializable, and the replicas hold the same.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ClusterDb } from '../../src/cluster/cluster-db.ts';
import { memoryDirectory, TINY } from '../base/database.ts';
import { SEED } from '../base/seed.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { nameAgain } from '../history/again.ts';
import { checkHistory } from '../history/check-history.ts';
import type { RecordedTransaction } from '../history/history.ts';
import { type Journal, Recorder } from '../history/recorder.ts';
import { Client, everything, Names } from '../history/workload.ts';
import { serveReplica } from './api-node.ts';
import { CLUSTERS, openingNodes } from './clusters.ts';
import { sameContent } from './entries.ts';
import { DatasetClient } from './faults/dataset-client.ts';
import { RequestClient } from './request-client.ts';

type Node = ClusterDb<'utf8', 'utf8'>;

/** Of each three the third is of the dataset. */
const CLIENTS = 9;
/** Over HTTP, of all nodes. */
const REQUEST_CLIENTS = 2;
const OPTIONS = {
  ...TINY,
  memtableBytes: 1 << 16,
  keyEncoding: 'utf8',
  valueEncoding: 'utf8',
  windowVersions: 300,
} as const;

/** All nodes are in this process, which is not killed: what has ended is all there is. */
function journalOf(node: Node, transactions: RecordedTransaction[]): Journal {
  return {
    intends: () => undefined,
    ended: (transaction) => transactions.push({ ...transaction, id: transactions.length + 1 }),
    catchUp: () => node.caughtUp(),
  };
}

describe.each(CLUSTERS)('$name', (cluster) => {
  const openNode = openingNodes(cluster);
  const count = Math.round(2400 / cluster.every);
  test(`${count} transactions through three replicas`, async () => {
    const dir = memoryDirectory();
    const nodes: Node[] = [];
    onTestFinished(async () => {
      for (const node of nodes) await node.close();
    });
    for (const name of ['a', 'b', 'c']) nodes.push(await openNode(dir, name, OPTIONS));
    const transactions: RecordedTransaction[] = [];
    const names = new Names(1, 0);
    const clientAt = (node: Node, i: number): { readonly once: (db: Node) => Promise<void> } => {
      const files = join(dir, 'files', String(i));
      mkdirSync(files, { recursive: true });
      const recorder = new Recorder(`client ${i}`, true, journalOf(node, transactions));
      const random = new SeededRandom(SEED * 100 + i);
      return i % 3 === 2
        ? new DatasetClient(random, names, recorder, files, 1)
        : new Client(random, names, recorder, files);
    };
    const [first] = nodes;
    if (first === undefined) throw new Error('there are three');
    const recorder = new Recorder('first', true, journalOf(first, transactions));
    const base = new DatasetClient(new SeededRandom(SEED), names, recorder, dir, 1);
    await base.publish(first, 'base');
    await Promise.all(nodes.map((node) => node.caughtUp()));
    const served = await Promise.all(nodes.map((node) => serveReplica(node, memoryDirectory())));
    const requestClients = Array.from({ length: REQUEST_CLIENTS }, (_, i) => {
      const name = `requests-${i}`;
      const random = new SeededRandom(SEED * 100 + CLIENTS + i);
      const clients = served.map(({ client }) => client);
      return new RequestClient(
        random,
        names,
        new Recorder(name, true, journalOf(first, transactions)),
        name,
        clients,
      );
    });
    const isOver = (): boolean => transactions.length >= count;
    await Promise.all([
      ...Array.from({ length: CLIENTS }, async (_, i) => {
        const node = nodes[Math.floor(i / 3)] ?? first;
        const client = clientAt(node, i);
        while (!isOver()) await client.once(node);
      }),
      ...requestClients.map(async (client) => {
        while (!isOver()) await client.once();
      }),
    ]);
    await recorder.snapshot(first, async (reader) => {
      await reader.scan(everything(1));
      await base.read(first, reader);
    });
    await sameContent(nodes);
    const { anomalies, committed } = checkHistory({
      initial: new Map(),
      transactions: nameAgain(transactions),
    });
    expect(anomalies).toEqual([]);
    expect(committed).toBeGreaterThan(count / 2);
    const shown = transactions.flatMap(({ operations }) => operations);
    expect(shown.some((operation) => operation.op === 'write' && operation.shows !== undefined)).toBe(true);
    for (const { twice } of requestClients) expect(twice).toBeGreaterThan(0);
    for (const node of nodes) expect((await node.status()).condition).toBe('running');
  });
});
