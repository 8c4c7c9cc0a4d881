/** A node as far as files go: a directory, a server on loopback, and the exchange; closed when the test ends. */

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Env } from '../../src/base/env/env.ts';
import type { ServerTls } from '../../src/base/env/http.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { FileFacts, PeerService } from '../../src/cluster/files/file-exchange.ts';
import { type ExchangeSettings, NodeFileExchange } from '../../src/cluster/files/node-file-exchange.ts';
import type { AccessOptions } from '../../src/cluster/http/access.ts';
import { HTTP_LIMITS, type HttpLimits } from '../../src/cluster/http/limits.ts';
import { NodeServer } from '../../src/cluster/http/node-server.ts';
import { memoryDirectory } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';

export const TOKEN = 'a token that all nodes have'.replaceAll(' ', '-');

export interface ServerOptions {
  readonly limits?: Partial<HttpLimits>;
  readonly access?: AccessOptions;
  readonly tls?: ServerTls;
  readonly host?: string;
}

export async function startServer(options: ServerOptions = {}): Promise<NodeServer> {
  const server = new NodeServer({
    clock: nodeEnv.clock,
    listen: { host: options.host ?? '127.0.0.1', port: 0 },
    tls: options.tls,
    access: options.access ?? { token: TOKEN },
    limits: { ...HTTP_LIMITS, ...options.limits },
    logger: undefined,
  });
  await server.listen();
  onTestFinished(() => server.close(0));
  return server;
}

export interface ExchangeNode {
  readonly dir: string;
  readonly server: NodeServer;
  readonly exchange: NodeFileExchange;
}

export interface NodeOptions extends ServerOptions {
  readonly env?: Env;
  readonly dir?: string;
  readonly service?: Partial<PeerService>;
  readonly exchange?: Partial<ExchangeSettings>;
}

export async function startNode(options: NodeOptions = {}): Promise<ExchangeNode> {
  const dir = options.dir ?? join(memoryDirectory(), 'db');
  mkdirSync(dir, { recursive: true });
  const server = await startServer(options);
  const exchange = new NodeFileExchange({
    env: options.env ?? nodeEnv,
    dir,
    service: {
      stage: (file, sources, signal) => exchange.pull(file, sources, signal),
      checkpoint: () => Promise.reject(new Error('this node has no database')),
      ...options.service,
    },
    server,
    url: server.url,
    token: TOKEN,
    tls: undefined,
    stallMs: 20_000,
    ...options.exchange,
  });
  onTestFinished(() => exchange.close());
  return { dir, server, exchange };
}

export interface Sample extends FileFacts {
  readonly path: string;
  readonly content: Buffer;
}

/** A file of random bytes. */
export function sampleFile(bytes: number, seed = 1): Sample {
  const random = new SeededRandom(seed);
  const words = Uint32Array.from({ length: Math.ceil(bytes / 4) }, () => random.float() * 2 ** 32);
  const content = Buffer.from(words.buffer, 0, bytes);
  const path = join(memoryDirectory(), `sample-${seed}`);
  writeFileSync(path, content);
  return { path, content, bytes, digest: createHash('sha256').update(content).digest('hex') };
}

export const never = (): AbortSignal => new AbortController().signal;

export const bearer = (token = TOKEN): Record<string, string> => ({ authorization: `Bearer ${token}` });
