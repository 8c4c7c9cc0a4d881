/** What an engine that takes no call, or no write, tells its callers. */

import { isSluiceError, SluiceError } from '../base/errors.ts';

export function closedError(): SluiceError {
  return new SluiceError('CLOSED', 'The database is closed; open it again');
}

export function readOnlyError(): SluiceError {
  return new SluiceError('READ_ONLY', 'The database was opened with readOnly: true');
}

export function poisonedError(cause: unknown): SluiceError {
  // In a cluster it is the node that knows what there is to do.
  if (isSluiceError(cause, 'HALTED') || isSluiceError(cause, 'UNAVAILABLE')) return cause;
  const message =
    'An earlier write could not be made durable. Reads go on; reopen the database to write again';
  return new SluiceError('POISONED', message, { cause });
}
