/** An error as it crosses from one thread to another: structured clones lose the class and what it adds. */

import { type ErrorCode, isSluiceError, SluiceError } from './errors.ts';

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
