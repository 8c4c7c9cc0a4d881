/**
 * From sorted runs to tables of the database. What no other run overlaps is taken as it is; the rest is merged by the
 * machinery of compactions, by threads beside each other in parts of the key range, and in several passes where there are
 * more runs than the memory limit lets be read at a time.
 */

import { at } from '../base/assert.ts';
import { ALL_KEYS, type CompactionJob, type CompactionResult } from '../levels/compaction/job.ts';
import type { RunningJob } from '../levels/compaction/parts.ts';
import type { BackgroundRunner } from '../levels/compaction/runner.ts';
import { clusters } from '../levels/compaction/table-ranges.ts';
import { tableName } from '../manifest/directory.ts';
import type { FileId, ImportFileRow, ImportRunRow, TableRow, TreeId } from '../manifest/rows.ts';
import { NO_VERSION, OVERLAY_FLOOR } from '../mvcc/version.ts';
import type { TableBuilderOptions } from '../sst/table-builder.ts';

export interface MergeOptions {
  readonly runsDir: string;
  readonly tablesDir: string;
  readonly builder: Omit<TableBuilderOptions, 'heap' | 'heapAt'>;
  readonly targetFileBytes: number;
  readonly threads: number;
  /** Runs of one merge. */
  readonly fanIn: number;
  /** Duplicates stay until the last pass, which tells them. */
  readonly keepsDuplicates: boolean;
  readonly runner: BackgroundRunner;
  /** KiB read and written. */
  readonly progress: Int32Array;
  readonly newFileId: () => FileId;
  /** A merge of several runs into one is on disk; their files go once that is durable too. */
  readonly onMerged: (
    runs: readonly ImportRunRow[],
    merged: ImportRunRow,
    duplicates: number,
    bytes: number,
  ) => Promise<void>;
}

export interface MergedTables {
  /** Paths; tables of different paths do not overlap. */
  readonly paths: readonly string[];
  readonly entries: number;
  readonly bytes: number;
  /** Rows that gave way to others, in this last pass. */
  readonly rowsDuplicate: number;
  readonly bytesWritten: number;
}

/** Of a table that is not one of the database's. */
const NO_TREE = 0 as TreeId;
/** As the files of runs. */
const RUN_FILE_BYTES = 64 << 20;

export class Merging {
  readonly #options: MergeOptions;
  #running: RunningJob | undefined;
  #paused = false;
  #cancelled = false;

  constructor(options: MergeOptions) {
    this.#options = options;
  }

  pause(wanted: boolean): void {
    this.#paused = wanted;
    this.#running?.pause(wanted);
  }

  cancel(): void {
    this.#cancelled = true;
    this.#running?.cancel();
  }

  /** @throws SluiceError ABORTED after `cancel`; NO_SPACE, CORRUPTION … */
  async run(runs: readonly ImportRunRow[]): Promise<MergedTables> {
    const few = await this.#reduce(runs.filter(({ files }) => files.length > 0));
    const { runsDir, tablesDir } = this.#options;
    const result = { paths: [] as string[], entries: 0, bytes: 0, rowsDuplicate: 0, bytesWritten: 0 };
    for (const part of partsOf(few)) {
      if (part.kind === 'move') {
        result.paths.push(`${runsDir}/${tableName(part.row.id)}`);
        result.entries += part.row.entries;
        result.bytes += part.row.bytes;
        continue;
      }
      const done = await this.#merge(this.#job(part.runs, true));
      for (const { id, entries, bytes } of done.outputs) {
        result.paths.push(`${tablesDir}/${tableName(id)}`);
        result.entries += entries;
        result.bytes += bytes;
      }
      result.rowsDuplicate += done.entriesRead - done.entriesWritten;
      result.bytesWritten += done.bytesWritten;
    }
    return result;
  }

  /** Passes until one merge can take what is left. */
  async #reduce(all: readonly ImportRunRow[]): Promise<readonly ImportRunRow[]> {
    const { fanIn, onMerged } = this.#options;
    let runs = all;
    while (depthOf(runs) > fanIn) {
      // The smallest first: what is written here is written again. But no more of them than it takes.
      const bySize = [...runs].filter(({ movable }) => !movable || runs.length <= fanIn * fanIn);
      const candidates = (bySize.length > 1 ? bySize : [...runs]).sort((a, b) => bytesOf(a) - bytesOf(b));
      const count = Math.min(fanIn, Math.max(2, runs.length - fanIn + 1), candidates.length);
      const some = candidates.slice(0, count);
      const done = await this.#merge(this.#job(some.map(rowsOf), false));
      const files = done.outputs.map(({ id, bytes, entries, smallest, largest }) => ({
        id,
        bytes,
        entries,
        smallest,
        largest,
      }));
      const merged = { version: undefined, movable: false, files };
      runs = [...runs.filter((run) => !some.includes(run)), merged];
      await onMerged(some, merged, done.entriesRead - done.entriesWritten, done.bytesWritten);
    }
    return runs;
  }

  async #merge(job: CompactionJob): Promise<CompactionResult> {
    const { runner, newFileId } = this.#options;
    const running = runner.run(job, newFileId);
    this.#running = running;
    if (this.#paused) running.pause(true);
    if (this.#cancelled) running.cancel();
    return running.done;
  }

  #job(runs: readonly (readonly TableRow[])[], isLast: boolean): CompactionJob {
    const { runsDir, tablesDir, builder, threads, targetFileBytes, keepsDuplicates, progress } =
      this.#options;
    const bytes = runs.flat().reduce((sum, row) => sum + row.bytes, 0);
    return {
      tree: NO_TREE,
      tablesDir: isLast ? tablesDir : runsDir,
      inputsDir: runsDir,
      forIngest: isLast,
      progress,
      runs,
      range: ALL_KEYS,
      partsMax: Math.max(1, Math.min(threads, Math.floor(bytes / PART_BYTES_MIN))),
      level: 0,
      retention: {
        snapshots: [],
        horizon: OVERLAY_FLOOR,
        keepVersions: isLast || !keepsDuplicates ? 1 : 0xffffffff,
        outside: [],
      },
      rangeTombstones: [],
      builder: isLast ? { ...builder, external: true } : { ...builder, external: false, filterBitsPerKey: 0 },
      targetFileBytes: isLast ? targetFileBytes : RUN_FILE_BYTES,
      grandparents: [],
      bytesPerSecond: 0,
    };
  }
}

/** What is less is not worth a thread of its own. */
const PART_BYTES_MIN = 4 << 20;

type Part =
  | { readonly kind: 'move'; readonly row: TableRow }
  | { readonly kind: 'merge'; readonly runs: readonly (readonly TableRow[])[] };

/** In key order: tables that nothing overlaps, and between them what has to be merged. */
export function partsOf(runs: readonly ImportRunRow[]): Part[] {
  const runOf = new Map<FileId, number>();
  const rows = runs.flatMap((run, i) =>
    rowsOf(run).map((row) => {
      runOf.set(row.id, i);
      return row;
    }),
  );
  const parts: Part[] = [];
  let merge: TableRow[][] | undefined;
  for (const group of clusters(rows)) {
    const [row] = group;
    if (row !== undefined && group.length === 1 && runs[runOf.get(row.id) ?? -1]?.movable === true) {
      parts.push({ kind: 'move', row });
      merge = undefined;
      continue;
    }
    if (merge === undefined) {
      merge = runs.map(() => []);
      parts.push({ kind: 'merge', runs: merge });
    }
    for (const each of group) at(merge, runOf.get(each.id) ?? 0).push(each);
  }
  return parts.map((part) =>
    part.kind === 'move' ? part : { kind: 'merge', runs: part.runs.filter((list) => list.length > 0) },
  );
}

/** How many runs the widest of the last merges would have. */
function depthOf(runs: readonly ImportRunRow[]): number {
  return partsOf(runs).reduce(
    (most, part) => Math.max(most, part.kind === 'merge' ? part.runs.length : 1),
    0,
  );
}

function bytesOf({ files }: ImportRunRow): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

export function rowsOf({ version, files }: ImportRunRow): TableRow[] {
  return files.map((file) => tableRow(file, version));
}

function tableRow(file: ImportFileRow, version: ImportRunRow['version']): TableRow {
  return {
    ...file,
    tree: NO_TREE,
    level: 0,
    deletes: 0,
    minVersion: version ?? NO_VERSION,
    maxVersion: version ?? NO_VERSION,
    globalVersion: version,
    source: 'ingest',
    ingestId: undefined,
  };
}
