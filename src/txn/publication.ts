/**
 * Versions are handed out here and become visible here, in order.
 *
 * L1: a slot is a run of versions taken together. It is settled (put transactions enter the memtables then) only when
 * every earlier slot has been: so a snapshot at the visible version sees every commit ≤ it whole. A slot whose commit
 * failed is settled empty: its versions are holes.
 */

import { assert } from '../base/assert.ts';
import { type Version, versionOf } from '../mvcc/version.ts';

export interface Slot {
  /** The last version of the run. */
  last: Version;
  /** Durable, or failed: nothing but its turn is missing. */
  ready: boolean;
  /** Runs at its turn, before it is visible. Synchronous; must not throw. */
  settle(): void;
  /** Runs once it is visible. */
  published(): void;
  /** Runs in place of these two: it will not become visible. */
  abandoned(error: unknown): void;
}

export class Publication {
  #visible: Version;
  #last: Version;
  readonly #queue: Slot[] = [];
  #draining = false;
  #frozenBy: { readonly error: unknown } | undefined;
  /** A commit that has a version and fails ends publication instead of leaving a hole: of a cluster's replica, all have to have it. */
  failStop = false;

  /** `last`: the highest version that anything durable has. */
  constructor(last: Version) {
    this.#visible = last;
    this.#last = last;
  }

  /** Every commit ≤ this is in place; snapshots are taken here. */
  get visible(): Version {
    return this.#visible;
  }

  /** The highest version handed out. */
  get last(): Version {
    return this.#last;
  }

  get idle(): boolean {
    return this.#queue.length === 0;
  }

  /** L1: the only place where versions come from. The slot's run grows by `count` and ends at the version returned. */
  take(slot: Slot, count: number): Version {
    const tail = this.#queue.at(-1);
    assert(tail === slot || !this.#queue.includes(slot), 'a slot may grow only while it is the newest');
    if (tail !== slot) this.#queue.push(slot);
    this.#last = versionOf(this.#last + count);
    slot.last = this.#last;
    if (this.#frozenBy !== undefined) slot.abandoned(this.#frozenBy.error);
    return this.#last;
  }

  isNewest(slot: Slot): boolean {
    return this.#queue.at(-1) === slot;
  }

  isOldest(slot: Slot): boolean {
    return this.#queue[0] === slot;
  }

  /** Nothing more becomes visible. Whoever waits for that learns it: else what waits for them, as `close` does, would for ever. */
  freeze(error: unknown): void {
    if (this.#frozenBy !== undefined) return;
    this.#frozenBy = { error };
    for (const slot of this.#queue) slot.abandoned(error);
  }

  get frozen(): boolean {
    return this.#frozenBy !== undefined;
  }

  /** Settles and publishes, in order, all slots at the head that are ready. */
  drain(): void {
    // A `published` callback may commit again and come back here; the loop that runs already goes on to it.
    if (this.#draining || this.frozen) return;
    this.#draining = true;
    try {
      for (let slot = this.#queue[0]; slot?.ready && !this.frozen; slot = this.#queue[0]) {
        slot.settle();
        this.#visible = slot.last;
        this.#queue.shift();
        slot.published();
      }
    } finally {
      this.#draining = false;
    }
  }
}
