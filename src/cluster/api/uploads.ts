/**
 * Files that clients send, in a directory of their own until they are ingested, or an hour has passed. Their names are ours, random; what
 * a restart finds there is removed.
 */

import { createHash } from 'node:crypto';
import type { Env } from '../../base/env/env.ts';
import { makeDirectories } from '../../base/env/make-directories.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import { removeTree } from '../files/directory-tree.ts';
import type { Call } from '../http/call.ts';
import { RequestError } from '../http/status-codes.ts';

export interface Upload {
  readonly upload: string;
  readonly bytes: number;
  readonly sha256: string;
}

interface Kept {
  readonly path: string;
  readonly sha256: string;
  /** Stops the clock that removes it. */
  keep: () => void;
}

const CHUNK_BYTES = 256 << 10;
/** Left for the database itself. */
const ROOM_BYTES = 64 << 20;

export class Uploads {
  readonly #env: Env;
  readonly #dir: string;
  readonly #kept = new Map<string, Kept>();
  #receiving = 0;

  /** @param dir what is in it is removed; on the file system of the database, so that files are linked */
  constructor(env: Env, dir: string) {
    this.#env = env;
    this.#dir = dir;
    removeTree(env.fs, this.#dir);
    makeDirectories(env.fs, this.#dir);
  }

  /** The body as a file; of nothing that came only in part something is left. */
  async receive(call: Call): Promise<Upload> {
    const { limits } = call;
    if (this.#kept.size + this.#receiving >= limits.uploads)
      throw new RequestError(503, `${limits.uploads} uploads wait to be ingested; try again`, {
        'retry-after': '5',
      });
    this.#checkRoom(call.bodyBytes ?? 0);
    const upload = this.#env.random.hex(16);
    const path = `${this.#dir}/${upload}`;
    this.#receiving++;
    try {
      const { bytes, sha256 } = await this.#write(path, call);
      const wanted = call.query.get('sha256');
      if (wanted !== null && wanted !== sha256)
        throw new SluiceError('CHECKSUM_MISMATCH', `What came has the SHA-256 ${sha256}, not ${wanted}`);
      const keep = this.#env.clock.after(limits.uploadMs, () => this.drop(upload));
      this.#kept.set(upload, { path, sha256, keep });
      return { upload, bytes, sha256 };
    } catch (error) {
      this.#remove(path);
      throw error;
    } finally {
      this.#receiving--;
    }
  }

  /** Theirs alone while `use` runs, and gone when it is done; kept where it fails. @throws RequestError for one that is not there */
  async taking<T>(uploads: readonly string[], use: (paths: readonly string[]) => Promise<T>): Promise<T> {
    const taken = uploads.map((upload) => this.#kept.get(upload));
    const missing = uploads.find((_, i) => taken[i] === undefined);
    if (missing !== undefined || new Set(uploads).size !== uploads.length)
      throw new RequestError(
        404,
        `there is no upload ${JSON.stringify(missing ?? uploads)}, or it is being ingested`,
      );
    const files = taken.flatMap((one) => (one === undefined ? [] : [one]));
    for (const upload of uploads) this.#kept.delete(upload);
    for (const { keep } of files) keep();
    try {
      const result = await use(files.map(({ path }) => path));
      for (const { path } of files) this.#remove(path);
      return result;
    } catch (error) {
      for (const [i, file] of files.entries()) {
        const upload = uploads[i];
        if (upload !== undefined) this.#keepOn(upload, file);
      }
      throw error;
    }
  }

  /** False when there is none. */
  drop(upload: string): boolean {
    const kept = this.#kept.get(upload);
    if (kept === undefined) return false;
    kept.keep();
    this.#kept.delete(upload);
    this.#remove(kept.path);
    return true;
  }

  close(): void {
    for (const upload of [...this.#kept.keys()]) this.drop(upload);
  }

  /** After an ingest that failed, to be tried again. */
  #keepOn(upload: string, file: Kept): void {
    const keep = this.#env.clock.after(600_000, () => this.drop(upload));
    this.#kept.set(upload, { ...file, keep });
  }

  async #write(path: string, call: Call): Promise<{ bytes: number; sha256: string }> {
    const file = await this.#env.fs.open(path, 'create');
    try {
      const hash = createHash('sha256');
      const chunk = new Uint8Array(CHUNK_BYTES);
      let [bytes, filled] = [0, 0];
      const flush = async (): Promise<void> => {
        hash.update(chunk.subarray(0, filled));
        await file.write(chunk, 0, filled, bytes);
        bytes += filled;
        filled = 0;
        // A body that does not say its length must leave room too.
        if (bytes % (64 << 20) === 0) this.#checkRoom(0);
      };
      for await (const piece of call.stream(call.limits.uploadBytes)) {
        for (let at = 0; at < piece.length; ) {
          const n = Math.min(piece.length - at, chunk.length - filled);
          chunk.set(piece.subarray(at, at + n), filled);
          filled += n;
          at += n;
          if (filled === chunk.length) await flush();
        }
      }
      await flush();
      return { bytes, sha256: hash.digest('hex') };
    } finally {
      file.closeSync();
    }
  }

  #checkRoom(bytes: number): void {
    const free = this.#env.fs.freeBytesSync(this.#dir);
    if (free < bytes + ROOM_BYTES)
      throw new SluiceError('NO_SPACE', `An upload of ${bytes} bytes has no room: ${free} bytes are free`);
  }

  #remove(path: string): void {
    try {
      this.#env.fs.unlinkSync(path);
    } catch (error) {
      if (!isSluiceError(error, 'FILE_NOT_FOUND')) throw error;
    }
  }
}
