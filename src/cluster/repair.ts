/**
 * Making a replica anew: what it has is put aside, and it begins again from the log or from a peer. For one that has diverged, or
 * whose disk has lost something.
 */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Env } from '../base/env/env.ts';
import { acquireLock } from '../base/env/lock.ts';
import { databasePaths } from '../manifest/directory.ts';
import { removeTree } from './files/directory-tree.ts';
import { FileStore } from './files/file-store.ts';

const CHUNK_BYTES = 1 << 20;

export interface Repaired {
  /** Originals that were not what their names say, and are gone: they are fetched again where they are needed. */
  readonly damagedFiles: readonly string[];
}

/**
 * @param dir of the node, which must not run
 * @param begin opens the node, waits until it has caught up, and closes it; the old database is removed when it resolves, and back in its place when it rejects
 * @throws SluiceError LOCKED while the node runs
 */
export async function repairReplica(env: Env, dir: string, begin: () => Promise<void>): Promise<Repaired> {
  const { fs } = env;
  const [current, old] = [join(dir, 'db'), join(dir, 'db.before-repair')];
  if (fs.existsSync(current)) {
    const lock = acquireLock(databasePaths(current).lock);
    try {
      // Of a repair that was killed: what it began is not better than what there was.
      if (fs.existsSync(old)) removeTree(fs, current);
      else fs.renameSync(current, old);
      fs.syncDirectorySync(dir);
    } finally {
      lock.release();
    }
  }
  const damagedFiles = await dropDamaged(env, dir);
  try {
    await begin();
  } catch (error) {
    if (fs.existsSync(old)) {
      removeTree(fs, current);
      fs.renameSync(old, current);
      fs.syncDirectorySync(dir);
    }
    throw error;
  }
  removeTree(fs, old);
  return { damagedFiles };
}

async function dropDamaged(env: Env, dir: string): Promise<string[]> {
  const store = new FileStore(env, dir);
  const damaged: string[] = [];
  for (const digest of store.digests()) {
    if ((await sha256(env, store.path(digest))) === digest) continue;
    store.forget(digest);
    damaged.push(digest);
  }
  return damaged;
}

async function sha256(env: Env, path: string): Promise<string> {
  const file = await env.fs.open(path, 'read');
  try {
    const hash = createHash('sha256');
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let at = 0; ; ) {
      const n = await file.read(chunk, 0, chunk.length, at);
      if (n === 0) return hash.digest('hex');
      hash.update(chunk.subarray(0, n));
      at += n;
    }
  } finally {
    file.closeSync();
  }
}
