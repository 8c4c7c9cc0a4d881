/** HTTP as the cluster sees it: a server with limits, and single requests. An embedded database loads none of this. */

import http, { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** PEM text. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  /** Given: clients must have a certificate that one of these has signed (mutual TLS). */
  readonly ca?: string;
}

/** PEM text. `ca`: who signs the servers' certificates, instead of the system's; `cert` and `key`: ours, of mutual TLS. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface HttpServerOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly tls: ServerTls | undefined;
  readonly headerBytesMax: number;
  /** Until the headers of a request are complete, from the connection or the end of the request before; of the TLS handshake too. */
  readonly headersMs: number;
  readonly keepAliveMs: number;
  readonly connectionsMax: number;
}

export interface HttpServer {
  readonly port: number;
  /** No new connections; resolves when those that there are have ended. */
  drain(): Promise<void>;
  /** Cuts what is left. */
  destroy(): void;
}

const HEADERS_MAX = 64;

/**
 * @param onRequest must not throw; of a request with `Expect: 100-continue` it calls `writeContinue` before it reads the body
 * @throws the system's error, when the address cannot be had
 */
export async function listenHttp(
  options: HttpServerOptions,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<HttpServer> {
  const server = createServer(options);
  server.maxConnections = options.connectionsMax;
  server.maxHeadersCount = HEADERS_MAX;
  let draining = false;
  for (const event of ['request', 'checkContinue']) {
    server.on(event, (request: IncomingMessage, response: ServerResponse) => {
      // A connection that falls idle only now would otherwise be kept for its next request.
      response.once('close', () => {
        if (draining) setImmediate(() => server.closeIdleConnections());
      });
      onRequest(request, response);
    });
  }
  server.on('clientError', refuseMalformed);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    drain: () =>
      new Promise((resolve) => {
        draining = true;
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
    destroy: () => server.closeAllConnections(),
  };
}

function createServer(options: HttpServerOptions): http.Server | https.Server {
  const { tls, headersMs, keepAliveMs } = options;
  const shared = {
    maxHeaderSize: options.headerBytesMax,
    headersTimeout: headersMs,
    // How long a body may take is for whoever reads it: an upload takes longer than a question.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    connectionsCheckingInterval: Math.max(50, Math.min(1000, headersMs / 2)),
  };
  if (tls === undefined) return http.createServer(shared);
  const { cert, key, ca } = tls;
  return https.createServer({
    ...shared,
    cert,
    key,
    minVersion: 'TLSv1.2',
    handshakeTimeout: headersMs,
    ...(ca !== undefined && { ca, requestCert: true, rejectUnauthorized: true }),
  });
}

/** Not HTTP, too long, or too slow: told in a word, and cut. */
function refuseMalformed(error: Error & { code?: string }, socket: Socket | NodeJS.WritableStream): void {
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  if (!('destroy' in socket)) return;
  if (socket.writable && error.code !== 'ECONNRESET')
    socket.write(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  socket.destroy();
}

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
  /** The connection may be silent so long, in both directions. */
  readonly stallMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Must be read to its end, or left by `destroy`. */
  readonly body: AsyncIterable<Uint8Array>;
  /**
   * Instead of `body`, at less cost: gives each piece to `take` as it comes, and waits for what that returns. Resolves at the end.
   * @throws what `take` throws; what breaks the connection
   */
  pump(take: (piece: Uint8Array) => Promise<void> | undefined): Promise<void>;
  destroy(): void;
}

/** What failed before an answer; `sent` is false where the other side cannot have seen the request. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';
  readonly sent: boolean;

  constructor(message: string, sent: boolean, cause: unknown) {
    super(message, { cause });
    this.sent = sent;
  }
}

/** Connections that are used again. */
export class HttpConnections {
  readonly #plain: http.Agent;
  readonly #tls: https.Agent;

  constructor(tls: ClientTls = {}, socketsMax = 256) {
    const shared = { keepAlive: true, maxSockets: socketsMax, maxFreeSockets: 16 };
    this.#plain = new http.Agent(shared);
    this.#tls = new https.Agent({ ...shared, ...tls, minVersion: 'TLSv1.2' });
  }

  /** @throws HttpFailure; TypeError for a URL that is none */
  request(given: HttpRequest): Promise<HttpAnswer> {
    const url = new URL(given.url);
    const secure = url.protocol === 'https:';
    if (!secure && url.protocol !== 'http:') throw new TypeError(`${given.url} is not an http(s) URL`);
    return new Promise((resolve, reject) => {
      let sent = false;
      const { method, headers, signal } = given;
      const options = { method, headers, ...(signal !== undefined && { signal }) };
      const request = secure
        ? https.request(url, { ...options, agent: this.#tls })
        : http.request(url, { ...options, agent: this.#plain });
      request.setTimeout(given.stallMs, () => {
        request.destroy(new Error(`the connection was silent for ${given.stallMs} ms`));
      });
      request.on('socket', (socket) => {
        if (!socket.connecting) sent = true;
        else
          socket.once(secure ? 'secureConnect' : 'connect', () => {
            sent = true;
          });
      });
      request.on('error', (cause) => reject(new HttpFailure(reason(cause), sent, cause)));
      request.on('response', (response: IncomingMessage) =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: response,
          pump: (take) => pump(response, take),
          destroy: () => void response.destroy(),
        }),
      );
      void send(request, given.body);
    });
  }

  close(): void {
    this.#plain.destroy();
    this.#tls.destroy();
  }
}

function pump(
  response: IncomingMessage,
  take: (piece: Uint8Array) => Promise<void> | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      reject(error);
      response.destroy();
    };
    response.on('data', (piece: Uint8Array) => {
      try {
        const wait = take(piece);
        if (wait === undefined) return;
        response.pause();
        wait.then(() => response.resume(), fail);
      } catch (error) {
        fail(error);
      }
    });
    response.on('end', resolve);
    response.on('error', reject);
    response.on('close', () => reject(new Error('the connection was closed')));
  });
}

/** What fails here fails the request, which tells it. */
async function send(request: http.ClientRequest, body: HttpRequest['body']): Promise<void> {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    request.end(body);
    return;
  }
  try {
    for await (const chunk of body) {
      if (request.destroyed) return;
      if (!request.write(chunk)) await drained(request);
    }
    request.end();
  } catch (error) {
    request.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Or gone. */
function drained(stream: http.ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}

/** Of several addresses that were all refused Node gives an error without a message. */
function reason(cause: Error): string {
  if (cause.message !== '') return cause.message;
  return 'code' in cause ? String(cause.code) : cause.name;
}
