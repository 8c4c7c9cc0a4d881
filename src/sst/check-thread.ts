/** A thread that checks files, digests and copies them, one task after the other; see check-threads.ts. */

import { createHash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { unreachable } from '../base/assert.ts';
import { copyFileSync } from '../base/env/file-copy.ts';
import { nodeEnv } from '../base/env/node-env.ts';
import { giveWay } from '../base/env/thread-priority.ts';
import { SluiceError } from '../base/errors.ts';
import { toThreadError } from '../base/thread-error.ts';
import {
  type BlockCheckJob,
  type CheckedEntries,
  checkBlocks,
  endsEarly,
  NO_ENTRIES,
} from './check-blocks.ts';
import type { CheckAnswer, CheckTask, FromCheckThread, ToCheckThreads } from './check-threads.ts';
import { ensureZstd } from './zstd.ts';

/** Between two messages that tell how far it is. */
const PROGRESS_BYTES = 8 << 20;
const DIGEST_CHUNK_BYTES = 1 << 20;

function send(message: FromCheckThread): void {
  parentPort?.postMessage(message);
}

/** Tells of bytes that are done, not too often. */
class Told {
  readonly #cancelled: Int32Array;
  #untold = 0;

  constructor(cancelled: Int32Array) {
    this.#cancelled = cancelled;
  }

  /** @throws SluiceError ABORTED */
  done(bytes: number): void {
    if (Atomics.load(this.#cancelled, 0) !== 0) throw new SluiceError('ABORTED', 'The check was cancelled');
    this.#untold += bytes;
    if (this.#untold < PROGRESS_BYTES) return;
    send({ kind: 'bytes', bytes: this.#untold });
    this.#untold = 0;
  }
}

function check(job: BlockCheckJob, told: Told): CheckedEntries {
  const file = nodeEnv.fs.openSync(job.path, 'read');
  const steps = checkBlocks(job);
  try {
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
      const { target, start, length, position } = step.value;
      const got = file.readSync(target, start, length, position);
      if (got !== length) throw endsEarly(job.path, position + got);
      told.done(length);
    }
  } finally {
    steps.return(NO_ENTRIES);
    file.closeSync();
  }
}

function digest(path: string, told: Told): string {
  const file = nodeEnv.fs.openSync(path, 'read');
  try {
    const hash = createHash('sha256');
    const chunk = new Uint8Array(DIGEST_CHUNK_BYTES);
    for (let position = 0; ; ) {
      const n = file.readSync(chunk, 0, chunk.length, position);
      if (n === 0) return hash.digest('hex');
      hash.update(n === chunk.length ? chunk : chunk.subarray(0, n));
      position += n;
      told.done(n);
    }
  } finally {
    file.closeSync();
  }
}

async function answer(task: CheckTask, told: Told): Promise<CheckAnswer> {
  switch (task.kind) {
    case 'digest':
      return { kind: 'digest', sha256: digest(task.path, told) };
    case 'copy':
      copyFileSync(nodeEnv.fs, task.from, task.to, (bytes) => told.done(bytes));
      return { kind: 'copied' };
    case 'blocks':
      if (task.job.entries?.zstd) await ensureZstd();
      return { kind: 'checked', result: check(task.job, told) };
    default:
      return unreachable(task);
  }
}

giveWay('thirtieth');
parentPort?.on('message', async (together: ToCheckThreads) => {
  for (const { task, cancelled } of together) {
    try {
      send(await answer(task, new Told(cancelled)));
    } catch (error) {
      send({ kind: 'failed', error: toThreadError(error) });
    }
  }
});
