/**
 * A directory whose subdirectories are datasets: what each METADATA.json names is loaded, and made live once all of it is
 * there (`metadata.ts`). Versions are published without being live, one after the other, and the last of them is activated in
 * one commit: readers see the version before or the one that is named, and a restart goes on with the versions that are kept.
 *
 * When to look the file system tells, where it does, and the clock everywhere (docs/adr/0004-watching-directories.md): what tells of
 * changes is silent on network file systems, and never says that a producer is done.
 */

import { checkCallback, checkOptions } from '../../base/arguments.ts';
import type { Env } from '../../base/env/env.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import type { IngestMode } from '../../ingest/adopt-file.ts';
import type { IngestVerify, StageProgress } from '../../ingest/staging.ts';
import type { Logger } from '../engine.ts';
import type { Dataset } from './dataset.ts';
import { type DatasetMetadata, parseMetadata } from './metadata.ts';
import { checkKeepVersions } from './rows.ts';

export interface WatchOptions {
  /**
   * Between two looks at the directory; 1,000. Where the file system tells of changes it is looked at as soon as these have paused,
   * and otherwise every ten seconds at most.
   */
  readonly pollMs?: number;
  /** Of each dataset; all are kept by default. */
  readonly keepVersions?: number;
  /** As of `publish`; 'copy' by default. */
  readonly mode?: Exclude<IngestMode, 'move'>;
  readonly verify?: IngestVerify;
  /** Told of each dataset whose state has changed. */
  readonly onChange?: (status: WatchedDataset) => void;
  /** Told of files that are being loaded, as of `publish`. What it throws fails the load. */
  readonly onProgress?: (progress: StageProgress) => void;
}

/**
 * live: what METADATA.json names is live. loading: it is being loaded. waiting: files are missing. failed: it or a file of it
 * is wrong, as `problem` says; what was live stays live, and it is tried again once a file has changed, and now and then.
 */
export interface WatchedDataset {
  readonly name: string;
  readonly state: 'live' | 'loading' | 'waiting' | 'failed';
  /** The version that METADATA.json names; undefined where it cannot be read. */
  readonly version: number | undefined;
  readonly problem: string | undefined;
}

export function checkWatchOptions(options: WatchOptions): void {
  checkOptions(options);
  const { pollMs, keepVersions, mode, onChange, onProgress } = options;
  if (pollMs !== undefined && !(typeof pollMs === 'number' && pollMs >= 1)) {
    throw new TypeError(`options.pollMs must be a number from 1; got ${String(pollMs)}`);
  }
  if (keepVersions !== undefined) checkKeepVersions(keepVersions, 'options.keepVersions');
  if (mode !== undefined && mode !== 'copy' && mode !== 'link') {
    throw new TypeError(`options.mode must be copy or link; got ${String(mode)}`);
  }
  checkCallback(onChange, 'options.onChange');
  checkCallback(onProgress, 'options.onProgress');
}

const POLL_MS = 1000;
/** The same at least, where the file system tells of changes: it may have missed one. */
const HINTED_POLL_MS = 10_000;
/** Changes come in bursts, and while a file is being written there is nothing to be had of it. */
const PAUSE_MS = 50;
/** A failure that nothing has changed of is tried again after so long. */
const RETRY_MS = 30_000;
const METADATA = 'METADATA.json';

interface Seen {
  readonly status: WatchedDataset;
  /** Of METADATA.json and the files that have failed, and when they did. */
  readonly stamp: string;
  readonly atMs: number;
}

export interface WatchPlace {
  readonly env: Env;
  readonly logger: Logger | undefined;
  /** False for good once the database is closed, and while a cluster's replica is made anew. */
  readonly isOpen: () => boolean;
  readonly dir: string;
  readonly datasetOf: (name: string) => Dataset;
  /** Told when it has ended by itself or by `close`. */
  readonly onClosed: () => void;
}

export class DatasetWatch implements AsyncDisposable {
  readonly #place: WatchPlace;
  readonly #options: WatchOptions;
  readonly #seen = new Map<string, Seen>();
  readonly #stop = new AbortController();
  #cancel: (() => void) | undefined;
  #polling: Promise<void> | undefined;
  /** Began to listen to the file system; resolves with what ends that, where it tells anything. */
  #listening: Promise<(() => Promise<void>) | undefined> | undefined;
  #isHinted = false;
  #cancelHint: (() => void) | undefined;

  /** For the database; users call `db.watchDatasets(dir)`. */
  constructor(place: WatchPlace, options: WatchOptions) {
    this.#place = place;
    this.#options = options;
    this.#schedule(0);
  }

  /** What was found last, by name. */
  status(): WatchedDataset[] {
    return [...this.#seen.values()].map(({ status }) => status).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Looks at the directory now; resolves when all that it then calls for is done or has failed. */
  async check(): Promise<void> {
    await this.#polling;
    if (this.#stop.signal.aborted) throw new SluiceError('CLOSED', 'The watch of the directory is closed');
    this.#cancel?.();
    await this.#poll();
  }

  /** Ends it; what is being loaded is given up, and begun again by the next watch. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancel?.();
    this.#cancelHint?.();
    await this.#polling;
    await this.#listenNoMore();
    this.#place.onClosed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #schedule(ms: number): void {
    this.#cancel?.();
    if (this.#stop.signal.aborted) return;
    this.#cancel = this.#place.env.clock.after(ms, () => void this.#poll());
  }

  #poll(): Promise<void> {
    this.#polling ??= this.#look().finally(() => {
      this.#polling = undefined;
      this.#schedule(this.#pollMs);
    });
    return this.#polling;
  }

  get #pollMs(): number {
    const { pollMs = POLL_MS } = this.#options;
    return this.#isHinted ? Math.max(pollMs, HINTED_POLL_MS) : pollMs;
  }

  /** REQUIRES: the directory is there. */
  async #listen(): Promise<(() => Promise<void>) | undefined> {
    const { env, logger, dir } = this.#place;
    const onEnd = (err: unknown): void => {
      this.#isHinted = false;
      this.#schedule(this.#pollMs);
      logger?.warn({ err, dir }, 'the file system tells of changes no more; the directory is polled');
    };
    try {
      const stop = await env.watch?.(dir, { onHint: () => this.#hint(), onEnd });
      this.#isHinted = stop !== undefined;
      // For what has changed before it listened.
      if (this.#isHinted) this.#hint();
      return stop;
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      onEnd(error);
      return undefined;
    }
  }

  async #listenNoMore(): Promise<void> {
    const stop = await this.#listening;
    this.#listening = undefined;
    this.#isHinted = false;
    await stop?.();
  }

  #hint(): void {
    this.#cancelHint?.();
    if (this.#stop.signal.aborted) return;
    this.#cancelHint = this.#place.env.clock.after(PAUSE_MS, () => {
      // What is under way may have passed the change by.
      if (this.#polling === undefined) void this.#poll();
      else this.#hint();
    });
  }

  async #look(): Promise<void> {
    const { env, logger, isOpen, dir } = this.#place;
    let names: string[] = [];
    try {
      names = env.fs.readdirSync(dir);
      this.#listening ??= this.#listen();
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      logger?.warn({ err: error, dir }, 'a directory of datasets cannot be read');
      // One of this name may be another directory later.
      await this.#listenNoMore();
    }
    for (const name of names.sort()) {
      if (this.#stop.signal.aborted || !isOpen()) return;
      await this.#lookAt(name);
    }
  }

  async #lookAt(name: string): Promise<void> {
    const path = `${this.#place.dir}/${name}/${METADATA}`;
    if (!this.#place.env.fs.existsSync(path)) return;
    const seen = this.#seen.get(name);
    let version: number | undefined;
    let files: readonly string[] = [path];
    try {
      const metadata = parseMetadata(this.#read(path), path);
      version = metadata.version;
      files = [path, ...metadata.chain.flatMap((each) => each.files.map((file) => this.#path(name, file)))];
      const failed = seen?.status.state === 'failed' && seen.stamp === this.#stampOf(files);
      if (failed && this.#nowMs() - seen.atMs < RETRY_MS) return;
      const missing = await this.#bring(name, metadata);
      const state = missing === undefined ? 'live' : 'waiting';
      this.#found({ name, state, version, problem: missing }, '');
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      if (this.#stop.signal.aborted || error.code === 'CLOSED') return;
      this.#failed({ name, version }, error, this.#stampOf(files));
    }
  }

  /** Resolves with what is missing; undefined: the version is live. */
  async #bring(name: string, metadata: DatasetMetadata): Promise<string | undefined> {
    const dataset = this.#place.datasetOf(name);
    if (dataset.current !== metadata.version) {
      const missing = await this.#load(dataset, metadata);
      if (missing !== undefined) return missing;
      await dataset.activate(metadata.version);
    }
    // Each time: a crash may have come between the two.
    if (this.#options.keepVersions !== undefined) await dataset.retain(this.#options.keepVersions);
    return undefined;
  }

  /** Resolves with what is missing; undefined: the version is kept. */
  async #load(
    dataset: Dataset,
    { version, chain, message, prefix }: DatasetMetadata,
  ): Promise<string | undefined> {
    const { name } = dataset;
    const kept = new Set(dataset.versions().map((each) => each.version));
    if (kept.has(version)) return undefined;
    if (chain.length === 0) return `version ${version} is not kept, and no files are named`;
    const wanted = chain.slice(chain.findLastIndex((each) => kept.has(each.version)) + 1);
    const missing = wanted.flatMap(({ files }) => files).filter((file) => !this.#isThere(name, file));
    if (missing.length > 0) return `missing: ${missing.join(', ')}`;
    this.#found({ name, state: 'loading', version, problem: undefined }, '');
    for (const each of wanted) {
      const before = chain[chain.indexOf(each) - 1];
      await dataset.publish(
        each.files.map((file) => this.#path(name, file)),
        {
          version: each.version,
          activate: false,
          ...(before === undefined ? {} : { kind: 'delta' as const, on: before.version }),
          ...(message !== undefined && each.version === version && { message }),
          ...(prefix !== undefined && { prefix }),
          ...(each.sha256 !== undefined && { sha256: each.sha256 }),
          ...(this.#options.mode !== undefined && { mode: this.#options.mode }),
          ...(this.#options.verify !== undefined && { verify: this.#options.verify }),
          ...(this.#options.onProgress !== undefined && { onProgress: this.#options.onProgress }),
          signal: this.#stop.signal,
        },
      );
    }
    return undefined;
  }

  #nowMs(): number {
    return this.#place.env.clock.monotonicMs();
  }

  #read(path: string): string {
    const file = this.#place.env.fs.openSync(path, 'read');
    try {
      const bytes = new Uint8Array(file.sizeSync());
      const n = file.readSync(bytes, 0, bytes.length, 0);
      return Buffer.from(bytes.buffer, 0, n).toString('utf8');
    } finally {
      file.closeSync();
    }
  }

  #path(name: string, file: string): string {
    return `${this.#place.dir}/${name}/${file}`;
  }

  #isThere(name: string, file: string): boolean {
    return this.#place.env.fs.existsSync(this.#path(name, file));
  }

  #stampOf(paths: readonly string[]): string {
    const { fs } = this.#place.env;
    return paths
      .map((path) => {
        if (!fs.existsSync(path)) return 'none';
        const { identity, bytes, modifiedMs } = fs.statSync(path);
        return `${identity} ${bytes} ${modifiedMs}`;
      })
      .join('\n');
  }

  #failed(of: { name: string; version: number | undefined }, error: SluiceError, stamp: string): void {
    this.#found({ ...of, state: 'failed', problem: `${error.code}: ${error.message}` }, stamp);
  }

  #found(status: WatchedDataset, stamp: string): void {
    const { logger } = this.#place;
    const before = this.#seen.get(status.name);
    this.#seen.set(status.name, { status, stamp, atMs: this.#nowMs() });
    const same =
      before?.status.state === status.state &&
      before.status.version === status.version &&
      before.status.problem === status.problem;
    if (same) return;
    if (status.state === 'failed') logger?.warn(status, 'a watched dataset cannot be loaded');
    else logger?.info(status, 'a watched dataset has changed');
    try {
      this.#options.onChange?.(status);
    } catch (err) {
      // A listener that throws is a bug of its own.
      logger?.error({ err }, 'the onChange of a watched directory threw');
    }
  }
}
