/** The environment of a real process. */

import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { SluiceError, throwIfAborted } from '../errors.ts';
import { watchDirectory } from './directory-watcher.ts';
import type { Clock, Env, Random } from './env.ts';
import { NodeFileSystem } from './node-file-system.ts';

/** setTimeout takes an int32; a longer wait would fire at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

const clock: Clock = {
  nowMs: () => Date.now(),

  monotonicMs: () => performance.now(),

  async sleep(ms, signal) {
    throwIfAborted(signal);
    await new Promise<void>((resolve, reject) => {
      const finish = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const abort = (): void => {
        clearTimeout(timer);
        reject(
          new SluiceError('ABORTED', 'The wait was aborted by its AbortSignal', { cause: signal?.reason }),
        );
      };
      const timer = setTimeout(finish, Math.min(Math.max(0, ms), TIMEOUT_MS_MAX));
      signal?.addEventListener('abort', abort, { once: true });
    });
  },

  turn: () => new Promise((resolve) => setImmediate(resolve)),

  after(ms, task) {
    const timer = setTimeout(task, Math.min(Math.max(0, ms), TIMEOUT_MS_MAX));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

const random: Random = {
  float: () => Math.random(),
  hex: (bytes) => randomBytes(bytes).toString('hex'),
};

export const nodeEnv: Env = { fs: new NodeFileSystem(), clock, random, watch: watchDirectory };

export function cores(): number {
  return availableParallelism();
}

/** How many threads may compute at a time and leave a core to the event loop. */
export function backgroundThreads(): number {
  return Math.max(1, cores() - 1);
}
