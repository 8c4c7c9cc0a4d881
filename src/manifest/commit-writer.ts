/**
 * Where the manifest's transactions are made durable while the event loop goes on. The two syncs of an LMDB commit take
 * tens of milliseconds behind other writes to the disk, so a thread does them (`thread-writer.ts`); where the file system is a
 * test's, they are done here, with turns of the event loop before and after: what others do meanwhile is done then.
 */

import type { Clock } from '../base/env/env.ts';
import type { Write } from './format.ts';
import type { Store } from './store.ts';

/** The id of the transaction, or why it may not have been made. */
export type Outcome = { readonly id: number } | { readonly error: unknown };

export interface CommitWriter {
  /**
   * One durable transaction. `settled` is called once, when its outcome is known: in this call or in a later turn. REQUIRES: no other is
   * under way.
   */
  commit(writes: readonly Write[], settled: (outcome: Outcome) => void): void;
  /** Holds this thread until what is under way is settled; its `settled` has been called when this returns. */
  finish(): void;
  /** REQUIRES: nothing is under way. */
  close(): Promise<void>;
}

interface Run {
  readonly writes: readonly Write[];
  readonly settled: (outcome: Outcome) => void;
  outcome: Outcome | undefined;
}

export class TurnWriter implements CommitWriter {
  readonly #clock: Clock;
  readonly #store: Store;
  #run: Run | undefined;

  constructor(clock: Clock, store: Store) {
    this.#clock = clock;
    this.#store = store;
  }

  commit(writes: readonly Write[], settled: (outcome: Outcome) => void): void {
    const run: Run = { writes, settled, outcome: undefined };
    this.#run = run;
    void this.#clock
      .turn()
      .then(() => this.#write(run))
      .then(() => this.#clock.turn())
      .then(() => this.#settle(run));
  }

  finish(): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#write(run);
    this.#settle(run);
  }

  async close(): Promise<void> {}

  #write(run: Run): void {
    if (run.outcome !== undefined) return;
    try {
      run.outcome = { id: this.#store.commit(run.writes) };
    } catch (error) {
      run.outcome = { error };
    }
  }

  #settle(run: Run): void {
    if (this.#run !== run || run.outcome === undefined) return;
    this.#run = undefined;
    run.settled(run.outcome);
  }
}
