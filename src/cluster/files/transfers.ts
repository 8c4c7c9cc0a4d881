/** Where a node receives files of others: large ones in a thread, which gives way to this one, small ones here. All keep to one rate. */

import type { Env } from '../../base/env/env.ts';
import { HttpConnections } from '../../base/env/http.ts';
import { nodeEnv } from '../../base/env/node-env.ts';
import { Limiter } from '../../levels/compaction/limiter.ts';
import { PeerClient } from '../http/peer-client.ts';
import { fewSyncs } from './few-syncs.ts';
import { ThreadTransfers } from './thread-transfers.ts';
import { Transfer, type TransferJob, type TransferProgress } from './transfer.ts';
import type { TransferClient } from './transfer-messages.ts';

/** Less is here before a thread would have been asked for it. */
const THREAD_BYTES_MIN = 1 << 20;

export interface RunningTransfer {
  /** As of `Transfer.run`; nothing is written any more when it settles. */
  readonly done: Promise<void>;
  readonly progress: TransferProgress;
  addSources(sources: readonly string[]): void;
}

export class Transfers {
  readonly client: PeerClient;
  readonly #env: Env;
  readonly #limiter: Limiter;
  readonly #bytesPerSecond: number;
  readonly #thread: ThreadTransfers | undefined;
  readonly #sync = fewSyncs();

  /** @param bytesPerSecond what comes in together; 0: as fast as it goes */
  constructor(env: Env, client: TransferClient, bytesPerSecond: number) {
    this.#env = env;
    this.#limiter = new Limiter(env.clock);
    this.#bytesPerSecond = bytesPerSecond;
    const { token, tls, stallMs } = client;
    this.client = new PeerClient({ connections: new HttpConnections(tls), token, stallMs });
    const pace = bytesPerSecond > 0 ? this.#pace : undefined;
    if (env.fs === nodeEnv.fs) this.#thread = new ThreadTransfers(client, pace);
  }

  /** @param sources URLs of nodes, asked one after the other; @param signal a shared one */
  begin(job: TransferJob, sources: readonly string[], signal: AbortSignal): RunningTransfer {
    if (this.#thread !== undefined && job.file.bytes >= THREAD_BYTES_MIN)
      return this.#thread.begin(job, sources, signal);
    const parts = {
      env: this.#env,
      client: this.client,

      pace: this.#pace,
      sync: this.#sync,
    };
    const transfer = new Transfer(parts, job, sources, signal);
    return {
      done: transfer.run(),
      progress: transfer,
      addSources: (more) => transfer.addSources(more),
    };
  }

  /** REQUIRES: none is running. */
  close(): void {
    this.#thread?.close();
    this.client.close();
  }

  readonly #pace = async (bytes: number, signal: AbortSignal): Promise<void> => {
    const pauseMs = this.#limiter.pauseMs(bytes, this.#bytesPerSecond);
    if (pauseMs > 0) await this.#env.clock.sleep(pauseMs, signal);
  };
}
