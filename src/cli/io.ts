/** What a command reads from and writes to: the process's streams, or a test's. */

import { isSluiceError, SluiceError } from '../base/errors.ts';

export interface Io {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Ends long commands: Ctrl-C. */
  readonly signal?: AbortSignal;
}

/** The part of a Writable that is used. */
export interface Sink {
  readonly isTTY?: boolean;
  write(chunk: string | Uint8Array, done: (error?: Error | null) => void): boolean;
}

/** Whoever read our output wanted no more of it (`sluice scan … | head`): the end of the work, not a failure. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

/** What is gathered before it goes out in one write. */
const CHUNK_CHARS = 1 << 16;

/**
 * Gathers text and writes it in large pieces, each awaited until the stream has taken it: a slow reader slows us down
 * and fills no memory.
 */
export class Output {
  readonly #sink: Sink;
  #pieces: string[] = [];
  #chars = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** True when it is time to `flush`. */
  get full(): boolean {
    return this.#chars >= CHUNK_CHARS;
  }

  line(text: string): void {
    this.#pieces.push(text, '\n');
    this.#chars += text.length + 1;
  }

  /** @throws OutputClosed when nobody reads any more. */
  async flush(): Promise<void> {
    if (this.#chars === 0) return;
    const text = this.#pieces.join('');
    this.#pieces = [];
    this.#chars = 0;
    await write(this.#sink, text);
  }
}

/** @throws OutputClosed when nobody reads any more; SluiceError NO_SPACE, IO. */
export function write(sink: Sink, chunk: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    sink.write(chunk, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(writeFailure(error));
    });
  });
}

const CLOSED_CODES: readonly unknown[] = ['EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END'];

function writeFailure(cause: Error): Error {
  if (isSluiceError(cause)) return cause;
  const code = 'code' in cause ? cause.code : undefined;
  if (CLOSED_CODES.includes(code)) return new OutputClosed('The reader of the output is gone', { cause });
  const kind = code === 'ENOSPC' ? 'NO_SPACE' : 'IO';
  return new SluiceError(kind, `Could not write the output: ${cause.message}`, { cause });
}
