/** What main thread and background thread say to each other. One job at a time for each thread. */

import type { ThreadError } from '../../base/thread-error.ts';
import type { FileId, TableRow } from '../../manifest/rows.ts';
import type { MemtableImage } from '../../mvcc/memtable.ts';
import type { FlushJob } from '../flush.ts';
import type { CompactionJob, CompactionResult } from './job.ts';

export type ToThread =
  | { readonly kind: 'run'; readonly job: CompactionJob }
  /** Asks where to split the job. */
  | { readonly kind: 'split'; readonly job: CompactionJob }
  /** The answer to 'needFileId'. */
  | { readonly kind: 'fileId'; readonly id: FileId }
  | { readonly kind: 'cancel' }
  /** The job rests between slices until it is told to go on. */
  | { readonly kind: 'pause'; readonly wanted: boolean }
  | { readonly kind: 'flush'; readonly image: MemtableImage; readonly job: FlushJob };

export type FromThread =
  | { readonly kind: 'needFileId' }
  | { readonly kind: 'split'; readonly keys: readonly Uint8Array[] }
  | { readonly kind: 'done'; readonly result: CompactionResult }
  | { readonly kind: 'flushed'; readonly row: TableRow }
  | { readonly kind: 'failed'; readonly error: ThreadError };
