/** One source of an import: bytes with a name. Which one it is (file, standard input, URL …) and how it is compressed stay inside. */

import type { FileSystem } from '../../base/env/file-system.ts';

export interface LocalFile {
  readonly fs: FileSystem;
  readonly path: string;
}

export interface Source {
  /** Its path or URL, for messages and reports. */
  readonly name: string;
  /** A local file that is not compressed: formats that are read from their end ask for it. */
  readonly file: LocalFile | undefined;
  /**
   * Which document it is, by what a server or a file system says of it: other bytes have another. Known once reading has
   * begun; undefined where nobody says it.
   */
  readonly document: string | undefined;
  /** As stored, when that is known. */
  readonly storedBytes: number | undefined;
  /** Taken so far, as stored: for progress. A reader that reads `file` by itself sets it. */
  takenBytes: number;
  /** Chunks without compression from the offset on; each is borrowed until the next is asked for. */
  read(fromOffset: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}
