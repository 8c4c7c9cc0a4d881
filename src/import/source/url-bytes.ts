/**
 * What an http(s) URL serves. A connection that breaks is taken up again where it broke, by a Range request where the server
 * can, else by reading again and dropping; a document that has changed meanwhile ends the reading.
 */

import type { Clock } from '../../base/env/env.ts';
import { SluiceError, throwIfAborted } from '../../base/errors.ts';
import type { StoredBytes } from './stored-bytes.ts';

export interface UrlLimits {
  /** Without a byte. */
  readonly timeoutMs: number;
  /** In a row, without a byte between them. */
  readonly attemptsMax: number;
  /** Before the second attempt; twice as long before each further one. */
  readonly pauseMs: number;
}

export const URL_LIMITS: UrlLimits = { timeoutMs: 60_000, attemptsMax: 5, pauseMs: 500 };

/** Trouble that may pass. */
class Passing extends Error {}

export class UrlBytes implements StoredBytes {
  readonly name: string;
  readonly file = undefined;
  bytes: number | undefined;
  readonly #clock: Clock;
  readonly #limits: UrlLimits;
  /** Its ETag, or its Last-Modified. */
  document: string | undefined;
  /** The server sends it in an encoding of its own, which is undone on the way: offsets are not those that it knows. */
  #encoded = false;

  /** `document`: which it was when it was read before; another one is BAD_INPUT. */
  constructor(url: string, clock: Clock, document?: string, limits: UrlLimits = URL_LIMITS) {
    this.name = url;
    this.#clock = clock;
    this.document = document;
    this.#limits = limits;
  }

  head(): undefined {
    return undefined;
  }

  async *read(fromOffset: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    let at = fromOffset;
    let attempts = 0;
    for (;;) {
      try {
        for await (const chunk of this.#from(at, signal)) {
          attempts = 0;
          at += chunk.length;
          yield chunk;
        }
        return;
      } catch (error) {
        throwIfAborted(signal);
        if (!(error instanceof Passing)) throw error;
        attempts++;
        if (attempts >= this.#limits.attemptsMax) {
          throw new SluiceError(
            'IO',
            `${this.name} could not be read from byte ${at} on, in ${attempts} attempts: ${error.message}`,
            { cause: error.cause },
          );
        }
        await this.#clock.sleep(this.#limits.pauseMs * 2 ** (attempts - 1), signal);
      }
    }
  }

  /** One response. Throws Passing where another may do better. */
  async *#from(at: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const ending = new AbortController();
    const either = AbortSignal.any([signal, ending.signal]);
    try {
      const ranged = at > 0 && !this.#encoded;
      const headers: Record<string, string> = { 'accept-encoding': 'identity' };
      if (ranged) headers['range'] = `bytes=${at}-`;
      const response = await this.#within(ending, () => fetch(this.name, { headers, signal: either }));
      let drop = this.#begin(response, at, ranged);
      if (drop === undefined || response.body === null) return;
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await this.#within(ending, () => reader.read());
        if (done) break;
        if (drop < value.length) yield value.subarray(drop);
        drop = Math.max(0, drop - value.length);
      }
      if (drop > 0) throw this.#changed(`it ends before byte ${at}`);
    } finally {
      ending.abort();
    }
  }

  /** Runs one step, and no longer than the time limit. */
  async #within<T>(ending: AbortController, step: () => Promise<T>): Promise<T> {
    const cancel = this.#clock.after(this.#limits.timeoutMs, () => ending.abort());
    try {
      return await step();
    } catch (cause) {
      const why = ending.signal.aborted ? `nothing came for ${this.#limits.timeoutMs} ms` : reason(cause);
      throw new Passing(why, { cause });
    } finally {
      cancel();
    }
  }

  /** How many bytes of the response are before `at`; undefined: there is none behind it. */
  #begin(response: Response, at: number, ranged: boolean): number | undefined {
    const { status, headers } = response;
    if (status === 416 && ranged) {
      const total = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1];
      if (total === undefined || Number(total) === at) return undefined;
      throw this.#changed(`it has ${total} bytes, not more than ${at}`);
    }
    if (status !== 200 && status !== 206) throw this.#refused(response);
    const document = headers.get('etag') ?? headers.get('last-modified') ?? undefined;
    if (this.document !== undefined && document !== this.document)
      throw this.#changed('the server sends another document now');
    this.document = document;
    this.#encoded = !['', 'identity'].includes((headers.get('content-encoding') ?? '').toLowerCase());
    if (status === 206) {
      const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
      if (range === null || Number(range[1]) > at || this.#encoded)
        throw new SluiceError('BAD_INPUT', `${this.name}: the server sends another range than asked for`);
      if (range[2] !== '*') this.bytes = Number(range[2]);
      return at - Number(range[1]);
    }
    const length = headers.get('content-length');
    this.bytes = length === null || this.#encoded ? undefined : Number(length);
    return at;
  }

  #refused({ status, statusText }: Response): Error {
    const what = `the server answers ${status}${statusText === '' ? '' : ` ${statusText}`}`;
    if (status === 408 || status === 425 || status === 429 || status >= 500) return new Passing(what);
    const code =
      status === 404 || status === 410
        ? 'FILE_NOT_FOUND'
        : status === 401 || status === 403
          ? 'PERMISSION'
          : 'IO';
    return new SluiceError(code, `${this.name} cannot be read: ${what}`);
  }

  #changed(what: string): SluiceError {
    return new SluiceError('BAD_INPUT', `${this.name} has changed while it was read: ${what}; begin again`);
  }
}

/** fetch says "fetch failed", and why in the cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${reason(error.cause)}` : error.message;
}
