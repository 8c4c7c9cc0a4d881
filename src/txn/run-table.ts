/**
 * A run of a transaction that also ingests becomes a table: then the whole commit is one manifest edit, and mixed
 * commits are atomic by construction. The keys carry no version; the manifest gives the table its global one.
 */

import { EMPTY_BYTES } from '../base/bytes.ts';
import type { Env } from '../base/env/env.ts';
import { removeGarbage, type StagedFile } from '../ingest/staging.ts';
import type { FileId } from '../manifest/rows.ts';
import { TYPE_DELETE, TYPE_VALUE } from '../mvcc/internal-key.ts';
import { NO_VERSION } from '../mvcc/version.ts';
import type { OpenTable } from '../sst/table.ts';
import { type BuiltTable, TableBuilder, type TableBuilderOptions } from '../sst/table-builder.ts';
import type { RunSection } from './run.ts';

/** Entries between two turns of the event loop. */
export const ENTRIES_PER_TURN = 4096;

export interface RunTableOptions {
  readonly env: Env;
  readonly id: FileId;
  readonly path: string;
  readonly builder: TableBuilderOptions;
  readonly openTable: OpenTable;
}

/** L2: bytes are synced here; the caller syncs the directory once for all tables of the commit. */
export async function buildRunTable(
  keyspace: string,
  section: RunSection,
  options: RunTableOptions,
): Promise<StagedFile> {
  const { env, id, path } = options;
  const built = await buildTable(options, async (builder) => {
    let n = 0;
    for (const { key, value } of section.sorted()) {
      const bytes = value ?? EMPTY_BYTES;
      const type = value === undefined ? TYPE_DELETE : TYPE_VALUE;
      builder.add(key, 0, key.length, NO_VERSION, type, bytes, 0, bytes.length);
      if (++n % ENTRIES_PER_TURN === 0) await env.clock.turn();
    }
  });
  const { bytes, entries, deletes, smallest, largest } = built;
  const table = options.openTable(path, undefined);
  return {
    source: '',
    mode: 'copy',
    keyspace,
    id,
    path,
    table,
    bytes,
    entries,
    deletes,
    smallest,
    largest,
    deletedSpans: [],
    sha256: undefined,
    prefix: undefined,
  };
}

/** A table file of its own, of what `fill` adds; removed again when that fails. Its bytes are synced. */
export async function buildTable(
  { env, path, builder: options }: Omit<RunTableOptions, 'openTable'>,
  fill: (builder: TableBuilder) => Promise<void>,
): Promise<BuiltTable> {
  const file = await env.fs.open(path, 'create');
  try {
    const builder = new TableBuilder(file, options);
    await fill(builder);
    const built = builder.finish();
    await file.datasync();
    file.closeSync();
    return built;
  } catch (error) {
    file.closeSync();
    removeGarbage(env.fs, path);
    throw error;
  }
}
