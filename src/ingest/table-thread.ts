/** A thread that builds tables of writers, one after the other; see table-threads.ts. */

import { parentPort } from 'node:worker_threads';
import { unreachable } from '../base/assert.ts';
import { EarlySyncFile } from '../base/env/early-sync-file.ts';
import type { File } from '../base/env/file-system.ts';
import { nodeEnv } from '../base/env/node-env.ts';
import { giveWay } from '../base/env/thread-priority.ts';
import { SluiceError } from '../base/errors.ts';
import { toThreadError } from '../base/thread-error.ts';
import type { TableTotals } from '../sst/built-blocks.ts';
import { TableBuilder } from '../sst/table-builder.ts';
import { ensureZstd } from '../sst/zstd.ts';
import {
  CANCELLED,
  ENDED,
  type FromTableJob,
  TAKEN,
  type TableJob,
  type ToTableJob,
} from './table-thread-messages.ts';

class RunningJob {
  readonly #job: TableJob;
  #file: File | undefined;
  #builder: TableBuilder | undefined;
  #ended = false;

  constructor(job: TableJob) {
    this.#job = job;
  }

  async run(): Promise<void> {
    const { options, port } = this.#job;
    try {
      if (options.compression === 'zstd') await ensureZstd();
      this.#file = new EarlySyncFile(this.#open());
      this.#builder = new TableBuilder(this.#file, options);
    } catch (error) {
      this.#fail(error);
    }
    port.on('message', (message: ToTableJob) => {
      if (message.kind === 'end') void this.#finish(message.totals);
      else this.#take(message);
    });
  }

  /** Whoever aborted may have made another file at the path: it is not ours to write to. */
  #open(): File {
    const { path, identity } = this.#job;
    const file = nodeEnv.fs.openSync(path, 'update');
    if (nodeEnv.fs.statSync(path).identity === identity) return file;
    file.closeSync();
    throw new SluiceError('IO', `${path} was replaced by another file while it was being written`);
  }

  #take(message: Exclude<ToTableJob, { kind: 'end' }>): void {
    const { words } = this.#job;
    try {
      if (this.#builder !== undefined && Atomics.load(words, CANCELLED) === 0) add(this.#builder, message);
    } catch (error) {
      this.#fail(error);
    }
    // Even after a failure: the writer may be waiting.
    Atomics.add(words, TAKEN, 1);
    Atomics.notify(words, TAKEN);
  }

  async #finish(totals: TableTotals | undefined): Promise<void> {
    if (this.#builder === undefined || this.#file === undefined) return;
    try {
      if (Atomics.load(this.#job.words, CANCELLED) !== 0) {
        throw new SluiceError('ABORTED', `The writing of ${this.#job.path} was aborted`);
      }
      const table = this.#builder.finish(totals);
      await this.#file.datasync();
      this.#file.closeSync();
      this.#end({ kind: 'built', table });
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#builder?.abandon();
    this.#builder = undefined;
    this.#file?.closeSync();
    this.#end({ kind: 'failed', error: toThreadError(error) });
  }

  #end(message: FromTableJob): void {
    if (this.#ended) return;
    this.#ended = true;
    const { port, words } = this.#job;
    port.postMessage(message);
    // After the message: who sees the word finds it.
    Atomics.store(words, ENDED, 1);
  }
}

function add(builder: TableBuilder, message: Exclude<ToTableJob, { kind: 'end' }>): void {
  switch (message.kind) {
    case 'records':
      builder.addRecords(message.records);
      builder.encodeStaged();
      return;
    case 'blocks':
      builder.addBlocks(message.blocks);
      return;
    case 'block':
      builder.addBlock(message.block);
      return;
    default:
      unreachable(message);
  }
}

giveWay();
parentPort?.on('message', (job: TableJob) => {
  void new RunningJob(job).run();
});
