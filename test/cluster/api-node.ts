/** A database served to clients, and a client of it; closed when the test ends. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { serveClients } from '../../src/cluster/api/client-api.ts';
import { localNode } from '../../src/cluster/api/local-node.ts';
import { replicaNode } from '../../src/cluster/api/replica-node.ts';
import type { ServedNode } from '../../src/cluster/api/served-node.ts';
import type { ClusterDb } from '../../src/cluster/cluster-db.ts';
import { ClusterClient } from '../../src/cluster/http/client.ts';
import type { NodeServer } from '../../src/cluster/http/node-server.ts';
import { type Db, open } from '../../src/index.ts';
import { memoryDirectory } from '../base/database.ts';
import { bearer, type ServerOptions, startServer, TOKEN } from './exchange-node.ts';
import type { TextNode } from './nodes.ts';

export interface ApiNode {
  readonly db: Db;
  readonly server: NodeServer;
  readonly client: ClusterClient;
  /** Below which clients may name files. */
  readonly files: string;
  readonly uploads: string;
  /** One request as any program could send it. */
  ask(path: string, body?: unknown, method?: string): Promise<{ status: number; body: unknown }>;
}

export async function startApi(
  options: ServerOptions & { readonly node?: (db: Db) => ServedNode } = {},
): Promise<ApiNode> {
  const home = memoryDirectory();
  const files = join(home, 'files');
  mkdirSync(files);
  const db = await open(join(home, 'db'), { blockCacheBytes: 4 << 20 });
  onTestFinished(() => db.close());
  const server = await startServer(options);
  const uploads = join(home, 'uploads');
  const end = serveClients({
    env: nodeEnv,
    uploadDir: uploads,
    server,
    node: (options.node ?? ((of) => localNode(of, 'alone')))(db),
    ingestDirs: [files],
    received: () => ({ files: 0, bytes: 0 }),
  });
  onTestFinished(end);
  const client = new ClusterClient({ urls: [server.url], token: TOKEN });
  onTestFinished(() => client.close());
  const ask: ApiNode['ask'] = async (path, body, method) => {
    const answer = await fetch(server.url + path, {
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      ...(method !== undefined && { method }),
      headers: { ...bearer(), 'content-type': 'application/json' },
    });
    const text = await answer.text();
    const lines = text.trimEnd().split('\n');
    return {
      status: answer.status,
      body: lines.length === 1 ? JSON.parse(text) : lines.map((one) => JSON.parse(one)),
    };
  };
  return { db, server, client, files, uploads, ask };
}

/** A replica of a cluster within this process, served to clients as `sluice serve` serves one. */
export async function serveReplica(
  db: TextNode,
  files: string,
): Promise<{ readonly client: ClusterClient; readonly url: string }> {
  const server = await startServer();
  // Its encodings are of no matter: the API has its own.
  const node = replicaNode(db as unknown as ClusterDb, { bytes: 0, digests: () => [] });
  const received = (): { files: number; bytes: number } => ({ files: 0, bytes: 0 });
  const uploadDir = join(memoryDirectory(), 'uploads');
  onTestFinished(serveClients({ env: nodeEnv, uploadDir, server, node, ingestDirs: [files], received }));
  const client = new ClusterClient({ urls: [server.url], token: TOKEN });
  onTestFinished(() => client.close());
  return { client, url: server.url };
}
