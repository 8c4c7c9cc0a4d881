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
  readonly remove: () => void;
}

export class Remover {
  readonly #env: Env;
  readonly #manifest: Manifest;
  readonly #onFailed: (error: unknown) => void;
  #removals: Removal[] = [];
  #holds = 0;
  #cancel: (() => void) | undefined;

  /** @param onFailed is told of a file that could not be removed: no failure of whoever dropped it. */
  constructor(env: Env, manifest: Manifest, onFailed: (error: unknown) => void) {
    this.#env = env;
    this.#manifest = manifest;
    this.#onFailed = onFailed;
  }

  /** Runs `remove` once no other process reads by a manifest older than now. */
  whenUnread(remove: () => void): void {
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

  /** How many removals wait for a hold's end or for readers in other processes. */
  get waiting(): number {
    return this.#removals.length;
  }

  /** What still waits is garbage for the next open to sweep. */
  close(): void {
    this.#cancel?.();
    this.#removals = [];
  }

  #run(): void {
    if (this.#holds > 0 || this.#removals.length === 0) return;
    const oldest = this.#manifest.oldestReaderCommitId() ?? Number.POSITIVE_INFINITY;
    const ready = this.#removals.filter(({ commitId }) => commitId <= oldest);
    this.#removals = this.#removals.filter(({ commitId }) => commitId > oldest);
    for (const removal of ready) this.#remove(removal);
    if (this.#removals.length === 0 || this.#cancel !== undefined) return;
    this.#cancel = this.#env.clock.after(RETRY_MS, () => {
      this.#cancel = undefined;
      this.#run();
    });
  }

  /** L2: what cannot be removed is garbage, which the sweep at open or a later removal tries again. */
  #remove({ remove }: Removal): void {
    try {
      remove();
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      this.#onFailed(error);
    }
  }
}
