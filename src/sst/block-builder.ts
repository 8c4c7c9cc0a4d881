/**
 * Builds blocks in place in an array that is large enough: entries with shared prefixes, restarts every so often.
 * Byte for byte what RocksDB's BlockBuilder makes. Small blocks only (index, properties): data blocks are built by
 * TableBuilder itself.
 */

import { putFixed32, putVarint, varintLength } from '../base/codec.ts';

export class BlockBuilder {
  #bytes: Uint8Array;
  #length = 0;
  readonly #restartInterval: number;
  #restarts: number[] = [0];
  #sinceRestart = 0;
  #lastKey: Uint8Array = new Uint8Array(0);
  readonly #valueLengths: boolean;

  /** `valueLengths` false: values tell their own length, as delta-coded index values do. */
  constructor(restartInterval: number, valueLengths = true) {
    this.#bytes = new Uint8Array(4096);
    this.#restartInterval = restartInterval;
    this.#valueLengths = valueLengths;
  }

  add(key: Uint8Array, value: Uint8Array): void {
    let shared = 0;
    if (this.#sinceRestart >= this.#restartInterval) {
      this.#restarts.push(this.#length);
      this.#sinceRestart = 0;
    } else if (this.#length > 0) {
      const n = Math.min(key.length, this.#lastKey.length);
      while (shared < n && key[shared] === this.#lastKey[shared]) shared++;
    }
    this.#reserve(15 + key.length + value.length);
    let p = putVarint(this.#bytes, this.#length, shared);
    p = putVarint(this.#bytes, p, key.length - shared);
    if (this.#valueLengths) p = putVarint(this.#bytes, p, value.length);
    this.#bytes.set(shared === 0 ? key : key.subarray(shared), p);
    p += key.length - shared;
    this.#bytes.set(value, p);
    this.#length = p + value.length;
    this.#lastKey = key;
    this.#sinceRestart++;
  }

  /** The block, without a trailer. */
  finish(): Uint8Array {
    this.#reserve(this.#restarts.length * 4 + 4);
    let p = this.#length;
    for (const restart of this.#restarts) {
      putFixed32(this.#bytes, p, restart);
      p += 4;
    }
    putFixed32(this.#bytes, p, this.#restarts.length);
    return this.#bytes.slice(0, p + 4);
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array((this.#length + bytes) * 2);
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

export function varintBytes(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.reduce((n, value) => n + varintLength(value), 0));
  let p = 0;
  for (const value of values) p = putVarint(bytes, p, value);
  return bytes;
}
