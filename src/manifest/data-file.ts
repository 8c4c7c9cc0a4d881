/**
 * A look at LMDB's data file each time before LMDB goes to it. LMDB maps the file: where somebody else has cut it short, a
 * page beyond its end kills the process with SIGBUS; and what is committed to a file that its name does not lead to any
 * more is lost. Between this look and LMDB's own there is a moment that nothing can guard.
 */

import type { FileSystem } from '../base/env/file-system.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';

export class DataFile {
  readonly #fs: FileSystem;
  readonly #path: string;
  readonly #identity: string;
  #bytes: number;

  /** REQUIRES: LMDB has the file open. */
  constructor(fs: FileSystem, path: string) {
    this.#fs = fs;
    this.#path = path;
    const { identity, bytes } = fs.statSync(path);
    this.#identity = identity;
    this.#bytes = bytes;
  }

  /** Throws CORRUPTION where it is not the file any more that was opened, or shorter than it has been. */
  check(): void {
    const { identity, bytes } = this.#stat();
    if (identity !== this.#identity) throw this.#damaged('another file has taken its place');
    if (bytes < this.#bytes) throw this.#damaged(`it had ${this.#bytes} bytes and has ${bytes}`);
    this.#bytes = bytes;
  }

  /** After LMDB has written to it. */
  note(): void {
    try {
      this.#bytes = Math.max(this.#bytes, this.#fs.statSync(this.#path).bytes);
    } catch (error) {
      // What was written is durable all the same. The next check tells what is wrong, if it still is.
      if (!isSluiceError(error)) throw error;
    }
  }

  #stat(): { identity: string; bytes: number } {
    try {
      return this.#fs.statSync(this.#path);
    } catch (error) {
      if (!isSluiceError(error, 'FILE_NOT_FOUND')) throw error;
      throw this.#damaged('it is gone', error);
    }
  }

  #damaged(what: string, cause?: unknown): SluiceError {
    const message =
      `The manifest ${this.#path} was changed under the open database: ${what}. Nothing is written to it any more. ` +
      'Close the database, and restore it from a backup';
    return new SluiceError('CORRUPTION', message, { cause });
  }
}
