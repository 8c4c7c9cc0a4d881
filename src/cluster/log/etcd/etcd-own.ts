/**
 * The entry that this process has appended last, for its own readers: the answer to the append tells which entry stands before it, so a
 * reader that is there goes on with it at once, and need not wait for the watch to bring it.
 */

import type { LogEntry } from '../shared-log.ts';

export interface OwnEntry {
  readonly entry: LogEntry;
  /** The revision of the entry before it; 0: it is the first. */
  readonly after: number;
  /** Its id. */
  readonly afterId: string | undefined;
  /** As the head's etcd version counts entries. */
  readonly number: number;
}

export class OwnEntries {
  #newest: OwnEntry | undefined;
  readonly #listeners = new Set<(after: number) => void>();

  written(own: OwnEntry): void {
    this.#newest = own;
    for (const listener of this.#listeners) listener(own.after);
  }

  /** What follows the entry at this revision, where that is known; and of this id, if it has one: another etcd may have another there. */
  next(revision: number, id: string | undefined): OwnEntry | undefined {
    const own = this.#newest;
    return own?.after === revision && (id === undefined || own.afterId === id) ? own : undefined;
  }

  /** Calls back with what the newest follows; returns how to stop. */
  listen(listener: (after: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
