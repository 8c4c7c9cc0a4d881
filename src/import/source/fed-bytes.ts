/** Bytes that come once: standard input, a stream of the program. */

import { SluiceError, throwIfAborted } from '../../base/errors.ts';
import type { ByteStream } from '../../import-options.ts';
import type { StoredBytes } from './stored-bytes.ts';

export class FedBytes implements StoredBytes {
  readonly name: string;
  readonly file = undefined;
  readonly document = undefined;
  readonly bytes = undefined;
  readonly #chunks: AsyncIterable<Uint8Array>;
  #begun = false;

  constructor(name: string, chunks: AsyncIterable<Uint8Array>) {
    this.name = name;
    this.#chunks = chunks;
  }

  head(): undefined {
    return undefined;
  }

  async *read(fromOffset: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    if (this.#begun || fromOffset > 0) {
      throw new SluiceError(
        'BAD_INPUT',
        `${this.name} cannot be read again: an import of a stream does not go on after it was stopped; begin a new one`,
      );
    }
    this.#begun = true;
    for await (const chunk of this.#chunks) {
      throwIfAborted(signal);
      yield chunk;
    }
  }
}

/** The chunks of a stream as bytes: strings are UTF-8. @throws TypeError where a chunk is neither */
export async function* byteChunks(stream: ByteStream, name: string): AsyncIterable<Uint8Array> {
  for await (const chunk of stream) {
    if (typeof chunk === 'string') yield Buffer.from(chunk, 'utf8');
    else if (chunk instanceof Uint8Array) yield chunk;
    else throw new TypeError(`${name} must give bytes or strings; it gave ${typeof chunk}`);
  }
}
