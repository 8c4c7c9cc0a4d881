/** An open file over a descriptor of `node:fs`. */

import fs from 'node:fs';
import { SluiceError } from '../errors.ts';
import type { File } from './file-system.ts';
import { systemError } from './system-error.ts';

/**
 * While the system copies bytes to or from its memory it leaves the core to nobody: whoever was woken on that core, such as to sync
 * the log, waits until the call returns: 5 to 10 ms of 4 MB written to memory that is touched for the first time.
 */
const SYNC_CALL_BYTES_MAX = 256 << 10;
/** Here each call is a trip to another thread. */
const ASYNC_CALL_BYTES_MAX = 512 << 10;

/** Moves some of `length` bytes and returns how many: pread or pwrite. */
export type MoveSome = (start: number, length: number, position: number) => number;

/**
 * Repeats until all is written. A full disk first shows as a short write *without* an error: only the next call fails,
 * so a writer that ignores the count acknowledges bytes that it never wrote.
 */
export function writeFully(write: MoveSome, start: number, length: number, position: number): void {
  for (let done = 0; done < length; ) {
    const moved = write(start + done, Math.min(length - done, SYNC_CALL_BYTES_MAX), position + done);
    if (moved <= 0) throw new Error(`the system wrote none of ${length - done} bytes`);
    done += moved;
  }
}

/** Repeats until `length` bytes are read or the file ends; returns how many. */
export function readFully(read: MoveSome, start: number, length: number, position: number): number {
  let done = 0;
  while (done < length) {
    const moved = read(start + done, Math.min(length - done, SYNC_CALL_BYTES_MAX), position + done);
    if (moved <= 0) break;
    done += moved;
  }
  return done;
}

export class NodeFile implements File {
  readonly path: string;
  readonly #fd: number;
  /** Asynchronous calls under way: the descriptor outlives them, else its number could mean another file. */
  #pending = 0;
  #closed = false;

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  readSync(target: Uint8Array, start: number, length: number, position: number): number {
    const fd = this.#open();
    try {
      return readFully((s, n, p) => fs.readSync(fd, target, s, n, p), start, length, position);
    } catch (cause) {
      throw systemError(cause, `read ${length} bytes at ${position} of`, this.path);
    }
  }

  read(target: Uint8Array, start: number, length: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const fd = this.#begin();
      let done = 0;
      const step = (): void => {
        const n = Math.min(length - done, ASYNC_CALL_BYTES_MAX);
        fs.read(fd, target, start + done, n, position + done, (cause, moved) => {
          done += moved ?? 0;
          if (cause === null && moved > 0 && done < length) return step();
          this.#end();
          if (cause === null) resolve(done);
          else reject(systemError(cause, `read ${length} bytes at ${position} of`, this.path));
        });
      };
      step();
    });
  }

  writeSync(source: Uint8Array, start: number, length: number, position: number): void {
    const fd = this.#open();
    try {
      writeFully((s, n, p) => fs.writeSync(fd, source, s, n, p), start, length, position);
    } catch (cause) {
      throw systemError(cause, `write ${length} bytes at ${position} of`, this.path);
    }
  }

  write(source: Uint8Array, start: number, length: number, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const fd = this.#begin();
      let done = 0;
      const step = (): void => {
        const n = Math.min(length - done, ASYNC_CALL_BYTES_MAX);
        fs.write(fd, source, start + done, n, position + done, (error, moved) => {
          done += moved ?? 0;
          let cause: Error | null = error;
          if (cause === null && done < length) {
            if (moved > 0) return step();
            cause = new Error(`the system wrote none of ${length - done} bytes`);
          }
          this.#end();
          if (cause === null) resolve();
          else reject(systemError(cause, `write ${length} bytes at ${position} of`, this.path));
        });
      };
      if (length === 0) {
        this.#end();
        resolve();
      } else step();
    });
  }

  datasyncSync(): void {
    const fd = this.#open();
    try {
      fs.fdatasyncSync(fd);
    } catch (cause) {
      throw systemError(cause, 'sync', this.path);
    }
  }

  datasync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#begin(), (cause) => {
        this.#end();
        if (cause === null) resolve();
        else reject(systemError(cause, 'sync', this.path));
      });
    });
  }

  truncateSync(bytes: number): void {
    const fd = this.#open();
    try {
      fs.ftruncateSync(fd, bytes);
    } catch (cause) {
      throw systemError(cause, `set the length to ${bytes} of`, this.path);
    }
  }

  sizeSync(): number {
    const fd = this.#open();
    try {
      return fs.fstatSync(fd).size;
    } catch (cause) {
      throw systemError(cause, 'stat', this.path);
    }
  }

  closeSync(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#pending > 0) return;
    try {
      fs.closeSync(this.#fd);
    } catch (cause) {
      throw systemError(cause, 'close', this.path);
    }
  }

  #open(): number {
    if (this.#closed) throw new SluiceError('CLOSED', `The file ${this.path} is closed`);
    return this.#fd;
  }

  #begin(): number {
    const fd = this.#open();
    this.#pending++;
    return fd;
  }

  #end(): void {
    this.#pending--;
    // The call that just ended reports what failed; closing frees the descriptor even when it returns an error.
    if (this.#closed && this.#pending === 0) fs.close(this.#fd, () => {});
  }
}
