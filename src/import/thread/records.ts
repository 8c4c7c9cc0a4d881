/**
 * Rows as records, as they go from the thread that reads to the one that sorts:
 *
 *   u32 key bytes | u32 value bytes | key | trailer: version << 8 | type, 8 bytes | value
 *
 * The version says where the row stood. It is what the entry has in a run where each has its own; in other runs the
 * manifest has the version of all, and the table none.
 */

import { putTrailer, TRAILER_BYTES, TYPE_VALUE } from '../../mvcc/internal-key.ts';
import { OVERLAY_FLOOR, type Version, versionOf } from '../../mvcc/version.ts';
import { RECORD_HEAD_BYTES } from '../../sst/kernels/js-encode-blocks.ts';

/** A source has fewer rows, an import fewer sources. */
const ROWS_MAX = 2 ** 36;
export const SOURCES_MAX = 2 ** 16 - 1;
/** A lane has fewer runs. */
const RUNS_MAX = 2 ** 32;

/** An offset to sort by, and what the sort needs besides. */
export const SORT_BYTES = 24;

/** What of duplicates is to win has the higher version. */
export type Order = 'last' | 'first';

/** Of the row `row` of the source. */
export function rowVersion(order: Order, source: number, row: number): Version {
  const place = source * ROWS_MAX + row;
  return versionOf(order === 'last' ? place : OVERLAY_FLOOR - place);
}

export function rowOfVersion(order: Order, version: Version): { source: number; row: number } {
  const place = order === 'last' ? version : OVERLAY_FLOOR - version;
  return { source: Math.floor(place / ROWS_MAX), row: place % ROWS_MAX };
}

/** Of all entries of a run: what lies between two runs of a lane lies between them. */
export function runVersion(order: Order, lane: number, run: number): Version {
  const place = lane * RUNS_MAX + run + 1;
  return versionOf(order === 'last' ? place : OVERLAY_FLOOR - place);
}

export function recordBytes(keyLength: number, valueLength: number): number {
  return RECORD_HEAD_BYTES + keyLength + TRAILER_BYTES + valueLength;
}

/** Returns where it ends. */
export function putRecord(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  key: Uint8Array,
  keyFrom: number,
  keyTo: number,
  value: Uint8Array,
  valueFrom: number,
  valueTo: number,
  version: Version,
): number {
  const keyLength = keyTo - keyFrom;
  view.setUint32(at, keyLength, true);
  view.setUint32(at + 4, valueTo - valueFrom, true);
  let p = at + RECORD_HEAD_BYTES;
  p = putBytes(bytes, p, key, keyFrom, keyTo);
  putTrailer(bytes, p, version, TYPE_VALUE);
  return putBytes(bytes, p + TRAILER_BYTES, value, valueFrom, valueTo);
}

/** Fewer bytes are soon copied one by one; for more an object with the range pays. */
const LOOP_BYTES_MAX = 48;

function putBytes(target: Uint8Array, at: number, source: Uint8Array, from: number, to: number): number {
  const length = to - from;
  if (length <= LOOP_BYTES_MAX) for (let i = 0; i < length; i++) target[at + i] = source[from + i] as number;
  else target.set(from === 0 && to === source.length ? source : source.subarray(from, to), at);
  return at + length;
}
