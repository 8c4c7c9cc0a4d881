/** A whole node: a replica over the log in etcd, its server for the other nodes and for clients. Or a database alone, served the same way. */

import { join } from 'node:path';
import type { Env } from '../base/env/env.ts';
import { makeDirectories } from '../base/env/make-directories.ts';
import { nodeEnv } from '../base/env/node-env.ts';
import type { Db } from '../db.ts';
import type { DbOptions } from '../db-options.ts';
import { open } from '../import/open.ts';
import { serveClients } from './api/client-api.ts';
import { localNode } from './api/local-node.ts';
import { replicaNode } from './api/replica-node.ts';
import type { ServedNode } from './api/served-node.ts';
import type { ClusterDb } from './cluster-db.ts';
import type { ClusterOptions } from './cluster-options.ts';
import { NodeFileExchange } from './files/node-file-exchange.ts';
import type { SenderServer } from './files/transfer-messages.ts';
import { NodeServer } from './http/node-server.ts';
import { type HttpOptions, type HttpSettings, resolveHttpOptions } from './http-options.ts';
import { openEtcdLog } from './log/etcd/etcd-log.ts';
import type { EtcdOptions } from './log/etcd/etcd-options.ts';
import type { SharedLog } from './log/shared-log.ts';
import { openCluster } from './open-cluster.ts';

/** Keys and values are bytes here; `db.keyspace(name, { keyEncoding })` has them in another encoding. */
type Bytes = 'keyEncoding' | 'valueEncoding';

export interface NodeOptions extends HttpOptions, Omit<ClusterOptions, 'log' | 'files' | Bytes> {
  /** The cluster's name, the same on all its nodes. */
  readonly cluster: string;
  readonly etcd: EtcdOptions;
}

/** A database in no cluster, served to clients; it is in `dir/db`. */
export interface AloneOptions extends HttpOptions, Omit<DbOptions, Bytes> {
  readonly dir: string;
  readonly node: string;
}

export interface RunningNode<D extends Db = Db> {
  readonly db: D;
  /** Where it listens. */
  readonly url: string;
  /** What is being answered has `graceMs` to end. Then the database is closed. */
  close(graceMs?: number): Promise<void>;
}

const GRACE_MS = 10_000;

/** Opens a node of a cluster. @throws as `openCluster`; TypeError; SluiceError UNAVAILABLE when it cannot listen */
export async function openNode(options: NodeOptions): Promise<RunningNode<ClusterDb>> {
  const { cluster, etcd, ...own } = options;
  return openNodeOn(own, () => openEtcdLog(cluster, etcd, nodeEnv), nodeEnv);
}

/**
 * `openCluster` of the package: opens this node's replica, with the interface of `open()` and `status()`, `caughtUp()` beside, and
 * serves the other nodes and clients until it is closed.
 *
 * @throws SluiceError as `open`; UNAVAILABLE where etcd, or a peer that is needed, cannot be reached, or the address is taken; TypeError
 */
export async function openClusterNode(options: NodeOptions): Promise<ClusterDb> {
  return (await openNode(options)).db;
}

/** As `openNode`, over any log. */
export async function openNodeOn(
  options: Omit<NodeOptions, 'cluster' | 'etcd'>,
  openLog: () => Promise<SharedLog>,
  env: Env,
): Promise<RunningNode<ClusterDb>> {
  const { http, rest } = split(options);
  const { token, clientTls: tls, pulls, advertise } = http;
  const server = await listening(http, env, options);
  const url = advertise ?? server.url;
  let exchange: NodeFileExchange | undefined;
  let db: ClusterDb;
  try {
    const log = await openLog();
    db = await openCluster({
      ...rest,
      log,
      files: async (dir, service) => {
        const [sender, { logger }] = [senderOf(http), options];
        const reached = { server, url, sender, logger };
        exchange = new NodeFileExchange({ env, dir, service, token, tls, limits: pulls, ...reached });
        return exchange;
      },
    });
  } catch (error) {
    await server.close(0);
    throw error;
  }
  const { store } = exchange ?? {};
  if (store === undefined) throw new TypeError('options.files must open an exchange of files');
  const node = replicaNode(db, store);
  return serving(env, db, node, server, http, options.dir, () => exchange?.received ?? NOTHING_RECEIVED);
}

/** A database that is in no cluster. */
export async function openAlone(options: AloneOptions): Promise<RunningNode> {
  const { http, rest } = split(options);
  const { dir, node, ...own } = rest;
  const server = await listening(http, nodeEnv, options);
  let db: Db;
  try {
    makeDirectories(nodeEnv.fs, dir);
    db = await open(join(dir, 'db'), own);
  } catch (error) {
    await server.close(0);
    throw error;
  }
  return serving(nodeEnv, db, localNode(db, node), server, http, dir, () => NOTHING_RECEIVED);
}

const NOTHING_RECEIVED = { files: 0, bytes: 0 };

/** The options of the server, and the others. */
function split<T extends HttpOptions>(options: T): { http: HttpSettings; rest: Omit<T, keyof HttpOptions> } {
  const { listen, listenFiles, advertise, token, clientToken, tls, limits, pulls, ingestDirs, ...rest } =
    options;
  return { http: resolveHttpOptions(options), rest };
}

async function listening(http: HttpSettings, { clock }: Env, { logger }: DbOptions): Promise<NodeServer> {
  const { listen, serverTls: tls, token, clientToken, limits } = http;
  const server = new NodeServer({ clock, listen, tls, access: { token, clientToken }, limits, logger });
  server.opening = true;
  await server.listen();
  return server;
}

/** Where a thread sends large files, as the server would. */
function senderOf(http: HttpSettings): SenderServer | undefined {
  const { listenFiles: listen, serverTls: tls, token, clientToken, limits } = http;
  return listen && { listen, tls, access: { token, clientToken }, limits };
}

async function serving<D extends Db>(
  env: Env,
  db: D,
  node: ServedNode,
  server: NodeServer,
  { ingestDirs }: HttpSettings,
  dir: string,
  received: () => { readonly files: number; readonly bytes: number },
): Promise<RunningNode<D>> {
  let endClients: () => void;
  try {
    const uploadDir = join(dir, 'cluster/uploads');
    endClients = serveClients({ env, uploadDir, server, node, ingestDirs, received });
    server.opening = false;
  } catch (error) {
    await server.close(0);
    await db.close();
    throw error;
  }
  return {
    db,
    url: server.url,
    close: async (graceMs = GRACE_MS) => {
      // First what clients wait for: their commits need the node.
      await server.close(graceMs);
      endClients();
      await db.close();
    },
  };
}
