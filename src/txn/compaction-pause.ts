/**
 * Pauses running compactions while writers wait for a flush: both take cores and disk, and only the flush is waited for. Not when
 * level 0 has piled up, as then compactions are what writers would wait for next.
 */

import type { Engine } from './engine.ts';

/** In triggers of level 0: with so many tables there compactions go on. */
const LEVEL0_URGENT = 2;

export interface PauseStats {
  readonly paused: boolean;
  /** Since open. */
  readonly pauses: number;
  readonly pausedMs: number;
}

export class CompactionPause {
  readonly #engine: Engine;
  readonly #pauseAll: (wanted: boolean) => void;
  readonly #level0Trigger: number;
  #beganMs: number | undefined;
  #pauses = 0;
  #pausedMs = 0;

  /** @param pauseAll pauses the compactions that run now, and lets no other begin; or ends that. */
  constructor(engine: Engine, level0Trigger: number, pauseAll: (wanted: boolean) => void) {
    this.#engine = engine;
    this.#level0Trigger = level0Trigger;
    this.#pauseAll = pauseAll;
  }

  get stats(): PauseStats {
    const nowMs = this.#engine.env.clock.monotonicMs();
    const runningMs = this.#beganMs === undefined ? 0 : nowMs - this.#beganMs;
    const pausedMs = Math.round(this.#pausedMs + runningMs);
    return { paused: this.paused, pauses: this.#pauses, pausedMs };
  }

  get paused(): boolean {
    return this.#beganMs !== undefined;
  }

  /** Writers wait for a flush, or do not any more. `running`: compactions are under way. */
  writersWait(waiting: boolean, running: boolean): void {
    const pause = waiting && running && !this.#isUrgent();
    if (pause === this.paused) return;
    const nowMs = this.#engine.env.clock.monotonicMs();
    if (this.#beganMs === undefined) {
      this.#beganMs = nowMs;
      this.#pauses++;
    } else {
      this.#pausedMs += nowMs - this.#beganMs;
      this.#beganMs = undefined;
    }
    this.#pauseAll(pause);
  }

  #isUrgent(): boolean {
    for (const { view } of this.#engine.catalog.trees()) {
      if ((view.levels.tables[0]?.length ?? 0) >= LEVEL0_URGENT * this.#level0Trigger) return true;
    }
    return false;
  }
}
