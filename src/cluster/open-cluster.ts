/** A database that is one of a cluster's replicas, over any shared log and any exchange of files: `open-node.ts` brings those of a real one. */

import { resolve } from 'node:path';
import type { EncodingName } from '../base/encoding.ts';
import type { Lock } from '../base/env/lock.ts';
import { type InternalOptions, resolveOptions, type Settings } from '../db-options.ts';
import { ensureZstd } from '../sst/zstd.ts';
import type { ClusterDb } from './cluster-db.ts';
import { type ClusterOptions, resolveClusterOptions } from './cluster-options.ts';
import type { FileExchange } from './files/file-exchange.ts';
import { lockNode } from './node-directory.ts';
import { ReplicaLife } from './replica-life.ts';

/**
 * Opens this node's replica, making it where there is none: from the log, or where that does not reach back far enough, or the
 * directory is damaged, from a peer that goes on meanwhile. Then it is used as any other database, with `status()`
 * beside; what the log has more is applied while it is used.
 *
 * @throws SluiceError as `open`; UNAVAILABLE where the log, or a peer that is needed, cannot be reached; TypeError
 */
export async function openCluster<KE extends EncodingName = 'buffer', VE extends EncodingName = 'buffer'>(
  options: ClusterOptions<KE, VE> & InternalOptions,
): Promise<ClusterDb<KE, VE>> {
  const cluster = resolveClusterOptions(options);
  const { dir, node: _, log, files, replicas, windowVersions, commitTimeoutMs, announceMs, ...own } = options;
  const root = resolve(dir);
  const resolved = resolveOptions(`${root}/db`, { durability: 'os', ...own });
  // The window is as large on every replica: by versions, not by this node's memory.
  const settings: Settings = { ...resolved, conflictWindowBytes: Number.POSITIVE_INFINITY };
  await ensureZstd();
  let lock: Lock | undefined;
  let exchange: FileExchange | undefined;
  try {
    lock = lockNode(settings.env, root);
    const life = new ReplicaLife<KE, VE>({ root, settings, cluster, log, lock });
    exchange = await files(root, life.service);
    return await life.begin(exchange);
  } catch (error) {
    await exchange?.close();
    await log.close();
    lock?.release();
    throw error;
  }
}
