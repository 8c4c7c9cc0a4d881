/** The bytes of a source as they are stored. */

export interface StoredBytes {
  readonly name: string;
  /** Undefined: it does not tell. */
  readonly bytes: number | undefined;
  /** Of a local file. */
  readonly path: string | undefined;
  /** The first bytes, as many as there are; undefined: they can only be seen by reading. */
  head(bytes: number): Uint8Array | undefined;
  /** Chunks from the offset on, each borrowed until the next is asked for. @throws SluiceError BAD_INPUT where it cannot begin there */
  read(fromOffset: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}
