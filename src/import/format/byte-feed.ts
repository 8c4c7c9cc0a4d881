/**
 * The bytes of a source as a window that moves forward: what is needed next is made to lie in one piece. Synchronous where
 * the window holds it already; awaits once per chunk otherwise. It keeps what was asked for and a chunk, no more.
 */

import { EMPTY_BYTES } from '../../base/bytes.ts';

const PIECE_BYTES_MIN = 65536;

export class ByteFeed {
  /** bytes[at … end) come next. They are valid until the next `more` or `skip`. */
  bytes: Uint8Array = EMPTY_BYTES;
  at = 0;
  end = 0;
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** Of bytes[0] in the source. */
  #base: number;
  /** Where pieces of two chunks are put together. */
  #own: Uint8Array = EMPTY_BYTES;
  #ended = false;

  constructor(chunks: AsyncIterable<Uint8Array>, fromOffset: number) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#base = fromOffset;
  }

  /** Of bytes[at] in the source. */
  get offset(): number {
    return this.#base + this.at;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** Makes `count` bytes from `at` on lie in one piece; false: the source ends before that, and what there is lies there. */
  async more(count: number): Promise<boolean> {
    while (this.left < count) {
      // The window is the source's own memory until here: what is left of it is copied before the next chunk is asked for.
      if (this.left > 0) this.#keep(count);
      const chunk = await this.#next();
      if (chunk === undefined) return false;
      if (this.left === 0) this.#show(chunk, 0, chunk.length, this.#base + this.end);
      else this.#append(chunk);
    }
    return true;
  }

  /** Leaves out `count` bytes; false: the source ends before that. */
  async skip(count: number): Promise<boolean> {
    let rest = count;
    while (this.left < rest) {
      rest -= this.left;
      this.at = this.end;
      if (!(await this.more(1))) return false;
    }
    this.at += rest;
    return true;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  #keep(count: number): void {
    const { bytes, at, end, left, offset } = this;
    let own = this.#own;
    // A chunk at a time: what a length claims is no reason to allocate it.
    const room = Math.min(count, 2 * left + PIECE_BYTES_MIN);
    if (own.length < room) own = new Uint8Array(room);
    if (bytes !== own) own.set(bytes.subarray(at, end));
    else if (at > 0) own.copyWithin(0, at, end);
    this.#own = own;
    this.#show(own, 0, left, offset);
  }

  #append(chunk: Uint8Array): void {
    const { left } = this;
    if (this.#own.length < left + chunk.length) {
      const own = new Uint8Array(Math.max(left + chunk.length, 2 * left));
      own.set(this.#own.subarray(0, left));
      this.#own = own;
    }
    this.#own.set(chunk, left);
    this.#show(this.#own, 0, left + chunk.length, this.#base);
  }

  #show(bytes: Uint8Array, at: number, end: number, base: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.#base = base;
  }

  async #next(): Promise<Uint8Array | undefined> {
    while (!this.#ended) {
      const { done, value } = await this.#chunks.next();
      if (done === true) this.#ended = true;
      else if (value.length > 0) return value;
    }
    return undefined;
  }
}
