/**
 * One file on its way to this node: from one source after another, each going on behind what there is, hashed as it comes.
 *
 * Who sent wrong bytes shows only at the end. So after a wrong digest everything begins anew, whole from one source at a time: then
 * the one whose bytes are wrong is known, and asked no more.
 */

import { createHash, type Hash } from 'node:crypto';
import type { Env } from '../../base/env/env.ts';
import type { File } from '../../base/env/file-system.ts';
import type { HttpAnswer } from '../../base/env/http.ts';
import { isSluiceError, SluiceError, throwIfAborted } from '../../base/errors.ts';
import type { FileFacts } from './file-exchange.ts';

/** Hashed and written in one piece; and so long a pause of a rate limit, at its rate. */
const CHUNK_BYTES = 256 << 10;
/** That may not be on the disk yet: somebody else's sync may have to wait for it. */
const UNSYNCED_BYTES = 16 << 20;
const PAUSE_MS = 100;

export interface TransferSettings {
  readonly env: Env;
  readonly file: FileFacts;
  /** Where it is written to; what is there is gone on behind. */
  readonly path: string;
  /** URLs of nodes; more may come while it runs. */
  readonly sources: readonly string[];
  /** In a row without a byte, from one source. */
  readonly attemptsMax: number;
  ask(source: string, from: number, signal: AbortSignal): Promise<HttpAnswer>;
  /** Resolves when the rate limit lets so many more bytes in. */
  pace(bytes: number, signal: AbortSignal): Promise<void>;
  readonly signal: AbortSignal;
}

export class Transfer {
  readonly file: FileFacts;
  received = 0;
  from = '';
  readonly #settings: TransferSettings;
  readonly #env: Env;
  readonly #reasons = new Map<string, string>();
  /** Sources that have sent wrong bytes, or cannot have it. */
  readonly #refused = new Set<string>();
  readonly #chunk = [new Uint8Array(CHUNK_BYTES), new Uint8Array(CHUNK_BYTES)] as const;
  #hash: Hash = createHash('sha256');
  /** A digest was wrong: each source gives all of it from now on. */
  #wholeOnly = false;
  /** All bytes that there are have come from here, in this transfer. */
  #onlyFrom: string | undefined;

  constructor(settings: TransferSettings) {
    this.#settings = settings;
    this.#env = settings.env;
    this.file = settings.file;
  }

  /** Whole, durable and of the right digest at `path` when it resolves. @throws SluiceError UNAVAILABLE, NO_SPACE, ABORTED */
  async run(): Promise<void> {
    const file = await this.#open();
    try {
      await this.#hashWhatThereIs(file);
      for (;;) {
        const source = this.#next();
        if (source === undefined) throw this.#unavailable();
        if (await this.#takeAllFrom(source, file)) break;
      }
      await file.datasync();
    } finally {
      file.closeSync();
    }
  }

  async #open(): Promise<File> {
    const { fs } = this.#env;
    const { path } = this.#settings;
    const file = await fs.open(path, fs.existsSync(path) ? 'update' : 'create');
    if (file.sizeSync() > this.file.bytes) file.truncateSync(0);
    return file;
  }

  async #hashWhatThereIs(file: File): Promise<void> {
    const bytes = file.sizeSync();
    const [chunk] = this.#chunk;
    while (this.received < bytes) {
      throwIfAborted(this.#settings.signal);
      const n = await file.read(chunk, 0, Math.min(chunk.length, bytes - this.received), this.received);
      if (n === 0) break;
      this.#hash.update(chunk.subarray(0, n));
      this.received += n;
    }
  }

  #next(): string | undefined {
    const { sources } = this.#settings;
    return sources.find((source) => !this.#refused.has(source) && !this.#reasons.has(source));
  }

  /** True when the file is whole and right. */
  async #takeAllFrom(source: string, file: File): Promise<boolean> {
    const { attemptsMax, signal } = this.#settings;
    this.from = source;
    if (this.#wholeOnly && this.#onlyFrom !== source) this.#restart(file);
    if (this.received === 0) this.#onlyFrom = source;
    else if (this.#onlyFrom !== source) this.#onlyFrom = undefined;
    for (let attempts = 0; this.received < this.file.bytes; ) {
      const before = this.received;
      try {
        await this.#takeSome(source, file);
      } catch (error) {
        throwIfAborted(signal);
        if (!isSluiceError(error, 'UNAVAILABLE')) throw error;
        attempts = this.received > before ? 1 : attempts + 1;
        if (attempts >= attemptsMax || this.#refused.has(source)) {
          this.#reasons.set(source, error.message);
          return false;
        }
        await this.#env.clock.sleep(PAUSE_MS * 2 ** (attempts - 1), signal);
      }
    }
    return this.#verify(source, file);
  }

  #verify(source: string, file: File): boolean {
    if (this.#hash.digest('hex') === this.file.digest) return true;
    if (this.#onlyFrom === source) {
      this.#refused.add(source);
      this.#reasons.set(source, `${source} sends bytes that have another digest`);
    }
    this.#wholeOnly = true;
    this.#restart(file);
    // Whoever failed before may have been cut off by what is to be found out now.
    for (const other of this.#reasons.keys()) if (!this.#refused.has(other)) this.#reasons.delete(other);
    return false;
  }

  #restart(file: File): void {
    file.truncateSync(0);
    this.received = 0;
    this.#hash = createHash('sha256');
    this.#onlyFrom = undefined;
  }

  /** One answer. @throws SluiceError UNAVAILABLE where another may do better */
  async #takeSome(source: string, file: File): Promise<void> {
    const { signal } = this.#settings;
    const answer = await this.#settings.ask(source, this.received, signal);
    try {
      this.#checkAnswer(source, answer);
      await this.#write(source, answer, file);
    } finally {
      answer.destroy();
    }
    if (this.received < this.file.bytes)
      throw new SluiceError('UNAVAILABLE', `${source} ended the file at byte ${this.received}`);
  }

  #checkAnswer(source: string, { status, headers }: HttpAnswer): void {
    const { bytes } = this.file;
    if (status === 206) {
      const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '');
      if (range !== null && Number(range[1]) === this.received && Number(range[3]) === bytes) return;
    } else if (status === 200 && this.received === 0 && Number(headers['content-length']) === bytes) return;
    if (status === 200 || status === 206 || status === 416 || status === 404) this.#refused.add(source);
    throw new SluiceError(
      'UNAVAILABLE',
      status === 200 || status === 206 || status === 416
        ? `${source} has a file of another length under this digest`
        : `${source} answers ${status}`,
    );
  }

  /** One piece is filled and hashed while the one before is written. */
  async #write(source: string, { body }: HttpAnswer, file: File): Promise<void> {
    const { signal, pace } = this.#settings;
    let [filling, other] = this.#chunk;
    let filled = 0;
    let unsynced = 0;
    let writing: Promise<void> = Promise.resolve();
    const flush = async (): Promise<void> => {
      const [piece, n, position] = [filling, filled, this.received];
      if (n === 0) return;
      this.#hash.update(piece.subarray(0, n));
      await writing;
      writing = file.write(piece, 0, n, position);
      writing.catch(() => undefined); // told where it is awaited
      this.received += n;
      unsynced += n;
      [filling, other] = [other, filling];
      filled = 0;
      await pace(n, signal);
      if (unsynced < UNSYNCED_BYTES) return;
      await writing;
      await file.datasync();
      unsynced = 0;
    };
    try {
      for await (const chunk of piecesOf(source, body)) {
        if (this.received + filled + chunk.length > this.file.bytes) {
          this.#refused.add(source);
          throw new SluiceError('UNAVAILABLE', `${source} sends more bytes than the file has`);
        }
        for (let at = 0; at < chunk.length; ) {
          const n = Math.min(chunk.length - at, filling.length - filled);
          filling.set(chunk.subarray(at, at + n), filled);
          filled += n;
          at += n;
          if (filled === filling.length) await flush();
        }
      }
    } finally {
      // Also of an answer that broke off: what has come is kept.
      await flush();
      await writing;
    }
  }

  #unavailable(): SluiceError {
    const { digest } = this.file;
    const reasons = [...this.#reasons.values()];
    const why = reasons.length === 0 ? 'no node is known that holds it' : reasons.join('; ');
    return new SluiceError('UNAVAILABLE', `The file ${digest} could not be fetched: ${why}`);
  }
}

/** What breaks the connection is UNAVAILABLE. */
async function* piecesOf(source: string, body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SluiceError('UNAVAILABLE', `${source}: the transfer broke off: ${why}`, { cause });
  }
}
