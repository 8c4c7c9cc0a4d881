/**
 * Writes one sealed memtable to a table file. All versions are kept: what may be dropped is for compaction to say (L4).
 *
 * The work is cut in slices that leave the event loop free in between. A flush output is a table of level 0, which is
 * legal whatever lies below (L3).
 */

import { assert } from '../base/assert.ts';
import { EarlySyncFile } from '../base/env/early-sync-file.ts';
import type { Env } from '../base/env/env.ts';
import type { File } from '../base/env/file-system.ts';
import { isSluiceError } from '../base/errors.ts';
import type { FileId, TableRow, TreeId } from '../manifest/rows.ts';
import type { Memtable } from '../mvcc/memtable.ts';
import { TableBuilder, type TableBuilderOptions } from '../sst/table-builder.ts';

const SLICE_MS = 4;
/** The clock is read once for this many bytes of keys and values. */
const CLOCK_BYTES = 65_536;

/** Plain data, which may go to another thread. */
export interface FlushJob {
  readonly tree: TreeId;
  readonly id: FileId;
  readonly path: string;
  /** Its directory, which is synced after the file. */
  readonly directory: string;
  readonly builder: TableBuilderOptions;
}

/**
 * The row of the new table, which nothing durable names yet. On failure the file is removed.
 * REQUIRES: the memtable is sealed and not empty.
 * @throws SluiceError NO_SPACE, IO … of the file system.
 */
export async function flushMemtable(memtable: Memtable, job: FlushJob, env: Env): Promise<TableRow> {
  assert(memtable.entries > 0, 'an empty memtable needs no table');
  const { path } = job;
  const file = new EarlySyncFile(await env.fs.open(path, 'create'));
  let builder: TableBuilder | undefined;
  try {
    builder = new TableBuilder(file, job.builder);
    await addAll(memtable, builder, env);
    const built = builder.finish();
    assert(
      built.entries === memtable.entries,
      `a flush wrote ${built.entries} of ${memtable.entries} entries`,
    );
    // L2: bytes, then name, before an edit can name it.
    await file.datasync();
    await env.fs.syncDirectory(job.directory);
    file.closeSync();
    return {
      id: job.id,
      tree: job.tree,
      level: 0,
      bytes: built.bytes,
      entries: built.entries,
      deletes: built.deletes,
      smallest: built.smallest,
      largest: built.largest,
      minVersion: built.minVersion,
      maxVersion: built.maxVersion,
      globalVersion: undefined,
      source: 'flush',
      ingestId: undefined,
    };
  } catch (error) {
    builder?.abandon();
    discard(file, env);
    throw error;
  }
}

/** A file that cannot be removed is garbage: the sweep at open tries again (L2). The first error is the one to tell. */
function discard(file: File, env: Env): void {
  try {
    file.closeSync();
    env.fs.unlinkSync(file.path);
  } catch (error) {
    if (!isSluiceError(error)) throw error;
  }
}

async function addAll(memtable: Memtable, builder: TableBuilder, env: Env): Promise<void> {
  const cursor = memtable.cursor();
  let sliceEndMs = env.clock.monotonicMs() + SLICE_MS;
  let bytes = 0;
  for (cursor.first(); cursor.valid; cursor.next()) {
    const { keyBytes, keyStart, keyLength, version, type, valueBytes, valueStart, valueLength } = cursor;
    builder.add(keyBytes, keyStart, keyLength, version, type, valueBytes, valueStart, valueLength);
    bytes += keyLength + valueLength + 16;
    if (bytes < CLOCK_BYTES) continue;
    bytes = 0;
    if (env.clock.monotonicMs() < sliceEndMs) continue;
    await env.clock.turn();
    sliceEndMs = env.clock.monotonicMs() + SLICE_MS;
  }
  cursor.close();
}
