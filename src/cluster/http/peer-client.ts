/** What a node asks of the others. */

import type { HttpAnswer, HttpConnections } from '../../base/env/http.ts';
import { HttpFailure } from '../../base/env/http.ts';
import { isSluiceError, SluiceError, throwIfAborted } from '../../base/errors.ts';
import type { FileFacts } from '../files/file-exchange.ts';
import { FOLLOWS } from './send-file.ts';
import { errorOf } from './status-codes.ts';

/** Of an answer that is read whole. */
const ANSWER_BYTES_MAX = 64 << 20;

export interface PeerClientSettings {
  readonly connections: HttpConnections;
  readonly token: string | undefined;
  readonly stallMs: number;
}

export class PeerClient {
  readonly #settings: PeerClientSettings;
  /** Nodes of which no other port than that of their address can be reached. */
  readonly #oneAddress = new Set<string>();

  constructor(settings: PeerClientSettings) {
    this.#settings = settings;
  }

  /** A held file from byte `from` on. Whatever the status, the answer is the caller's to leave. */
  file(source: string, digest: string, from: number, signal: AbortSignal): Promise<HttpAnswer> {
    return this.range(source, `/files/${digest}`, from, signal);
  }

  async range(source: string, path: string, from: number, signal: AbortSignal): Promise<HttpAnswer> {
    const range = from === 0 ? {} : { range: `bytes=${from}-` };
    const url = urlOf(source, path);
    const ask = (where: string, headers: Readonly<Record<string, string>>): Promise<HttpAnswer> =>
      this.request('GET', where, { ...range, ...headers }, undefined, signal);
    if (this.#oneAddress.has(source)) return ask(url, {});
    const answer = await ask(url, { [FOLLOWS]: '1' });
    if (answer.status !== 307) return answer;
    await readText(source, answer, signal);
    const location = samePlace(url, answer.headers.location);
    if (location === undefined) return ask(url, {});
    try {
      return await ask(location, {});
    } catch (error) {
      if (!isSluiceError(error, 'UNAVAILABLE')) throw error;
      this.#oneAddress.add(source);
      return ask(url, {});
    }
  }

  /** Resolves when the peer holds the file and has announced it. */
  async stage(
    peer: string,
    { digest, bytes }: FileFacts,
    sources: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.askAtLength(peer, `/files/${digest}/stage`, signal, { bytes, sources });
  }

  /** What may take long: a line now and then says that the peer is still at it; the last one says how it ended. */
  async askAtLength(peer: string, path: string, signal: AbortSignal, question?: object): Promise<unknown> {
    const body = question && JSON.stringify(question);
    const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    const answer = await this.request('POST', urlOf(peer, path), headers, body, signal);
    if (answer.status !== 200) throw await this.failureOf(peer, answer);
    const lines = (await readText(peer, answer, signal)).trimEnd().split('\n');
    const last = parse(lines.at(-1) ?? '');
    if (typeof last === 'object' && last !== null && 'done' in last) return last.done;
    throw errorOf(200, last, peer);
  }

  /** @throws SluiceError UNAVAILABLE when the peer cannot be reached, ABORTED */
  async request(
    method: string,
    url: string,
    headers: Readonly<Record<string, string>>,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const { connections, token, stallMs } = this.#settings;
    throwIfAborted(signal);
    try {
      return await connections.request({
        method,
        url,
        headers: {
          ...headers,
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
        },
        stallMs,
        signal,
        ...(body !== undefined && { body }),
      });
    } catch (cause) {
      throwIfAborted(signal);
      if (!(cause instanceof HttpFailure)) throw cause;
      throw new SluiceError('UNAVAILABLE', `${url} could not be asked: ${cause.message}`, { cause });
    }
  }

  /** A question with an answer in JSON. @throws SluiceError UNAVAILABLE, and what the peer answers */
  async ask(method: string, peer: string, path: string, signal: AbortSignal): Promise<unknown> {
    const answer = await this.request(method, urlOf(peer, path), {}, undefined, signal);
    if (answer.status !== 200) throw await this.failureOf(peer, answer);
    return parse(await readText(peer, answer, signal));
  }

  async failureOf(peer: string, answer: HttpAnswer): Promise<Error> {
    const { status } = answer;
    return errorOf(status, parse(await readText(peer, answer)), peer);
  }

  close(): void {
    this.#settings.connections.close();
  }
}

function urlOf(base: string, path: string): string {
  return `${base.replace(/\/+$/, '')}${path}`;
}

/** Another port of the same host, asked the same way: what shows who we are goes nowhere else. */
function samePlace(url: string, location: string | undefined): string | undefined {
  if (location === undefined || !URL.canParse(location)) return undefined;
  const [from, to] = [new URL(url), new URL(location)];
  return to.protocol === from.protocol && to.hostname === from.hostname ? location : undefined;
}

async function readText(peer: string, answer: HttpAnswer, signal?: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer.body) {
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX)
        throw new SluiceError('LIMIT_EXCEEDED', `${peer} answers more than ${ANSWER_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    throwIfAborted(signal);
    if (cause instanceof SluiceError) throw cause;
    throw new SluiceError('UNAVAILABLE', `${peer} broke off its answer`, { cause });
  } finally {
    answer.destroy();
  }
  return Buffer.concat(chunks, bytes).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
