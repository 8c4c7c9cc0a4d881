/** A byte string that is overwritten again and again without allocating. */

import { equalRanges } from '../base/bytes.ts';

export class ByteScratch {
  bytes = new Uint8Array(64);
  length = 0;

  /** A copy of the range. A new array when it must grow, so that the old one stays what it was. */
  set(source: Uint8Array, start: number, length: number): void {
    if (this.bytes.length < length) this.bytes = new Uint8Array(length * 2);
    this.length = length;
    if (length > 48) {
      this.bytes.set(source.subarray(start, start + length));
      return;
    }
    const bytes = this.bytes;
    for (let i = 0; i < length; i++) bytes[i] = source[start + i] as number;
  }

  equals(other: Uint8Array, start: number, length: number): boolean {
    return equalRanges(this.bytes, 0, this.length, other, start, length);
  }
}
