/**
 * Who may ask what. A node without a token and without mutual TLS listens on this machine only, and answers only what names
 * this machine as its host: a page in a browser could otherwise have its own name resolve to 127.0.0.1. Without a token it answers no
 * page either: those need no answer to post what has no body, or any.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Everybody; whoever may use the client API; the other nodes, who may do all. */
export type Access = 'open' | 'client' | 'peer';

export interface AccessOptions {
  /** Of nodes and of clients that may do all. */
  readonly token?: string | undefined;
  /** Of clients: it opens the client API and nothing else. */
  readonly clientToken?: string | undefined;
  /** Certificates are asked for and checked before any request is read. */
  readonly mutualTls?: boolean;
}

const TOKEN_CHARS_MIN = 16;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/;

export class AccessControl {
  readonly #peer: Buffer | undefined;
  readonly #client: Buffer | undefined;
  readonly #mutualTls: boolean;

  /** @throws TypeError for a token that could be guessed, or that no header can carry */
  constructor({ token, clientToken, mutualTls = false }: AccessOptions) {
    checkToken(token, 'token');
    checkToken(clientToken, 'clientToken');
    if (clientToken !== undefined && (token === undefined || token === clientToken))
      throw new TypeError('clientToken must be beside a token, and another one');
    this.#peer = token === undefined ? undefined : digest(token);
    this.#client = clientToken === undefined ? undefined : digest(clientToken);
    this.#mutualTls = mutualTls;
  }

  /** @throws TypeError unless whoever reaches `host` must show who he is, or only this machine does. */
  checkHost(host: string): void {
    if (LOOPBACK.test(host) || this.#peer !== undefined || this.#mutualTls) return;
    throw new TypeError(
      `listen must be a loopback address (127.0.0.1) unless there is a token or mutual TLS; got ${host}`,
    );
  }

  /** What the request may do, at most. */
  of(request: IncomingMessage): Access {
    if (this.#peer === undefined) {
      // A browser says so of whatever a page has it post, and shows a certificate without being asked.
      if (request.headers.origin !== undefined) return 'open';
      if (this.#mutualTls) return 'peer';
      return LOOPBACK.test(hostName(request.headers.host)) ? 'peer' : 'open';
    }
    const token = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) return 'open';
    // Digests have one length, and are compared in constant time; both, whichever matches.
    const given = digest(token);
    const isPeer = timingSafeEqual(given, this.#peer);
    const isClient = timingSafeEqual(given, this.#client ?? this.#peer);
    return isPeer ? 'peer' : isClient ? 'client' : 'open';
  }
}

export function allows(has: Access, needs: Access): boolean {
  return needs === 'open' || has === 'peer' || has === needs;
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function hostName(host: string | undefined): string {
  return (host ?? '').replace(/:\d+$/, '').toLowerCase();
}

function checkToken(token: unknown, argument: string): void {
  if (token === undefined) return;
  if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token) && token.length >= TOKEN_CHARS_MIN) return;
  throw new TypeError(
    `${argument} must be at least ${TOKEN_CHARS_MIN} characters of ASCII without spaces; random ones, please`,
  );
}
