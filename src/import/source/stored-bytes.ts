/** The bytes of a source as they are stored. */

import type { LocalFile } from './source.ts';

export interface StoredBytes {
  readonly name: string;
  /** Undefined: it does not tell. */
  readonly bytes: number | undefined;
  readonly file: LocalFile | undefined;
  /** As of Source. */
  readonly document: string | undefined;
  /** The first bytes, as many as there are; undefined: they can only be seen by reading. */
  head(bytes: number): Uint8Array | undefined;
  /** Chunks from the offset on, each borrowed until the next is asked for. @throws SluiceError BAD_INPUT where it cannot begin there */
  read(fromOffset: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}
