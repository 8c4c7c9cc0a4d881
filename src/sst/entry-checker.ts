/** The checks of a table's entries that need more than their own block: across blocks, against the index and the filter. */

import { ByteReader } from '../base/codec.ts';
import { type ErrorCode, SluiceError } from '../base/errors.ts';
import { KEY_BYTES_MAX, TRAILER_BYTES, trailerVersion, VALUE_BYTES_MAX } from '../mvcc/internal-key.ts';
import type { BlockShape, EntryVisitor } from './data-block.ts';
import type { Filter } from './filter.ts';
import { hashKey, type KeyHash } from './kernels/js-xxh3.ts';

export interface RawBytes {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

/** The index's keys of the blocks that are checked, as in TableIndex. */
export interface Separators {
  readonly keys: Uint8Array;
  readonly keyEnds: Uint32Array;
  readonly versions: Float64Array | undefined;
}

export interface EntryRules {
  readonly separators: Separators;
  /** A file to be given a version: every version in it must be 0 and every key there once. */
  readonly external: boolean;
  /** Of user keys. Less than the longest there may be where a prefix comes to them. */
  readonly keyBytesMax: number;
}

/** The first key of a sound block, with its trailer. */
function firstKey(bytes: Uint8Array, start: number): Uint8Array {
  const reader = new ByteReader(bytes, start + 1);
  const length = reader.varint();
  reader.varint();
  return bytes.subarray(reader.at, reader.at + length);
}

/** Checks entries one after the other over all blocks. */
export class EntryChecker {
  entries = 0;
  deletes = 0;
  /** Of all entries; Infinity and -1 before there is one. */
  minVersion = Number.POSITIVE_INFINITY;
  maxVersion = -1;
  readonly keyBytesMax: number;
  readonly #path: string;
  readonly #separators: Separators;
  readonly #filter: Filter | undefined;
  readonly #external: boolean;
  readonly #hash: KeyHash = { hashLow: 0, hashHigh: 0 };
  #last: Uint8Array = new Uint8Array(256);
  #lastLength = 0;
  #block = 0;
  #offset = 0;
  #firstInBlock = true;
  readonly visit: EntryVisitor;

  constructor(path: string, rules: EntryRules, filter: Filter | undefined) {
    this.#path = path;
    this.#separators = rules.separators;
    this.#filter = filter;
    this.#external = rules.external;
    this.keyBytesMax = rules.keyBytesMax;
    this.visit = (key, keyLength, type, _valueStart, valueLength, sameKey) => {
      this.#check(key, keyLength, type, valueLength, sameKey);
    };
  }

  /** What was counted so far is not this checker's to count. */
  forgetCounts(): void {
    this.entries = 0;
    this.deletes = 0;
    this.minVersion = Number.POSITIVE_INFINITY;
    this.maxVersion = -1;
  }

  /** `block`: of those whose separators it was given. */
  begin(block: number, offset: number): void {
    this.#block = block;
    this.#offset = offset;
    this.#firstInBlock = true;
  }

  /** After a block whose entries the kernels found right, each by itself: `last` has its last key. */
  endSound(block: RawBytes, shape: BlockShape, last: Uint8Array): void {
    const first = firstKey(block.bytes, block.start);
    const same = this.#checkFirst(first, first.length, first.length - TRAILER_BYTES);
    if (same && this.#external) throw this.#twice();
    this.#sawVersion(shape.minVersion);
    this.#sawVersion(shape.maxVersion);
    this.end(shape, last);
  }

  /** After the block's last entry, whose key `key` begins with. */
  end(shape: BlockShape, key: Uint8Array): void {
    this.entries += shape.entries;
    this.deletes += shape.deletes;
    const length = shape.lastKeyLength;
    if (this.#last.length < length) this.#last = new Uint8Array(length * 2);
    for (let i = 0; i < length; i++) this.#last[i] = key[i] as number;
    this.#lastLength = length;
    if (!this.#separatorAtOrAfter(this.#block, key, length)) {
      throw this.#wrong('CORRUPTION', 'the index says that all its keys are smaller than they are');
    }
  }

  #sawVersion(version: number): void {
    if (version < this.minVersion) this.minVersion = version;
    if (version > this.maxVersion) this.maxVersion = version;
  }

  #wrong(code: ErrorCode, what: string): SluiceError {
    return new SluiceError(code, `${this.#path}: block at offset ${this.#offset}: ${what}`);
  }

  #twice(): SluiceError {
    return this.#wrong('NOT_SORTED', 'a key comes twice; an external file has each key once');
  }

  #separatorAtOrAfter(block: number, key: Uint8Array, length: number): boolean {
    const { keys, keyEnds, versions } = this.#separators;
    const user = length - TRAILER_BYTES;
    const start = block === 0 ? 0 : (keyEnds[block - 1] as number);
    const separator = (keyEnds[block] as number) - start;
    const n = Math.min(user, separator);
    let i = 0;
    while (i < n && keys[start + i] === key[i]) i++;
    if (i < n) return (keys[start + i] as number) > (key[i] as number);
    if (separator !== user || versions === undefined) return separator >= user;
    return (versions[block] as number) <= trailerVersion(key, user);
  }

  #check(key: Uint8Array, keyLength: number, _type: number, valueLength: number, sameKey: boolean): void {
    const user = keyLength - TRAILER_BYTES;
    if (user < 1 || user > this.keyBytesMax) {
      const prefixed = this.keyBytesMax < KEY_BYTES_MAX ? ', as a prefix comes to it' : '';
      const allowed = `1 to ${this.keyBytesMax} are allowed${prefixed}`;
      throw this.#wrong('INVALID_KEY', `a key of ${user} bytes; ${allowed}`);
    }
    if (valueLength > VALUE_BYTES_MAX) {
      throw this.#wrong('INVALID_VALUE', `a value of ${valueLength} bytes; at most 1 GiB is allowed`);
    }
    this.#sawVersion(trailerVersion(key, user));
    let same = sameKey;
    if (this.#firstInBlock) {
      this.#firstInBlock = false;
      same = this.#checkFirst(key, keyLength, user);
    }
    if (this.#external) {
      if (same) throw this.#twice();
      for (let i = user + 1; i < keyLength; i++) {
        if (key[i] !== 0) {
          const version = trailerVersion(key, user);
          throw this.#wrong(
            'UNSUPPORTED_FORMAT',
            `a key of version ${version}; an external file has version 0 only`,
          );
        }
      }
    }
    const filter = this.#filter;
    if (filter !== undefined && !same) {
      hashKey(key, 0, user, this.#hash);
      if (!filter.mayContainHash(this.#hash.hashLow, this.#hash.hashHigh)) {
        throw this.#wrong('CORRUPTION', 'the filter denies a key that is there');
      }
    }
  }

  /** The first entry of a block against the last one of the block before; true when both have the same user key. */
  #checkFirst(key: Uint8Array, keyLength: number, user: number): boolean {
    if (this.#lastLength === 0) return false;
    const last = this.#last;
    const lastUser = this.#lastLength - TRAILER_BYTES;
    const n = Math.min(user, lastUser);
    let i = 0;
    while (i < n && key[i] === last[i]) i++;
    let d = i < n ? (key[i] as number) - (last[i] as number) : user - lastUser;
    const same = d === 0;
    for (let j = 7; j >= 0 && d === 0; j--) d = (last[user + j] as number) - (key[user + j] as number);
    if (d <= 0)
      throw this.#wrong('NOT_SORTED', 'its first key does not come after the last key of the block before');
    if (this.#separatorAtOrAfter(this.#block - 1, key, keyLength)) {
      throw this.#wrong('CORRUPTION', 'the index says that its first key is in the block before');
    }
    return same;
  }
}
