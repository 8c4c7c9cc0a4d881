/** A source read at any place, as a format needs that begins at its end. What was read of one row group is kept. */

import type { AsyncBuffer } from 'hyparquet';
import type { File } from '../../../base/env/file-system.ts';
import { SluiceError, throwIfAborted } from '../../../base/errors.ts';
import type { Source } from '../../source/source.ts';

export class RandomAccess implements AsyncBuffer {
  readonly byteLength: number;
  readonly #source: Source;
  readonly #file: File | undefined;
  readonly #signal: AbortSignal;
  readonly #kept = new Map<string, ArrayBuffer>();

  private constructor(source: Source, file: File | undefined, byteLength: number, signal: AbortSignal) {
    this.#source = source;
    this.#file = file;
    this.byteLength = byteLength;
    this.#signal = signal;
  }

  /** @throws SluiceError BAD_INPUT for a source whose length is not known, and what opening a file throws */
  static async open(source: Source, signal: AbortSignal): Promise<RandomAccess> {
    const { file: local, name } = source;
    if (local !== undefined) {
      const file = await local.fs.open(local.path, 'read');
      return new RandomAccess(source, file, file.sizeSync(), signal);
    }
    // A server tells the length of a document with its first bytes.
    if (source.storedBytes === undefined) for await (const _ of source.read(0, signal)) break;
    if (source.storedBytes === undefined) {
      throw new SluiceError(
        'BAD_INPUT',
        `${name}: a Parquet file is read from its end; store it as a local file that is not compressed`,
      );
    }
    return new RandomAccess(source, undefined, source.storedBytes, signal);
  }

  async slice(start: number, end: number = this.byteLength): Promise<ArrayBuffer> {
    const place = `${start} ${end}`;
    const kept = this.#kept.get(place);
    if (kept !== undefined) return kept;
    throwIfAborted(this.#signal);
    if (!(start >= 0 && start <= end && end <= this.byteLength)) {
      throw new SluiceError(
        'BAD_INPUT',
        `it has ${this.byteLength} bytes, and says that something is at ${start}`,
      );
    }
    const bytes = new Uint8Array(end - start);
    const length =
      this.#file === undefined ? await this.#stream(bytes, start) : await read(this.#file, bytes, start);
    if (length < bytes.length) throw new SluiceError('BAD_INPUT', `it ends at byte ${start + length}`);
    this.#kept.set(place, bytes.buffer);
    return bytes.buffer;
  }

  forget(): void {
    this.#kept.clear();
  }

  close(): void {
    this.#file?.closeSync();
  }

  async #stream(bytes: Uint8Array, start: number): Promise<number> {
    let length = 0;
    if (bytes.length === 0) return length;
    for await (const chunk of this.#source.read(start, this.#signal)) {
      const part = chunk.subarray(0, bytes.length - length);
      bytes.set(part, length);
      length += part.length;
      if (length === bytes.length) break;
    }
    return length;
  }
}

async function read(file: File, bytes: Uint8Array, start: number): Promise<number> {
  let length = 0;
  while (length < bytes.length) {
    const more = await file.read(bytes, length, bytes.length - length, start + length);
    if (more === 0) break;
    length += more;
  }
  return length;
}
