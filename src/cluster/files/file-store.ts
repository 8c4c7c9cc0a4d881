/**
 * The originals of ingested files that this node keeps, by digest, and the beginnings of those that it is fetching.
 *
 *   DIR/cluster/files/<sha256>       whole and durable, with its name; never written to
 *   DIR/cluster/partial/<sha256>     the first bytes of one; a fetch goes on behind them, also after a restart
 *
 * L2: a file gets its name in files/ when its bytes are on disk, and the name is durable before anybody is told.
 */

import type { Env } from '../../base/env/env.ts';
import { makeDirectories } from '../../base/env/make-directories.ts';
import { errnoOf } from '../../base/env/system-error.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import type { FileFacts } from './file-exchange.ts';

const DIGEST = /^[0-9a-f]{64}$/;
/** What nobody has gone on with for so long is given up. */
const PARTIAL_MS_MAX = 24 * 3_600_000;

export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

export class FileStore {
  readonly #env: Env;
  readonly #files: string;
  readonly #partial: string;
  /** Bytes of each. */
  readonly #held = new Map<string, number>();

  /** @param dir of the node; @throws SluiceError PERMISSION, NO_SPACE, IO … */
  constructor(env: Env, dir: string) {
    this.#env = env;
    this.#files = `${dir}/cluster/files`;
    this.#partial = `${dir}/cluster/partial`;
    for (const path of [this.#files, this.#partial]) makeDirectories(env.fs, path);
    for (const name of env.fs.readdirSync(this.#files)) {
      if (isDigest(name)) this.#held.set(name, env.fs.statSync(`${this.#files}/${name}`).bytes);
    }
    this.#sweep();
  }

  has(digest: string): boolean {
    return this.#held.has(digest);
  }

  digests(): readonly string[] {
    return [...this.#held.keys()];
  }

  /** Of all files that are held. */
  get bytes(): number {
    let sum = 0;
    for (const bytes of this.#held.values()) sum += bytes;
    return sum;
  }

  path(digest: string): string {
    return `${this.#files}/${digest}`;
  }

  partialPath(digest: string): string {
    return `${this.#partial}/${digest}`;
  }

  /**
   * Keeps the file at `path`, a hard link where that can be. Of one that is held: nothing.
   *
   * @throws SluiceError CORRUPTION when the file has not the length given, NO_SPACE …
   */
  async hold(path: string, { digest, bytes }: FileFacts): Promise<void> {
    if (this.#held.has(digest)) return;
    const source = await this.#env.fs.open(path, 'read');
    try {
      const actual = source.sizeSync();
      if (actual !== bytes)
        throw new SluiceError('CORRUPTION', `${path} has ${actual} bytes, not the ${bytes} that were told`);
      await source.datasync();
    } finally {
      source.closeSync();
    }
    const staged = `${this.partialPath(digest)}.${this.#env.random.hex(8)}`;
    try {
      this.#env.fs.linkSync(path, staged);
    } catch (error) {
      if (!mustCopy(error)) throw error;
      await this.#copy(path, staged);
    }
    await this.adopt(staged, { digest, bytes });
  }

  /** Gives a file in partial/, whose bytes are durable, its name in files/. */
  async adopt(path: string, { digest, bytes }: FileFacts): Promise<void> {
    this.#env.fs.renameSync(path, this.path(digest));
    // rename does nothing where both names are links to one file.
    this.#remove(path);
    await this.#env.fs.syncDirectory(this.#files);
    this.#held.set(digest, bytes);
  }

  /** No longer kept, nor what has come of it. Whoever reads it now reads on. */
  drop(digest: string): void {
    this.#held.delete(digest);
    this.#remove(this.path(digest));
    this.#remove(this.partialPath(digest));
  }

  /** It is not what it was: damaged, or gone. It must be fetched again. */
  forget(digest: string): void {
    this.#held.delete(digest);
    this.#remove(this.path(digest));
  }

  /** @throws SluiceError NO_SPACE unless there is room for so many more bytes. */
  checkRoom(bytes: number, what: string): void {
    const free = this.#env.fs.freeBytesSync(this.#partial);
    if (free >= bytes) return;
    throw new SluiceError(
      'NO_SPACE',
      `${what} needs ${bytes} bytes and ${this.#partial} has ${free}: free some and try again`,
    );
  }

  async #copy(from: string, to: string): Promise<void> {
    try {
      await this.#env.fs.copy(from, to);
      const copy = await this.#env.fs.open(to, 'read');
      try {
        await copy.datasync();
      } finally {
        copy.closeSync();
      }
    } catch (error) {
      this.#remove(to);
      throw error;
    }
  }

  /** Links and copies that a crash left, and beginnings that nobody has gone on with. */
  #sweep(): void {
    const oldestMs = this.#env.clock.nowMs() - PARTIAL_MS_MAX;
    for (const name of this.#env.fs.readdirSync(this.#partial)) {
      const path = `${this.#partial}/${name}`;
      const wanted =
        isDigest(name) && !this.#held.has(name) && this.#env.fs.statSync(path).modifiedMs >= oldestMs;
      if (!wanted) this.#remove(path);
    }
  }

  #remove(path: string): void {
    try {
      this.#env.fs.unlinkSync(path);
    } catch (error) {
      if (!isSluiceError(error, 'FILE_NOT_FOUND')) throw error;
    }
  }
}

/** A link cannot be had here, and a copy may: another file system, one without links, too many of them. */
function mustCopy(error: unknown): boolean {
  return ['EXDEV', 'EPERM', 'EMLINK', 'ENOSYS', 'EOPNOTSUPP'].includes(errnoOf(error) ?? '');
}
