/**
 * Which tables are open: at most so many, and with indexes and filters of at most the cache's budget, of which blocks keep a
 * quarter even then. Where those of all tables do not fit, lookups all over the keys open tables again and again, each for
 * milliseconds: a block that is missing costs a hundredth of it.
 */

import type { BlockCache } from './block-cache.ts';
import type { TableState } from './table-state.ts';

/** Who holds the open state: told to forget it. */
export interface OpenTable {
  readonly state: TableState | undefined;
  /** Every lookup asks it: its index and filter stay, whatever else has to go. */
  readonly keepsOpen: boolean;
  close(): void;
}

export class TableCache {
  readonly maxOpen: number;
  /** How often a table was opened. */
  opens = 0;
  readonly #cache: BlockCache;
  readonly #open: OpenTable[] = [];
  #hand = 0;

  constructor(cache: BlockCache, maxOpen = 512) {
    this.#cache = cache;
    this.maxOpen = maxOpen;
  }

  get openCount(): number {
    return this.#open.length;
  }

  /** Notes an opened table and closes others, by the clock, until all is within bounds. */
  opened(table: OpenTable): void {
    this.opens++;
    this.#open.push(table);
    const budget = this.#cache.budgetBytes;
    for (let step = this.#open.length * 2; step > 0; step--) {
      if (this.#open.length <= this.maxOpen && this.#cache.metadataBytes <= budget) return;
      if (this.#hand >= this.#open.length) this.#hand = 0;
      const other = this.#open[this.#hand];
      const state = other?.state;
      if (other === undefined || state === undefined || other === table || state.busy || other.keepsOpen) {
        this.#hand++;
      } else if (state.used) {
        state.used = false;
        this.#hand++;
      } else other.close();
    }
  }

  closed(table: OpenTable): void {
    const index = this.#open.indexOf(table);
    if (index < 0) return;
    const last = this.#open.pop();
    if (last !== undefined && last !== table) this.#open[index] = last;
  }
}
