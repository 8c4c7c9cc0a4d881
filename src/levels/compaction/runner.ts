/**
 * Where compactions and flushes run: in worker threads, or in slices on this thread where the file system is one that other threads
 * do not have (a test's).
 */

import type { Worker } from 'node:worker_threads';
import { startThread } from '../../base/background-thread.ts';
import type { Env } from '../../base/env/env.ts';
import { cores, nodeEnv } from '../../base/env/node-env.ts';
import { fromThreadError } from '../../base/thread-error.ts';
import type { FileId, TableRow } from '../../manifest/rows.ts';
import type { Memtable } from '../../mvcc/memtable.ts';
import { type FlushJob, flushMemtable } from '../flush.ts';
import { compact } from './compact.ts';
import type { CompactionJob } from './job.ts';
import { JobGate } from './job-gate.ts';
import { Limiter } from './limiter.ts';
import { PartQueue } from './part-queue.ts';
import { type RunningJob, runParts, splitKeys } from './parts.ts';
import type { FromThread, ToThread } from './thread-messages.ts';
import { Workspace } from './workspace.ts';

export interface BackgroundRunner {
  run(job: CompactionJob, newFileId: () => FileId): RunningJob;
  /** As `flushMemtable`. */
  flush(memtable: Memtable, job: FlushJob): Promise<TableRow>;
  /** The process stays alive for jobs while somebody waits for them. */
  keepAlive(wanted: boolean): void;
  /** Ends the threads. REQUIRES: every job is done. */
  close(): Promise<void>;
}

const SLICE_MS = 4;
/** Of a memtable. */
const THREAD_FLUSH_BYTES_MIN = 1 << 20;

/** Of jobs on this thread, whichever database they are of. */
const idleWorkspaces: Workspace[] = [];

/** Runs jobs in slices of the event loop. */
export class InlineRunner implements BackgroundRunner {
  readonly #env: Env;
  readonly #limiter: Limiter;

  constructor(env: Env) {
    this.#env = env;
    this.#limiter = new Limiter(env.clock);
  }

  run(job: CompactionJob, newFileId: () => FileId): RunningJob {
    if (job.partsMax === 1) return this.#runPart(job, newFileId);
    return runParts(job, this.#split(job), (part) => this.#runPart(part, newFileId));
  }

  async #split(job: CompactionJob): Promise<readonly Uint8Array[]> {
    await this.#env.clock.turn();
    const workspace = idleWorkspaces.pop() ?? new Workspace();
    try {
      return await splitKeys(job, this.#env.fs, workspace.cache);
    } finally {
      idleWorkspaces.push(workspace);
    }
  }

  #runPart(job: CompactionJob, newFileId: () => FileId): RunningJob {
    const gate = new JobGate(this.#env.clock);
    const host = {
      newFileId: async (): Promise<FileId> => newFileId(),
      turn: (): Promise<void> => gate.turn(),
    };
    const workspace = idleWorkspaces.pop() ?? new Workspace();
    const env = { ...this.#env, limiter: this.#limiter, sliceMs: SLICE_MS, workspace };
    const done = compact(job, host, env).finally(() => idleWorkspaces.push(workspace));
    return { done, cancel: () => gate.cancel(), pause: (wanted) => gate.pause(wanted) };
  }

  flush(memtable: Memtable, job: FlushJob): Promise<TableRow> {
    return flushMemtable(memtable, job, this.#env);
  }

  keepAlive(): void {
    // The event loop that runs the slices is alive.
  }

  async close(): Promise<void> {}
}

/** Beside this file, in whichever language it is: compiled or not. */
const THREAD = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url);

/**
 * A thread that has had nothing to do for so long ends: it holds tens of megabytes. Starting one costs what compacting a
 * megabyte does.
 */
const IDLE_MS = 3000;

/** Threads are started when jobs need them; none keeps the process alive by itself. */
export class ThreadRunner implements BackgroundRunner {
  /** With what calls off its end; the one that was used last is at the end, and taken first. */
  readonly #idle: { readonly worker: Worker; readonly stay: () => void }[] = [];
  readonly #all = new Set<Worker>();
  /** Threads that flush, which is soon done: the process stays alive for it. */
  readonly #flushing = new Set<Worker>();
  readonly #idleMs: number;
  /** While memtables are flushed, a core and a thread's memory are for that: writers wait for a flush before they do for compactions. */
  readonly #parts = new PartQueue(() => cores() - (this.#isFlushing() ? 1 : 0));
  #lastFlush: Promise<unknown> = Promise.resolve();
  /** When the last one ended. */
  #flushedMs = Number.NEGATIVE_INFINITY;
  #keepsAlive = false;

  constructor(idleMs = IDLE_MS) {
    this.#idleMs = idleMs;
  }

  /** Those that are ending too. */
  get threads(): number {
    return this.#all.size;
  }

  run(job: CompactionJob, newFileId: () => FileId): RunningJob {
    if (job.partsMax === 1) return this.#runPart(job, newFileId);
    return runParts(job, this.#split(job), (part) => this.#runPart(part, newFileId));
  }

  #split(job: CompactionJob): Promise<readonly Uint8Array[]> {
    const worker = this.#take();
    const keys = this.#answer(worker, (message) => (message.kind === 'split' ? message.keys : undefined));
    this.#refer(worker);
    const message: ToThread = { kind: 'split', job };
    worker.postMessage(message);
    return keys;
  }

  #runPart(job: CompactionJob, newFileId: () => FileId): RunningJob {
    return this.#parts.run(() => this.#startPart(job, newFileId));
  }

  #startPart(job: CompactionJob, newFileId: () => FileId): RunningJob {
    const worker = this.#take();
    const send = (message: ToThread): void => worker.postMessage(message);
    let isOver = false;
    const done = this.#answer(worker, (message) => {
      if (message.kind === 'needFileId') send({ kind: 'fileId', id: newFileId() });
      return message.kind === 'done' ? message.result : undefined;
    }).finally(() => {
      isOver = true;
    });
    this.#refer(worker);
    send({ kind: 'run', job });
    // The thread may be at another job by then.
    const tell = (message: ToThread): void => {
      if (!isOver) send(message);
    };
    return {
      done,
      cancel: () => tell({ kind: 'cancel' }),
      pause: (wanted) => tell({ kind: 'pause', wanted }),
    };
  }

  /** One at a time, beside compactions: a flush is what writers wait for. Small ones cost less here than there. */
  flush(memtable: Memtable, job: FlushJob): Promise<TableRow> {
    if (memtable.bytesUsed < THREAD_FLUSH_BYTES_MIN) return flushMemtable(memtable, job, nodeEnv);
    const flushed = this.#lastFlush.then(() => this.#flushInThread(memtable, job));
    this.#lastFlush = flushed.catch(() => undefined);
    return flushed;
  }

  #isFlushing(): boolean {
    return this.#flushing.size > 0 || nodeEnv.clock.monotonicMs() - this.#flushedMs < this.#idleMs;
  }

  #flushInThread(memtable: Memtable, job: FlushJob): Promise<TableRow> {
    const worker = this.#take();
    this.#flushing.add(worker);
    const done = this.#answer(worker, (message) => (message.kind === 'flushed' ? message.row : undefined));
    this.#refer(worker);
    const message: ToThread = { kind: 'flush', image: memtable.image, job };
    worker.postMessage(message);
    return done.finally(() => {
      this.#flushedMs = nodeEnv.clock.monotonicMs();
      this.#flushing.delete(worker);
      this.#refer(worker);
    });
  }

  /** Resolves with what `resultOf` makes of a message, once it makes anything of one. */
  #answer<T>(worker: Worker, resultOf: (message: FromThread) => T | undefined): Promise<T> {
    worker.removeAllListeners();
    return new Promise<T>((resolve, reject) => {
      const finish = (): void => {
        this.#forget(worker);
        if (this.#all.has(worker)) this.#rest(worker);
      };
      worker.on('message', (message: FromThread) => {
        const result = resultOf(message);
        if (result === undefined && message.kind !== 'failed') return;
        finish();
        if (result !== undefined) resolve(result);
        else if (message.kind === 'failed') reject(fromThreadError(message.error));
      });
      // It did not answer and never will: out of memory, or a bug of ours.
      const gone = (error: Error): void => {
        this.#all.delete(worker);
        finish();
        reject(error);
      };
      worker.on('error', gone);
      worker.on('exit', (code) => gone(new Error(`a background thread ended with exit code ${code}`)));
    });
  }

  keepAlive(wanted: boolean): void {
    this.#keepsAlive = wanted;
    for (const worker of this.#all) this.#refer(worker);
  }

  async close(): Promise<void> {
    const all = [...this.#all];
    this.#all.clear();
    for (const { stay } of this.#idle.splice(0)) stay();
    await Promise.all(all.map((worker) => worker.terminate()));
  }

  #take(): Worker {
    const idle = this.#idle.pop();
    idle?.stay();
    if (idle !== undefined) return idle.worker;
    const worker = startThread(THREAD);
    this.#all.add(worker);
    return worker;
  }

  #rest(worker: Worker): void {
    const idle = {
      worker,
      stay: nodeEnv.clock.after(this.#idleMs, () => {
        this.#idle.splice(this.#idle.indexOf(idle), 1);
        void worker.terminate();
      }),
    };
    this.#idle.push(idle);
  }

  /** Nobody waits for it now; should it die all the same, the next job gets another one. */
  #forget(worker: Worker): void {
    worker.removeAllListeners();
    worker.on('error', () => this.#drop(worker));
    worker.on('exit', () => this.#drop(worker));
  }

  #drop(worker: Worker): void {
    this.#all.delete(worker);
    const place = this.#idle.findIndex((idle) => idle.worker === worker);
    if (place < 0) return;
    const [idle] = this.#idle.splice(place, 1);
    idle?.stay();
  }

  /** Listening to messages refs a worker, so this comes after it. */
  #refer(worker: Worker): void {
    if (this.#keepsAlive || this.#flushing.has(worker)) worker.ref();
    else worker.unref();
  }
}

/** Threads have the file system of the process only. */
export function newRunner(env: Env): BackgroundRunner {
  return env.fs === nodeEnv.fs ? new ThreadRunner() : new InlineRunner(env);
}
