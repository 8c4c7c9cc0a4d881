/**
 * The members of etcd as one: calls go to the member that answered last, or leads (etcd-leader.ts), and on to the next when it does not.
 *
 * etcd3 has a client each, with its own retries and circuit breakers switched off: it would retry without knowing
 * what we must know (whether a call was sent more than once), and keep a member closed for seconds after it is back.
 */

import type { Etcd3, IOptions } from 'etcd3';
import { at, unreachable } from '../../../base/assert.ts';
import type { Env } from '../../../base/env/env.ts';
import type { SluiceError } from '../../../base/errors.ts';
import { classify, etcdError, isTokenOld } from './etcd-failure.ts';
import { closedError, type EtcdOptions } from './etcd-options.ts';

export interface EtcdTiming {
  /** One try at one member. A paused or cut member costs a call this long, once. */
  readonly attemptMs: number;
  /** All tries of a call: longer than an election of a new leader of etcd. */
  readonly callMs: number;
  /** After so long without news, a reader of the log asks whether there are any. */
  readonly silenceMs: number;
  /** Who leads etcd is asked this often at most; Infinity: never. */
  readonly leaderMs: number;
}

export const DEFAULT_TIMING: EtcdTiming = {
  attemptMs: 3_000,
  callMs: 15_000,
  silenceMs: 1_500,
  leaderMs: 5_000,
};

const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 1_000;

const GRPC_OPTIONS = {
  // Else a new connection would be the old one that hangs: an attempt to connect has no timeout once TCP has
  // accepted (grpc-node issue 2785), which is what a paused member or a half-open network does.
  'grpc.use_local_subchannel_pool': 1,
  // Entries that a reader catches up with come in bulk; fragments of an answer have 2 MiB, other answers what they ask for.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Not below 5 s: etcd ends connections that ask more often.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
};

/** Cockatiel's interface of a policy that does nothing. */
const noPolicy = {
  _altReturn: undefined as never,
  onSuccess: () => ({ dispose: () => undefined }),
  onFailure: () => ({ dispose: () => undefined }),
  execute: async <T>(
    run: (context: { readonly signal: AbortSignal; readonly attempt: number }) => PromiseLike<T> | T,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<T> => await run({ signal, attempt: 0 }),
};

function clientOptions(host: string, options: EtcdOptions, env: Env, attemptMs: number): IOptions {
  const { tls, auth } = options;
  return {
    hosts: [host],
    grpcOptions: GRPC_OPTIONS,
    faultHandling: { host: () => noPolicy, global: noPolicy },
    // Of the calls that have none of their own, which are those for a token.
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: env.clock.nowMs() + attemptMs }),
    ...(auth === undefined ? {} : { auth: { username: auth.username, password: auth.password } }),
    ...(tls === undefined
      ? {}
      : {
          credentials: {
            rootCertificate: Buffer.from(tls.ca),
            ...(tls.key === undefined ? {} : { privateKey: Buffer.from(tls.key) }),
            ...(tls.cert === undefined ? {} : { certChain: Buffer.from(tls.cert) }),
          },
        }),
  };
}

export class EtcdHosts {
  readonly env: Env;
  readonly timing: EtcdTiming;
  readonly #hosts: readonly string[];
  readonly #connect: (host: string) => Etcd3;
  readonly #clients: Etcd3[];
  readonly #closing = new AbortController();
  /** How to end what is under way: hundreds of listeners of one signal are slow, and warned of. */
  readonly #waiting = new Set<(reason: Error) => void>();
  #current: number;

  private constructor(
    env: Env,
    timing: EtcdTiming,
    hosts: readonly string[],
    connect: (host: string) => Etcd3,
  ) {
    this.env = env;
    this.timing = timing;
    this.#hosts = hosts;
    this.#connect = connect;
    this.#clients = hosts.map(connect);
    this.#current = Math.floor(env.random.float() * hosts.length);
  }

  /** Connects to nobody yet. The library is loaded here, and nowhere else. */
  static async load(options: EtcdOptions, env: Env, timing: EtcdTiming): Promise<EtcdHosts> {
    const { Etcd3: Client } = await import('etcd3');
    const connect = (host: string): Etcd3 => new Client(clientOptions(host, options, env, timing.attemptMs));
    return new EtcdHosts(env, timing, options.hosts, connect);
  }

  /** Fires when the log is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** The member in use. */
  get client(): Etcd3 {
    return at(this.#clients, this.#current);
  }

  get clients(): readonly Etcd3[] {
    return this.#clients;
  }

  /** Calls go to that one from now on. */
  prefer(client: Etcd3): void {
    const place = this.#clients.indexOf(client);
    if (place >= 0) this.#current = place;
  }

  /** That one does not answer, or not with what is new: the next one. A second caller who says so of the same one changes nothing. */
  giveUp(client: Etcd3): void {
    if (client === this.client) this.#current = (this.#current + 1) % this.#clients.length;
  }

  /** Its token is of before users were changed. etcd3 knows that only of tokens that have ended, so another client takes its place. */
  #renew(client: Etcd3): void {
    const place = this.#clients.indexOf(client);
    const host = this.#hosts[place];
    if (host === undefined) return; // another call has seen it first
    this.#clients[place] = this.#connect(host);
    client.close();
  }

  /**
   * Runs a call until a member answers it. The call must be safe to run again: one that brought no answer may have been done.
   *
   * @throws SluiceError UNAVAILABLE after a while; NO_SPACE, PERMISSION, IO; CLOSED. `compacted` and `lease-lost` are thrown as they come.
   */
  async call<T>(
    doing: string,
    run: (client: Etcd3, options: { deadline: number }) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.env;
    const giveUpMs = clock.monotonicMs() + this.timing.callMs;
    for (let attempt = 0; ; attempt++) {
      if (this.closing.aborted) throw closedError();
      const client = this.client;
      try {
        return await this.#unlessClosed(run(client, { deadline: clock.nowMs() + this.timing.attemptMs }));
      } catch (error) {
        if (this.closing.aborted) throw closedError();
        const failure = classify(error);
        switch (failure) {
          case 'compacted':
          case 'lease-lost':
            throw error;
          case 'no-space':
          case 'refused':
          case 'wrong':
            throw this.error(error, doing);
          case 'passing':
            if (isTokenOld(error)) this.#renew(client);
            break;
          default:
            unreachable(failure);
        }
        this.giveUp(client);
        if (clock.monotonicMs() > giveUpMs) throw this.error(error, doing);
      }
      await this.pause(Math.floor((attempt + 1) / this.#clients.length));
    }
  }

  /** Before trying again: nothing at first, then longer and longer. @throws CLOSED */
  async pause(failures: number): Promise<void> {
    const { clock, random } = this.env;
    if (failures <= 0) return;
    const ms = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10));
    await this.#unlessClosed(clock.sleep(ms * (0.5 + random.float() / 2)));
  }

  error(cause: unknown, doing: string): SluiceError {
    return etcdError(cause, doing, this.#hosts);
  }

  /** Calls under way end with CLOSED; their connections end with them, or their deadline. */
  close(): void {
    if (this.closing.aborted) return;
    this.#closing.abort();
    for (const reject of [...this.#waiting]) reject(closedError());
    for (const client of this.#clients) client.close();
  }

  #unlessClosed<T>(call: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      call.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    });
  }
}
