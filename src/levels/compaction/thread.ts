/** A background thread: runs one job after the other, with a heap, kernels and a block cache of its own. */

import { parentPort } from 'node:worker_threads';
import { nodeEnv } from '../../base/env/node-env.ts';
import { giveWay } from '../../base/env/thread-priority.ts';
import { toThreadError } from '../../base/thread-error.ts';
import type { FileId } from '../../manifest/rows.ts';
import { tellCollector } from '../../mvcc/arena-pool.ts';
import { Memtable, type MemtableImage } from '../../mvcc/memtable.ts';
import type { TableBuilderOptions } from '../../sst/table-builder.ts';
import { ensureZstd } from '../../sst/zstd.ts';
import { type FlushJob, flushMemtable } from '../flush.ts';
import { compact } from './compact.ts';
import type { CompactionJob, JobHost } from './job.ts';
import { JobGate } from './job-gate.ts';
import { Limiter } from './limiter.ts';
import { splitKeys } from './parts.ts';
import type { FromThread, ToThread } from './thread-messages.ts';
import { Workspace } from './workspace.ts';

/** How long a cancelled job may go on. */
const SLICE_MS = 20;

const workspace = new Workspace();
const limiter = new Limiter(nodeEnv.clock);
let gate = new JobGate(nodeEnv.clock);
let takeFileId: ((id: FileId) => void) | undefined;

function send(message: FromThread): void {
  parentPort?.postMessage(message);
}

const host: JobHost = {
  newFileId() {
    return new Promise((resolve) => {
      takeFileId = resolve;
      send({ kind: 'needFileId' });
    });
  },
  turn: () => gate.turn(),
};

/** Tables that are read bring what they need. */
async function readyToWrite({ compression }: TableBuilderOptions): Promise<void> {
  if (compression === 'zstd') await ensureZstd();
}

async function run(job: CompactionJob): Promise<void> {
  gate = new JobGate(nodeEnv.clock);
  try {
    await readyToWrite(job.builder);
    send({
      kind: 'done',
      result: await compact(job, host, { ...nodeEnv, limiter, sliceMs: SLICE_MS, workspace }),
    });
  } catch (error) {
    send({ kind: 'failed', error: toThreadError(error) });
  }
}

async function split(job: CompactionJob): Promise<void> {
  try {
    send({ kind: 'split', keys: await splitKeys(job, nodeEnv.fs, workspace.cache) });
  } catch (error) {
    send({ kind: 'failed', error: toThreadError(error) });
  }
}

/** A flush pauses between slices for nobody here, and is not cancelled: it is soon done. */
async function flush(image: MemtableImage, job: FlushJob): Promise<void> {
  try {
    await readyToWrite(job.builder);
    const heap = workspace.builderHeap(job.builder.blockBytes);
    const memtable = new Memtable(image.capacityBytes, image);
    send({
      kind: 'flushed',
      row: await flushMemtable(memtable, { ...job, builder: { ...job.builder, heap } }, nodeEnv),
    });
    // Until it is collected here too, nobody's memory is free.
    tellCollector(image.buffer.byteLength);
  } catch (error) {
    send({ kind: 'failed', error: toThreadError(error) });
  }
}

giveWay();
parentPort?.on('message', (message: ToThread) => {
  if (message.kind === 'run') void run(message.job);
  else if (message.kind === 'split') void split(message.job);
  else if (message.kind === 'flush') void flush(message.image, message.job);
  else if (message.kind === 'fileId') takeFileId?.(message.id);
  else if (message.kind === 'pause') gate.pause(message.wanted);
  else gate.cancel();
});
