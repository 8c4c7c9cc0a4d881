/** Whole nodes in one process: a log in memory, real directories, real HTTP between them and from clients. */

import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { ClusterDb } from '../../src/cluster/cluster-db.ts';
import { ClusterClient } from '../../src/cluster/http/client.ts';
import { MemoryLog, MemoryLogHub } from '../../src/cluster/log/memory-log.ts';
import { type NodeOptions, openNodeOn, type RunningNode } from '../../src/cluster/open-node.ts';
import { memoryDirectory } from '../base/database.ts';
import { TOKEN } from './exchange-node.ts';

export class Nodes {
  readonly hub = new MemoryLogHub(nodeEnv);
  readonly dir = memoryDirectory();
  readonly #running = new Map<string, RunningNode<ClusterDb>>();

  async start(
    name: string,
    options: Partial<NodeOptions> = {},
    access: Partial<NodeOptions> = { token: TOKEN },
    logAnswers: Promise<void> = Promise.resolve(),
  ): Promise<RunningNode<ClusterDb>> {
    const node = await openNodeOn(
      {
        dir: join(this.dir, name),
        node: name,
        announceMs: 20,
        blockCacheBytes: 4 << 20,
        ingestDirs: [this.dir],
        ...access,
        ...options,
      },
      async () => {
        await logAnswers;
        return new MemoryLog(this.hub, name);
      },
      nodeEnv,
    );
    this.#running.set(name, node);
    return node;
  }

  async stop(name: string): Promise<void> {
    await this.#running.get(name)?.close(0);
    this.#running.delete(name);
  }

  async close(): Promise<void> {
    for (const name of [...this.#running.keys()]) await this.stop(name);
  }
}

export function cluster(): Nodes {
  const nodes = new Nodes();
  onTestFinished(() => nodes.close());
  return nodes;
}

export function clientOf(...nodes: readonly { readonly url: string }[]): ClusterClient {
  const client = new ClusterClient({ urls: nodes.map(({ url }) => url), token: TOKEN });
  onTestFinished(() => client.close());
  return client;
}
