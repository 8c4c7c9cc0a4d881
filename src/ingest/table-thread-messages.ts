/** What a writer and the thread that builds its table tell each other, over a port of the job's own. */

import type { MessagePort } from 'node:worker_threads';
import type { ThreadError } from '../base/thread-error.ts';
import type { BuiltBlocks, CutBlock, StagedRecords, TableTotals } from '../sst/built-blocks.ts';
import type { BuiltTable, TableBuilderOptions } from '../sst/table-builder.ts';

/** To the thread itself. */
export interface TableJob {
  readonly path: string;
  /** Of the file, which exists: another one at its path is not the job's. */
  readonly identity: string;
  readonly options: TableBuilderOptions;
  /** Shared; the words below. */
  readonly words: Int32Array;
  readonly port: MessagePort;
}

export type ToTableJob =
  | { readonly kind: 'records'; readonly records: StagedRecords }
  | { readonly kind: 'blocks'; readonly blocks: BuiltBlocks }
  | { readonly kind: 'block'; readonly block: CutBlock }
  /** The last one: to finish, or to give up if the word says so. `totals`: of entries that came as blocks. */
  | { readonly kind: 'end'; readonly totals?: TableTotals | undefined };

/** Comes once: nothing is written after it. */
export type FromTableJob =
  | { readonly kind: 'built'; readonly table: BuiltTable }
  | { readonly kind: 'failed'; readonly error: ThreadError };

/** How many messages with records or blocks the thread is done with: their memory is the writer's again. */
export const TAKEN = 0;
/** Not 0: the job's message was sent. */
export const ENDED = 1;
/** Not 0: what was not written yet need not be. */
export const CANCELLED = 2;
export const WORDS = 3;
