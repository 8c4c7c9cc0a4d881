/**
 * `keepHistoryMs`: which versions were current that long ago, so that garbage collection keeps what was visible since.
 *
 * What was visible when is known from samples. Between two of them the older one counts, and before the first nothing is
 * known: after an open everything is kept until the time has passed once.
 */

import { NO_VERSION, type Version } from '../mvcc/version.ts';

/** So many samples cover the time that is kept. */
const SAMPLES = 64;

export class History {
  readonly #keepMs: number;
  /** Ascending in time and version. */
  readonly #samples: { readonly atMs: number; readonly version: Version }[] = [];

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  /** `visible` is the visible version at `nowMs`, monotonic. */
  sample(nowMs: number, visible: Version): void {
    if (this.#keepMs === 0) return;
    const newest = this.#samples.at(-1);
    if (newest !== undefined && nowMs - newest.atMs < this.#keepMs / SAMPLES) return;
    this.#samples.push({ atMs: nowMs, version: visible });
    const start = nowMs - this.#keepMs;
    while ((this.#samples[1]?.atMs ?? Number.POSITIVE_INFINITY) <= start) this.#samples.shift();
  }

  /** At this version and every later one reads must stay possible. */
  horizon(nowMs: number, visible: Version): Version {
    if (this.#keepMs === 0) return visible;
    const start = nowMs - this.#keepMs;
    let horizon = NO_VERSION;
    for (const { atMs, version } of this.#samples) if (atMs <= start) horizon = version;
    return horizon;
  }
}
