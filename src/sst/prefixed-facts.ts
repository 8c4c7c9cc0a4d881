/** The bounds of a table, and its range deletions, as they are read under another prefix. */

import { compareBytes, copyRange, formatKey } from '../base/bytes.ts';
import { SluiceError } from '../base/errors.ts';
import { type Cursor, PENDING } from '../mvcc/cursor.ts';
import { KEY_BYTES_MAX } from '../mvcc/internal-key.ts';
import { type PrefixRewrite, prefixEnd, rewritten, rewrittenEnd } from '../mvcc/prefix-rewrite.ts';
import type { RangeTombstone } from '../mvcc/range-tombstones.ts';
import { MAX_VERSION } from '../mvcc/version.ts';

/**
 * A bound of the points of the file at `path`, as it is read. Since all keys lie between the bounds, all begin with the
 * prefix if these do. `cursor`: of the file, to find a key that does not.
 * @throws SluiceError PREFIX_MISMATCH, INVALID_KEY
 */
export function prefixedBound(
  bound: Uint8Array,
  cursor: Cursor,
  path: string,
  prefix: PrefixRewrite,
): Uint8Array {
  const read = rewritten(bound, prefix);
  if (read !== undefined) return checkLength(read, 1, path);
  throw mismatch(path, prefix, `the key ${formatKey(firstWithout(bound, cursor, prefix.from))}`);
}

function firstWithout(bound: Uint8Array, cursor: Cursor, from: Uint8Array): Uint8Array {
  const end = prefixEnd(from);
  if (end === undefined || compareBytes(bound, from) < 0) return bound;
  while (cursor.seek(end, 0, end.length, MAX_VERSION) === PENDING) cursor.loadSync();
  return cursor.valid ? copyRange(cursor.keyBytes, cursor.keyStart, cursor.keyLength) : bound;
}

/** @throws SluiceError PREFIX_MISMATCH, INVALID_KEY */
export function prefixedTombstone(
  tombstone: RangeTombstone,
  path: string,
  prefix: PrefixRewrite,
): RangeTombstone {
  const { from, to, version } = tombstone;
  const start = rewritten(from, prefix);
  // An end that is open in the file is one that no key of it reaches.
  const end = to === undefined ? undefined : rewrittenEnd(to, prefix);
  if (start === undefined || end === undefined) {
    const what = `the range deletion of ${formatKey(from)} up to ${to === undefined ? 'the end' : formatKey(to)}`;
    throw mismatch(path, prefix, what);
  }
  return { from: checkLength(start, 0, path), to: checkLength(end, 0, path), version };
}

function checkLength(key: Uint8Array, bytesMin: number, path: string): Uint8Array {
  if (key.length >= bytesMin && key.length <= KEY_BYTES_MAX) return key;
  const what = `${path}: with its prefix a key has ${key.length} bytes; 1 to ${KEY_BYTES_MAX} are allowed`;
  throw new SluiceError('INVALID_KEY', what);
}

function mismatch(path: string, { from }: PrefixRewrite, what: string): SluiceError {
  return new SluiceError(
    'PREFIX_MISMATCH',
    `${path}: ${what} does not begin with ${formatKey(from)}, which the ingest is to take off all keys`,
  );
}
