/** An answer of many entries, as lines of JSON as they come, and one at the end: without that one it is not whole. */

import type { Clock } from '../../base/env/env.ts';
import { SluiceError } from '../../base/errors.ts';
import type { Call } from '../http/call.ts';

const LINE_ENTRIES = 256;
const LINE_BYTES = 256 << 10;

export class LineAnswer {
  readonly #call: Call;
  /** Of the entries of a line. */
  readonly #name: string;
  readonly #signal: AbortSignal;
  #line: string[] = [];
  #bytes = 0;

  constructor(call: Call, name: string, signal: AbortSignal) {
    this.#call = call;
    this.#name = name;
    this.#signal = signal;
  }

  /** True when a line is full: then `send` it. */
  add(entry: readonly unknown[]): boolean {
    const text = JSON.stringify(entry);
    this.#line.push(text);
    this.#bytes += text.length;
    return this.#line.length >= LINE_ENTRIES || this.#bytes >= LINE_BYTES;
  }

  async send(): Promise<void> {
    const call = this.#call;
    if (!call.begun) call.begin(200, { 'content-type': 'application/x-ndjson' });
    if (this.#line.length > 0)
      await call.write(`{"${this.#name}":[${this.#line.join(',')}]}\n`, this.#signal);
    this.#line = [];
    this.#bytes = 0;
  }

  async end(told: object): Promise<void> {
    await this.send();
    await this.#call.write(`${JSON.stringify({ end: told })}\n`);
    this.#call.end();
  }
}

/** Ends what takes longer than a scan may. The signal fires then, and when the caller has gone. */
export async function withinScanTime<T>(
  call: Call,
  clock: Clock,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const { scanMs } = call.limits;
  const cancel = clock.after(scanMs, () => late.abort());
  try {
    return await act(AbortSignal.any([call.signal, late.signal]));
  } catch (error) {
    // Said only where nothing was sent yet; else the answer ends without its last line.
    if (late.signal.aborted && !call.signal.aborted)
      throw new SluiceError('LIMIT_EXCEEDED', `A scan may take ${scanMs} ms; scan a part at a time`);
    throw error;
  } finally {
    cancel();
  }
}
