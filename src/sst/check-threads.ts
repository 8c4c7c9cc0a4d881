/**
 * Threads that check files, for all databases of the process: as many as leave a core to the event loop, and they give way to it;
 * one more where it is not for long, since the system may let a thread that wakes wait for milliseconds where all cores are busy.
 * They are started when there is something to check and end when there has been nothing for a while.
 */

import type { Worker } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { startThread } from '../base/background-thread.ts';
import { backgroundThreads, cores, nodeEnv } from '../base/env/node-env.ts';
import { throwIfAborted } from '../base/errors.ts';
import { fromThreadError, type ThreadError } from '../base/thread-error.ts';
import type { BlockCheckJob, CheckedEntries } from './check-blocks.ts';
import type { CheckThreads } from './check-table.ts';

export type CheckTask =
  | { readonly kind: 'blocks'; readonly job: BlockCheckJob }
  | { readonly kind: 'digest'; readonly path: string };

export interface ToCheckThread {
  readonly task: CheckTask;
  /** Shared; not 0: the job is to end. */
  readonly cancelled: Int32Array;
}

export type CheckAnswer =
  | { readonly kind: 'checked'; readonly result: CheckedEntries }
  | { readonly kind: 'digest'; readonly sha256: string };

export type FromCheckThread =
  | CheckAnswer
  | { readonly kind: 'bytes'; readonly bytes: number }
  | { readonly kind: 'failed'; readonly error: ThreadError };

const THREADS_MAX = 8;
const THREADS_IN_BRIEF = Math.min(THREADS_MAX, cores());
const IDLE_MS = 10_000;

/** Beside this file, in whichever language it is: compiled or not. */
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './check-thread.ts' : './check-thread.js',
  import.meta.url,
);

interface Waiting {
  readonly task: CheckTask;
  /** How many threads may work at a time, this one among them. */
  readonly threads: number;
  readonly cancelled: Int32Array;
  readonly onBytes: (bytes: number) => void;
  readonly resolve: (answer: CheckAnswer) => void;
  readonly reject: (error: unknown) => void;
}

class ThreadPool {
  readonly #idle: Worker[] = [];
  readonly #waiting: Waiting[] = [];
  #threads = 0;
  #cancelEnd: (() => void) | undefined;

  async done(
    task: CheckTask,
    threads: number,
    signal: AbortSignal | undefined,
    onBytes: (bytes: number) => void,
  ): Promise<CheckAnswer> {
    throwIfAborted(signal);
    const cancelled = new Int32Array(new SharedArrayBuffer(4));
    const cancel = (): void => {
      Atomics.store(cancelled, 0, 1);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await new Promise<CheckAnswer>((resolve, reject) => {
        this.#waiting.push({ task, threads, cancelled, onBytes, resolve, reject });
        this.#pump();
      });
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  #pump(): void {
    for (;;) {
      const busy = this.#threads - this.#idle.length;
      const place = this.#waiting.findIndex(({ threads }) => busy < threads);
      const [next] = this.#waiting.splice(place, place < 0 ? 0 : 1);
      if (next === undefined) return;
      this.#give(this.#idle.pop() ?? this.#start(), next);
    }
  }

  #start(): Worker {
    this.#threads++;
    return startThread(THREAD);
  }

  #give(worker: Worker, { task, cancelled, onBytes, resolve, reject }: Waiting): void {
    this.#cancelEnd?.();
    this.#cancelEnd = undefined;
    worker.removeAllListeners();
    const done = (): void => {
      worker.removeAllListeners();
      worker.unref();
    };
    /** What the caller's own function threw ends the job, as it would on this thread. */
    let thrown: { readonly error: unknown } | undefined;
    worker.on('message', (message: FromCheckThread) => {
      if (message.kind === 'bytes') {
        try {
          if (thrown === undefined) onBytes(message.bytes);
        } catch (error) {
          thrown = { error };
          Atomics.store(cancelled, 0, 1);
        }
        return;
      }
      done();
      this.#rest(worker);
      if (thrown !== undefined) reject(thrown.error);
      else if (message.kind === 'failed') reject(fromThreadError(message.error));
      else resolve(message);
    });
    // It did not answer and never will: out of memory, or a bug of ours.
    const gone = (error: Error): void => {
      done();
      this.#threads--;
      this.#pump();
      reject(error);
    };
    worker.on('error', gone);
    worker.on('exit', (code) => gone(new Error(`a thread that checks files ended with exit code ${code}`)));
    worker.ref();
    const message: ToCheckThread = { task, cancelled };
    worker.postMessage(message, task.kind === 'blocks' ? buffersOf(task.job) : []);
  }

  #rest(worker: Worker): void {
    this.#idle.push(worker);
    // Nobody waits for it now; should it die all the same, the next job gets another one.
    worker.on('error', () => this.#drop(worker));
    worker.on('exit', () => this.#drop(worker));
    this.#pump();
    if (this.#idle.length < this.#threads) return;
    this.#cancelEnd = nodeEnv.clock.after(IDLE_MS, () => {
      for (const idle of [...this.#idle]) {
        this.#drop(idle);
        void idle.terminate();
      }
    });
  }

  #drop(worker: Worker): void {
    const place = this.#idle.indexOf(worker);
    if (place < 0) return;
    this.#idle.splice(place, 1);
    this.#threads--;
    worker.removeAllListeners();
  }
}

/** They are handed over, not copied: `checkTable` made them for the job. */
function buffersOf({ offsets, sizes, dictionary, entries }: BlockCheckJob): ArrayBuffer[] {
  const { keys, keyEnds, versions } = entries?.separators ?? {};
  const arrays = [offsets, sizes, dictionary, keys, keyEnds, versions, entries?.filter];
  return arrays.flatMap((array) => (array?.buffer instanceof ArrayBuffer ? [array.buffer] : []));
}

class PooledThreads implements CheckThreads {
  readonly partBytesMin = 16 << 20;
  readonly count: number;
  readonly inBrief: CheckThreads;
  readonly #pool: ThreadPool;

  constructor(pool: ThreadPool, count: number) {
    this.#pool = pool;
    this.count = count;
    this.inBrief = count === THREADS_IN_BRIEF ? this : new PooledThreads(pool, THREADS_IN_BRIEF);
  }

  async run(
    job: BlockCheckJob,
    signal: AbortSignal | undefined,
    onBytes: (bytes: number) => void,
  ): Promise<CheckedEntries> {
    const answer = await this.#pool.done({ kind: 'blocks', job }, this.count, signal, onBytes);
    assert(answer.kind === 'checked', 'a check is answered by another');
    return answer.result;
  }

  async digest(path: string, signal: AbortSignal | undefined): Promise<string> {
    const answer = await this.#pool.done({ kind: 'digest', path }, this.count, signal, () => undefined);
    assert(answer.kind === 'digest', 'a digest is answered by another');
    return answer.sha256;
  }
}

export const checkThreads: CheckThreads = new PooledThreads(
  new ThreadPool(),
  Math.min(THREADS_MAX, backgroundThreads()),
);
