/**
 * A replica made anew from a checkpoint of a peer, which goes on meanwhile: where it is behind the log, new, damaged, or has diverged.
 * What was there stays until the new one is whole.
 */

import type { Env } from '../base/env/env.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import { removeTree } from './files/directory-tree.ts';
import type { FileExchange } from './files/file-exchange.ts';
import type { SharedLog } from './log/shared-log.ts';

export interface BootstrapParts {
  readonly env: Env;
  /** The node's directory. */
  readonly root: string;
  readonly node: string;
  readonly log: SharedLog;
  readonly exchange: FileExchange;
  readonly signal: AbortSignal;
  /** What makes it necessary. */
  readonly why: unknown;
}

/** REQUIRES: the database is closed. @throws SluiceError UNAVAILABLE with what has failed last as the cause, NO_SPACE, ABORTED */
export async function bootstrap(parts: BootstrapParts): Promise<void> {
  await fetchReplica(parts);
  installReplica(parts);
}

/** A peer's checkpoint beside the database, which may be open, and read. @throws as `bootstrap` */
export async function fetchReplica({
  env,
  root,
  node,
  log,
  exchange,
  signal,
  why,
}: BootstrapParts): Promise<void> {
  const trimmed = await log.trimmedThrough();
  const peers = (await log.members())
    .filter((peer) => peer.node !== node && peer.url !== undefined && peer.appliedRevision >= trimmed)
    .filter(({ condition }) => condition === 'running' || condition === 'lagging')
    .sort((a, b) => b.appliedRevision - a.appliedRevision);
  let failure: unknown = why;
  for (const { url } of peers) {
    if (url === undefined) continue;
    removeTree(env.fs, freshDir(root));
    try {
      await exchange.fetchCheckpoint(url, freshDir(root), signal);
      return;
    } catch (error) {
      // What one could not give, whatever is wrong with it, another may.
      if (!isSluiceError(error) || error.code === 'ABORTED') throw error;
      failure = error;
    }
  }
  if (isSluiceError(failure, 'NO_SPACE')) throw failure;
  const message =
    'This replica has to be made anew from another node, and none that could serve can be reached';
  throw new SluiceError('UNAVAILABLE', message, { cause: failure });
}

/** Ending in between leaves no database, or one that is whole: the next open goes on from either. REQUIRES: it is fetched, and the database closed. */
export function installReplica({ env, root }: Pick<BootstrapParts, 'env' | 'root'>): void {
  const { fs } = env;
  const [old, current] = [`${root}/db.old`, `${root}/db`];
  removeTree(fs, old);
  if (fs.existsSync(current)) fs.renameSync(current, old);
  fs.renameSync(freshDir(root), current);
  fs.syncDirectorySync(root);
  removeTree(fs, old);
}

function freshDir(root: string): string {
  return `${root}/db.new`;
}
