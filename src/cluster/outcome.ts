/** How a record of the log can come out: errors that say the same on every replica, and all others, which only this one has. */

import { isSluiceError, SluiceError } from '../base/errors.ts';
import type { CommitResult } from '../txn/committer.ts';

/** They follow from the log alone: from what records contain, and from keyspaces, datasets and ingests, which all replicas have alike. */
const DECIDED: ReadonlySet<string> = new Set([
  'CONFLICT',
  'DATASET_VERSION_EXISTS',
  'DATASET_VERSION_LIVE',
  'DATASET_VERSION_NOT_FOUND',
  'INGEST_BEHIND_NOT_ALLOWED',
  'INGEST_NOT_FOUND',
  'KEYSPACE_NOT_FOUND',
  'TOO_OLD',
]);

/** The record is refused, everywhere. Anything else is a failure of this replica, which then halts. */
export function isDecided(error: unknown): error is SluiceError {
  return isSluiceError(error) && DECIDED.has(error.code);
}

/** Whoever waits for a record's outcome. */
export interface Outcome {
  resolve(result: CommitResult): void;
  reject(error: unknown): void;
}

/**
 * L5: the window reaches back to the horizon on every replica, and it may reach further on some. A request that comes so late may
 * have been committed where nobody knows of it any more. @throws SluiceError TOO_OLD
 */
export function checkHorizon(
  {
    reads,
    request,
    snapshot,
  }: { readonly reads: unknown; readonly request: string | undefined; readonly snapshot: number },
  horizon: number,
): void {
  if ((reads === undefined && request === undefined) || snapshot >= horizon) return;
  const message =
    `The transaction read at version ${snapshot}, and the cluster looks for conflicts from version ${horizon} on: ` +
    'it was open for too long. Run it again, or make the cluster with larger windowVersions';
  throw new SluiceError('TOO_OLD', message);
}

export function halted(cause: unknown): SluiceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new SluiceError(
    'HALTED',
    `This replica has halted; reads go on. Mend this, then open it again: ${why}`,
    { cause },
  );
}

export function beingMadeAnew(cause: unknown): SluiceError {
  const message =
    'This replica was behind what the log keeps, and is being made anew from another node; reads go on: try again, or ask another node';
  return new SluiceError('UNAVAILABLE', message, { cause, retryable: true });
}

export function outcomeUnknown(cause: unknown): SluiceError {
  const message =
    'The commit was given to the cluster, and this node cannot tell what became of it: read what it would have written';
  return new SluiceError('OUTCOME_UNKNOWN', message, { cause });
}

/** undefined where the log does not answer, or is closed. */
export async function unlessUnavailable<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isSluiceError(error, 'UNAVAILABLE') || isSluiceError(error, 'CLOSED')) return undefined;
    throw error;
  }
}
