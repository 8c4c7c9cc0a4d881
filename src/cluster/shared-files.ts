/**
 * The files that records name: on a majority before the record is appended, and here before it is applied.
 *
 * A node keeps them until no record that names them is within any replica's conflict window: a window that is made anew asks them.
 */

import type { Env } from '../base/env/env.ts';
import { SluiceError } from '../base/errors.ts';
import { sha256Of } from '../ingest/staging.ts';
import { eachAtATime, FILES_AT_A_TIME } from './files/at-a-time.ts';
import type { FileExchange, FileFacts } from './files/file-exchange.ts';
import type { SharedLog } from './log/shared-log.ts';
import type { LogRecord, RecordFile } from './record/log-record.ts';

const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 2000;

export interface SharedFilesParts {
  readonly env: Env;
  readonly node: string;
  readonly majority: number;
  readonly log: SharedLog;
  readonly exchange: FileExchange;
  /** Fires when the node ends; a shared one. */
  readonly signal: AbortSignal;
  readonly onWaiting: (waiting: boolean) => void;
}

export class SharedFiles {
  readonly #parts: SharedFilesParts;
  /** By digest, the newest revision with a record that names it. */
  readonly #named = new Map<string, number>();
  /** Of the records applied here. */
  #newest = 0;
  /** Those of records that are being proposed here, by how many. */
  readonly #pinned = new Map<string, number>();

  constructor(parts: SharedFilesParts) {
    this.#parts = parts;
  }

  pathOf = (digest: string): string => this.#parts.exchange.path(digest);

  /**
   * Pulls what is not here from whoever has it, and waits as long as it takes. `revision`: of the record's entry.
   * @throws SluiceError TRIMMED where it would wait for ever, NO_SPACE …, ABORTED
   */
  async bring({ files }: { readonly files: readonly FileFacts[] }, revision: number): Promise<void> {
    const { exchange, onWaiting } = this.#parts;
    // From now on, before the record is applied: what an older entry had it kept for may be forgotten meanwhile.
    for (const file of files) this.#keep(file, revision);
    const missing = files.filter(({ digest }) => !exchange.has(digest));
    if (missing.length === 0) return;
    onWaiting(true);
    try {
      await eachAtATime(missing, FILES_AT_A_TIME, (file) =>
        this.#retrying((signal) => this.#pull(file, revision, signal), this.#parts.signal),
      );
    } finally {
      onWaiting(false);
    }
  }

  /** As `bring`, of those that are damaged here, or gone, whatever was said of them before. Resolves with whether there were any. */
  async mend({ files }: Pick<LogRecord, 'files'>, revision: number): Promise<boolean> {
    const { exchange, log, node, onWaiting, signal } = this.#parts;
    const lost: RecordFile[] = [];
    for (const file of files) if (!(await this.#isWhole(file))) lost.push(file);
    if (lost.length === 0) return false;
    onWaiting(true);
    try {
      for (const { digest } of lost) {
        exchange.drop(digest);
        await this.#retrying(() => log.forgetFile(digest, node), signal);
      }
      await this.bring({ files: lost }, revision);
    } finally {
      onWaiting(false);
    }
    return true;
  }

  async #isWhole({ digest }: FileFacts): Promise<boolean> {
    const { env, exchange, signal } = this.#parts;
    const path = exchange.path(digest);
    return env.fs.existsSync(path) && (await sha256Of(path, env, undefined, signal)) === digest;
  }

  /** Of a peer's: here, durably, and announced. */
  async stage(file: FileFacts, sources: readonly string[], signal: AbortSignal): Promise<void> {
    const { exchange, log, node } = this.#parts;
    // It does not go before it is announced; and what has come of it goes like it, where nothing comes of it.
    this.pin(file);
    try {
      if (!exchange.has(file.digest)) await exchange.pull(file, sources, signal);
      await log.announceFile(file.digest, node);
    } finally {
      this.unpin(file);
    }
  }

  /** Where no record comes of it, it goes when one of the next entry would: an append that comes later asks who has it. */
  #keep({ digest }: FileFacts, revision: number): void {
    this.#named.set(digest, Math.max(revision, this.#named.get(digest) ?? 0));
  }

  /**
   * A majority holds them, durably, when it resolves: this node does already.
   * @throws SluiceError UNAVAILABLE when the time has passed
   */
  async spread(files: readonly FileFacts[], signal: AbortSignal): Promise<void> {
    const { log, node } = this.#parts;
    await Promise.all(
      files.map(({ digest }) => this.#retrying(() => log.announceFile(digest, node), signal)),
    );
    await eachAtATime(files, FILES_AT_A_TIME, (file) =>
      this.#retrying(() => this.#spreadOne(file, signal), signal),
    );
  }

  /** As `spread` of one that may be proposed, tried once. It is not kept for it. @throws SluiceError UNAVAILABLE … */
  async offer(file: FileFacts, signal: AbortSignal): Promise<boolean> {
    const { log, node } = this.#parts;
    this.#keep(file, this.#newest + 1);
    await log.announceFile(file.digest, node);
    await this.#spreadOne(file, signal);
    return true;
  }

  /** A record that names them stands at this revision. */
  named(files: readonly FileFacts[], revision: number): void {
    this.#newest = revision;
    for (const file of files) this.#keep(file, revision);
  }

  /**
   * What this node said that it holds and holds no longer, its directory being lost or a file found damaged: it does not count for a
   * majority any more, and nobody asks it for them. And what it holds that nobody knows of: it was forgotten as one that is gone for good.
   */
  async tellHeld(): Promise<void> {
    const { exchange, log, node } = this.#parts;
    const told = new Set(await log.heldBy(node));
    for (const digest of told) if (!exchange.has(digest)) await log.forgetFile(digest, node);
    for (const digest of exchange.digests()) if (!told.has(digest)) await log.announceFile(digest, node);
  }

  /** Files of records that are older than what this node reads of the log. */
  adopt(revision: number): void {
    this.#newest = revision;
    for (const digest of this.#parts.exchange.digests()) this.#named.set(digest, revision + 1);
  }

  /** It stays until it is unpinned: before it is looked for. */
  pin({ digest }: Pick<FileFacts, 'digest'>): void {
    this.#pinned.set(digest, (this.#pinned.get(digest) ?? 0) + 1);
  }

  unpin(file: FileFacts): void {
    const pins = (this.#pinned.get(file.digest) ?? 1) - 1;
    if (pins > 0) this.#pinned.set(file.digest, pins);
    else this.#pinned.delete(file.digest);
    this.#keep(file, this.#newest + 1);
  }

  /** Nothing up to this revision is in anybody's window: what only that has named is let go of. */
  async forgetThrough(revision: number): Promise<void> {
    const { exchange, log, node } = this.#parts;
    for (const [digest, newest] of this.#named) {
      if (newest > revision || this.#pinned.has(digest)) continue;
      // In this order: an append asks the log who holds what.
      await log.forgetFile(digest, node);
      if (this.#pinned.has(digest) || (this.#named.get(digest) ?? 0) > revision) {
        // Somebody has come to propose it meanwhile, or a record to be applied, and has found it here, or is fetching it.
        if (exchange.has(digest)) await log.announceFile(digest, node);
        continue;
      }
      this.#named.delete(digest);
      exchange.drop(digest);
    }
  }

  async #spreadOne(file: FileFacts, signal: AbortSignal): Promise<void> {
    const { exchange, log, majority, node } = this.#parts;
    const holders = new Set(await log.holders(file.digest));
    holders.add(node);
    if (holders.size >= majority) return;
    const { url } = exchange;
    const peers = (await log.members()).filter(
      (member) => !holders.has(member.node) && member.condition !== 'halted',
    );
    const asked = peers.flatMap((peer) =>
      peer.url === undefined || url === undefined ? [] : [exchange.ask(peer.url, file, [url], signal)],
    );
    const answers = await majorityOf(asked, majority - holders.size);
    if (answers.enough) return;
    const message = `The file ${file.digest} is on ${holders.size} of the nodes, and ${majority} have to have it`;
    throw new SluiceError('UNAVAILABLE', message, { cause: answers.error });
  }

  async #pull(file: FileFacts, revision: number, signal: AbortSignal): Promise<void> {
    const { exchange, log, node } = this.#parts;
    if (exchange.has(file.digest)) return;
    const holders = new Set(await log.holders(file.digest));
    const sources = (await log.members()).flatMap((member) =>
      holders.has(member.node) && member.node !== node && member.url !== undefined ? [member.url] : [],
    );
    if (sources.length === 0) {
      await this.#checkKept(revision);
      throw new SluiceError(
        'UNAVAILABLE',
        `No live node holds the file ${file.digest}, which a record of the log names`,
      );
    }
    await exchange.pull(file, sources, signal);
    await log.announceFile(file.digest, node);
  }

  /** All may have let go of what the log has forgotten: an entry that this node has read before that is none to wait with. */
  async #checkKept(revision: number): Promise<void> {
    const trimmed = await this.#parts.log.trimmedThrough();
    if (revision > trimmed) return;
    const message = `The log is kept from revision ${trimmed} on, and this replica, which is at ${revision}, lacks a file that nobody keeps any more: open it again, and it begins from a peer`;
    throw new SluiceError('TRIMMED', message);
  }

  /** Until it works: what the others cannot give now they may later. */
  async #retrying(act: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { env } = this.#parts;
    for (let pauseMs = RETRY_MS_MIN; ; pauseMs = Math.min(RETRY_MS_MAX, 2 * pauseMs)) {
      try {
        await act(signal);
        return;
      } catch (error) {
        const passing = error instanceof SluiceError && error.code === 'UNAVAILABLE';
        if (!passing || signal.aborted) throw error;
      }
      await env.clock.sleep(pauseMs, signal);
    }
  }
}

/** Whether so many resolve; rejections are waited for only while that can still be. */
function majorityOf(
  asked: readonly Promise<void>[],
  needed: number,
): Promise<{ readonly enough: boolean; readonly error: unknown }> {
  return new Promise((resolve) => {
    let [done, failed, firstError]: [number, number, unknown] = [0, 0, undefined];
    if (asked.length < needed) resolve({ enough: false, error: undefined });
    for (const each of asked) {
      each.then(
        () => {
          if (++done >= needed) resolve({ enough: true, error: undefined });
        },
        (error: unknown) => {
          firstError ??= error;
          if (asked.length - ++failed < needed) resolve({ enough: false, error: firstError });
        },
      );
    }
  });
}
