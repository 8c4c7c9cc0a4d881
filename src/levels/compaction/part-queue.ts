/**
 * Parts of compactions are merged so many at a time, whatever jobs they are of: two large jobs in four parts each would be eight
 * threads, of tens of megabytes each, for no more cores than there are.
 */

import { SluiceError } from '../../base/errors.ts';
import type { CompactionResult } from './job.ts';
import type { RunningJob } from './parts.ts';

export class PartQueue {
  readonly #max: () => number;
  #running = 0;
  /** Each begins a part, in the order in which they came. */
  readonly #waiting: (() => void)[] = [];

  /** `max`: asked when a part comes, and when one ends; at least one runs. */
  constructor(max: () => number) {
    this.#max = max;
  }

  /** Starts the part now, or when it is its turn; never, if it is cancelled before. */
  run(start: () => RunningJob): RunningJob {
    let part: RunningJob | undefined;
    let isPaused = false;
    let leave = (): void => undefined;
    const done = new Promise<CompactionResult>((resolve, reject) => {
      const begin = (): void => {
        this.#running++;
        try {
          part = start();
          if (isPaused) part.pause(true);
          part.done.finally(() => this.#next()).then(resolve, reject);
        } catch (error) {
          reject(error);
          this.#next();
        }
      };
      leave = () => {
        const place = this.#waiting.indexOf(begin);
        if (place < 0) return;
        this.#waiting.splice(place, 1);
        reject(new SluiceError('ABORTED', 'The compaction was cancelled'));
      };
      if (this.#hasRoom()) begin();
      else this.#waiting.push(begin);
    });
    return {
      done,
      cancel: () => {
        if (part === undefined) leave();
        else part.cancel();
      },
      pause: (wanted) => {
        isPaused = wanted;
        part?.pause(wanted);
      },
    };
  }

  #hasRoom(): boolean {
    return this.#running < Math.max(1, this.#max());
  }

  #next(): void {
    this.#running--;
    while (this.#hasRoom()) {
      const begin = this.#waiting.shift();
      if (begin === undefined) return;
      begin();
    }
  }
}
