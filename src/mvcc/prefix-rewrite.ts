/**
 * Keys that are read under another prefix than a table's file has them: `from`, which all keys of the file begin with,
 * is read as `to`. Order stays what it was, so that a seek in one is a seek in the other.
 */

import { compareBytes, compareRanges, copyInto, EMPTY_BYTES } from '../base/bytes.ts';

export interface PrefixRewrite {
  /** What every key of the file begins with; empty: `to` is put before them. */
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** How much longer the keys are read than they are in the file; may be negative. */
export function addedBytes({ from, to }: PrefixRewrite): number {
  return to.length - from.length;
}

export function hasPrefix(key: Uint8Array, prefix: Uint8Array): boolean {
  return key.length >= prefix.length && compareRanges(key, 0, prefix.length, prefix, 0, prefix.length) === 0;
}

/** The first key after all that begin with `prefix`; undefined: there is none. */
export function prefixEnd(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  const end = prefix.slice(0, length);
  end[length - 1] = (end[length - 1] as number) + 1;
  return end;
}

/** A key of the file as it is read; undefined where it does not begin with `from`. */
export function rewritten(key: Uint8Array, { from, to }: PrefixRewrite): Uint8Array | undefined {
  if (!hasPrefix(key, from)) return undefined;
  const read = new Uint8Array(to.length + key.length - from.length);
  read.set(to);
  read.set(key.subarray(from.length), to.length);
  return read;
}

/** The end of a range of the file, which may be the end of all keys that begin with `from`. */
export function rewrittenEnd(end: Uint8Array, rewrite: PrefixRewrite): Uint8Array | undefined {
  const allEnd = prefixEnd(rewrite.from);
  return allEnd !== undefined && compareBytes(end, allEnd) === 0
    ? prefixEnd(rewrite.to)
    : rewritten(end, rewrite);
}

export function samePrefix(a: PrefixRewrite | undefined, b: PrefixRewrite | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return compareBytes(a.from, b.from) === 0 && compareBytes(a.to, b.to) === 0;
}

/** Where a key lies among those of the file, as they are read. */
export const BEFORE_ALL = -1;
export const WITHIN = 0;
export const AFTER_ALL = 1;

/** A key of readers as the file has it: one object for many keys. */
export class FileKey {
  /** REQUIRES: the last `set` was WITHIN. Borrowed: from its argument, or until the next `set`. */
  bytes: Uint8Array = EMPTY_BYTES;
  start = 0;
  length = 0;
  readonly #rewrite: PrefixRewrite;
  #copy: Uint8Array;

  constructor(rewrite: PrefixRewrite) {
    this.#rewrite = rewrite;
    this.#copy = Uint8Array.from(rewrite.from);
  }

  /** BEFORE_ALL, WITHIN or AFTER_ALL. */
  set(key: Uint8Array, start: number, length: number): number {
    const { from, to } = this.#rewrite;
    const n = Math.min(length, to.length);
    const order = compareRanges(key, start, n, to, 0, to.length);
    if (order !== 0) return order < 0 ? BEFORE_ALL : AFTER_ALL;
    const rest = length - to.length;
    this.length = from.length + rest;
    if (from.length === 0) {
      this.bytes = key;
      this.start = start + to.length;
      return WITHIN;
    }
    if (this.#copy.length < this.length) {
      this.#copy = new Uint8Array(this.length * 2);
      this.#copy.set(from);
    }
    copyInto(key, start + to.length, rest, this.#copy, from.length);
    this.bytes = this.#copy;
    this.start = 0;
    return WITHIN;
  }
}
