/** Receives files in the thread for that: what comes is hashed and written there, and its garbage is made there. */

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { unreachable } from '../../base/assert.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import { fromThreadError } from '../../base/thread-error.ts';
import { transferThread } from './shared-thread.ts';
import type { TransferJob, TransferProgress } from './transfer.ts';
import type { FromTransfers, ToTransfers, TransferClient } from './transfer-messages.ts';
import type { RunningTransfer } from './transfers.ts';

interface Running {
  readonly job: TransferJob;
  readonly signal: AbortSignal;
  /** Without an error: all is well. */
  readonly settle: (error?: Error) => void;
  progress: TransferProgress;
}

type Pace = (bytes: number, signal: AbortSignal) => Promise<void>;

/** Those of one node. */
export class ThreadTransfers {
  readonly #client: TransferClient;
  readonly #pace: Pace | undefined;
  readonly #running = new Map<number, Running>();
  #begun = 0;
  #port: MessagePort | undefined;

  /** @param pace absent: as fast as it goes */
  constructor(client: TransferClient, pace: Pace | undefined) {
    this.#client = client;
    this.#pace = pace;
  }

  begin(job: TransferJob, sources: readonly string[], signal: AbortSignal): RunningTransfer {
    const id = ++this.#begun;
    const abort = (): void => this.#tell({ kind: 'abort', id });
    let settle: Running['settle'] = () => undefined;
    const done = new Promise<void>((resolve, reject) => {
      settle = (error) => {
        signal.removeEventListener('abort', abort);
        this.#running.delete(id);
        if (this.#running.size === 0) this.#port?.unref();
        transferThread.ended();
        if (error === undefined) resolve();
        else reject(error);
      };
    });
    const running: Running = { job, signal, settle, progress: { received: 0, from: '' } };
    this.#running.set(id, running);
    transferThread.began();
    this.#port ??= this.#join();
    this.#port.ref();
    this.#tell({ kind: 'begin', id, job, sources, isPaced: this.#pace !== undefined });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
    return {
      done,
      get progress() {
        return running.progress;
      },
      addSources: (more) => this.#tell({ kind: 'sources', id, sources: more }),
    };
  }

  close(): void {
    transferThread.leave(this);
    this.lost(new Error('the node is closed'));
  }

  /** The thread is gone, and with it what it was at. */
  lost(why: Error): void {
    this.#port?.close();
    this.#port = undefined;
    for (const { job, settle } of [...this.#running.values()]) {
      const message = `The thread that receives files was lost amid ${job.file.digest}: ${why.message}`;
      settle(new SluiceError('UNAVAILABLE', message, { cause: why }));
    }
  }

  #join(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    port1.on('message', (message: FromTransfers) => this.#take(message));
    transferThread.join(this, { kind: 'receive', port: port2, client: this.#client });
    return port1;
  }

  #tell(message: ToTransfers): void {
    this.#port?.postMessage(message);
  }

  #take(message: FromTransfers): void {
    const running = this.#running.get(message.id);
    if (running === undefined) return; // it was lost
    switch (message.kind) {
      case 'progress':
        running.progress = message.progress;
        break;
      case 'pace':
        void this.#letGoOn(message.id, message.bytes, running.signal);
        break;
      case 'done':
        running.settle();
        break;
      case 'failed':
        running.settle(fromThreadError(message.error));
        break;
      default:
        unreachable(message);
    }
  }

  async #letGoOn(id: number, bytes: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#pace?.(bytes, signal);
    } catch (error) {
      // The thread is told of it by itself.
      if (!isSluiceError(error, 'ABORTED')) throw error;
      return;
    }
    this.#tell({ kind: 'go-on', id });
  }
}
