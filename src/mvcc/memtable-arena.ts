/**
 * The flat memory of a memtable: entries and index nodes, appended, never moved, never freed one by one. Everything
 * is addressed by its word offset; there is no object per entry.
 *
 *   entry, in words   0 key length, type << 17 | 1 version low | 2 version high | 3 value length
 *                     4 … key, zero-padded to a word | value
 *
 * Offset 0 means "none". Keys are zero-padded so that two of them compare a word at a time, about three times as fast as
 * by the byte. The memory may have held another memtable before (`arena-pool.ts`): nothing counts on zeros.
 */

import { type EntryType, TYPE_DELETE, TYPE_VALUE } from './internal-key.ts';
import type { Version } from './version.ts';

export const NONE = 0;
const INFO = 0;
const VERSION_LOW = 1;
const VERSION_HIGH = 2;
const VALUE_LENGTH = 3;
export const ENTRY_HEADER_WORDS = 4;

/** A staged key may be a byte longer than the longest key, so 16 bits would not do. */
const LENGTH_MASK = 0x1ffff;
const TYPE_BIT = 1 << 17;
const TWO_32 = 4294967296;
const SIGN = 0x80000000 | 0;

export class MemtableArena {
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** In words: everything from here on is free, and scratch for the key being looked for. */
  tail: number;
  #source: Uint8Array | undefined;
  #sourceView: DataView | undefined;
  readonly #view: DataView;

  /** Shared memory, so that another thread can read it when it is full. */
  constructor(buffer: SharedArrayBuffer, tail = 1) {
    this.buffer = buffer;
    this.tail = tail;
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.#view = new DataView(buffer);
  }

  keyLength(entry: number): number {
    return (this.words[entry + INFO] as number) & LENGTH_MASK;
  }

  keyStart(entry: number): number {
    return (entry + ENTRY_HEADER_WORDS) * 4;
  }

  version(entry: number): Version {
    const high = this.words[entry + VERSION_HIGH] as number;
    return (high * TWO_32 + ((this.words[entry + VERSION_LOW] as number) >>> 0)) as Version;
  }

  type(entry: number): EntryType {
    return ((this.words[entry + INFO] as number) & TYPE_BIT) === 0 ? TYPE_DELETE : TYPE_VALUE;
  }

  valueLength(entry: number): number {
    return this.words[entry + VALUE_LENGTH] as number;
  }

  valueStart(entry: number): number {
    return this.#valueWord(entry) * 4;
  }

  /** Writes what entries are compared by into the free space and returns the offset: `tail`. */
  stage(key: Uint8Array, start: number, length: number, version: Version): number {
    const words = this.words;
    const entry = this.tail;
    words[entry + INFO] = length;
    words[entry + VERSION_LOW] = version;
    words[entry + VERSION_HIGH] = version / TWO_32;
    let to = entry + ENTRY_HEADER_WORDS;
    const whole = start + (length & ~3);
    let at = start;
    for (; at < whole; at += 4) {
      words[to++] =
        (key[at] as number) |
        ((key[at + 1] as number) << 8) |
        ((key[at + 2] as number) << 16) |
        ((key[at + 3] as number) << 24);
    }
    const end = start + length;
    if (at < end) {
      let word = key[at] as number;
      if (at + 1 < end) word |= (key[at + 1] as number) << 8;
      if (at + 2 < end) word |= (key[at + 2] as number) << 16;
      words[to] = word;
    }
    return entry;
  }

  /** Makes the staged key an entry, which the index does not have yet. */
  keepStaged(type: EntryType, value: Uint8Array, start: number, length: number): void {
    const entry = this.tail;
    const words = this.words;
    const at = this.#valueWord(entry);
    words[entry + VALUE_LENGTH] = length;
    this.#copyIn(at * 4, value, start, length);
    this.tail = at + ((length + 3) >>> 2);
    words[entry + INFO] = this.keyLength(entry) | (type === TYPE_VALUE ? TYPE_BIT : 0);
  }

  /** Internal order. `skip`: how many leading key bytes are known to be equal. */
  compare(a: number, b: number, skip: number): number {
    const words = this.words;
    const aLength = (words[a + INFO] as number) & LENGTH_MASK;
    const bLength = (words[b + INFO] as number) & LENGTH_MASK;
    const order = this.#compareKeys(a, aLength, b, bLength, skip);
    if (order !== 0) return order;
    const high = (words[b + VERSION_HIGH] as number) - (words[a + VERSION_HIGH] as number);
    if (high !== 0) return high;
    return ((words[b + VERSION_LOW] as number) >>> 0) - ((words[a + VERSION_LOW] as number) >>> 0);
  }

  compareKeys(a: number, b: number): number {
    return this.#compareKeys(a, this.keyLength(a), b, this.keyLength(b), 0);
  }

  /** How many leading key bytes two entries share. */
  commonPrefix(a: number, b: number): number {
    const aLength = this.keyLength(a);
    const bLength = this.keyLength(b);
    const n = aLength < bLength ? aLength : bLength;
    const aStart = this.keyStart(a);
    const bStart = this.keyStart(b);
    let i = 0;
    while (i < n && this.bytes[aStart + i] === this.bytes[bStart + i]) i++;
    return i;
  }

  /** The four key bytes after `skip` as a number that orders (signed) as they do; equal numbers decide nothing. */
  prefixWord(entry: number, skip: number): number {
    const bytes = this.bytes;
    const at = this.keyStart(entry) + skip;
    const left = this.keyLength(entry) - skip;
    if (left >= 4) {
      const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
      return (high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) ^ SIGN;
    }
    let word = 0;
    if (left > 0) word = (bytes[at] as number) << 24;
    if (left > 1) word |= (bytes[at + 1] as number) << 16;
    if (left > 2) word |= (bytes[at + 2] as number) << 8;
    return word ^ SIGN;
  }

  #compareKeys(a: number, aLength: number, b: number, bLength: number, skip: number): number {
    const words = this.words;
    const n = ((aLength < bLength ? aLength : bLength) + 3) >>> 2;
    const aKey = a + ENTRY_HEADER_WORDS;
    const bKey = b + ENTRY_HEADER_WORDS;
    for (let i = skip >>> 2; i < n; i++) {
      const x = words[aKey + i] as number;
      const y = words[bKey + i] as number;
      const differing = x ^ y;
      if (differing !== 0) {
        // Little-endian words: the first differing byte is the lowest one.
        const shift = (31 - Math.clz32(differing & -differing)) & 24;
        return ((x >>> shift) & 255) - ((y >>> shift) & 255);
      }
    }
    return aLength - bLength;
  }

  #valueWord(entry: number): number {
    return entry + ENTRY_HEADER_WORDS + ((this.keyLength(entry) + 3) >>> 2);
  }

  #copyIn(to: number, source: Uint8Array, start: number, length: number): void {
    if (length > 256) {
      this.bytes.set(source.subarray(start, start + length), to);
      return;
    }
    // A log record's entries all come from one array: its DataView is made once and copies 4 bytes a step.
    if (this.#source !== source || this.#sourceView === undefined) {
      this.#source = source;
      this.#sourceView = new DataView(source.buffer, source.byteOffset, source.byteLength);
    }
    const from = this.#sourceView;
    const view = this.#view;
    const whole = length & ~3;
    let i = 0;
    for (; i < whole; i += 4) view.setInt32(to + i, from.getInt32(start + i, true), true);
    for (; i < length; i++) this.bytes[to + i] = source[start + i] as number;
  }
}
