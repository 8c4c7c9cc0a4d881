/** What happened in a run, in its order: two runs of one scenario must be the same, line by line. */

import type { Schedule } from '../../simulation/schedule.ts';

export class Trace {
  readonly #schedule: Schedule;
  readonly #root: string;
  readonly lines: string[] | undefined;

  /** @param root a directory as no other run has it; @param keeps whether anybody will look at it */
  constructor(schedule: Schedule, root: string, keeps: boolean) {
    this.#schedule = schedule;
    this.#root = root;
    this.lines = keeps ? [] : undefined;
  }

  note(who: string, what: string): void {
    this.lines?.push(`${this.#schedule.monotonicMs()} ${who} ${what.replaceAll(this.#root, '')}`);
  }
}
