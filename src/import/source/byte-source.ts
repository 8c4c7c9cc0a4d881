/** A source over stored bytes: decompressed where they are compressed, and from any offset. */

import { unreachable } from '../../base/assert.ts';
import { SluiceError } from '../../base/errors.ts';
import type { SourceCompression } from '../../import-options.ts';
import { compressionOf, decompress, MAGIC_BYTES } from './decompression.ts';
import type { LocalFile, Source } from './source.ts';
import type { StoredBytes } from './stored-bytes.ts';

/** As it was found. */
type Compression = Exclude<SourceCompression, 'auto'>;

export class ByteSource implements Source {
  readonly name: string;
  takenBytes = 0;
  readonly #stored: StoredBytes;
  readonly #beforeChunk: (() => Promise<void>) | undefined;
  #compression: Compression | undefined;

  /** `beforeChunk` is awaited before each chunk. */
  constructor(stored: StoredBytes, compression: SourceCompression, beforeChunk?: () => Promise<void>) {
    this.name = stored.name;
    this.#stored = stored;
    this.#beforeChunk = beforeChunk;
    if (compression !== 'auto') this.#compression = compression;
    else {
      const head = stored.head(MAGIC_BYTES);
      this.#compression = head === undefined ? undefined : compressionOf(head, stored.name);
    }
  }

  get file(): LocalFile | undefined {
    return this.#compression === 'none' ? this.#stored.file : undefined;
  }

  get document(): string | undefined {
    return this.#stored.document;
  }

  get storedBytes(): number | undefined {
    return this.#stored.bytes;
  }

  async *read(fromOffset: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const stop = new AbortController();
    try {
      yield* this.#read(fromOffset, AbortSignal.any([signal, stop.signal]));
    } finally {
      stop.abort();
    }
  }

  async *#read(fromOffset: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const compression = this.#compression ?? (await this.#detect(fromOffset, signal));
    switch (compression) {
      case undefined:
        yield* this.#detecting(signal);
        return;
      case 'none':
        yield* this.#counted(this.#stored.read(fromOffset, signal), fromOffset);
        return;
      case 'gzip':
      case 'zstd':
        yield* behind(this.#decompressed(compression, this.#stored.read(0, signal)), fromOffset, this.name);
        return;
      default:
        return unreachable(compression);
    }
  }

  /** Of a source whose head can only be seen by reading; undefined: it is read from its beginning anyway. */
  async #detect(fromOffset: number, signal: AbortSignal): Promise<Compression | undefined> {
    if (fromOffset === 0) return undefined;
    for await (const { head } of withHead(this.#stored.read(0, signal))) {
      this.#compression = compressionOf(head, this.name);
      return this.#compression;
    }
    return 'none';
  }

  async *#detecting(signal: AbortSignal): AsyncIterable<Uint8Array> {
    for await (const { head, all } of withHead(this.#stored.read(0, signal))) {
      this.#compression = compressionOf(head, this.name);
      if (this.#compression === 'none') yield* this.#counted(all, 0);
      else yield* this.#decompressed(this.#compression, all);
    }
  }

  #decompressed(compression: 'gzip' | 'zstd', stored: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    return decompress(compression, this.#counted(stored, 0), this.name);
  }

  async *#counted(stored: AsyncIterable<Uint8Array>, from: number): AsyncIterable<Uint8Array> {
    this.takenBytes = from;
    for await (const chunk of stored) {
      this.takenBytes += chunk.length;
      if (this.#beforeChunk !== undefined) await this.#beforeChunk();
      yield chunk;
    }
  }
}

/** Drops so many bytes. */
async function* behind(
  chunks: AsyncIterable<Uint8Array>,
  offset: number,
  name: string,
): AsyncIterable<Uint8Array> {
  let left = offset;
  for await (const chunk of chunks) {
    if (left >= chunk.length) {
      left -= chunk.length;
      continue;
    }
    yield left === 0 ? chunk : chunk.subarray(left);
    left = 0;
  }
  if (left > 0) throw new SluiceError('BAD_INPUT', `${name} has changed: it ends before byte ${offset}`);
}

interface WithHead {
  readonly head: Uint8Array;
  readonly all: AsyncIterable<Uint8Array>;
}

/** The first bytes, and all of them with those: one item, whose chunks must be read before the next is asked for. */
async function* withHead(chunks: AsyncIterable<Uint8Array>): AsyncIterable<WithHead> {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    let head: Uint8Array = new Uint8Array(0);
    let ended = false;
    while (head.length < MAGIC_BYTES && !ended) {
      const next = await iterator.next();
      if (next.done === true) ended = true;
      else head = Buffer.concat([head, next.value]);
    }
    const first = head;
    const all = async function* (): AsyncIterable<Uint8Array> {
      if (first.length > 0) yield first;
      if (!ended) yield* { [Symbol.asyncIterator]: () => iterator };
    };
    yield { head: first, all: all() };
  } finally {
    // Not awaited: a decompression that was given up may be waiting for a chunk.
    iterator.return?.().catch(() => {});
  }
}
