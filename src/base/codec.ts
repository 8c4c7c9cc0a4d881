/** Little-endian fixed integers and LEB128 varints over byte arrays, as RocksDB and our own log code them. */

import { SluiceError } from './errors.ts';

const TWO_32 = 4294967296;

export function fixed32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** A fixed64 that must be a safe integer; a larger one is CORRUPTION. */
export function fixed64(bytes: Uint8Array, at: number): number {
  const high = fixed32(bytes, at + 4);
  if (high > 0x1fffff) throw new SluiceError('CORRUPTION', 'A 64-bit number is larger than 2^53');
  return high * TWO_32 + fixed32(bytes, at);
}

export function putFixed32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function putFixed64(bytes: Uint8Array, at: number, value: number): void {
  putFixed32(bytes, at, value >>> 0);
  putFixed32(bytes, at + 4, Math.floor(value / TWO_32));
}

export function varintLength(value: number): number {
  let n = 1;
  while (value >= 128) {
    value = Math.floor(value / 128);
    n++;
  }
  return n;
}

/** Writes `value` (a safe integer) at `at` and returns the position after it. */
export function putVarint(bytes: Uint8Array, at: number, value: number): number {
  while (value > 0x7fffffff) {
    bytes[at++] = (value % 128) | 128;
    value = Math.floor(value / 128);
  }
  while (value >= 128) {
    bytes[at++] = value | 128;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}

/** Reads varints in sequence from a range; reading past `end` or beyond 2^53 is CORRUPTION. */
export class ByteReader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  u8(): number {
    this.#need(1);
    return this.bytes[this.at++] as number;
  }

  u32(): number {
    this.#need(4);
    this.at += 4;
    return fixed32(this.bytes, this.at - 4);
  }

  u64(): number {
    this.#need(8);
    this.at += 8;
    return fixed64(this.bytes, this.at - 8);
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 128;
    }
    throw new SluiceError('CORRUPTION', 'A varint is longer than a safe integer');
  }

  /** Skips `length` bytes and returns where they start. */
  skip(length: number): number {
    this.#need(length);
    const start = this.at;
    this.at += length;
    return start;
  }

  /** A view, not a copy. */
  take(length: number): Uint8Array {
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }

  #need(length: number): void {
    if (length < 0 || this.at + length > this.end) {
      throw new SluiceError(
        'CORRUPTION',
        `Data ends early: ${length} bytes needed, ${this.end - this.at} left`,
      );
    }
  }
}
