/** Threads of imports, for the whole process. Starting one takes longer than an import of few rows, so they are kept for a while. */

import { Worker } from 'node:worker_threads';
import { nodeEnv } from '../base/env/node-env.ts';
import type { ToImportThread } from './thread/messages.ts';

const IDLE_MAX = 4;
const IDLE_MS = 10_000;

/** Beside this file, in whichever language it is: compiled or not. */
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './thread/import-thread.ts' : './thread/import-thread.js',
  import.meta.url,
);

class ImportThreads {
  readonly #idle: Worker[] = [];
  #cancelEnd: (() => void) | undefined;

  /** The taker's alone; it keeps the process alive until it is given back or ended. */
  take(): Worker {
    const worker = this.#idle.pop() ?? new Worker(THREAD);
    worker.removeAllListeners();
    worker.ref();
    return worker;
  }

  /** REQUIRES: nothing that it was told to do is under way. */
  giveBack(worker: Worker): void {
    worker.removeAllListeners();
    if (this.#idle.length >= IDLE_MAX) {
      void worker.terminate();
      return;
    }
    worker.postMessage({ kind: 'rest' } satisfies ToImportThread);
    worker.unref();
    this.#idle.push(worker);
    // Nobody waits for it now; should it die all the same, the next import gets another one.
    worker.on('error', () => this.#drop(worker));
    worker.on('exit', () => this.#drop(worker));
    this.#cancelEnd?.();
    this.#cancelEnd = nodeEnv.clock.after(IDLE_MS, () => {
      for (const idle of [...this.#idle]) {
        this.#drop(idle);
        void idle.terminate();
      }
    });
  }

  #drop(worker: Worker): void {
    const place = this.#idle.indexOf(worker);
    if (place >= 0) this.#idle.splice(place, 1);
  }
}

export const importThreads = new ImportThreads();
