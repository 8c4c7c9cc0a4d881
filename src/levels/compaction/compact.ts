/**
 * Runs a compaction: merges the input runs, leaves out garbage, writes output tables. Streams: in memory are a block or
 * a few of each run, one block of the output, and the output's index and filter.
 *
 * The same code runs in a worker thread, whose time is its own, and in slices on the main thread where the file system is
 * one that only that thread has.
 */

import type { Clock } from '../../base/env/env.ts';
import type { FileSystem } from '../../base/env/file-system.ts';
import { ensureZstd } from '../../sst/zstd.ts';
import { CursorMerge } from './cursor-merge.ts';
import { readersOf } from './garbage.ts';
import type { CompactionJob, CompactionResult, JobHost } from './job.ts';
import { KernelMerge } from './kernel-merge.ts';
import type { Limiter } from './limiter.ts';
import type { Merge } from './merge.ts';
import { OutputTables } from './output-tables.ts';
import { Pacer } from './pacer.ts';
import type { Workspace } from './workspace.ts';

export interface CompactionEnv {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly limiter: Limiter;
  /** Used by nobody else meanwhile. */
  readonly workspace: Workspace;
  /** How long to go on before others get a turn. */
  readonly sliceMs: number;
}

/**
 * L2: the outputs are on disk, bytes and names, when it resolves. On failure they are the caller's to remove.
 *
 * @throws SluiceError ABORTED by the host; CORRUPTION … of an input; NO_SPACE, IO … of the file system.
 */
export async function compact(
  job: CompactionJob,
  host: JobHost,
  env: CompactionEnv,
): Promise<CompactionResult> {
  const { fs, workspace } = env;
  const runs = job.runs.length;
  const { heap, heapAt, places } = workspace.mergeHeap(
    runs,
    readersOf(job.retention).length,
    job.builder.blockBytes,
  );
  // Cursors open tables where they come to them, and cannot wait for the library.
  if (!heap.kernels.merges) await ensureZstd();
  const merge: Merge = heap.kernels.merges
    ? new KernelMerge(job, fs, workspace.cache, heap, places)
    : new CursorMerge(job, fs, workspace.caches(runs));
  const outputs = new OutputTables(job, host, fs, { heap, heapAt });
  const pace = { clock: env.clock, limiter: env.limiter, host, bytesPerSecond: job.bytesPerSecond };
  const tell = progressTeller(job.progress);
  const pacer = new Pacer({ ...pace, sliceMs: env.sliceMs }, () => {
    tell(merge.bytesRead, outputs.bytes);
    return outputs.bytes + merge.bytesRead;
  });
  try {
    await merge.run(outputs, pacer);
    const rows = await outputs.finish();
    await pacer.settle();
    return {
      outputs: rows,
      entriesRead: merge.entriesRead,
      entriesWritten: rows.reduce((sum, row) => sum + row.entries, 0),
      heldBack: merge.heldBack,
      bytesRead: merge.bytesRead,
      bytesWritten: outputs.bytes,
    };
  } catch (error) {
    outputs.abandon();
    throw error;
  } finally {
    merge.close();
  }
}

function progressTeller(words: Int32Array | undefined): (bytesRead: number, bytesWritten: number) => void {
  if (words === undefined) return () => undefined;
  const told = [0, 0];
  return (...bytes) => {
    for (const [i, sum] of bytes.entries()) {
      const kib = Math.floor(sum / 1024);
      Atomics.add(words, i, kib - (told[i] ?? 0));
      told[i] = kib;
    }
  };
}
