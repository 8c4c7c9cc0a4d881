/**
 * Tells of changes below a directory as the system does (inotify, FSEvents, ReadDirectoryChangesW), by chokidar, which sees to
 * directories that come and go. What it tells is a hint: it is silent about what other machines write to a network file system,
 * and the system may run out of watches. So whoever uses it polls as well, only less often.
 */

import { statfsSync } from 'node:fs';
import { systemError } from './system-error.ts';

export interface DirectoryListener {
  /** Something below the directory may have changed. */
  readonly onHint: () => void;
  /** Nothing is told any more, unasked. */
  readonly onEnd: (error: unknown) => void;
}

/**
 * Resolves, once it listens, with what ends it; undefined where the system would be silent.
 * @throws SluiceError of the system
 */
export type WatchDirectory = (
  dir: string,
  listener: DirectoryListener,
) => Promise<(() => Promise<void>) | undefined>;

/** Of Linux, by statfs(2): what is written to them elsewhere is not told here. */
const REMOTE_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x65735546, 'FUSE'],
  [0x01021997, '9p'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x5346414f, 'AFS'],
  [0x73757245, 'Coda'],
  [0x786f4256, 'VirtualBox'],
  [0xbacbacbc, 'VMware'],
]);

export function isRemote(type: number): boolean {
  return REMOTE_FILE_SYSTEMS.has(type >>> 0);
}

export async function watchDirectory(
  dir: string,
  { onHint, onEnd }: DirectoryListener,
): Promise<(() => Promise<void>) | undefined> {
  if (process.platform === 'linux' && isRemote(typeOf(dir))) return undefined;
  // Loaded where it is used: nobody else waits for it.
  const { watch } = await import('chokidar');
  const watcher = watch(dir, { ignoreInitial: true, persistent: false, ignorePermissionErrors: true });
  const stop = async (): Promise<void> => {
    watcher.removeAllListeners();
    // Those that come while it ends concern nobody.
    watcher.on('error', () => undefined);
    await watcher.close();
  };
  try {
    await new Promise<void>((resolve, reject) => {
      watcher.once('ready', resolve);
      watcher.once('error', reject);
    });
  } catch (cause) {
    await stop();
    throw systemError(cause, 'watch', dir);
  }
  watcher.on('all', onHint);
  watcher.on('error', (error) => {
    void stop();
    onEnd(error);
  });
  return stop;
}

function typeOf(dir: string): number {
  try {
    return statfsSync(dir).type;
  } catch (cause) {
    throw systemError(cause, 'watch', dir);
  }
}
