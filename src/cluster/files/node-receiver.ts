/** What one node receives, in the thread for that; see thread-transfers.ts. */

import type { MessagePort } from 'node:worker_threads';
import { unreachable } from '../../base/assert.ts';
import { HttpConnections } from '../../base/env/http.ts';
import { nodeEnv } from '../../base/env/node-env.ts';
import { sharedSignal } from '../../base/env/shared-signal.ts';
import { throwIfAborted } from '../../base/errors.ts';
import { toThreadError } from '../../base/thread-error.ts';
import { PeerClient } from '../http/peer-client.ts';
import { fewSyncs } from './few-syncs.ts';
import { Transfer } from './transfer.ts';
import type { FromTransfers, ToTransfers, TransferClient } from './transfer-messages.ts';

/** Between two messages that tell how far it is. */
const PROGRESS_BYTES = 4 << 20;

interface Running {
  readonly transfer: Transfer;
  readonly ending: AbortController;
  /** Ends the wait of one that is paced. */
  goOn: () => void;
}

export class NodeReceiver {
  readonly #port: MessagePort;
  readonly #client: PeerClient;
  readonly #sync = fewSyncs();
  readonly #running = new Map<number, Running>();

  constructor(port: MessagePort, { token, tls, stallMs }: TransferClient) {
    this.#port = port;
    this.#client = new PeerClient({ connections: new HttpConnections(tls), token, stallMs });
    port.on('message', (message: ToTransfers) => this.#take(message));
    port.on('close', () => {
      for (const { ending } of this.#running.values()) ending.abort();
      this.#client.close();
    });
  }

  #take(message: ToTransfers): void {
    if (message.kind === 'begin') {
      void this.#run(message);
      return;
    }
    const running = this.#running.get(message.id);
    if (running === undefined) return; // it has ended, and told so
    switch (message.kind) {
      case 'sources':
        running.transfer.addSources(message.sources);
        break;
      case 'go-on':
        running.goOn();
        break;
      case 'abort':
        running.ending.abort();
        running.goOn();
        break;
      default:
        unreachable(message);
    }
  }

  async #run({ id, job, sources, isPaced }: Extract<ToTransfers, { kind: 'begin' }>): Promise<void> {
    const ending = new AbortController();
    let toldBytes = 0;
    const tell = (received: number, from: string): void => {
      toldBytes = received;
      this.#send({ kind: 'progress', id, progress: { received, from } });
    };
    const transfer = new Transfer(
      {
        env: nodeEnv,
        mayBeHeld: true,
        client: {
          range: (source, target, from, signal) => {
            tell(from, source);
            return this.#client.range(source, target, from, signal);
          },
        },
        sync: this.#sync,
        pace: async (bytes) => {
          const { received, from } = transfer;
          if (toldBytes === 0 || received - toldBytes >= PROGRESS_BYTES) tell(received, from);
          if (!isPaced || bytes === 0) return;
          await new Promise<void>((resolve) => {
            running.goOn = resolve;
            this.#send({ kind: 'pace', id, bytes });
          });
          throwIfAborted(ending.signal);
        },
      },
      job,
      sources,
      sharedSignal(ending.signal),
    );
    const running: Running = { transfer, ending, goOn: () => undefined };
    this.#running.set(id, running);
    try {
      await transfer.run();
      this.#send({ kind: 'done', id });
    } catch (error) {
      this.#send({ kind: 'failed', id, error: toThreadError(error) });
    } finally {
      this.#running.delete(id);
    }
  }

  #send(message: FromTransfers): void {
    this.#port.postMessage(message);
  }
}
