/** How a node is reached, and by whom: the options of its server. */

import type { ClientTls, ServerTls } from '../base/env/http.ts';
import type { PullLimits } from './files/pulls.ts';
import { type HttpLimits, httpLimits } from './http/limits.ts';
import type { ListenAddress } from './http/node-server.ts';

/** PEM text. */
export interface NodeTls {
  readonly cert: string;
  readonly key: string;
  /** Who signs the nodes' certificates; the system's authorities when absent. */
  readonly ca?: string;
  /** Whoever connects must have a certificate that `ca` has signed; true by default, where there is a `ca`. */
  readonly clientCertificates?: boolean;
}

export interface HttpOptions {
  /** 'HOST:PORT'; '127.0.0.1:0', any free port, by default. Another host than this machine needs a token or client certificates. */
  readonly listen?: string;
  /**
   * 'HOST:PORT' where a thread of this node sends large files to the others, so that they do not hold up what else it is asked: the
   * others must reach the port at the host by which they call this node. Any free port where `listen` has any and there is no
   * `advertise`; otherwise files go through `listen`.
   */
  readonly listenFiles?: string;
  /** Where the other nodes reach this one; what it listens on by default. */
  readonly advertise?: string;
  /** What nodes, and clients that may do all, show: at least 16 characters, random. The same on all nodes. */
  readonly token?: string;
  /** What opens the client API and nothing else. */
  readonly clientToken?: string;
  readonly tls?: NodeTls;
  readonly limits?: Partial<HttpLimits>;
  /** Of files that come from other nodes. */
  readonly pulls?: Partial<PullLimits>;
  /** Directories below which clients may name files of this machine; none by default. */
  readonly ingestDirs?: readonly string[];
}

export interface HttpSettings {
  readonly listen: ListenAddress;
  readonly listenFiles: ListenAddress | undefined;
  readonly advertise: string | undefined;
  readonly token: string | undefined;
  readonly clientToken: string | undefined;
  readonly serverTls: ServerTls | undefined;
  readonly clientTls: ClientTls | undefined;
  readonly limits: HttpLimits;
  readonly pulls: Partial<PullLimits>;
  readonly ingestDirs: readonly string[];
}

const ANYWHERE = new Set(['0.0.0.0', '::']);

/** @throws TypeError */
export function resolveHttpOptions(options: HttpOptions): HttpSettings {
  const { token, clientToken, tls, advertise, ingestDirs = [] } = options;
  const listen = parseListen(options.listen ?? '127.0.0.1:0', 'listen');
  if (advertise !== undefined && !isHttpUrl(advertise))
    throw new TypeError(`options.advertise must be an http(s) URL; got ${JSON.stringify(advertise)}`);
  if (advertise === undefined && ANYWHERE.has(listen.host))
    throw new TypeError(`options.advertise must be given where options.listen is ${listen.host}`);
  if (!Array.isArray(ingestDirs)) throw new TypeError('options.ingestDirs must be an array of paths');
  return {
    listen,
    listenFiles: listenFilesOf(options, listen),
    advertise: advertise?.replace(/\/+$/, ''),
    token,
    clientToken,
    ...tlsOf(tls),
    limits: httpLimits(options.limits, 'options.limits'),
    pulls: pullLimits(options.pulls),
    ingestDirs,
  };
}

function tlsOf(tls: NodeTls | undefined): Pick<HttpSettings, 'serverTls' | 'clientTls'> {
  if (tls === undefined) return { serverTls: undefined, clientTls: undefined };
  const { cert, key, ca, clientCertificates = ca !== undefined } = tls;
  for (const [name, value] of Object.entries({ cert, key }))
    if (typeof value !== 'string' || !value.includes('-----BEGIN'))
      throw new TypeError(`options.tls.${name} must be PEM text`);
  if (clientCertificates && ca === undefined)
    throw new TypeError('options.tls.ca must be given where client certificates are asked for');
  return {
    serverTls: { cert, key, ...(clientCertificates && ca !== undefined && { ca }) },
    clientTls: { ...(ca !== undefined && { ca }), ...(clientCertificates && { cert, key }) },
  };
}

function listenFilesOf(
  { listenFiles, advertise }: HttpOptions,
  listen: ListenAddress,
): ListenAddress | undefined {
  if (listenFiles !== undefined) return parseListen(listenFiles, 'listenFiles');
  return listen.port === 0 && advertise === undefined ? listen : undefined;
}

function parseListen(listen: string, name: 'listen' | 'listenFiles'): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(listen);
  const [host, port] = [match?.[1] ?? match?.[2], Number(match?.[3])];
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new TypeError(`options.${name} must be HOST:PORT, [IPV6]:PORT; got ${JSON.stringify(listen)}`);
}

function pullLimits(given: Partial<PullLimits> = {}): Partial<PullLimits> {
  const { transfers, bytesPerSecond } = given;
  if (transfers !== undefined && !(Number.isSafeInteger(transfers) && transfers >= 1 && transfers <= 64))
    throw new TypeError('options.pulls.transfers must be a whole number from 1 to 64');
  const slow = bytesPerSecond !== undefined && bytesPerSecond !== 0 && !(bytesPerSecond >= 65_536);
  if (slow) throw new TypeError('options.pulls.bytesPerSecond must be 0, no limit, or at least 65536');
  return given;
}

function isHttpUrl(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value);
}
