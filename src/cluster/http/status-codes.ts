/** Error codes as HTTP statuses, and back. */

import { type ErrorCode, isSluiceError, SluiceError } from '../../base/errors.ts';

const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  ABORTED: 503,
  ALREADY_EXISTS: 409,
  BAD_INPUT: 422,
  BUSY: 503,
  CHECKSUM_MISMATCH: 422,
  CLOSED: 503,
  COMPARATOR_MISMATCH: 422,
  CONDITION_FAILED: 409,
  CONFLICT: 409,
  CORRUPTION: 500,
  DATASET_VERSION_EXISTS: 409,
  DATASET_VERSION_LIVE: 409,
  DATASET_VERSION_NOT_FOUND: 404,
  FILE_NOT_FOUND: 404,
  DIVERGED: 503,
  HALTED: 503,
  IMPACT_EXCEEDED: 409,
  IMPORT_ID_REUSED: 409,
  IMPORT_NOT_FOUND: 404,
  INGEST_BEHIND_NOT_ALLOWED: 409,
  INGEST_ID_REUSED: 409,
  INGEST_NOT_FOUND: 404,
  INVALID_KEY: 422,
  INVALID_VALUE: 422,
  IO: 500,
  KEYSPACE_NOT_FOUND: 404,
  KEY_EXISTS: 409,
  LIMIT_EXCEEDED: 413,
  LOCKED: 503,
  NOT_A_DATABASE: 500,
  NOT_BOTTOM_LEVEL: 409,
  NOT_SORTED: 422,
  NO_SPACE: 507,
  OUTCOME_UNKNOWN: 500,
  PERMISSION: 403,
  POISONED: 503,
  PREFIX_MISMATCH: 422,
  READ_ONLY: 403,
  SOURCE_GONE: 409,
  TOO_NEW: 409,
  TOO_OLD: 409,
  TRIMMED: 410,
  UNAVAILABLE: 503,
  UNDO_CONFLICT: 409,
  UNDO_IMPOSSIBLE: 409,
  UNSUPPORTED_FORMAT: 422,
};

/** Our own words for one; other TypeErrors are bugs. */
const WRONG_ARGUMENT = /\b(must (be|have|not|come|name)|is no (bound|limit|option))\b/;

/** A request that is wrong as such: its status tells what. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** The body of an answer that is an error. */
export interface ErrorBody {
  readonly error: {
    /** An ErrorCode, BAD_REQUEST or INTERNAL. */
    readonly code: string;
    readonly message: string;
    readonly retryable?: boolean;
    readonly conditions?: readonly number[];
  };
}

export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;
}

/** What a caller is told of an error; undefined of one of our own, of which he is told nothing. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof RequestError) {
    const { status, headers, message } = error;
    return { status, headers, body: { error: { code: 'BAD_REQUEST', message } } };
  }
  if (error instanceof TypeError && WRONG_ARGUMENT.test(error.message))
    return { status: 400, headers: {}, body: { error: { code: 'BAD_REQUEST', message: error.message } } };
  if (!isSluiceError(error)) return undefined;
  const { code, message, retryable } = error;
  const conditions = error instanceof ConditionFailed ? { conditions: error.conditions } : {};
  return {
    status: STATUS_OF[code],
    headers: {},
    body: { error: { code, message, ...(retryable && { retryable }), ...conditions } },
  };
}

/** Conditions of a commit that did not hold, by their places in the request. */
export class ConditionFailed extends SluiceError {
  readonly conditions: readonly number[];

  constructor(conditions: readonly number[]) {
    super('CONDITION_FAILED', `Nothing was written: conditions ${conditions.join(', ')} did not hold`);
    this.conditions = conditions;
  }
}

/** The error that an answer tells of. @param from who answered, for the message */
export function errorOf(status: number, body: unknown, from: string): Error {
  const told = asErrorBody(body);
  if (told === undefined) return new SluiceError('UNAVAILABLE', `${from} answers ${status}`);
  const { code, message, retryable, conditions } = told.error;
  if (code === 'CONDITION_FAILED' && conditions !== undefined) return new ConditionFailed(conditions);
  if (isErrorCode(code))
    return new SluiceError(code, `${from}: ${message}`, { retryable: retryable === true });
  if (status === 401) return new SluiceError('PERMISSION', `${from}: ${message}`);
  if (status === 413 || status === 429) return new SluiceError('LIMIT_EXCEEDED', `${from}: ${message}`);
  if (status === 404) return new SluiceError('FILE_NOT_FOUND', `${from}: ${message}`);
  if (code === 'BAD_REQUEST' && status < 500) return new TypeError(`${from}: ${message}`);
  return new SluiceError('UNAVAILABLE', `${from} answers ${status}: ${message}`);
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(STATUS_OF, code);
}

function asErrorBody(body: unknown): ErrorBody | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined;
  const { error } = body;
  if (typeof error !== 'object' || error === null || !('code' in error) || !('message' in error))
    return undefined;
  const { code, message } = error;
  if (typeof code !== 'string' || typeof message !== 'string') return undefined;
  const conditions =
    'conditions' in error && Array.isArray(error.conditions)
      ? error.conditions.filter((one): one is number => typeof one === 'number')
      : undefined;
  const retryable = 'retryable' in error && error.retryable === true;
  return { error: { code, message, retryable, ...(conditions !== undefined && { conditions }) } };
}
