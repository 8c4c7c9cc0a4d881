/**
 * Runs a compaction: merges the input runs, leaves out garbage, writes output tables. Streams: in memory are a block or
 * a few of each run, one block of the output, and the output's index and filter.
 *
 * The same code runs in a worker thread, whose time is its own, and in slices on the main thread where the file system is
 * one that only that thread has.
 */

import { at as elementAt } from '../../base/assert.ts';
import type { Clock } from '../../base/env/env.ts';
import type { FileSystem } from '../../base/env/file-system.ts';
import { tableName } from '../../manifest/directory.ts';
import type { TableRow } from '../../manifest/rows.ts';
import { type Cursor, PENDING } from '../../mvcc/cursor.ts';
import { mergeCursors } from '../../mvcc/merge.ts';
import { RangeTombstones } from '../../mvcc/range-tombstones.ts';
import type { BlockCache } from '../../sst/block-cache.ts';
import { Table } from '../../sst/table.ts';
import { TableCursor } from '../../sst/table-cursor.ts';
import { LevelCursor } from '../level-cursor.ts';
import { type CoveredBy, GarbageRule } from './garbage.ts';
import type { CompactionJob, CompactionResult, JobHost } from './job.ts';
import type { Limiter } from './limiter.ts';
import { OutputTables } from './output-tables.ts';
import type { Workspace } from './workspace.ts';

const READAHEAD_BYTES = 16 << 10;
/** Clock and limit are looked at once for so many bytes of keys and values. */
const CLOCK_BYTES = 65_536;
/** Of a pause, so that a cancelled job does not sleep on. */
const NAP_MS = 20;

export interface CompactionEnv {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly limiter: Limiter;
  /** Used by nobody else meanwhile. */
  readonly workspace: Workspace;
  /** How long to go on before others get a turn. */
  readonly sliceMs: number;
}

/** One table for the time that a cursor is in it: its descriptor and index are given back with the cursor. */
class InputCursor extends TableCursor {
  readonly #input: Table;

  constructor(table: Table, row: TableRow) {
    // The version that the manifest gives the table is baked into the keys that come out.
    super(table, row.globalVersion, READAHEAD_BYTES, false);
    this.#input = table;
  }

  override close(): void {
    super.close();
    this.#input.dispose();
  }
}

function openRun(job: CompactionJob, rows: readonly TableRow[], fs: FileSystem, cache: BlockCache): Cursor {
  return new LevelCursor(rows, (row) => {
    const path = `${job.tablesDir}/${tableName(row.id)}`;
    return new InputCursor(new Table({ path, fs, cache }), row);
  });
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
  const caches = env.workspace.caches(job.runs.length);
  const readAtFirst = caches.reduce((sum, cache) => sum + cache.readBytes, 0);
  const bytesRead = (): number => caches.reduce((sum, cache) => sum + cache.readBytes, -readAtFirst);
  const inputs = mergeCursors(caches.map((cache, i) => openRun(job, elementAt(job.runs, i), env.fs, cache)));
  const outputs = new OutputTables(job, host, env.fs, env.workspace.builderHeap(job.builder.blockBytes));
  const tombstones = RangeTombstones.of(job.rangeTombstones);
  const coveredBy: CoveredBy | undefined =
    tombstones && ((key, start, length, upTo) => tombstones.newest(key, start, length, upTo));
  const rule = new GarbageRule(job.retention, coveredBy);
  let paidBytes = 0;
  const pause = async (): Promise<void> => {
    const bytes = outputs.bytes + bytesRead();
    const pauseMs = env.limiter.pauseMs(bytes - paidBytes, job.bytesPerSecond);
    paidBytes = bytes;
    for (let ms = pauseMs; ms > 0; ms -= NAP_MS) {
      await env.clock.sleep(Math.min(ms, NAP_MS));
      await host.turn();
    }
  };
  let entriesRead = 0;
  let unseenBytes = 0;
  try {
    let sliceEndMs = env.clock.monotonicMs() + env.sliceMs;
    while (inputs.first() === PENDING) inputs.loadSync();
    while (inputs.valid) {
      const { keyBytes, keyStart, keyLength, version, type } = inputs;
      entriesRead++;
      if (rule.keeps(keyBytes, keyStart, keyLength, version, type)) {
        if (!outputs.takes(keyBytes, keyStart, keyLength, rule.newKey)) await outputs.next();
        outputs.add(inputs);
      }
      unseenBytes += keyLength + inputs.valueLength + 16;
      while (inputs.next() === PENDING) inputs.loadSync();
      if (unseenBytes < CLOCK_BYTES) continue;
      unseenBytes = 0;
      await pause();
      if (env.clock.monotonicMs() < sliceEndMs) continue;
      await host.turn();
      sliceEndMs = env.clock.monotonicMs() + env.sliceMs;
    }
    const rows = await outputs.finish();
    await pause();
    return {
      outputs: rows,
      entriesRead,
      entriesWritten: rows.reduce((sum, row) => sum + row.entries, 0),
      heldBack: rule.heldBack,
      bytesRead: bytesRead(),
      bytesWritten: outputs.bytes,
    };
  } catch (error) {
    outputs.abandon();
    throw error;
  } finally {
    inputs.close();
  }
}
