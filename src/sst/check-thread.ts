/** A thread that checks blocks, one job after the other; see check-threads.ts. */

import { parentPort } from 'node:worker_threads';
import { nodeEnv } from '../base/env/node-env.ts';
import { SluiceError } from '../base/errors.ts';
import { toThreadError } from '../base/thread-error.ts';
import {
  type BlockCheckJob,
  type CheckedEntries,
  checkBlocks,
  endsEarly,
  NO_ENTRIES,
} from './check-blocks.ts';
import type { FromCheckThread, ToCheckThread } from './check-threads.ts';
import { ensureZstd } from './zstd.ts';

/** Between two messages that tell how far it is. */
const PROGRESS_BYTES = 8 << 20;

function send(message: FromCheckThread): void {
  parentPort?.postMessage(message);
}

function check(job: BlockCheckJob, cancelled: Int32Array): CheckedEntries {
  const file = nodeEnv.fs.openSync(job.path, 'read');
  const steps = checkBlocks(job);
  try {
    let untold = 0;
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
      if (Atomics.load(cancelled, 0) !== 0) throw new SluiceError('ABORTED', 'The check was cancelled');
      const { target, start, length, position } = step.value;
      const got = file.readSync(target, start, length, position);
      if (got !== length) throw endsEarly(job.path, position + got);
      untold += length;
      if (untold < PROGRESS_BYTES) continue;
      send({ kind: 'bytes', bytes: untold });
      untold = 0;
    }
  } finally {
    steps.return(NO_ENTRIES);
    file.closeSync();
  }
}

parentPort?.on('message', async ({ job, cancelled }: ToCheckThread) => {
  try {
    if (job.entries !== undefined) await ensureZstd();
    send({ kind: 'checked', result: check(job, cancelled) });
  } catch (error) {
    send({ kind: 'failed', error: toThreadError(error) });
  }
});
