/**
 * Threads that build tables of writers, for the whole process: as many as leave a core to the event loop. They are
 * started when a large table is written, and end when there has been none for a while.
 *
 * A writer whose calls are synchronous cannot wait for another to be done with a thread: it gets one now, or none.
 */

import type { Worker } from 'node:worker_threads';
import { startThread } from '../base/background-thread.ts';
import { cores, nodeEnv } from '../base/env/node-env.ts';

const THREADS_MAX = 8;
const IDLE_MS = 10_000;

/** Beside this file, in whichever language it is: compiled or not. */
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './table-thread.ts' : './table-thread.js',
  import.meta.url,
);

class TableThreads {
  readonly #max = Math.min(THREADS_MAX, cores() - 1);
  readonly #idle: Worker[] = [];
  #threads = 0;
  #cancelEnd: (() => void) | undefined;

  /** The taker's alone until it is given back or is gone; it keeps no process alive. */
  take(): Worker | undefined {
    this.#cancelEnd?.();
    this.#cancelEnd = undefined;
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      idle.removeAllListeners();
      return idle;
    }
    if (this.#threads >= this.#max) return undefined;
    this.#threads++;
    const worker = startThread(THREAD);
    worker.unref();
    return worker;
  }

  /** REQUIRES: its job is done. */
  giveBack(worker: Worker): void {
    worker.removeAllListeners();
    worker.unref();
    this.#idle.push(worker);
    // Nobody waits for it now; should it die all the same, the next job gets another one.
    worker.on('error', () => this.#drop(worker));
    worker.on('exit', () => this.#drop(worker));
    if (this.#idle.length < this.#threads) return;
    this.#cancelEnd = nodeEnv.clock.after(IDLE_MS, () => {
      for (const idle of [...this.#idle]) {
        this.#drop(idle);
        void idle.terminate();
      }
    });
  }

  /** It ended in the middle of a job. */
  gone(worker: Worker): void {
    worker.removeAllListeners();
    this.#threads--;
  }

  #drop(worker: Worker): void {
    const place = this.#idle.indexOf(worker);
    if (place < 0) return;
    this.#idle.splice(place, 1);
    this.gone(worker);
  }
}

export const tableThreads = new TableThreads();
