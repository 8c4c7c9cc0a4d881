/** A block of a SequenceFile (header.ts has its layout), read and decompressed: so it fits into memory or is refused. */

import { isSluiceError, type SluiceError } from '../../../base/errors.ts';
import type { ByteFeed } from '../byte-feed.ts';
import { type Codec, decompress } from './codec.ts';
import { vint, vintBytes } from './numbers.ts';

/** Makes the error that says what is wrong with the block. */
export type Damaged = (what: string, cause?: unknown) => SluiceError;

/** Its rows one after another, without an object for each. */
export class BlockRows {
  keyFrom = 0;
  keyTo = 0;
  valueFrom = 0;
  valueTo = 0;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly #keyLengths: Lengths;
  readonly #valueLengths: Lengths;
  readonly #count: number;
  #next = 0;

  constructor(
    count: number,
    keyLengths: Uint8Array,
    keys: Uint8Array,
    valueLengths: Uint8Array,
    values: Uint8Array,
    damaged: Damaged,
  ) {
    this.#count = count;
    this.#keyLengths = new Lengths('keys', keyLengths, damaged);
    this.keys = keys;
    this.#valueLengths = new Lengths('values', valueLengths, damaged);
    this.values = values;
  }

  /** False: there is none left. Throws BAD_INPUT where lengths and bytes do not agree. */
  next(): boolean {
    if (this.#next === this.#count) {
      this.#keyLengths.end(this.keyTo, this.keys);
      this.#valueLengths.end(this.valueTo, this.values);
      return false;
    }
    this.#next++;
    this.keyFrom = this.keyTo;
    this.keyTo += this.#keyLengths.next(this.keys.length - this.keyFrom);
    this.valueFrom = this.valueTo;
    this.valueTo += this.#valueLengths.next(this.values.length - this.valueFrom);
    return true;
  }
}

class Lengths {
  readonly #what: string;
  readonly #bytes: Uint8Array;
  readonly #damaged: Damaged;
  #at = 0;

  constructor(what: string, bytes: Uint8Array, damaged: Damaged) {
    this.#what = what;
    this.#bytes = bytes;
    this.#damaged = damaged;
  }

  next(most: number): number {
    const { length } = this.#bytes;
    const size = this.#at < length ? vintBytes(this.#bytes[this.#at] as number) : 1;
    if (this.#at + size > length) throw this.#damaged(`lengths of ${this.#what} are missing`);
    const value = vint(this.#bytes, this.#at);
    if (value < 0 || value > most)
      throw this.#damaged(`one of its ${this.#what} claims ${value} bytes, of ${most}`);
    this.#at += size;
    return value;
  }

  end(used: number, bytes: Uint8Array): void {
    if (used !== bytes.length || this.#at !== this.#bytes.length)
      throw this.#damaged(`its ${this.#what} are more than its records`);
  }
}

/** Reads from behind the sync marker on. `maxBytes`: of each of its parts as stored, and of all of them decompressed. */
export async function readBlock(
  feed: ByteFeed,
  codec: Codec,
  maxBytes: number,
  damaged: Damaged,
): Promise<BlockRows> {
  const number = async (what: string): Promise<number> => {
    await feed.more(1);
    const size = feed.left > 0 ? vintBytes(feed.bytes[feed.at] as number) : 1;
    if (!(await feed.more(size))) throw damaged('it is cut short');
    const value = vint(feed.bytes, feed.at);
    if (value < 0) throw damaged(`${what} is ${value}`);
    feed.at += size;
    return value;
  };
  let left = maxBytes;
  const part = async (): Promise<Uint8Array> => {
    const length = await number('a length');
    if (length > maxBytes)
      throw damaged(`a part of it claims ${length} bytes, over the limit of ${maxBytes}`);
    if (!(await feed.more(length))) throw damaged('it is cut short');
    const stored = feed.bytes.subarray(feed.at, feed.at + length);
    feed.at += length;
    try {
      const raw = decompress(codec, stored, left);
      left -= raw.length;
      return raw;
    } catch (error) {
      if (isSluiceError(error, 'BAD_INPUT')) throw damaged(error.message, error);
      throw error;
    }
  };
  const records = await number('the number of its records');
  return new BlockRows(records, await part(), await part(), await part(), await part(), damaged);
}
