/** What main thread and background thread say to each other. One job at a time for each thread. */

import { type ErrorCode, isSluiceError, SluiceError } from '../../base/errors.ts';
import type { FileId, TableRow } from '../../manifest/rows.ts';
import type { MemtableImage } from '../../mvcc/memtable.ts';
import type { FlushJob } from '../flush.ts';
import type { CompactionJob, CompactionResult } from './job.ts';

export type ToThread =
  | { readonly kind: 'run'; readonly job: CompactionJob }
  /** The answer to 'needFileId'. */
  | { readonly kind: 'fileId'; readonly id: FileId }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'flush'; readonly image: MemtableImage; readonly job: FlushJob };

export type FromThread =
  | { readonly kind: 'needFileId' }
  | { readonly kind: 'done'; readonly result: CompactionResult }
  | { readonly kind: 'flushed'; readonly row: TableRow }
  | { readonly kind: 'failed'; readonly error: ThreadError };

/** An error as it crosses: structured clones lose the class and what it adds. */
export interface ThreadError {
  /** undefined: not one of SluiceError's. */
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly stack: string | undefined;
}

export function toThreadError(error: unknown): ThreadError {
  const code = isSluiceError(error) ? error.code : undefined;
  if (!(error instanceof Error)) return { code, message: String(error), stack: undefined };
  return { code, message: error.message, stack: error.stack };
}

export function fromThreadError({ code, message, stack }: ThreadError): Error {
  const error = code === undefined ? new Error(message) : new SluiceError(code, message);
  if (stack !== undefined) error.stack = `${error.stack}\n    in the background thread: ${stack}`;
  return error;
}
