/** What a node's directory is: of which cluster, and which of all directories. Files of one line in `dir/cluster`. */

import type { Env } from '../base/env/env.ts';
import { acquireLock, type Lock } from '../base/env/lock.ts';
import { makeDirectories } from '../base/env/make-directories.ts';
import { SluiceError } from '../base/errors.ts';

const BYTES_MAX = 256;

/**
 * One process per node: before it sweeps what another may be writing, and before it takes that one's name, which the other could not
 * tell from its own successor. The database has a lock of its own, which is not there while it is made anew.
 *
 * @throws SluiceError LOCKED
 */
export function lockNode(env: Env, root: string): Lock {
  makeDirectories(env.fs, `${root}/cluster`);
  return acquireLock(`${root}/cluster/LOCK`);
}

/** A directory is one cluster's. @throws SluiceError NOT_A_DATABASE */
export function checkCluster(env: Env, root: string, clusterId: string): void {
  const own = kept(env, root, 'id', () => clusterId);
  if (own === clusterId) return;
  const message = `${root} is of another cluster than the log: give another directory; or, if etcd has lost its data, see docs/cluster.md`;
  throw new SluiceError('NOT_A_DATABASE', message);
}

/** Random, made with the directory: tells a node that is started again from another one of the same name. */
export function homeOf(env: Env, root: string): string {
  return kept(env, root, 'home', () => env.random.hex(16));
}

/** The file's text; where there is none it is made, durably. */
function kept(env: Env, root: string, name: string, make: () => string): string {
  const { fs } = env;
  const path = `${root}/cluster/${name}`;
  if (fs.existsSync(path)) {
    const file = fs.openSync(path, 'read');
    try {
      const bytes = Buffer.alloc(BYTES_MAX);
      return bytes.toString('utf8', 0, file.readSync(bytes, 0, BYTES_MAX, 0));
    } finally {
      file.closeSync();
    }
  }
  const text = make();
  const bytes = Buffer.from(text);
  makeDirectories(fs, `${root}/cluster`);
  const file = fs.openSync(`${path}.new`, fs.existsSync(`${path}.new`) ? 'update' : 'create');
  try {
    file.truncateSync(0);
    file.writeSync(bytes, 0, bytes.length, 0);
    file.datasyncSync();
  } finally {
    file.closeSync();
  }
  fs.renameSync(`${path}.new`, path);
  fs.syncDirectorySync(`${root}/cluster`);
  return text;
}
