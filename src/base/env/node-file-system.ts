/** `FileSystem` over `node:fs`. */

import fs from 'node:fs';
import { dirname } from 'node:path';
import { isSluiceError, throwIfAborted } from '../errors.ts';
import { copyInPieces, reflink } from './file-copy.ts';
import type { File, FileStat, FileSystem, OpenMode } from './file-system.ts';
import { NodeFile } from './node-file.ts';
import { errnoOf, systemError } from './system-error.ts';

const FLAGS: Readonly<Record<OpenMode, string>> = { read: 'r', create: 'wx+', update: 'r+' };

/** Runs a system call; what it throws is told as "Could not `action` `path`". */
function call<T>(action: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    throw systemError(cause, action, path);
  }
}

async function callAsync<T>(action: string, path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw systemError(cause, action, path);
  }
}

function fileStat(path: string): FileStat {
  const stat = fs.statSync(path, { bigint: true });
  return {
    bytes: Number(stat.size),
    isFile: stat.isFile(),
    isDirectory: stat.isDirectory(),
    modifiedMs: Number(stat.mtimeMs),
    identity: `${stat.dev}:${stat.ino}`,
  };
}

export class NodeFileSystem implements FileSystem {
  openSync(path: string, mode: OpenMode): File {
    return call('open', path, () => new NodeFile(path, fs.openSync(path, FLAGS[mode])));
  }

  open(path: string, mode: OpenMode): Promise<File> {
    return new Promise((resolve, reject) => {
      fs.open(path, FLAGS[mode], (cause, fd) => {
        if (cause === null) resolve(new NodeFile(path, fd));
        else reject(systemError(cause, 'open', path));
      });
    });
  }

  statSync(path: string): FileStat {
    return call('stat', path, () => fileStat(path));
  }

  /** Unlike fs.existsSync, a path that may not be looked at is an error, not an absence. */
  existsSync(path: string): boolean {
    try {
      this.statSync(path);
      return true;
    } catch (error) {
      if (isSluiceError(error, 'FILE_NOT_FOUND')) return false;
      throw error;
    }
  }

  readdirSync(path: string): string[] {
    return call('list', path, () => fs.readdirSync(path));
  }

  mkdirSync(path: string): void {
    call('make the directory', path, () => {
      try {
        fs.mkdirSync(path, { recursive: true });
      } catch (error) {
        // Node says ENOENT of a file system that is read-only; by itself the last step says what is wrong.
        if (errnoOf(error) !== 'ENOENT' || !fs.existsSync(dirname(path))) throw error;
        fs.mkdirSync(path);
      }
    });
  }

  rmdirSync(path: string): void {
    call('remove the directory', path, () => fs.rmdirSync(path));
  }

  unlinkSync(path: string): void {
    call('remove', path, () => fs.unlinkSync(path));
  }

  unlink(path: string): Promise<void> {
    return callAsync('remove', path, () => fs.promises.unlink(path));
  }

  renameSync(from: string, to: string): void {
    call(`rename to ${to}`, from, () => fs.renameSync(from, to));
  }

  linkSync(from: string, to: string): void {
    try {
      fs.linkSync(from, to);
    } catch (cause) {
      // EPERM is a file system without links or a hardened kernel: copying may work, so it is not PERMISSION.
      const code = errnoOf(cause) === 'EPERM' ? 'IO' : undefined;
      throw systemError(cause, `link to ${to}`, from, code);
    }
  }

  async copy(from: string, to: string, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (!(await reflink(from, to))) await copyInPieces(this, from, to, signal);
  }

  syncDirectorySync(path: string): void {
    if (process.platform === 'win32') return; // directories cannot be synced there; names are journaled
    call('sync the directory', path, () => {
      const fd = fs.openSync(path, 'r');
      try {
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
    });
  }

  async syncDirectory(path: string): Promise<void> {
    if (process.platform === 'win32') return;
    await callAsync('sync the directory', path, async () => {
      const handle = await fs.promises.open(path, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
  }

  freeBytesSync(path: string): number {
    return call('look up the free space of', path, () => {
      const stat = fs.statfsSync(path);
      return stat.bavail * stat.bsize;
    });
  }
}
