/** Why a row is not loaded, and what an import fails with then: the same in words whichever path its rows take. */

import { SluiceError } from '../base/errors.ts';
import { KEY_BYTES_MAX } from '../mvcc/internal-key.ts';

/** `row` counts from 1; `offset` is that of its first byte in the source without compression. */
export interface BadRowPlace {
  readonly source: string;
  readonly row: number;
  readonly offset: number;
  readonly reason: string;
}

/** undefined: a key may have so many bytes. */
export function keyFault(bytes: number): string | undefined {
  if (bytes >= 1 && bytes <= KEY_BYTES_MAX) return undefined;
  return `a key of ${bytes} bytes; 1 to ${KEY_BYTES_MAX} are allowed`;
}

/** With `onBadRow: 'fail'`. */
export function badRowError({ source, row, offset, reason }: BadRowPlace): SluiceError {
  const message = `${source}: row ${row}, at byte ${offset}: ${reason}. Mend it, or leave bad rows out with options.onBadRow: 'skip'`;
  return new SluiceError('BAD_INPUT', message);
}

/** More than `maxBadRows`, as a count, allows. */
export function tooManyBadRows(most: number, { source, row, offset, reason }: BadRowPlace): SluiceError {
  const message = `More than ${most} bad rows; the last is row ${row} of ${source}, at byte ${offset}: ${reason}`;
  return new SluiceError('BAD_INPUT', message);
}
