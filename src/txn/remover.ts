/**
 * Unlinking what the manifest no longer names. L2: not before the edit that dropped it is flushed, not while another
 * process still reads by an older manifest (its LMDB read transaction is its pin), and not while a checkpoint is made.
 */

import type { Env } from '../base/env/env.ts';
import { isSluiceError } from '../base/errors.ts';
import type { Manifest } from '../manifest/manifest.ts';

const RETRY_MS = 250;

interface Removal {
  /** The LMDB commit that dropped it. */
  readonly commitId: number;
  readonly remove: Remove;
}

type Remove = () => void | Promise<void>;

export class Remover {
  readonly #env: Env;
  readonly #manifest: Manifest;
  readonly #onFailed: (error: unknown) => void;
  #removals: Removal[] = [];
  #holds = 0;
  readonly #underWay = new Set<Promise<void>>();
  /** The file that was asked for last. */
  #unlinked: Promise<void> = Promise.resolve();
  #isClosed = false;
  #cancel: (() => void) | undefined;

  /** @param onFailed is told of a file that could not be removed: no failure of whoever dropped it. */
  constructor(env: Env, manifest: Manifest, onFailed: (error: unknown) => void) {
    this.#env = env;
    this.#manifest = manifest;
    this.#onFailed = onFailed;
  }

  /** Runs `remove` once no other process reads by a manifest older than now. */
  whenUnread(remove: Remove): void {
    if (this.#isClosed) return;
    this.#removals.push({ commitId: this.#manifest.commitId, remove });
    this.#run();
  }

  /** Nothing that the manifest names now is removed until the returned function is called. */
  hold(): () => void {
    this.#holds++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holds--;
      this.#run();
    };
  }

  /**
   * A file that nothing durable names, nor anybody reads. Once this is closed it may be another's: see `close`. One after the
   * other: a large one takes a thread of Node's pool for tens of milliseconds, and who syncs the log needs one of the few there are.
   */
  unlink(path: string): void {
    const unlinked = this.#unlinked.then(async () => {
      if (!this.#isClosed) await this.#env.fs.unlink(path);
    });
    this.#unlinked = unlinked.catch(() => undefined);
    this.#try(() => unlinked);
  }

  /** How many removals wait for a hold's end or for readers in other processes, or are under way. */
  get waiting(): number {
    return this.#removals.length + this.#underWay.size;
  }

  /**
   * What still waits is garbage for the next open to sweep, and so is what is released later (by an iterator that is closed
   * after its database, say). What is under way ends before. Else either might remove what the next to open this
   * directory has under the same name: file ids that no row names are given again.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    this.#removals = [];
    await Promise.all(this.#underWay);
  }

  #run(): void {
    if (this.#holds > 0 || this.#removals.length === 0) return;
    const oldest = this.#manifest.oldestReaderCommitId() ?? Number.POSITIVE_INFINITY;
    const ready = this.#removals.filter(({ commitId }) => commitId <= oldest);
    this.#removals = this.#removals.filter(({ commitId }) => commitId > oldest);
    for (const { remove } of ready) this.#try(remove);
    if (this.#removals.length === 0 || this.#cancel !== undefined) return;
    this.#cancel = this.#env.clock.after(RETRY_MS, () => {
      this.#cancel = undefined;
      this.#run();
    });
  }

  /** L2: what cannot be removed is garbage, which the sweep at open or a later removal tries again. */
  #try(remove: Remove): void {
    try {
      const removed = remove();
      if (removed === undefined) return;
      const run = removed
        .catch((error: unknown) => this.#failed(error))
        .finally(() => this.#underWay.delete(run));
      this.#underWay.add(run);
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (!isSluiceError(error)) throw error;
    this.#onFailed(error);
  }
}
