/** Where the log ends, asked by many at a time: a call that comes while one is under way may not take its answer, which may be from before; all such share the next. */

import type { SharedLog } from './log/shared-log.ts';

export class LogHead {
  readonly #log: Pick<SharedLog, 'head'>;
  /** Of those that wait; undefined once it is asked. */
  #next: Promise<number> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(log: Pick<SharedLog, 'head'>) {
    this.#log = log;
  }

  /** As it was at the call, or later. @throws SluiceError UNAVAILABLE, CLOSED */
  ask(): Promise<number> {
    if (this.#next !== undefined) return this.#next;
    const next = this.#last.then(
      () => this.#ask(),
      () => this.#ask(),
    );
    this.#next = next;
    this.#last = next;
    return next;
  }

  #ask(): Promise<number> {
    this.#next = undefined;
    return this.#log.head();
  }
}
