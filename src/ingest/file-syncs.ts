/**
 * L2: bytes of small files on disk, several asked for at once. Each call that finds a thread of Node's pool asleep wakes one, which
 * costs the caller as much as opening a file does; asked for together, they find the threads at work.
 */

import type { TableState } from '../sst/table-state.ts';

const TOGETHER = 16;

export class FileSyncs {
  readonly #waiting: TableState[] = [];
  readonly #syncs: Promise<void>[] = [];

  /** The file stays open until it is synced. */
  add(state: TableState): void {
    state.retain();
    this.#waiting.push(state);
    if (this.#waiting.length >= TOGETHER) this.#begin();
  }

  #begin(): void {
    for (const state of this.#waiting.splice(0)) {
      const sync = state.file.datasync().finally(() => state.release());
      // What is wrong with it is told at the end.
      sync.catch(() => undefined);
      this.#syncs.push(sync);
    }
  }

  /** Waits for all of them, whatever comes of them. @throws what went wrong with the first that failed. */
  async done(): Promise<void> {
    this.#begin();
    for (const outcome of await Promise.allSettled(this.#syncs)) {
      if (outcome.status === 'rejected') throw outcome.reason;
    }
  }
}
