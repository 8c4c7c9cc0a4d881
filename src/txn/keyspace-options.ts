/** Opening a keyspace by name: its options, and what is said of a name that means nothing. */

import { checkFlag } from '../base/arguments.ts';
import { checkEncodingName, type EncodingName } from '../base/encoding.ts';
import { SluiceError } from '../base/errors.ts';
import type { EncodingOptions } from './readable.ts';
import { Snapshot } from './snapshot.ts';

export interface KeyspaceOptions<
  KE extends EncodingName = EncodingName,
  VE extends EncodingName = EncodingName,
> extends EncodingOptions<KE, VE> {
  /** Make the keyspace when there is none of that name; true by default. With false: KEYSPACE_NOT_FOUND. */
  readonly create?: boolean;
  /** As the name was meant at the snapshot, so that what was dropped since can be read with it. None is made. */
  readonly snapshot?: Snapshot;
  /**
   * Of a keyspace that is made: it keeps its tombstones for good, so that files can be ingested `behind` all that it ever
   * held. One that exists must have been made with it: INGEST_BEHIND_NOT_ALLOWED.
   */
  readonly allowIngestBehind?: boolean;
}

export function checkKeyspaceOptions(options: KeyspaceOptions): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object');
  const { keyEncoding, valueEncoding, create, allowIngestBehind, snapshot } = options;
  if (snapshot !== undefined && !(snapshot instanceof Snapshot)) {
    throw new TypeError('options.snapshot must come from db.snapshot()');
  }
  checkFlag(allowIngestBehind, 'options.allowIngestBehind');
  if (keyEncoding !== undefined) checkEncodingName(keyEncoding, 'options.keyEncoding');
  if (valueEncoding !== undefined) checkEncodingName(valueEncoding, 'options.valueEncoding');
  if (create !== undefined && typeof create !== 'boolean') {
    throw new TypeError(`options.create must be a boolean; got ${typeof create}`);
  }
}

/** Names in the error at most: there may be thousands of keyspaces. */
const NAMES_MAX = 8;

/** `names`: those that exist. */
export function keyspaceNotFound(name: string, names: readonly string[]): SluiceError {
  const near = names.filter((other) => isNear(name, other)).slice(0, NAMES_MAX);
  const [hint, listed] = near.length > 0 ? ['did you mean', near] : ['there are:', names.slice(0, NAMES_MAX)];
  const quoted = listed.map((other) => JSON.stringify(other)).join(near.length > 0 ? ' or ' : ', ');
  const more = near.length === 0 && names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : '';
  const end = near.length > 0 ? '?' : '';
  return new SluiceError(
    'KEYSPACE_NOT_FOUND',
    `There is no keyspace ${JSON.stringify(name)}; ${hint} ${quoted}${more}${end}`,
  );
}

/** The same but for case, one the beginning of the other, or a slip of the fingers in three letters apart. */
function isNear(typed: string, other: string): boolean {
  const [a, b] = [typed.toLowerCase(), other.toLowerCase()];
  const shorter = Math.min(a.length, b.length);
  if (shorter >= 3 && (a.startsWith(b) || b.startsWith(a))) return true;
  return editDistance(a, b) <= Math.max(1, Math.floor(shorter / 3));
}

/** Letters to insert, leave out, or replace, and neighbours to swap. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = cell(above, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min(replaced, cell(above, j) + 1, cell(row, j - 1) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, cell(before, j - 2) + 1);
      }
      row.push(distance);
    }
    before = above;
    above = row;
  }
  return cell(above, b.length);
}

function cell(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
