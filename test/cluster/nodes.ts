/** Clusters within one process, on a log and an exchange in memory, with real directories. */

import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import type { ClusterDb } from '../../src/cluster/cluster-db.ts';
import type { ClusterOptions } from '../../src/cluster/cluster-options.ts';
import { MemoryExchangeHub } from '../../src/cluster/files/memory-exchange.ts';
import { MemoryLog, MemoryLogHub } from '../../src/cluster/log/memory-log.ts';
import { openCluster } from '../../src/cluster/open-cluster.ts';
import type { InternalOptions } from '../../src/db-options.ts';
import { memoryDirectory, TINY } from '../base/database.ts';

export type TextNode = ClusterDb<'utf8', 'utf8'>;
export type NodeOptions = Partial<ClusterOptions<'utf8', 'utf8'> & InternalOptions>;

/** Nothing is collected, so that replicas have the same entries, and not only read the same. */
export const ALL_KEPT = { compaction: 'off', keepHistoryMs: 3_600_000 } as const;

export class TestCluster {
  readonly dir: string;
  readonly log = new MemoryLogHub(nodeEnv);
  readonly exchange = new MemoryExchangeHub(nodeEnv);
  readonly options: NodeOptions;
  readonly #open = new Map<string, TextNode>();

  constructor(dir: string, options: NodeOptions = {}) {
    this.dir = dir;
    this.options = options;
  }

  /** Opens a node, which is closed with the cluster. */
  async open(node: string, options: NodeOptions = {}): Promise<TextNode> {
    const db = await openCluster<'utf8', 'utf8'>({
      ...TINY,
      memtableBytes: 1 << 16,
      keyEncoding: 'utf8',
      valueEncoding: 'utf8',
      announceMs: 20,
      ...this.options,
      ...options,
      dir: this.dirOf(node),
      node,
      log: options.log ?? new MemoryLog(this.log, node),
      files: options.files ?? this.exchange.opener(node),
    });
    this.#open.set(node, db);
    return db;
  }

  dirOf(node: string): string {
    return join(this.dir, node);
  }

  node(name: string): TextNode {
    const db = this.#open.get(name);
    if (db === undefined) throw new Error(`the node ${name} is not open`);
    return db;
  }

  async stop(name: string): Promise<void> {
    await this.node(name).close();
    this.#open.delete(name);
  }

  async close(): Promise<void> {
    for (const db of this.#open.values()) await db.close();
  }
}

/** Three nodes, a, b and c, closed when the test ends. */
export async function threeNodes(options: NodeOptions = {}): Promise<{
  readonly cluster: TestCluster;
  readonly a: TextNode;
  readonly b: TextNode;
  readonly c: TextNode;
}> {
  const cluster = new TestCluster(memoryDirectory(), options);
  onTestFinished(() => cluster.close());
  const [a, b, c] = [await cluster.open('a'), await cluster.open('b'), await cluster.open('c')];
  return { cluster, a, b, c };
}

/** Waits for the event itself, whatever else the machine does. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 240_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it did not come to it that ${what}`);
    await nodeEnv.clock.sleep(5);
  }
}

/** Waits for the value. What is asked in the turns between the old database and the new one is told to come again. */
export async function isThere(node: TextNode, key: string, value: string): Promise<void> {
  await until(`${key} is ${value}`, async () => {
    try {
      return (await node.get(key)) === value;
    } catch (error) {
      if (isSluiceError(error, 'UNAVAILABLE')) return false;
      throw error;
    }
  });
}
