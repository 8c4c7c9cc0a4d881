/** A local file. The next chunk is read while the one before is worked on. */

import type { File, FileSystem } from '../../base/env/file-system.ts';
import { SluiceError, throwIfAborted } from '../../base/errors.ts';
import type { LocalFile } from './source.ts';
import type { StoredBytes } from './stored-bytes.ts';

const CHUNK_BYTES = 1 << 19;

export class FileBytes implements StoredBytes {
  readonly name: string;
  readonly file: LocalFile;
  readonly bytes: number;
  readonly document: string;

  /** `document`: which it was when it was read before. @throws SluiceError FILE_NOT_FOUND, PERMISSION …; BAD_INPUT: it is another now */
  constructor(fs: FileSystem, path: string, document?: string) {
    const { bytes, modifiedMs } = fs.statSync(path);
    this.name = path;
    this.file = { fs, path };
    this.bytes = bytes;
    this.document = `${bytes} bytes of ${modifiedMs}`;
    if (document !== undefined && document !== this.document) {
      const message = `${path} has changed since a part of it was read: it had ${document}, and has ${this.document}; begin again`;
      throw new SluiceError('BAD_INPUT', message);
    }
  }

  head(bytes: number): Uint8Array {
    const { fs, path } = this.file;
    const file = fs.openSync(path, 'read');
    try {
      const head = new Uint8Array(bytes);
      return head.subarray(0, file.readSync(head, 0, bytes, 0));
    } finally {
      file.closeSync();
    }
  }

  async *read(fromOffset: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    throwIfAborted(signal);
    const { fs, path } = this.file;
    const file = await fs.open(path, 'read');
    try {
      yield* chunks(file, fromOffset, signal);
    } finally {
      file.closeSync();
    }
  }
}

async function* chunks(file: File, from: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
  let [chunk, other] = [new Uint8Array(CHUNK_BYTES), new Uint8Array(CHUNK_BYTES)];
  let at = from;
  let reading = file.read(chunk, 0, CHUNK_BYTES, at);
  for (;;) {
    const bytes = await reading;
    throwIfAborted(signal);
    if (bytes === 0) return;
    at += bytes;
    reading = file.read(other, 0, CHUNK_BYTES, at);
    // Whoever asks for no more leaves this one behind; its failure is then nobody's.
    reading.catch(() => {});
    yield chunk.subarray(0, bytes);
    [chunk, other] = [other, chunk];
  }
}
