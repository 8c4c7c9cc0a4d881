/**
 * Paths on the node that clients may name: below directories that its configuration lists, and nothing else. A link is taken for what it
 * points to, so none leads out.
 */

import { isAbsolute, relative, resolve, sep } from 'node:path';
import type { FileSystem } from '../../base/env/file-system.ts';
import { realPathSync } from '../../base/env/real-path.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';

const ENTRIES_MAX = 100_000;

export class AllowedPaths {
  readonly #fs: FileSystem;
  readonly #dirs: readonly string[];
  /** As the configuration names them, and without links: a path may come either way. */
  readonly #named: readonly string[];

  /** @param dirs absolute, and there @throws SluiceError FILE_NOT_FOUND; TypeError */
  constructor(fs: FileSystem, dirs: readonly string[]) {
    this.#fs = fs;
    for (const dir of dirs)
      if (!isAbsolute(dir))
        throw new TypeError(`ingestDirs must be absolute paths; got ${JSON.stringify(dir)}`);
    this.#dirs = dirs.map((dir) => realPathSync(dir));
    this.#named = [...dirs.map((dir) => resolve(dir)), ...this.#dirs];
  }

  /**
   * The path without links in it. Whether something else exists is not told.
   *
   * @throws SluiceError PERMISSION unless it is below an allowed directory, FILE_NOT_FOUND
   */
  file(path: string): string {
    const real = this.#real(path);
    if (!this.#fs.statSync(real).isFile)
      throw new SluiceError('FILE_NOT_FOUND', `${JSON.stringify(path)} is no file`);
    return real;
  }

  /** As `file`, and directories, of which all that is in them must be allowed too. */
  source(path: string): string {
    const real = this.#real(path);
    if (this.#fs.statSync(real).isDirectory) this.#checkBelow(real, { count: 0 });
    return real;
  }

  #checkBelow(dir: string, seen: { count: number }): void {
    for (const name of this.#fs.readdirSync(dir)) {
      seen.count++;
      if (seen.count > ENTRIES_MAX)
        throw new SluiceError(
          'LIMIT_EXCEEDED',
          `There are more than ${ENTRIES_MAX} files below the directory`,
        );
      const real = this.#real(`${dir}${sep}${name}`);
      if (this.#fs.statSync(real).isDirectory) this.#checkBelow(real, seen);
    }
  }

  #real(path: string): string {
    if (this.#dirs.length === 0)
      throw new SluiceError(
        'PERMISSION',
        'This node takes no paths: its ingestDirs are empty. Upload the file',
      );
    if (!isAbsolute(path) || path.includes('\0') || !isBelow(this.#named, resolve(path))) throw refused(path);
    let real: string;
    try {
      real = realPathSync(path);
    } catch (error) {
      if (!isSluiceError(error, 'FILE_NOT_FOUND')) throw error;
      throw new SluiceError('FILE_NOT_FOUND', `There is no file ${JSON.stringify(path)}`);
    }
    if (!isBelow(this.#dirs, real)) throw refused(path);
    return real;
  }
}

function isBelow(dirs: readonly string[], path: string): boolean {
  return dirs.some((dir) => {
    const way = relative(dir, path);
    return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
  });
}

function refused(path: string): SluiceError {
  return new SluiceError('PERMISSION', `${JSON.stringify(path)} is not below one of this node's ingestDirs`);
}
