/**
 * Threads that check files, digest and copy them, for all databases of the process: as many as leave a core to the event loop, and
 * they give way to it; one more where it is not for long or waits for the disk, since the system may let a thread that wakes wait
 * for milliseconds where all cores are busy.
 * They are started when there is something to do and end when there has been nothing for a while.
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
  | { readonly kind: 'digest'; readonly path: string }
  | { readonly kind: 'copy'; readonly from: string; readonly to: string };

export interface ToCheckThread {
  readonly task: CheckTask;
  /** Shared; not 0: the job is to end. */
  readonly cancelled: Int32Array;
}

/** Done one after the other, each answered by itself. */
export type ToCheckThreads = readonly ToCheckThread[];

export type CheckAnswer =
  | { readonly kind: 'checked'; readonly result: CheckedEntries }
  | { readonly kind: 'digest'; readonly sha256: string }
  | { readonly kind: 'copied' };

export type FromCheckThread =
  | CheckAnswer
  | { readonly kind: 'bytes'; readonly bytes: number }
  | { readonly kind: 'failed'; readonly error: ThreadError };

const THREADS_MAX = 8;
const THREADS_IN_BRIEF = Math.min(THREADS_MAX, cores());
const IDLE_MS = 10_000;
/** What waits is given to a thread together up to so much: waking it costs as much as checking 100 KB. */
const TOGETHER_BYTES = 4 << 20;

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
      if (place < 0) return;
      this.#give(this.#idle.pop() ?? this.#start(), this.#take(place));
    }
  }

  /** From `place` on what comes to no more than TOGETHER_BYTES, and asks for as many threads; one at least. */
  #take(place: number): Waiting[] {
    let taken = 0;
    let bytes = 0;
    const threads = this.#waiting[place]?.threads;
    for (const { task, threads: wanted } of this.#waiting.slice(place)) {
      bytes += bytesOf(task);
      if (taken > 0 && (bytes > TOGETHER_BYTES || wanted !== threads)) break;
      taken++;
    }
    return this.#waiting.splice(place, taken);
  }

  #start(): Worker {
    this.#threads++;
    return startThread(THREAD);
  }

  #give(worker: Worker, together: readonly Waiting[]): void {
    this.#cancelEnd?.();
    this.#cancelEnd = undefined;
    worker.removeAllListeners();
    const left = [...together];
    const done = (): void => {
      worker.removeAllListeners();
      worker.unref();
    };
    /** What the caller's own function threw ends the job, as it would on this thread. */
    let thrown: { readonly error: unknown } | undefined;
    worker.on('message', (message: FromCheckThread) => {
      const [job] = left;
      assert(job !== undefined, 'a thread that checks files answers what it was not asked');
      if (message.kind === 'bytes') {
        try {
          if (thrown === undefined) job.onBytes(message.bytes);
        } catch (error) {
          thrown = { error };
          Atomics.store(job.cancelled, 0, 1);
        }
        return;
      }
      const failed = thrown;
      thrown = undefined;
      left.shift();
      if (left.length === 0) {
        done();
        this.#rest(worker);
      }
      if (failed !== undefined) job.reject(failed.error);
      else if (message.kind === 'failed') job.reject(fromThreadError(message.error));
      else job.resolve(message);
    });
    // It did not answer and never will: out of memory, or a bug of ours.
    const gone = (error: Error): void => {
      done();
      this.#threads--;
      this.#pump();
      for (const { reject } of left) reject(error);
    };
    worker.on('error', gone);
    worker.on('exit', (code) => gone(new Error(`a thread that checks files ended with exit code ${code}`)));
    worker.ref();
    const message: ToCheckThreads = together.map(({ task, cancelled }) => ({ task, cancelled }));
    const handed = together.flatMap(({ task }) => (task.kind === 'blocks' ? buffersOf(task.job) : []));
    worker.postMessage(message, handed);
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

/** How much of its file is read; of others than checks that is not known, so they go by themselves. */
function bytesOf(task: CheckTask): number {
  if (task.kind !== 'blocks') return TOGETHER_BYTES;
  const { offsets, sizes } = task.job;
  const last = offsets.length - 1;
  return last < 0 ? 0 : (offsets[last] as number) + (sizes[last] as number) - (offsets[0] as number);
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

  async copy(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
    const answer = await this.#pool.done({ kind: 'copy', from, to }, this.count, signal, () => undefined);
    assert(answer.kind === 'copied', 'a copy is answered by another');
  }
}

export const checkThreads: CheckThreads = new PooledThreads(
  new ThreadPool(),
  Math.min(THREADS_MAX, backgroundThreads()),
);
