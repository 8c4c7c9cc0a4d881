/**
 * Collects the index of a table while it is written: after each data block a separator, as short as it can be.
 *
 * Separators are user keys, unless the versions of one user key go on from one block to the next: then only whole
 * internal keys separate the two, and *all* separators get their trailer.
 */

import { putFixed32, putVarint } from '../base/codec.ts';

/** Version 2^56 - 1, type "seek": before every entry of its user key. What RocksDB 7.8 gives shortened separators. */
const SEEK_TRAILER = Uint8Array.of(0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);

export class IndexBuilder {
  /** Separators with trailers, one after the other. */
  #keys = new Uint8Array(65536);
  #keyBytes = 0;
  #ends = new Float64Array(1024);
  #offsets = new Float64Array(1024);
  #sizes = new Uint32Array(1024);
  #blocks = 0;
  #internalKeys = false;

  get blocks(): number {
    return this.#blocks;
  }

  get userKeys(): boolean {
    return !this.#internalKeys;
  }

  /**
   * Adds a data block: its last internal key, and the first of the next block, if there is one. Both are whole internal
   * keys; `last` is overwritten.
   */
  add(
    last: Uint8Array,
    lastLength: number,
    next: Uint8Array | undefined,
    nextLength: number,
    offset: number,
    bytes: number,
  ): void {
    if (this.#blocks === this.#ends.length) this.#growBlocks();
    const user = lastLength - 8;
    const length = next === undefined ? user : shortestSeparator(last, user, next, nextLength - 8);
    while (this.#keyBytes + length + 8 > this.#keys.length) {
      const grown = new Uint8Array(this.#keys.length * 2);
      grown.set(this.#keys);
      this.#keys = grown;
    }
    this.#keys.set(last.subarray(0, length), this.#keyBytes);
    this.#keyBytes += length;
    // Shortened or raised, it is no entry's key any more.
    const changed = length !== user || separatorRaised;
    this.#keys.set(
      changed && next !== undefined ? SEEK_TRAILER : last.subarray(user, lastLength),
      this.#keyBytes,
    );
    this.#keyBytes += 8;
    if (next !== undefined && sameUserKey) this.#internalKeys = true;
    this.#ends[this.#blocks] = this.#keyBytes;
    this.#offsets[this.#blocks] = offset;
    this.#sizes[this.#blocks] = bytes;
    this.#blocks++;
  }

  #growBlocks(): void {
    const n = this.#blocks * 2;
    const ends = new Float64Array(n);
    ends.set(this.#ends);
    this.#ends = ends;
    const offsets = new Float64Array(n);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
    const sizes = new Uint32Array(n);
    sizes.set(this.#sizes);
    this.#sizes = sizes;
  }

  /** The index block, restart interval 1, so that every handle is whole though the form is the delta-coded one. */
  finish(): Uint8Array {
    const trailer = this.#internalKeys ? 0 : 8;
    const block = new Uint8Array(this.#keyBytes + this.#blocks * 32 + 8);
    const restarts = new Uint32Array(Math.max(1, this.#blocks));
    let p = 0;
    let start = 0;
    for (let b = 0; b < this.#blocks; b++) {
      const end = this.#ends[b] as number;
      const length = end - start - trailer;
      restarts[b] = p;
      block[p++] = 0;
      p = putVarint(block, p, length);
      block.set(this.#keys.subarray(start, start + length), p);
      p = putVarint(block, p + length, this.#offsets[b] as number);
      p = putVarint(block, p, this.#sizes[b] as number);
      start = end;
    }
    for (const restart of restarts) {
      putFixed32(block, p, restart);
      p += 4;
    }
    putFixed32(block, p, restarts.length);
    return block.slice(0, p + 4);
  }
}

/** Set by `shortestSeparator`: a byte was raised; both keys are the same. */
let separatorRaised = false;
let sameUserKey = false;

/** Makes `a` the shortest key from a (inclusive) to b (exclusive) as RocksDB does, in place; returns its length. */
function shortestSeparator(a: Uint8Array, aLength: number, b: Uint8Array, bLength: number): number {
  separatorRaised = false;
  const n = aLength < bLength ? aLength : bLength;
  let i = 0;
  while (i < n && a[i] === b[i]) i++;
  sameUserKey = i === aLength && i === bLength;
  if (i >= n) return aLength;
  const ours = a[i] as number;
  const limit = b[i] as number;
  if (ours >= limit) return aLength;
  if (i < bLength - 1 || ours + 1 < limit) {
    a[i] = ours + 1;
    separatorRaised = true;
    return i + 1;
  }
  // One apart at b's end: raising this byte would reach b. A later byte that can be raised will do.
  for (i++; i < aLength; i++) {
    if ((a[i] as number) < 0xff) {
      a[i] = (a[i] as number) + 1;
      separatorRaised = true;
      return i + 1;
    }
  }
  return aLength;
}
