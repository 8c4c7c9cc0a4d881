/**
 * Entries copied out of a tree one after the other, key and value, with where each ends:
 *
 *   bytes:   key 0 | value 0 | key 1 | value 1 | …
 *   offsets: 0 | end of key 0 | end of value 0 | end of key 1 | …
 *
 * Filled again and again without allocating, so what is handed out of it is copied, or borrowed until then.
 */

import { copyInto } from '../base/bytes.ts';

const BYTES_MIN = 1024;

/** What an entry is copied from. */
interface ShownEntry {
  readonly keyBytes: Uint8Array;
  readonly keyStart: number;
  readonly keyLength: number;
  readonly valueBytes: Uint8Array;
  readonly valueStart: number;
  readonly valueLength: number;
}

export class EntryBatch {
  bytes: Uint8Array = new Uint8Array(BYTES_MIN);
  offsets = new Uint32Array(64);
  count = 0;
  /** Counts how often it was emptied. */
  fills = 0;
  /** False: values are left out, and are empty here. */
  readonly withValues: boolean;
  readonly #bytesMax: number;
  #entriesMax = 0;

  /** Full at `bytesMax` bytes, which the last entry may exceed. */
  constructor(bytesMax: number, withValues: boolean) {
    this.#bytesMax = bytesMax;
    this.withValues = withValues;
  }

  /** Empties it, for at most `entriesMax` entries. */
  clear(entriesMax: number): void {
    this.count = 0;
    this.fills++;
    this.#entriesMax = entriesMax;
    // One large value is no reason to keep its room.
    if (this.bytes.length > 2 * this.#bytesMax) this.bytes = new Uint8Array(this.#bytesMax);
  }

  /** Bytes filled. */
  get length(): number {
    return this.offsets[2 * this.count] as number;
  }

  get isFull(): boolean {
    return this.count >= this.#entriesMax || this.length >= this.#bytesMax;
  }

  /** How many more entries, and bytes, it takes. */
  get entriesLeft(): number {
    return this.#entriesMax - this.count;
  }

  get bytesLeft(): number {
    return this.#bytesMax - this.length;
  }

  push(entry: ShownEntry): void {
    const { keyLength } = entry;
    const valueLength = this.withValues ? entry.valueLength : 0;
    const from = this.length;
    const valueAt = from + keyLength;
    const end = valueAt + valueLength;
    this.#reserve(end, this.count + 1);
    copyInto(entry.keyBytes, entry.keyStart, keyLength, this.bytes, from);
    copyInto(entry.valueBytes, entry.valueStart, valueLength, this.bytes, valueAt);
    this.offsets[2 * this.count + 1] = valueAt;
    this.offsets[2 * this.count + 2] = end;
    this.count++;
  }

  /** Takes over entries that lie in `bytes` from `start` on as they do here; `ends` of keys and values count from `length` on. */
  append(bytes: Uint8Array, start: number, end: number, ends: Uint32Array): void {
    const from = this.length;
    this.#reserve(from + end - start, this.count + (ends.length >>> 1));
    this.bytes.set(bytes.subarray(start, end), from);
    this.offsets.set(ends, 2 * this.count + 1);
    this.count += ends.length >>> 1;
  }

  #reserve(bytes: number, entries: number): void {
    if (bytes > this.bytes.length) {
      const grown = new Uint8Array(Math.max(bytes, Math.min(this.bytes.length * 4, this.#bytesMax)));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
    }
    if (2 * entries + 1 > this.offsets.length) {
      const grown = new Uint32Array(Math.max(2 * entries + 1, this.offsets.length * 2));
      grown.set(this.offsets.subarray(0, 2 * this.count + 1));
      this.offsets = grown;
    }
  }
}
