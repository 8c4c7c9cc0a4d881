/**
 * The thread that moves the bytes of files between nodes, for all nodes of the process. It is started when there are some to move, and
 * ends when there have been none for a while.
 */

import type { Worker } from 'node:worker_threads';
import { startThread } from '../../base/background-thread.ts';
import { nodeEnv } from '../../base/env/node-env.ts';
import type { ToTransferThread } from './transfer-messages.ts';

const IDLE_MS = 10_000;

/** Beside this file, in whichever language it is: compiled or not. */
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './transfer-thread.ts' : './transfer-thread.js',
  import.meta.url,
);

/** What has a port to the thread. */
export interface ThreadUser {
  /** The thread is gone, and with it all that it was at; who joins anew gets another. */
  lost(why: Error): void;
}

class SharedThread {
  readonly #joined = new Set<ThreadUser>();
  #worker: Worker | undefined;
  #underWay = 0;
  #cancelEnd: (() => void) | undefined;

  join(user: ThreadUser, message: ToTransferThread): void {
    this.#joined.add(user);
    this.#worker ??= this.#start();
    this.#worker.postMessage(message, [message.port]);
  }

  leave(user: ThreadUser): void {
    this.#joined.delete(user);
  }

  /** Something is under way until as many have ended. */
  began(): void {
    this.#underWay++;
    this.#cancelEnd?.();
    this.#cancelEnd = undefined;
  }

  ended(): void {
    this.#underWay--;
    if (this.#underWay > 0) return;
    this.#cancelEnd = nodeEnv.clock.after(IDLE_MS, () => {
      const worker = this.#worker;
      this.#gone(new Error('it had nothing to do'));
      worker?.removeAllListeners();
      void worker?.terminate();
    });
  }

  #start(): Worker {
    const worker = startThread(THREAD);
    // It ends by itself only when it is out of memory, or by a bug of ours.
    const gone = (error: Error): void => {
      if (this.#worker === worker) this.#gone(error);
    };
    worker.on('error', gone);
    worker.on('exit', (code) => gone(new Error(`it ended with exit code ${code}`)));
    worker.unref();
    return worker;
  }

  #gone(why: Error): void {
    this.#worker = undefined;
    const users = [...this.#joined];
    this.#joined.clear();
    for (const user of users) user.lost(why);
  }
}

export const transferThread = new SharedThread();
