/** Bytes written one after the other into memory that grows and is used again. */

import { copyInto } from './bytes.ts';

const encoder = new TextEncoder();

export class ByteWriter {
  /** Replaced when it grows. */
  bytes: Uint8Array;
  length = 0;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
  }

  clear(): void {
    this.length = 0;
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.reserve(1);
    this.bytes[this.length++] = value;
  }

  append(bytes: Uint8Array, from: number, to: number): void {
    const length = to - from;
    this.reserve(length);
    copyInto(bytes, from, length, this.bytes, this.length);
    this.length += length;
  }

  /** As UTF-8; a surrogate without its other half becomes U+FFFD. */
  text(text: string): void {
    this.reserve(text.length * 3);
    const { written } = encoder.encodeInto(text, this.bytes.subarray(this.length));
    this.length += written;
  }

  /** What is written, copied. */
  take(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  /** Makes room for so many bytes more. */
  reserve(length: number): void {
    const needed = this.length + length;
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}
