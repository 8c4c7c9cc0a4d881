/** A compaction as plain data: what goes to the thread that runs it, and what comes back. */

import { at } from '../../base/assert.ts';
import { type FileId, LEVEL_COUNT, type TableRow, type TreeId } from '../../manifest/rows.ts';
import type { RangeTombstone } from '../../mvcc/range-tombstones.ts';
import type { TableBuilderOptions } from '../../sst/table-builder.ts';
import type { Retention } from './garbage.ts';

/** A table of the level below the output's. */
export interface Grandparent {
  readonly largest: Uint8Array;
  readonly bytes: number;
}

/** User keys from `from` up to and without `to`; undefined where it is open. */
export interface JobRange {
  readonly from: Uint8Array | undefined;
  readonly to: Uint8Array | undefined;
}

export const ALL_KEYS: JobRange = { from: undefined, to: undefined };

export interface CompactionJob {
  readonly tree: TreeId;
  /** DIR/tables */
  readonly tablesDir: string;
  /** Where the inputs are, when that is not there too. */
  readonly inputsDir?: string;
  /** The outputs are to be ingested: their entries have version 0. Of each key only one version stays. */
  readonly forIngest?: boolean;
  /** Shared: KiB read, KiB written by all parts so far. */
  readonly progress?: Int32Array;
  /** Each a sorted run: one table of level 0, or tables of another level in key order. */
  readonly runs: readonly (readonly TableRow[])[];
  /** What of the inputs is merged. */
  readonly range: JobRange;
  /** Into how many parts of separate ranges it may be split, which run beside each other. */
  readonly partsMax: number;
  /** The outputs' level. */
  readonly level: number;
  readonly retention: Retention;
  /** The tree's that meet the inputs' range. */
  readonly rangeTombstones: readonly RangeTombstone[];
  readonly builder: Omit<TableBuilderOptions, 'heap'>;
  readonly targetFileBytes: number;
  /** In key order. */
  readonly grandparents: readonly Grandparent[];
  /** Of output and input; 0: as fast as it goes. */
  readonly bytesPerSecond: number;
}

export interface CompactionResult {
  readonly outputs: readonly TableRow[];
  readonly entriesRead: number;
  readonly entriesWritten: number;
  /** Of those written, how many only an open snapshot needs. */
  readonly heldBack: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** What a running job asks of whoever started it. */
export interface JobHost {
  /** A name for the next output. Nothing durable names it yet: the caller removes the file if the job fails. */
  newFileId(): Promise<FileId>;
  /** Lets others run; throws ABORTED when the job is to end. */
  turn(): Promise<void>;
}

/** Levels from 1 on are one run each, as their tables do not overlap. */
export function runsOf(inputs: readonly TableRow[]): (readonly TableRow[])[] {
  const levels: TableRow[][] = Array.from({ length: LEVEL_COUNT }, () => []);
  for (const row of inputs) at(levels, row.level).push(row);
  const [level0 = [], ...others] = levels;
  const sorted = others.map((rows) => rows.sort((a, b) => Buffer.compare(a.smallest, b.smallest)));
  return [...level0.map((row) => [row]), ...sorted.filter((rows) => rows.length > 0)];
}
