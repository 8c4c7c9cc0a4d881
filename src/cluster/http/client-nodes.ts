/** The nodes that a client asks: one after the other, until one answers. */

import { type ClientTls, type HttpAnswer, HttpConnections, HttpFailure } from '../../base/env/http.ts';
import { SluiceError, throwIfAborted } from '../../base/errors.ts';
import {
  type Body,
  isBroken,
  isError,
  isWorking,
  jsonBody,
  linesOf,
  outcomeUnknown,
  parse,
} from './client-wire.ts';
import { errorOf } from './status-codes.ts';

export interface Asking {
  readonly signal?: AbortSignal | undefined;
  /** Asking twice is as asking once. */
  readonly again: boolean;
  /** So many may be asked, from the current one on; all by default. */
  readonly nodesMax?: number;
}

export interface Sent {
  readonly answer: HttpAnswer;
  readonly url: string;
}

export class ClientNodes {
  readonly #urls: readonly string[];
  readonly #token: string | undefined;
  readonly #timeoutMs: number;
  readonly #connections: HttpConnections;
  /** Whom we asked last with success. */
  #current = 0;

  constructor(
    urls: readonly string[],
    token: string | undefined,
    tls: ClientTls | undefined,
    timeoutMs: number,
  ) {
    this.#urls = urls.map((url) => url.replace(/\/+$/, ''));
    this.#token = token;
    this.#timeoutMs = timeoutMs;
    this.#connections = new HttpConnections(tls);
  }

  get count(): number {
    return this.#urls.length;
  }

  /** The one that was asked last is not asked first any more. */
  passOver(): void {
    this.#current = (this.#current + 1) % this.#urls.length;
  }

  async ask(method: string, path: string, question: unknown, options: Asking): Promise<unknown> {
    const body = question === undefined ? {} : jsonBody(question);
    return this.json(await this.send(method, path, body, options), options.signal, options.again);
  }

  /** @throws SluiceError what the answer says; OUTCOME_UNKNOWN where it broke off */
  async json({ answer, url }: Sent, signal: AbortSignal | undefined, again = false): Promise<unknown> {
    let last: unknown;
    try {
      for await (const line of linesOf(answer, url, signal)) last = parse(line);
    } catch (error) {
      // What was asked has arrived; what became of it is not known.
      if (again || answer.status !== 200 || !isBroken(error)) throw error;
      throw outcomeUnknown(url, error);
    } finally {
      answer.destroy();
    }
    if (answer.status !== 200 || isError(last)) throw errorOf(answer.status, last, url);
    if (isWorking(last)) throw outcomeUnknown(url, undefined);
    return last;
  }

  /** Asks one node after the other: where one cannot have seen the request, has done nothing of it, or `again` says that twice is as once. */
  async send(
    method: string,
    path: string,
    body: Body,
    { signal, again, nodesMax = this.#urls.length }: Asking,
  ): Promise<Sent> {
    // A stream that has begun cannot be sent again.
    const isStream = typeof body.body === 'object' && !(body.body instanceof Uint8Array);
    let failure: unknown;
    for (let tried = 0; tried < nodesMax; tried++) {
      throwIfAborted(signal);
      const index = (this.#current + tried) % this.#urls.length;
      const url = this.#urls[index] ?? '';
      try {
        const answer = await this.#connections.request({
          method,
          url: url + path,
          headers: {
            ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
            ...body.headers,
          },
          stallMs: this.#timeoutMs,
          ...(body.body !== undefined && { body: body.body }),
          ...(signal !== undefined && { signal }),
        });
        // It is halted, on its way up, or has too much to do, and has done nothing: OUTCOME_UNKNOWN has another status.
        if (answer.status === 503 && tried + 1 < nodesMax && !isStream) answer.destroy();
        else {
          this.#current = index;
          return { answer, url };
        }
      } catch (error) {
        throwIfAborted(signal);
        if (!(error instanceof HttpFailure)) throw error;
        if (error.sent && !again) throw outcomeUnknown(url, error);
        if (error.sent && isStream)
          throw new SluiceError('UNAVAILABLE', `${url}: ${error.message}`, { cause: error });
        failure = new SluiceError('UNAVAILABLE', `${url} could not be asked: ${error.message}`, {
          cause: error,
        });
      }
    }
    throw failure;
  }

  close(): void {
    this.#connections.close();
  }
}
