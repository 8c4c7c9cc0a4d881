/**
 * The errors that SluiceDB throws at its users.
 *
 * A `code` is stable and made for programs, a message is made for people: it says what happened, to which file or
 * key, and what to do. Wrong arguments are plain `TypeError`s; a failed `assert` is our own bug.
 */

export type ErrorCode =
  | 'ABORTED' // an AbortSignal fired; `name` is 'AbortError'
  | 'ALREADY_EXISTS' // errorIfExists, or an output file that is there already
  | 'BAD_INPUT' // a source of an import that cannot be read on: damaged, or not in its format
  | 'BUSY' // another call on the same object is still under way
  | 'CHECKSUM_MISMATCH' // a block, record or file digest differs from what is recorded
  | 'CLOSED' // the database, transaction, snapshot, iterator or writer is finished
  | 'COMPARATOR_MISMATCH' // a file sorted by another comparator
  | 'CONDITION_FAILED' // a condition of a commit over HTTP did not hold; nothing was written
  | 'CONFLICT' // something the transaction read was changed by a later commit; retry
  | 'CORRUPTION' // bytes that are not in the form they must have
  | 'DATASET_VERSION_EXISTS' // a version of a dataset is to be published under the number of one that is kept
  | 'DATASET_VERSION_LIVE' // the live version of a dataset is to be dropped
  | 'DATASET_VERSION_NOT_FOUND' // a dataset has no such version, or keeps it no longer
  | 'DIVERGED' // this replica has not the same as the cluster's others: make it anew from one of them
  | 'FILE_NOT_FOUND'
  | 'HALTED' // this replica has stopped applying the cluster's log; reads go on, `cause` says why
  | 'IMPACT_EXCEEDED' // an ingest would give compaction more to do than its maxImpact allows
  | 'IMPORT_ID_REUSED' // an import id that already names another import
  | 'IMPORT_NOT_FOUND' // no import of the id that is to be resumed
  | 'INGEST_BEHIND_NOT_ALLOWED' // `behind` in a keyspace that was made without allowIngestBehind
  | 'INGEST_ID_REUSED' // an ingest id that already names an ingest of other files
  | 'INGEST_NOT_FOUND' // no ingest of the id that is to be undone or released
  | 'INVALID_KEY' // empty, or over 65,535 bytes
  | 'INVALID_VALUE' // over 1 GiB
  | 'IO' // any other failure of the file system; `cause` has it
  | 'KEYSPACE_NOT_FOUND'
  | 'KEY_EXISTS' // an ingest with ifExists 'fail', and keys that are there; `keys` and `keyCount`
  | 'LIMIT_EXCEEDED' // a request over HTTP, or its answer, is larger than the node allows
  | 'LOCKED' // another process writes to this database
  | 'NOT_A_DATABASE' // no database at the path and createIfMissing is false, or a foreign directory
  | 'NOT_BOTTOM_LEVEL' // an ingest with requireBottom, and a file that would go higher
  | 'NOT_SORTED' // keys not strictly ascending
  | 'NO_SPACE'
  | 'OUTCOME_UNKNOWN' // the durable write of a commit began and did not finish; reopen to learn its fate
  | 'PERMISSION'
  | 'POISONED' // an earlier failed fsync; reads go on, writes need a reopen
  | 'PREFIX_MISMATCH' // an ingest that is to take a prefix off keys, and a key that does not begin with it
  | 'READ_ONLY'
  | 'SOURCE_GONE' // an import is to go on from a stream that is not there any more; give it again
  | 'TOO_NEW' // a snapshot at a version that is not visible yet
  | 'TOO_OLD' // the conflict window no longer reaches back to the snapshot; retry. Or a past version that is not kept
  | 'TRIMMED' // the shared log of a cluster is kept no longer from where it is to be read
  | 'UNAVAILABLE' // the shared log or the other nodes of a cluster do not answer
  | 'UNDO_CONFLICT' // keys of an ingest that is to be undone were changed since; `keys` and `keyCount`
  | 'UNDO_IMPOSSIBLE' // what undoing an ingest needs is not kept, or it is undone already
  | 'UNSUPPORTED_FORMAT';

const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['CONFLICT', 'TOO_OLD']);

/** What a transaction read, and whose commit then changed it. */
export interface ConflictCause {
  readonly keyspace: string;
  /** Undefined: the keyspace itself, which was dropped or replaced. */
  readonly key: Uint8Array | undefined;
  /** Of the commit that changed it. */
  readonly version: number;
}

export interface SluiceErrorOptions {
  readonly cause?: unknown;
  readonly conflict?: ConflictCause;
  readonly keys?: readonly Buffer[];
  readonly keyCount?: number;
  /** Where the code alone says it wrong. */
  readonly retryable?: boolean;
}

export class SluiceError extends Error {
  readonly code: ErrorCode;
  /** True when running the same transaction again may succeed without anyone changing anything. */
  readonly retryable: boolean;
  /** Of CONFLICT: one of the changes that the transaction failed for. */
  readonly conflict: ConflictCause | undefined;
  /** The first keys that the error is about, and how many there are, where it is about keys; else none. */
  readonly keys: readonly Buffer[];
  readonly keyCount: number;

  constructor(code: ErrorCode, message: string, options: SluiceErrorOptions = {}) {
    super(message, options);
    this.conflict = options.conflict;
    this.keys = options.keys ?? [];
    this.keyCount = options.keyCount ?? this.keys.length;
    this.name = code === 'ABORTED' ? 'AbortError' : 'SluiceError';
    this.code = code;
    this.retryable = options.retryable ?? RETRYABLE.has(code);
  }
}

export function isSluiceError(error: unknown, code?: ErrorCode): error is SluiceError {
  return error instanceof SluiceError && (code === undefined || error.code === code);
}

/** Throws ABORTED when the signal has fired, with the signal's reason as the cause. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new SluiceError('ABORTED', 'The operation was aborted by its AbortSignal', {
      cause: signal.reason,
    });
  }
}
