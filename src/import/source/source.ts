/** One source of an import: bytes with a name. Which one it is (file, standard input, URL …) and how it is compressed stay inside. */

export interface Source {
  /** Its path or URL, for messages and reports. */
  readonly name: string;
  /** A local file that is not compressed has a path: formats that are read from their end ask for it. */
  readonly path: string | undefined;
  /** As stored, when that is known. */
  readonly storedBytes: number | undefined;
  /** Taken so far, as stored: for progress. A reader that reads `path` by itself sets it. */
  takenBytes: number;
  /** Chunks without compression from the offset on; each is borrowed until the next is asked for. */
  read(fromOffset: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}
