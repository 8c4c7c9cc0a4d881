/** Keeps background work to so many bytes a second, by pauses. */

import type { Clock } from '../../base/env/env.ts';

/** What may be done at once after a time of doing nothing. */
const BURST_MS = 100;

export class Limiter {
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  /** When all that was counted so far is paid for. */
  #paidAtMs: number;
  #counted = 0;

  /** 0 bytes a second: no limit. */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#paidAtMs = clock.monotonicMs();
  }

  /** How long to pause now, `bytes` having been done since the beginning; 0 while that is within the limit. */
  pauseMs(bytes: number): number {
    if (this.#bytesPerMs === 0) return 0;
    const nowMs = this.#clock.monotonicMs();
    const from = Math.max(this.#paidAtMs, nowMs - BURST_MS);
    this.#paidAtMs = from + (bytes - this.#counted) / this.#bytesPerMs;
    this.#counted = bytes;
    return Math.max(0, this.#paidAtMs - nowMs);
  }
}
