/** Gives others their turn while a compaction runs, and keeps it to its rate. */

import type { Clock } from '../../base/env/env.ts';
import type { JobHost } from './job.ts';
import type { Limiter } from './limiter.ts';

/** Clock and limit are looked at once for so many bytes of keys and values. */
const CLOCK_BYTES = 65_536;
/** Of a pause, so that a cancelled job does not sleep on. */
const NAP_MS = 20;

export interface PacerOptions {
  readonly clock: Clock;
  readonly limiter: Limiter;
  readonly host: JobHost;
  /** 0: as fast as it goes. */
  readonly bytesPerSecond: number;
  /** How long to go on before others get a turn. */
  readonly sliceMs: number;
}

export class Pacer {
  readonly #options: PacerOptions;
  /** Read and written so far. */
  readonly #bytesDone: () => number;
  #paidBytes = 0;
  #unseenBytes = 0;
  #sliceEndMs: number;

  constructor(options: PacerOptions, bytesDone: () => number) {
    this.#options = options;
    this.#bytesDone = bytesDone;
    this.#sliceEndMs = options.clock.monotonicMs() + options.sliceMs;
  }

  /** So many bytes of keys and values were gone through. True: `pause` is due. */
  isDue(bytes: number): boolean {
    this.#unseenBytes += bytes;
    return this.#unseenBytes >= CLOCK_BYTES;
  }

  /** @throws SluiceError ABORTED by the host. */
  async pause(): Promise<void> {
    this.#unseenBytes = 0;
    await this.settle();
    const { clock, host, sliceMs } = this.#options;
    if (clock.monotonicMs() < this.#sliceEndMs) return;
    await host.turn();
    this.#sliceEndMs = clock.monotonicMs() + sliceMs;
  }

  /** Waits until what was done is within the rate. */
  async settle(): Promise<void> {
    const { clock, host, limiter, bytesPerSecond } = this.#options;
    const bytes = this.#bytesDone();
    const pauseMs = limiter.pauseMs(bytes - this.#paidBytes, bytesPerSecond);
    this.#paidBytes = bytes;
    for (let ms = pauseMs; ms > 0; ms -= NAP_MS) {
      await clock.sleep(Math.min(ms, NAP_MS));
      await host.turn();
    }
  }
}
