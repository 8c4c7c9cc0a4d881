/** An error as it crosses from one thread to another: structured clones lose the class and what it adds. */

import { type ErrorCode, isSluiceError, SluiceError } from './errors.ts';

export interface ThreadError {
  /** undefined: not one of SluiceError's. */
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly stack: string | undefined;
  /** As of SluiceError. */
  readonly keys?: readonly Uint8Array[];
}

export function toThreadError(error: unknown): ThreadError {
  const code = isSluiceError(error) ? error.code : undefined;
  if (!(error instanceof Error)) return { code, message: String(error), stack: undefined };
  const keys = isSluiceError(error) ? error.keys : [];
  return { code, message: error.message, stack: error.stack, keys };
}

export function fromThreadError({ code, message, stack, keys = [] }: ThreadError): Error {
  const own = keys.map((key) => Buffer.from(key));
  const error = code === undefined ? new Error(message) : new SluiceError(code, message, { keys: own });
  if (stack !== undefined) error.stack = `${error.stack}\n    in the background thread: ${stack}`;
  return error;
}
