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
import type { PeerClient } from '../http/peer-client.ts';
import type { FileFacts } from './file-exchange.ts';
import { BufferedWriter, HeldWriter, type SyncFile } from './piece-writer.ts';

const READ_BYTES = 512 << 10;
const PAUSE_MS = 100;
/** In a row without a byte, before the next source is asked. */
const ATTEMPTS_MAX = 4;

/** What is fetched, and to where: as one thread tells another. */
export interface TransferJob {
  readonly file: FileFacts;
  /** Where it is written to; what is there is gone on behind. */
  readonly path: string;
  /** Behind the URL of a node. */
  readonly target: string;
}

/** What it has in common with other transfers. */
export interface TransferParts {
  readonly env: Env;
  readonly client: Pick<PeerClient, 'range'>;
  /** Its thread has nothing else to do while the system takes what is written; not so by default. */
  readonly mayBeHeld?: boolean;
  readonly sync: SyncFile;
  /** Resolves when the rate limit lets so many more bytes in. */
  pace(bytes: number, signal: AbortSignal): Promise<void>;
}

export interface TransferProgress {
  /** Bytes that are on their way to the disk, or there. */
  readonly received: number;
  /** The URL of the node that is asked; '' before the first. */
  readonly from: string;
}

export class Transfer implements TransferProgress {
  readonly #file: FileFacts;
  received = 0;
  from = '';
  readonly #job: TransferJob;
  readonly #parts: TransferParts;
  readonly #signal: AbortSignal;
  readonly #sources: string[];
  readonly #reasons = new Map<string, string>();
  /** Sources that have sent wrong bytes, or cannot have it. */
  readonly #refused = new Set<string>();
  #hash: Hash = createHash('sha256');
  /** A digest was wrong: each source gives all of it from now on. */
  #wholeOnly = false;
  /** All bytes that there are have come from here, in this transfer. */
  #onlyFrom: string | undefined;

  /** @param sources URLs of nodes, asked one after the other */
  constructor(parts: TransferParts, job: TransferJob, sources: readonly string[], signal: AbortSignal) {
    this.#parts = parts;
    this.#job = job;
    this.#file = job.file;
    this.#sources = [...sources];
    this.#signal = signal;
  }

  /** They are asked after those that it has. */
  addSources(sources: readonly string[]): void {
    this.#sources.push(...sources);
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
      await this.#parts.sync(file);
    } finally {
      file.closeSync();
    }
  }

  async #open(): Promise<File> {
    const { fs } = this.#parts.env;
    const { path } = this.#job;
    const file = await fs.open(path, fs.existsSync(path) ? 'update' : 'create');
    if (file.sizeSync() > this.#file.bytes) file.truncateSync(0);
    return file;
  }

  async #hashWhatThereIs(file: File): Promise<void> {
    const bytes = file.sizeSync();
    const chunk = new Uint8Array(Math.min(READ_BYTES, bytes));
    while (this.received < bytes) {
      throwIfAborted(this.#signal);
      const n = await file.read(chunk, 0, Math.min(chunk.length, bytes - this.received), this.received);
      if (n === 0) break;
      this.#hash.update(chunk.subarray(0, n));
      this.received += n;
    }
  }

  #next(): string | undefined {
    return this.#sources.find((source) => !this.#refused.has(source) && !this.#reasons.has(source));
  }

  /** True when the file is whole and right. */
  async #takeAllFrom(source: string, file: File): Promise<boolean> {
    const signal = this.#signal;
    this.from = source;
    if (this.#wholeOnly && this.#onlyFrom !== source) this.#restart(file);
    if (this.received === 0) this.#onlyFrom = source;
    else if (this.#onlyFrom !== source) this.#onlyFrom = undefined;
    for (let attempts = 0; this.received < this.#file.bytes; ) {
      const before = this.received;
      try {
        await this.#takeSome(source, file);
      } catch (error) {
        throwIfAborted(signal);
        if (!isSluiceError(error, 'UNAVAILABLE')) throw error;
        attempts = this.received > before ? 1 : attempts + 1;
        if (attempts >= ATTEMPTS_MAX || this.#refused.has(source)) {
          this.#reasons.set(source, error.message);
          return false;
        }
        await this.#parts.env.clock.sleep(PAUSE_MS * 2 ** (attempts - 1), signal);
      }
    }
    return this.#verify(source, file);
  }

  #verify(source: string, file: File): boolean {
    if (this.#hash.digest('hex') === this.#file.digest) return true;
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
    const answer = await this.#parts.client.range(source, this.#job.target, this.received, this.#signal);
    try {
      this.#checkAnswer(source, answer);
      await this.#write(source, answer, file);
    } finally {
      answer.destroy();
    }
    if (this.received < this.#file.bytes)
      throw new SluiceError('UNAVAILABLE', `${source} ended the file at byte ${this.received}`);
  }

  #checkAnswer(source: string, { status, headers }: HttpAnswer): void {
    const { bytes } = this.#file;
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

  async #write(source: string, { pump }: HttpAnswer, file: File): Promise<void> {
    const signal = this.#signal;
    const { pace, sync } = this.#parts;
    const Writer = this.#parts.mayBeHeld ? HeldWriter : BufferedWriter;
    const writer = new Writer(file, this.received, sync);
    let [arrived, paced] = [this.received, this.received];
    const keepPace = (): Promise<void> => {
      const bytes = arrived - paced;
      paced = arrived;
      return pace(bytes, signal);
    };
    const write = async (piece: Uint8Array): Promise<void> => {
      await writer.add(piece);
      this.received = writer.position;
      await keepPace();
    };
    try {
      await pump((piece) => {
        arrived += piece.length;
        if (arrived > this.#file.bytes) {
          this.#refused.add(source);
          throw new SluiceError('UNAVAILABLE', `${source} sends more bytes than the file has`);
        }
        this.#hash.update(piece);
        return writer.takes(piece) ? undefined : write(piece);
      });
      await keepPace();
    } catch (cause) {
      if (cause instanceof SluiceError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new SluiceError('UNAVAILABLE', `${source}: the transfer broke off: ${why}`, { cause });
    } finally {
      // Also of an answer that broke off: what has come is kept.
      await writer.end();
      this.received = writer.position;
    }
  }

  #unavailable(): SluiceError {
    const { digest } = this.#file;
    const reasons = [...this.#reasons.values()];
    const why = reasons.length === 0 ? 'no node is known that holds it' : reasons.join('; ');
    return new SluiceError('UNAVAILABLE', `The file ${digest} could not be fetched: ${why}`);
  }
}
