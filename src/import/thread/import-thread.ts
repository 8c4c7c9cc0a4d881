/** A thread of one import: reads a lane, or sorts, or does both in turn. */

import { parentPort } from 'node:worker_threads';
import { nodeEnv } from '../../base/env/node-env.ts';
import { giveWay } from '../../base/env/thread-priority.ts';
import { toThreadError } from '../../base/thread-error.ts';
import { ensureZstd } from '../../sst/zstd.ts';
import { ChunkPool } from './chunk-pool.ts';
import { fedChunks } from './fed-chunks.ts';
import { LaneReader } from './lane-reader.ts';
import type { FromImportThread, RecordMessage, RunEnd, ToImportThread } from './messages.ts';
import { PortTarget, SharedTarget } from './record-target.ts';
import { Sorter } from './sorter.ts';

/** Ends what waits for messages. */
let rest = (): void => undefined;

function send(message: FromImportThread): void {
  parentPort?.postMessage(message);
}

function fail(error: unknown): void {
  send({ kind: 'failed', error: toThreadError(error) });
}

function finishRun(sorter: Sorter, end: RunEnd): void {
  sorter.finish(end).then((finished) => send({ kind: 'run', finished }), fail);
}

async function read(message: Extract<ToImportThread, { kind: 'read' }>): Promise<void> {
  const { job, sort: sortJob, pool, sorters, fed } = message;
  const others = sorters.length === 0 ? undefined : new PortTarget(pool, sorters, job.control);
  const target = new SharedTarget(others, () => new Sorter(sortJob, nodeEnv.fs), job.control, finishRun);
  const chunks = fed === undefined ? undefined : fedChunks(fed);
  await new LaneReader(job, nodeEnv, target).read({ fed: chunks });
}

function sort({ job, pool: image, place, records }: Extract<ToImportThread, { kind: 'sort' }>): void {
  const pool = new ChunkPool(image);
  rest = () => records.close();
  let sorter: Sorter | undefined = new Sorter(job, nodeEnv.fs);
  records.on('message', (message: RecordMessage) => {
    try {
      if (message.kind === 'run') {
        if (sorter !== undefined) finishRun(sorter, message.end);
        Atomics.add(image.runsWritten, place, 1);
      } else if (message.kind === 'large') sorter?.take(message.bytes);
      else {
        sorter?.take(pool.bytes(message.chunk).subarray(0, message.length));
        // Even after a failure: the thread that reads may be waiting for it.
        pool.free(message.chunk);
      }
    } catch (error) {
      sorter = undefined;
      fail(error);
      if (message.kind === 'chunk') pool.free(message.chunk);
    }
  });
}

giveWay();
parentPort?.on('message', (message: ToImportThread) => {
  ensureZstd()
    .then(() => {
      if (message.kind === 'read') return read(message);
      if (message.kind === 'sort') return sort(message);
      rest();
      rest = () => undefined;
      return undefined;
    })
    .catch(fail);
});
