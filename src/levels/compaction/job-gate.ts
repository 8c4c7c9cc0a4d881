/** What a job passes between its slices: there it rests while it is paused, and ends when it is cancelled. */

import type { Clock } from '../../base/env/env.ts';
import { SluiceError } from '../../base/errors.ts';

export class JobGate {
  readonly #clock: Clock;
  #paused = false;
  #cancelled = false;
  #goOn: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  pause(wanted: boolean): void {
    this.#paused = wanted;
    this.#goOn?.();
  }

  /** Also of a paused job. */
  cancel(): void {
    this.#cancelled = true;
    this.#goOn?.();
  }

  /** Lets others run. @throws SluiceError ABORTED when the job is cancelled */
  async turn(): Promise<void> {
    await this.#clock.turn();
    while (this.#paused && !this.#cancelled) {
      await new Promise<void>((resolve) => {
        this.#goOn = resolve;
      });
    }
    if (this.#cancelled) throw new SluiceError('ABORTED', 'The compaction was cancelled');
  }
}
