/**
 * A database directory while it is being made: under another name, `DIR.partial-checkpoint`, so that whatever is at DIR
 * is whole. What a crash leaves is removed when the same directory is made again.
 */

import { dirname } from 'node:path';
import type { FileSystem } from '../base/env/file-system.ts';
import { acquireLock, type Lock } from '../base/env/lock.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import { databasePaths, OWN_NAMES } from './directory.ts';

const SUFFIX = '.partial-checkpoint';

export class PartialDirectory {
  /** Where the files go until `finish`. */
  readonly path: string;
  readonly #fs: FileSystem;
  readonly #dir: string;
  readonly #lock: Lock;

  /**
   * Makes it, with `tables/` in it.
   * @param dir absolute; its parent must be there
   * @throws SluiceError ALREADY_EXISTS, FILE_NOT_FOUND, BUSY when somebody else is making it, NO_SPACE, PERMISSION …
   */
  constructor(fs: FileSystem, dir: string) {
    this.#fs = fs;
    this.#dir = dir;
    this.path = `${dir}${SUFFIX}`;
    this.#checkVacant();
    if (!fs.existsSync(dirname(dir))) {
      throw new SluiceError('FILE_NOT_FOUND', `There is no directory to make ${dir} in; make it first`);
    }
    const left = fs.existsSync(this.path);
    if (left) this.#checkOwn();
    else fs.mkdirSync(this.path);
    this.#lock = this.#acquire();
    try {
      if (left) this.#clear();
      fs.mkdirSync(databasePaths(this.path).tables);
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Gives it its name. REQUIRES: all files in it, and their names, are durable. */
  finish(): void {
    this.#fs.syncDirectorySync(this.path);
    this.#checkVacant();
    this.#fs.renameSync(this.path, this.#dir);
    this.#fs.syncDirectorySync(dirname(this.#dir));
    this.#lock.release();
  }

  /** Removes what there is of it. What cannot be removed now, the next attempt removes. */
  abandon(): void {
    try {
      this.#clear();
      this.#fs.unlinkSync(databasePaths(this.path).lock);
      this.#fs.rmdirSync(this.path);
    } catch (error) {
      if (!isSluiceError(error)) throw error;
    } finally {
      this.#lock.release();
    }
  }

  #checkVacant(): void {
    if (!this.#fs.existsSync(this.#dir)) return;
    const message = `${this.#dir} exists already, and nothing in it is replaced; give a path that does not exist`;
    throw new SluiceError('ALREADY_EXISTS', message);
  }

  /** A name that ends like ours need not be ours. */
  #checkOwn(): void {
    const foreign = this.#fs.readdirSync(this.path).find((name) => !OWN_NAMES.has(name));
    if (foreign === undefined) return;
    const message = `${this.path} is in the way: it has ${foreign}, which no unfinished checkpoint has. Move it away`;
    throw new SluiceError('ALREADY_EXISTS', message);
  }

  #acquire(): Lock {
    try {
      return acquireLock(databasePaths(this.path).lock);
    } catch (cause) {
      if (!isSluiceError(cause, 'LOCKED')) throw cause;
      throw new SluiceError('BUSY', `${this.#dir} is being made by somebody else already`, { cause });
    }
  }

  /** All but the lock file. */
  #clear(): void {
    const { lock, ...directories } = databasePaths(this.path);
    for (const path of Object.values(directories)) {
      if (!this.#fs.existsSync(path)) continue;
      for (const name of this.#fs.readdirSync(path)) this.#fs.unlinkSync(`${path}/${name}`);
      this.#fs.rmdirSync(path);
    }
  }
}
