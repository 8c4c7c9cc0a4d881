/**
 * One writing process per database: an exclusive lock of the operating system on a file, freed by the kernel when its
 * holder dies however it dies. A pid file alone would not be: pids are reused and survive kill -9.
 *
 * The lock is of the open file, not of the process, so a second open in the same process is refused too. The locked
 * byte lies past the text, because on Windows a locked byte cannot be read, and the loser must read the holder's pid.
 * The file is never removed: removing it would let one process lock the old inode and another the new.
 */

import fs from 'node:fs';
import { tryLock } from 'fs-native-extensions';
import { SluiceError } from '../errors.ts';
import { systemError } from './system-error.ts';

const LOCKED_BYTE = 1 << 30;

export interface Lock {
  readonly path: string;
  /** Idempotent. */
  release(): void;
}

/** Throws LOCKED, naming the holder, when another open database of any process has it. Makes the file if need be. */
export function acquireLock(path: string): Lock {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644);
  } catch (cause) {
    throw systemError(cause, 'open the lock file', path);
  }
  try {
    if (!tryLock(fd, LOCKED_BYTE, 1)) throw lockedError(fd, path);
    const text = `${process.pid}\n`;
    fs.ftruncateSync(fd, 0);
    fs.writeSync(fd, text, 0);
  } catch (cause) {
    fs.closeSync(fd);
    throw cause instanceof SluiceError ? cause : systemError(cause, 'lock', path);
  }
  let held = true;
  return {
    path,
    release() {
      if (!held) return;
      held = false;
      fs.closeSync(fd); // closing the open file frees its lock
    },
  };
}

function lockedError(fd: number, path: string): SluiceError {
  const text = new Uint8Array(32);
  const read = fs.readSync(fd, text, 0, text.length, 0);
  const pid = Number.parseInt(Buffer.from(text.subarray(0, read)).toString('latin1'), 10);
  const holder = !Number.isSafeInteger(pid)
    ? 'another process'
    : pid === process.pid
      ? `this process (pid ${pid}) itself`
      : `the process with pid ${pid}`;
  return new SluiceError(
    'LOCKED',
    `The database is open for writing in ${holder}: ${path} is locked. Close it there, or open with readOnly: true`,
  );
}
