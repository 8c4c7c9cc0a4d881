/** What the main thread and the threads of an import tell each other, and these among themselves. */

import type { MessagePort } from 'node:worker_threads';
import type { ThreadError } from '../../base/thread-error.ts';
import type { ImportLaneRow, ImportRunRow } from '../../manifest/rows.ts';
import type { TableBuilderOptions } from '../../sst/table-builder.ts';
import type { FormatSpec } from '../format/format-spec.ts';
import type { SourceSpec } from '../source/source-spec.ts';
import type { ChunkPoolImage } from './chunk-pool.ts';
import type { Order } from './records.ts';

/** How duplicates and positions are told apart in the runs of an import. */
export interface RunRules {
  readonly order: Order;
  /** Each entry of a run has a version of its own, which says where its row stood. */
  readonly keepsRows: boolean;
  /** Of rows with one key in a run: the one that wins stays; or the import fails; or the others are told. */
  readonly duplicates: 'drop' | 'fail' | 'report';
  /** A row that is not after the one before it fails the import. */
  readonly presorted: boolean;
}

export interface LaneJob {
  readonly lane: number;
  /** Of the whole import; the lane has those of [from, to). */
  readonly sources: readonly SourceSpec[];
  readonly from: number;
  readonly to: number;
  readonly format: FormatSpec;
  /** Where to go on. */
  readonly start: ImportLaneRow;
  /** Of presorted rows: the key of the last one before it. */
  readonly before: Uint8Array | undefined;
  /** The import has no other lane. */
  readonly isOnly: boolean;
  /** Of records, and what sorting them takes. */
  readonly runBytes: number;
  readonly rules: RunRules;
  readonly control: Int32Array;
  readonly counters: Float64Array;
  readonly skipsBadRows: boolean;
  readonly badRowsMax: number;
  readonly rejectPath: string;
}

export interface SortJob {
  readonly sources: readonly SourceSpec[];
  readonly dir: string;
  readonly arenaBytes: number;
  readonly rules: RunRules;
  readonly control: Int32Array;
  readonly counters: Float64Array;
  /** Of tables that may become the database's as they are. */
  readonly builder: Omit<TableBuilderOptions, 'heap' | 'heapAt'>;
  readonly targetFileBytes: number;
}

/** The records given since the last one are a run. */
export interface RunEnd {
  readonly lane: number;
  readonly run: number;
  /** It is all that the import has. */
  readonly isAlone: boolean;
  /** The lane after it. */
  readonly after: ImportLaneRow;
}

/** From who has rows to who sorts them. */
export type RecordMessage =
  | { readonly kind: 'chunk'; readonly chunk: number; readonly length: number }
  /** One record that is larger than a chunk. */
  | { readonly kind: 'large'; readonly bytes: Uint8Array }
  | { readonly kind: 'run'; readonly end: RunEnd };

export type ToImportThread =
  | {
      readonly kind: 'read';
      readonly job: LaneJob;
      /** Of runs that the thread sorts itself. */
      readonly sort: SortJob;
      readonly pool: ChunkPoolImage;
      /** None: it sorts all runs. */
      readonly sorters: readonly MessagePort[];
      readonly fed: MessagePort | undefined;
    }
  | {
      readonly kind: 'sort';
      readonly job: SortJob;
      readonly pool: ChunkPoolImage;
      /** Which of the threads that sort it is. */
      readonly place: number;
      readonly records: MessagePort;
    }
  /** There is nothing to do any more: memory goes. */
  | { readonly kind: 'rest' };

/** A run that is on disk. */
export interface FinishedRun {
  readonly end: RunEnd;
  /** Without files where it had no rows. */
  readonly run: ImportRunRow;
  readonly rowsDuplicate: number;
  readonly bytesWritten: number;
}

export type FromImportThread =
  | { readonly kind: 'run'; readonly finished: FinishedRun }
  | { readonly kind: 'failed'; readonly error: ThreadError };
