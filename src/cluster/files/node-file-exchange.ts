/** The exchange of files of one node: what it keeps, what it fetches, and what its server tells the others of it. */

import type { Env } from '../../base/env/env.ts';
import type { ClientTls } from '../../base/env/http.ts';
import { nodeEnv } from '../../base/env/node-env.ts';
import { SluiceError } from '../../base/errors.ts';
import type { Logger } from '../../txn/engine.ts';
import { CheckpointOffers } from '../http/checkpoint-routes.ts';
import { fileRoutes } from '../http/file-routes.ts';
import { HTTP_LIMITS } from '../http/limits.ts';
import type { NodeServer } from '../http/node-server.ts';
import { fetchCheckpoint } from './checkpoint-fetch.ts';
import type { FileExchange, FileFacts, FileInFlight, PeerService } from './file-exchange.ts';
import { FileStore } from './file-store.ts';
import { PULL_LIMITS, type PullLimits, Pulls } from './pulls.ts';
import { ThreadSender } from './thread-sender.ts';
import type { SenderServer } from './transfer-messages.ts';
import { Transfers } from './transfers.ts';

/** For what is being answered when the node closes. */
const CLOSE_MS = 1000;

export interface ExchangeSettings {
  readonly env: Env;
  /** Of the node: the database must not be all of it. */
  readonly dir: string;
  readonly service: PeerService;
  /** It learns the routes of files and checkpoints, and is closed with the exchange. */
  readonly server: NodeServer;
  /** Where the others reach that server. */
  readonly url: string;
  readonly token: string | undefined;
  readonly tls: ClientTls | undefined;
  readonly limits?: Partial<PullLimits>;
  /** Where a thread sends large files; absent: the server does. */
  readonly sender?: SenderServer | undefined;
  readonly logger?: Logger | undefined;
  /** A connection to another node may be silent so long. */
  readonly stallMs?: number;
}

export class NodeFileExchange implements FileExchange {
  readonly url: string;
  readonly store: FileStore;
  readonly #env: Env;
  readonly #server: NodeServer;
  readonly #transfers: Transfers;
  readonly #pulls: Pulls;
  readonly #offers: CheckpointOffers;
  readonly #limits: PullLimits;
  readonly #sender: ThreadSender | undefined;

  constructor(settings: ExchangeSettings) {
    const { env, dir, service, server, url, token, tls, stallMs = HTTP_LIMITS.stallMs } = settings;
    this.url = url;
    this.#env = env;
    this.#server = server;
    this.#limits = { ...PULL_LIMITS, ...settings.limits };
    this.store = new FileStore(env, dir);
    const { transfers, bytesPerSecond } = this.#limits;
    this.#transfers = new Transfers(env, { token, tls, stallMs }, bytesPerSecond);
    this.#pulls = new Pulls(this.store, this.#transfers, transfers);
    const { sender, logger } = settings;
    if (sender !== undefined && env.fs === nodeEnv.fs)
      this.#sender = new ThreadSender(sender, env.random, logger);
    this.#offers = new CheckpointOffers(env, dir, this.store, service, this.#sender);
    server.add(fileRoutes(env, this.store, service, this.#sender));
    server.add(this.#offers.routes());
  }

  hold(path: string, file: FileFacts): Promise<void> {
    return this.store.hold(path, file);
  }

  has(digest: string): boolean {
    return this.store.has(digest);
  }

  path(digest: string): string {
    return this.store.path(digest);
  }

  digests(): readonly string[] {
    return this.store.digests();
  }

  drop(digest: string): void {
    this.store.drop(digest);
  }

  pull(file: FileFacts, sources: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#pulls.pull(file, this.#others(sources), signal);
  }

  ask(peer: string, file: FileFacts, sources: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#transfers.client.stage(peer, file, sources, signal);
  }

  inFlight(): readonly FileInFlight[] {
    return this.#pulls.inFlight();
  }

  /** Since the start. */
  get received(): { readonly files: number; readonly bytes: number } {
    return { files: this.#pulls.filesReceived, bytes: this.#pulls.bytesReceived };
  }

  async fetchCheckpoint(peer: string, dir: string, signal: AbortSignal): Promise<void> {
    if (this.#others([peer]).length === 0)
      throw new SluiceError('UNAVAILABLE', `${peer} is this node itself`);
    const [env, store, transfers, count] = [this.#env, this.store, this.#transfers, this.#limits.transfers];
    await fetchCheckpoint({ env, store, peer, transfers, count }, dir, signal);
  }

  async close(): Promise<void> {
    await Promise.all([this.#server.close(CLOSE_MS), this.#sender?.close(CLOSE_MS)]);
    await this.#pulls.close();
    this.#offers.close();
    this.#transfers.close();
  }

  #others(sources: readonly string[]): readonly string[] {
    return sources.filter((source) => source !== this.url);
  }
}
