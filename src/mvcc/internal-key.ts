/**
 * Internal keys: what tables and memtables sort by.
 *
 *   user key (1 to 65,535 bytes) | fixed64 little-endian (version << 8 | type)
 *
 * Order: user key ascending, then version descending. Exactly RocksDB's internal key.
 */

import { SluiceError } from '../base/errors.ts';
import type { Version } from './version.ts';

export const KEY_BYTES_MAX = 65_535;
export const VALUE_BYTES_MAX = 1 << 30;
export const TRAILER_BYTES = 8;

/** RocksDB's kTypeDeletion and kTypeValue; no other type enters our trees. */
export const TYPE_DELETE = 0;
export const TYPE_VALUE = 1;
export type EntryType = typeof TYPE_DELETE | typeof TYPE_VALUE;

const TWO_24 = 16777216;

/** Writes the 8 trailer bytes at `at`. */
export function putTrailer(bytes: Uint8Array, at: number, version: Version, type: number): void {
  const low24 = version % TWO_24;
  const high32 = Math.floor(version / TWO_24);
  bytes[at] = type;
  bytes[at + 1] = low24;
  bytes[at + 2] = low24 >>> 8;
  bytes[at + 3] = low24 >>> 16;
  bytes[at + 4] = high32;
  bytes[at + 5] = high32 >>> 8;
  bytes[at + 6] = high32 >>> 16;
  bytes[at + 7] = high32 >>> 24;
}

/** The version in the trailer at `at`; may exceed 2^53 in a foreign file, which its checker must refuse. */
export function trailerVersion(bytes: Uint8Array, at: number): Version {
  const low24 =
    (bytes[at + 1] as number) | ((bytes[at + 2] as number) << 8) | ((bytes[at + 3] as number) << 16);
  const high32 =
    ((bytes[at + 4] as number) |
      ((bytes[at + 5] as number) << 8) |
      ((bytes[at + 6] as number) << 16) |
      ((bytes[at + 7] as number) << 24)) >>>
    0;
  return (high32 * TWO_24 + low24) as Version;
}

/** @throws SluiceError INVALID_KEY */
export function checkKey(key: Uint8Array): void {
  if (key.length >= 1 && key.length <= KEY_BYTES_MAX) return;
  const what = key.length === 0 ? 'A key is empty' : `A key has ${key.length} bytes`;
  throw new SluiceError('INVALID_KEY', `${what}; keys have 1 to ${KEY_BYTES_MAX} bytes`);
}

/** @throws SluiceError INVALID_VALUE */
export function checkValue(value: Uint8Array): void {
  if (value.length <= VALUE_BYTES_MAX) return;
  const message = `A value has ${value.length} bytes; values have at most ${VALUE_BYTES_MAX} bytes`;
  throw new SluiceError('INVALID_VALUE', message);
}
