/** Reading the rows of the manifest: checksum first, then each element as what it must be. A cluster's records are read so too. */

import { crc32 } from 'node:zlib';
import { Packr } from 'msgpackr';
import { copyRange } from '../base/bytes.ts';
import { fixed32 } from '../base/codec.ts';
import { SluiceError } from '../base/errors.ts';

export const packr = new Packr({ useRecords: false });

export function damaged(what: string, cause?: unknown): SluiceError {
  return new SluiceError('CORRUPTION', `The manifest is damaged: ${what}. Restore manifest/ from a backup`, {
    cause,
  });
}

/** The elements of one row, each checked as it is taken. */
export class Fields {
  readonly #what: string;
  readonly #values: readonly unknown[];
  readonly #damaged: (why: string) => SluiceError;
  #next = 0;

  constructor(what: string, values: unknown, fail: (why: string) => SluiceError = damaged) {
    if (!Array.isArray(values)) throw fail(`${what} is not an array`);
    this.#what = what;
    this.#damaged = fail;
    this.#values = values;
  }

  get done(): boolean {
    return this.#next >= this.#values.length;
  }

  number<T extends number>(): T {
    const value = this.#values[this.#next++];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.#wrong('a number');
    return value as T;
  }

  text<T extends string>(): T {
    const value = this.#values[this.#next++];
    if (typeof value !== 'string') throw this.#wrong('text');
    return value as T;
  }

  bytes(): Uint8Array {
    const value = this.#values[this.#next++];
    if (!(value instanceof Uint8Array)) throw this.#wrong('binary');
    return copyRange(value, 0, value.length);
  }

  flag(): boolean {
    const value = this.#values[this.#next++];
    if (typeof value !== 'boolean') throw this.#wrong('true or false');
    return value;
  }

  list(): readonly unknown[] {
    const value = this.#values[this.#next++];
    if (!Array.isArray(value)) throw this.#wrong('a list');
    return value;
  }

  listOrNull(): readonly unknown[] | null {
    return this.#isNull() ? null : this.list();
  }

  numberOrNull<T extends number>(): T | null {
    return this.#isNull() ? null : this.number<T>();
  }

  bytesOrNull(): Uint8Array | null {
    return this.#isNull() ? null : this.bytes();
  }

  textOrNull(): string | null {
    return this.#isNull() ? null : this.text();
  }

  #isNull(): boolean {
    if (this.#values[this.#next] !== null) return false;
    this.#next++;
    return true;
  }

  #wrong(expected: string): SluiceError {
    return this.#damaged(`element ${this.#next - 1} of ${this.#what} is not ${expected}`);
  }
}

export function unpack(what: string, key: Uint8Array, value: Uint8Array): unknown {
  if (value.length < 5) throw damaged(`${what} is too short`);
  const packed = value.subarray(4);
  if (fixed32(value, 0) !== crc32(packed, crc32(key))) throw damaged(`${what} fails its checksum`);
  try {
    return packr.unpack(packed);
  } catch (cause) {
    throw damaged(`${what} is not MessagePack`, cause);
  }
}

export function open(what: string, key: Uint8Array, value: Uint8Array): Fields {
  return new Fields(what, unpack(what, key, value));
}
