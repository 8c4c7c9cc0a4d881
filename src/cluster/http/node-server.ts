/** A node's HTTP server: who may ask, what there is to ask, how much of it at a time, and an end in good order. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../base/env/env.ts';
import { type HttpServer, listenHttp, type ServerTls } from '../../base/env/http.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import type { Logger } from '../../txn/engine.ts';
import { type Access, AccessControl, type AccessOptions, allows } from './access.ts';
import { type BodyBudget, Call } from './call.ts';
import { Connections } from './connections.ts';
import type { HttpLimits } from './limits.ts';
import { RequestError, refusalOf } from './status-codes.ts';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** '/v1/imports/:id': a part that begins with a colon is any one segment. */
  readonly path: string;
  readonly access: Access;
  run(call: Call): Promise<void> | void;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface NodeServerOptions {
  readonly clock: Clock;
  readonly listen: ListenAddress;
  readonly tls: ServerTls | undefined;
  readonly access: Omit<AccessOptions, 'mutualTls'>;
  readonly limits: HttpLimits;
  readonly logger: Logger | undefined;
}

/** Since the start, for /metrics. */
export interface HttpCounters {
  requests: number;
  underWay: number;
  /** By the first digit of the status. */
  readonly answers: Map<string, number>;
  unauthorized: number;
}

export class NodeServer {
  readonly counters: HttpCounters = { requests: 0, underWay: 0, answers: new Map(), unauthorized: 0 };
  readonly #options: NodeServerOptions;
  readonly #access: AccessControl;
  readonly #routes: { readonly route: Route; readonly parts: readonly string[] }[] = [];
  readonly #budget: BodyBudget = { bytes: 0 };
  /** Of calls under way. A signal of the server's own would keep something of each for as long as it lives. */
  readonly #underWay = new Set<AbortController>();
  readonly #connections = new Connections();
  /** Routes are still to come. */
  opening = false;
  #server: HttpServer | undefined;

  /** @throws TypeError where others than this machine could ask without showing who they are */
  constructor(options: NodeServerOptions) {
    this.#options = options;
    const mutualTls = options.tls?.ca !== undefined;
    this.#access = new AccessControl({ ...options.access, mutualTls });
    this.#access.checkHost(options.listen.host);
  }

  add(routes: readonly Route[]): void {
    for (const route of routes) this.#routes.push({ route, parts: route.path.split('/').slice(1) });
  }

  /** @throws SluiceError UNAVAILABLE when the address is taken or is not this machine's */
  async listen(): Promise<void> {
    const { listen, tls, limits } = this.#options;
    try {
      this.#server = await listenHttp(
        {
          ...listen,
          tls,
          headerBytesMax: limits.headerBytes,
          headersMs: limits.headersMs,
          keepAliveMs: limits.stallMs,
          connectionsMax: limits.connections,
        },
        (request, response) => void this.#serve(request, response),
      );
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new SluiceError('UNAVAILABLE', `Could not listen on ${listen.host}:${listen.port}: ${why}`, {
        cause,
      });
    }
  }

  /** REQUIRES: it listens. */
  get url(): string {
    const { listen, tls } = this.#options;
    const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
    return `${tls === undefined ? 'http' : 'https'}://${host}:${this.#server?.port ?? listen.port}`;
  }

  /** What is being answered has `graceMs` to end; then it is cut. */
  async close(graceMs: number): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const drained = server.drain();
    const cancel = this.#options.clock.after(graceMs, () => {
      this.#endCalls();
      server.destroy();
    });
    await drained;
    cancel();
    this.#endCalls();
  }

  #endCalls(): void {
    for (const ending of this.#underWay) ending.abort();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { counters } = this;
    const { clock, limits } = this.#options;
    counters.requests++;
    counters.underWay++;
    const ending = new AbortController();
    this.#underWay.add(ending);
    this.#connections.untilEnd(request.socket, response, () => {
      this.#underWay.delete(ending);
      counters.underWay--;
      count(counters.answers, `${Math.floor(response.statusCode / 100)}xx`);
      ending.abort();
    });
    for (const stream of [request, response]) stream.on('error', () => undefined); // 'close' follows
    const access = this.#access.of(request);
    const { path, query } = targetOf(request);
    const found = this.#find(request.method ?? '', path);
    const call = new Call({
      request,
      response,
      clock,
      limits,
      budget: this.#budget,
      access,
      parameters: found.parameters,
      query,
      signal: ending.signal,
    });
    try {
      await this.#admit(found, access).run(call);
    } catch (error) {
      this.#refuse(call, path, error);
    }
  }

  /** Whoever does not show who he is learns nothing of what there is. */
  #admit({ route, methods }: Found, access: Access): Route {
    if (route?.access === 'open') return route;
    // To everybody, and of all paths alike.
    if (route === undefined && this.opening)
      throw new RequestError(503, 'this node is being opened; try again', { 'retry-after': '1' });
    if (access === 'open') {
      this.counters.unauthorized++;
      throw new RequestError(401, 'a token is needed: authorization: Bearer …', {
        'www-authenticate': 'Bearer',
      });
    }
    if (route === undefined) {
      if (methods.length === 0) throw new RequestError(404, 'there is nothing of that name');
      throw new RequestError(405, `the method must be ${methods.join(' or ')}`, {
        allow: methods.join(', '),
      });
    }
    if (!allows(access, route.access)) throw new RequestError(403, 'this token does not allow that');
    if (this.counters.underWay > this.#options.limits.requests)
      throw new RequestError(503, 'too many requests are under way; try again', { 'retry-after': '1' });
    return route;
  }

  #find(method: string, path: readonly string[] | undefined): Found {
    if (path === undefined) return NOTHING;
    const methods: string[] = [];
    for (const { route, parts } of this.#routes) {
      if (!matches(parts, path)) continue;
      if (route.method === (method === 'HEAD' ? 'GET' : method)) {
        const parameters = path.filter((_, i) => parts[i]?.startsWith(':'));
        return { route, parameters, methods };
      }
      methods.push(route.method);
    }
    return { ...NOTHING, methods };
  }

  #refuse(call: Call, path: readonly string[] | undefined, error: unknown): void {
    const refusal = refusalOf(error);
    const about = { path: path === undefined ? undefined : `/${path.join('/')}` };
    const { logger } = this.#options;
    // Nobody is there to be told.
    const isGone = call.signal.aborted && isSluiceError(error, 'ABORTED');
    if (refusal === undefined) logger?.error({ ...about, err: error }, 'a request failed for a bug');
    else if (refusal.status >= 500 && !isGone) logger?.warn({ ...about, err: error }, 'a request failed');
    else logger?.debug({ ...about, err: error }, 'a request was refused');
    const { status, body, headers } = refusal ?? INTERNAL;
    call.refuse(status, body, headers);
  }
}

interface Found {
  readonly route: Route | undefined;
  readonly parameters: readonly string[];
  /** That the path can be asked with, where `route` is undefined. */
  readonly methods: readonly string[];
}

const NOTHING: Found = { route: undefined, parameters: [], methods: [] };

const INTERNAL = {
  status: 500,
  body: { error: { code: 'INTERNAL', message: 'the node failed; its log says why' } },
  headers: {},
};

function matches(parts: readonly string[], path: readonly string[]): boolean {
  return parts.length === path.length && parts.every((part, i) => part.startsWith(':') || part === path[i]);
}

/** Segments of the path, decoded; undefined of a target that is none of ours. */
function targetOf({ url = '' }: IncomingMessage): {
  path: readonly string[] | undefined;
  query: URLSearchParams;
} {
  const [path = '', ...query] = url.split('?');
  const parameters = new URLSearchParams(query.join('?'));
  if (!path.startsWith('/')) return { path: undefined, query: parameters };
  try {
    return { path: path.slice(1).split('/').map(decodeURIComponent), query: parameters };
  } catch {
    return { path: undefined, query: parameters };
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
