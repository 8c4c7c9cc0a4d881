/** What is said of an entry that does not come after the one before it. */

import { compareRanges, copyRange, formatKey } from '../base/bytes.ts';
import { SluiceError } from '../base/errors.ts';
import type { Version } from '../mvcc/version.ts';

/** A user key in an array. */
export interface KeyPlace {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

/** `external`: of a file in which each key may stand once, whatever its version. */
export function notSorted(
  path: string,
  key: KeyPlace,
  last: KeyPlace,
  version: Version,
  external: boolean,
): SluiceError {
  const next = formatKey(copyRange(key.bytes, key.start, key.length));
  const same = compareRanges(key.bytes, key.start, key.length, last.bytes, last.start, last.length) === 0;
  const before = formatKey(copyRange(last.bytes, last.start, last.length));
  const message = !same
    ? `key ${next} comes after ${before}; keys must be added in ascending order of their bytes`
    : external
      ? `key ${next} comes twice; each key may be added once`
      : `version ${version} of key ${next} does not come after a newer one`;
  return new SluiceError('NOT_SORTED', `${path}: ${message}`);
}
