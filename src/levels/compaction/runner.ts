/**
 * Where compactions run: in worker threads, or in slices on this thread where the file system is one that other threads
 * do not have (a test's).
 */

import { Worker } from 'node:worker_threads';
import type { Env } from '../../base/env/env.ts';
import { SluiceError } from '../../base/errors.ts';
import type { FileId } from '../../manifest/rows.ts';
import { compact } from './compact.ts';
import type { CompactionJob, CompactionResult } from './job.ts';
import { Limiter } from './limiter.ts';
import { type FromThread, fromThreadError, type ToThread } from './thread-messages.ts';
import { Workspace } from './workspace.ts';

/** One compaction under way. */
export interface RunningJob {
  /** Rejects with what stopped it; ABORTED after `cancel`. Outputs are the caller's to remove then. */
  readonly done: Promise<CompactionResult>;
  cancel(): void;
}

export interface CompactionRunner {
  run(job: CompactionJob, newFileId: () => FileId): RunningJob;
  /** The process stays alive for jobs while somebody waits for them. */
  keepAlive(wanted: boolean): void;
  /** Ends the threads. REQUIRES: every job is done. */
  close(): Promise<void>;
}

const SLICE_MS = 4;

/** Of jobs on this thread, whichever database they are of. */
const idleWorkspaces: Workspace[] = [];

/** Runs jobs in slices of the event loop. */
export class InlineRunner implements CompactionRunner {
  readonly #env: Env;
  readonly #limiter: Limiter;

  constructor(env: Env) {
    this.#env = env;
    this.#limiter = new Limiter(env.clock);
  }

  run(job: CompactionJob, newFileId: () => FileId): RunningJob {
    let cancelled = false;
    const host = {
      newFileId: async (): Promise<FileId> => newFileId(),
      turn: async (): Promise<void> => {
        await this.#env.clock.turn();
        if (cancelled) throw new SluiceError('ABORTED', 'The compaction was cancelled');
      },
    };
    const cancel = (): void => {
      cancelled = true;
    };
    const workspace = idleWorkspaces.pop() ?? new Workspace();
    const env = { ...this.#env, limiter: this.#limiter, sliceMs: SLICE_MS, workspace };
    const done = compact(job, host, env).finally(() => idleWorkspaces.push(workspace));
    return { done, cancel };
  }

  keepAlive(): void {
    // The event loop that runs the slices is alive.
  }

  async close(): Promise<void> {}
}

/** Beside this file, in whichever language it is: compiled or not. */
const THREAD = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url);

/** Threads are started when jobs need them and kept; none keeps the process alive by itself. */
export class ThreadRunner implements CompactionRunner {
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();
  #keepsAlive = false;

  run(job: CompactionJob, newFileId: () => FileId): RunningJob {
    const worker = this.#idle.pop() ?? this.#start();
    worker.removeAllListeners();
    const send = (message: ToThread): void => worker.postMessage(message);
    const done = new Promise<CompactionResult>((resolve, reject) => {
      const finish = (): void => {
        this.#forget(worker);
        if (this.#all.has(worker)) this.#idle.push(worker);
      };
      worker.on('message', (message: FromThread) => {
        if (message.kind === 'needFileId') {
          send({ kind: 'fileId', id: newFileId() });
          return;
        }
        finish();
        if (message.kind === 'done') resolve(message.result);
        else reject(fromThreadError(message.error));
      });
      // It did not answer and never will: out of memory, or a bug of ours.
      const gone = (error: Error): void => {
        this.#all.delete(worker);
        finish();
        reject(error);
      };
      worker.on('error', gone);
      worker.on('exit', (code) => gone(new Error(`a compaction thread ended with exit code ${code}`)));
    });
    // Listening to messages refs the worker.
    this.#refer(worker);
    send({ kind: 'run', job });
    return { done, cancel: () => send({ kind: 'cancel' }) };
  }

  keepAlive(wanted: boolean): void {
    this.#keepsAlive = wanted;
    for (const worker of this.#all) this.#refer(worker);
  }

  async close(): Promise<void> {
    const all = [...this.#all];
    this.#all.clear();
    this.#idle.length = 0;
    await Promise.all(all.map((worker) => worker.terminate()));
  }

  #start(): Worker {
    const worker = new Worker(THREAD);
    this.#all.add(worker);
    return worker;
  }

  /** Nobody waits for it now; should it die all the same, the next job gets another one. */
  #forget(worker: Worker): void {
    worker.removeAllListeners();
    const drop = (): void => {
      this.#all.delete(worker);
      const place = this.#idle.indexOf(worker);
      if (place >= 0) this.#idle.splice(place, 1);
    };
    worker.on('error', drop);
    worker.on('exit', drop);
  }

  #refer(worker: Worker): void {
    if (this.#keepsAlive) worker.ref();
    else worker.unref();
  }
}
