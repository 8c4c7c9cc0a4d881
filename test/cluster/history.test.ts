/** Concurrent clients of three replicas: their history is strictly serializable, and the replicas hold the same. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryDirectory } from '../base/database.ts';
import { LENGTH } from '../base/length.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { checkHistory } from '../history/check-history.ts';
import type { RecordedTransaction } from '../history/history.ts';
import { type Journal, Recorder } from '../history/recorder.ts';
import { Client, everything, Names } from '../history/workload.ts';
import { type TextNode, threeNodes } from './nodes.ts';

const TRANSACTIONS = 500 * LENGTH;
const CLIENTS = 9;

/** All nodes are in this process, which is not killed: what has ended is all there is. */
function journalOf(node: TextNode, transactions: RecordedTransaction[]): Journal {
  return {
    intends: () => undefined,
    ended: (transaction) => transactions.push({ ...transaction, id: transactions.length + 1 }),
    catchUp: () => node.caughtUp(),
  };
}

describe.each([1])('seed %i', (seed) => {
  test('three replicas under concurrent clients', async () => {
    const { a, b, c } = await threeNodes({ windowVersions: 300 });
    const nodes = [a, b, c];
    const dir = memoryDirectory();
    const transactions: RecordedTransaction[] = [];
    const names = new Names(1, 0);
    const recorderOf = (node: TextNode, who: string) =>
      new Recorder(who, true, journalOf(node, transactions));
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, i) => {
        const node = nodes[i % nodes.length] ?? a;
        const files = join(dir, String(i));
        mkdirSync(files);
        const client = new Client(
          new SeededRandom(seed * 100 + i),
          names,
          recorderOf(node, `client ${i}`),
          files,
        );
        while (transactions.length < TRANSACTIONS) await client.once(node);
      }),
    );
    await recorderOf(c, 'last').snapshot(c, (reader) => reader.scan(everything(1)));
    await Promise.all(nodes.map((node) => node.caughtUp()));
    expect(new Set(nodes.map((node) => node.version)).size).toBe(1);
    expect(new Set(await Promise.all(nodes.map((node) => node.contentDigest()))).size).toBe(1);
    const { anomalies, committed } = checkHistory({ initial: new Map(), transactions });
    expect(anomalies).toEqual([]);
    expect(committed).toBeGreaterThan(TRANSACTIONS / 2);
    expect((await Promise.all(nodes.map((node) => node.status()))).map(({ condition }) => condition)).toEqual(
      ['running', 'running', 'running'],
    );
  });
});
