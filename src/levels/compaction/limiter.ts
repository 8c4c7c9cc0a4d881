/** Keeps background work to so many bytes a second, by pauses; over all jobs of a thread, as small ones add up too. */

import type { Clock } from '../../base/env/env.ts';

/** What may be done at once after a time of doing nothing. */
const BURST_MS = 100;

export class Limiter {
  readonly #clock: Clock;
  /** When all that was done so far is paid for. */
  #paidAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long to pause now that so many more bytes were done; 0: not at all. A rate of 0 is no limit. */
  pauseMs(bytes: number, bytesPerSecond: number): number {
    if (bytesPerSecond === 0) return 0;
    const nowMs = this.#clock.monotonicMs();
    const from = Math.max(this.#paidAtMs, nowMs - BURST_MS);
    this.#paidAtMs = from + (bytes * 1000) / bytesPerSecond;
    return Math.max(0, this.#paidAtMs - nowMs);
  }
}
