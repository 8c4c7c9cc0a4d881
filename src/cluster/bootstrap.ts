/**
 * A replica made anew from a checkpoint of a peer, which goes on meanwhile: where it is behind the log, new, damaged, or has diverged.
 * What was there stays until the new one is whole.
 */

import type { Env } from '../base/env/env.ts';
import type { FileSystem } from '../base/env/file-system.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
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
export async function bootstrap({
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
  const [fresh, old, current] = [`${root}/db.new`, `${root}/db.old`, `${root}/db`];
  let failure: unknown = why;
  for (const { url } of peers) {
    if (url === undefined) continue;
    removeTree(env.fs, fresh);
    try {
      await exchange.fetchCheckpoint(url, fresh, signal);
    } catch (error) {
      // What one could not give, whatever is wrong with it, another may.
      if (!isSluiceError(error) || error.code === 'ABORTED') throw error;
      failure = error;
      continue;
    }
    // Ending in between leaves no database, or one that is whole: the next open goes on from either.
    removeTree(env.fs, old);
    if (env.fs.existsSync(current)) env.fs.renameSync(current, old);
    env.fs.renameSync(fresh, current);
    env.fs.syncDirectorySync(root);
    removeTree(env.fs, old);
    return;
  }
  if (isSluiceError(failure, 'NO_SPACE')) throw failure;
  const message =
    'This replica has to be made anew from another node, and none that could serve can be reached';
  throw new SluiceError('UNAVAILABLE', message, { cause: failure });
}

function removeTree(fs: FileSystem, path: string): void {
  if (!fs.existsSync(path)) return;
  for (const name of fs.readdirSync(path)) {
    const below = `${path}/${name}`;
    if (fs.statSync(below).isDirectory) removeTree(fs, below);
    else fs.unlinkSync(below);
  }
  fs.rmdirSync(path);
}
