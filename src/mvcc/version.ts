/**
 * A version is a commit timestamp: a safe integer, dense but for holes left by failed commits, that fits RocksDB's
 * 56-bit sequence number. Version 0 is "before every commit".
 */

import { assert } from '../base/assert.ts';

declare const versionTag: unique symbol;
export type Version = number & { readonly [versionTag]: true };

/** Commit versions stay below this; a transaction's own statements are numbered from it up (see txn/). */
export const OVERLAY_FLOOR: Version = (2 ** 52) as Version;

/** Later than every version, own statements included: a seek with it finds the newest entry of a key. */
export const MAX_VERSION: Version = Number.MAX_SAFE_INTEGER as Version;

export const NO_VERSION: Version = 0 as Version;

export function versionOf(n: number): Version {
  assert(Number.isSafeInteger(n) && n >= 0, `${n} is not a version`);
  return n as Version;
}
