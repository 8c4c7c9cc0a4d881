/** One request and its answer, with the limits on both. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../base/env/env.ts';
import { SluiceError, throwIfAborted } from '../../base/errors.ts';
import type { Access } from './access.ts';
import type { HttpLimits } from './limits.ts';
import { RequestError } from './status-codes.ts';

/** What JSON bodies in memory take together. */
export interface BodyBudget {
  bytes: number;
}

export interface CallSettings {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly clock: Clock;
  readonly limits: HttpLimits;
  readonly budget: BodyBudget;
  readonly access: Access;
  /** Of the path, decoded. */
  readonly parameters: readonly string[];
  readonly query: URLSearchParams;
  /** Fires when the caller has gone, or the server wants to end. */
  readonly signal: AbortSignal;
}

export class Call {
  readonly access: Access;
  readonly parameters: readonly string[];
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
  readonly limits: HttpLimits;
  readonly #settings: CallSettings;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(settings: CallSettings) {
    this.access = settings.access;
    this.parameters = settings.parameters;
    this.query = settings.query;
    this.signal = settings.signal;
    this.limits = settings.limits;
    this.#settings = settings;
    this.#request = settings.request;
    this.#response = settings.response;
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /**
   * The body, which must be JSON and said to be: no page of another site can have a browser send that unasked.
   *
   * @throws RequestError
   */
  async json(): Promise<unknown> {
    const type = (this.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase();
    if (type !== 'application/json') throw new RequestError(415, 'content-type must be application/json');
    const { clock, limits, budget } = this.#settings;
    const declared = this.#declaredBytes(limits.bodyBytes);
    const held = declared ?? 0;
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    let late = false;
    // The whole body within its time: a byte now and then is no progress.
    const cancel = clock.after(limits.bodyMs, () => {
      late = true;
      this.#request.destroy();
    });
    this.#reserve(budget, held);
    let reserved = held;
    try {
      for await (const chunk of this.#chunks()) {
        bytes += chunk.length;
        if (bytes > limits.bodyBytes) throw tooLarge(limits.bodyBytes);
        if (bytes > reserved) {
          this.#reserve(budget, bytes - reserved);
          reserved = bytes;
        }
        chunks.push(chunk);
      }
    } catch (error) {
      if (late) throw new RequestError(408, `the body did not come within ${limits.bodyMs} ms`);
      throw error;
    } finally {
      cancel();
      budget.bytes -= reserved;
    }
    try {
      return JSON.parse(Buffer.concat(chunks, bytes).toString('utf8'));
    } catch {
      throw new RequestError(400, 'the body must be JSON');
    }
  }

  /**
   * The body as it comes. What it stalls for, or is longer than `bytesMax`, ends it with an error; so it is never taken for whole
   * when it is not.
   */
  async *stream(bytesMax: number): AsyncIterable<Uint8Array> {
    this.#declaredBytes(bytesMax);
    let bytes = 0;
    for await (const chunk of this.#chunks()) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw tooLarge(bytesMax);
      yield chunk;
    }
  }

  /** The body's length, where the caller tells. */
  get bodyBytes(): number | undefined {
    const text = this.header('content-length');
    return text === undefined ? undefined : Number(text);
  }

  answer(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
    const text = JSON.stringify(body);
    const bytes = Buffer.byteLength(text);
    if (bytes > this.limits.answerBytes && status < 400)
      throw new SluiceError(
        'LIMIT_EXCEEDED',
        `The answer would have ${bytes} bytes, more than ${this.limits.answerBytes}; ask for less at a time`,
      );
    this.#response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': bytes,
      ...SAFE,
      ...this.#last(),
      ...headers,
    });
    this.#response.end(text);
  }

  text(status: number, type: string, text: string): void {
    this.#response.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(text),
      ...SAFE,
      ...this.#last(),
    });
    this.#response.end(text);
  }

  begin(status: number, headers: Readonly<Record<string, string | number>>): void {
    this.#response.writeHead(status, { ...SAFE, ...headers });
  }

  get begun(): boolean {
    return this.#response.headersSent;
  }

  get isSecure(): boolean {
    return 'encrypted' in this.#request.socket;
  }

  get isHead(): boolean {
    return this.#request.method === 'HEAD';
  }

  /**
   * Resolves when the connection has room for more. Each piece must be taken within `stallMs`, so whoever reads slower than a
   * piece in that time is cut off, and holds no file and no snapshot.
   *
   * @param signal ends the wait too
   * @throws SluiceError ABORTED when the caller has gone, or is too slow
   */
  async write(chunk: Uint8Array | string, signal = this.signal): Promise<void> {
    throwIfAborted(signal);
    const response = this.#response;
    if (response.write(chunk)) return;
    await this.#until(signal, (done) => response.on('drain', done));
  }

  /** As `write`, but resolves when the system has the bytes: they may be written over then. */
  async send(chunk: Uint8Array): Promise<void> {
    throwIfAborted(this.signal);
    await this.#until(this.signal, (done) => this.#response.write(chunk, done));
  }

  async #until(signal: AbortSignal, begin: (done: () => void) => void): Promise<void> {
    const { clock, limits } = this.#settings;
    const response = this.#response;
    const cancel = clock.after(limits.stallMs, () => response.destroy());
    try {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          response.off('drain', done);
          response.off('close', done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        begin(done);
        response.on('close', done);
        signal.addEventListener('abort', done);
      });
    } finally {
      cancel();
    }
    throwIfAborted(signal);
    if (response.destroyed || response.closed) throw new SluiceError('ABORTED', 'The caller has gone');
  }

  end(): void {
    this.#response.end();
  }

  /** So that the caller does not take what he has for the whole. */
  destroy(): void {
    this.#response.destroy();
  }

  refuse(status: number, body: unknown, headers: Readonly<Record<string, string>>): void {
    if (this.begun) {
      this.destroy();
      return;
    }
    this.answer(status, body, headers);
  }

  async *#chunks(): AsyncIterable<Uint8Array> {
    const { clock, limits, response } = this.#settings;
    const request = this.#request;
    if (request.headers.expect !== undefined) response.writeContinue();
    const iterator = (request as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    for (;;) {
      const cancel = clock.after(limits.stallMs, () => request.destroy());
      let next: IteratorResult<Uint8Array>;
      try {
        next = await iterator.next();
      } catch (cause) {
        throw new SluiceError('ABORTED', 'The body of the request broke off', { cause });
      } finally {
        cancel();
      }
      if (next.done === true) break;
      yield next.value;
    }
    if (!request.complete) throw new SluiceError('ABORTED', 'The body of the request broke off');
  }

  /** Of a body that nobody wants the rest is not waited for, however long it is: the connection ends with the answer. */
  #last(): Readonly<Record<string, string>> {
    const { complete, headers } = this.#request;
    const hasBody = headers['transfer-encoding'] !== undefined || (this.bodyBytes ?? 0) > 0;
    return hasBody && !complete ? { connection: 'close' } : {};
  }

  #declaredBytes(bytesMax: number): number | undefined {
    const declared = this.bodyBytes;
    if (declared !== undefined && declared > bytesMax) throw tooLarge(bytesMax);
    return declared;
  }

  #reserve(budget: BodyBudget, bytes: number): void {
    if (budget.bytes + bytes > this.limits.bodyBytesTotal)
      throw new RequestError(503, 'too many bodies are being read; try again', { 'retry-after': '1' });
    budget.bytes += bytes;
  }
}

const SAFE = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

function tooLarge(bytes: number): RequestError {
  return new RequestError(413, `the body is longer than ${bytes} bytes`);
}
