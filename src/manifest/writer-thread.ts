/** The thread that makes the manifests' transactions durable; see thread-writer.ts. */

import { parentPort } from 'node:worker_threads';
import { toThreadError } from '../base/thread-error.ts';
import { Store } from './store.ts';
import {
  ANSWERS,
  BEGUN,
  type FromManifest,
  NOT_BEGUN,
  OPENING,
  type ToManifest,
  type ToWriterThread,
  unpackWrites,
} from './writer-messages.ts';

/** The message first: whoever is woken takes it at once. */
function answer({ port, state }: ToWriterThread, message: FromManifest): void {
  port.postMessage(message);
  Atomics.add(state, ANSWERS, 1);
  Atomics.notify(state, ANSWERS);
}

/** One manifest: this process has its environment open in the main thread too, and LMDB knows them for one. */
class Served {
  readonly #store: Store;
  readonly #opening: ToWriterThread;

  constructor(opening: ToWriterThread) {
    this.#opening = opening;
    this.#store = new Store(opening.path, false);
    opening.port.on('message', (message: ToManifest) => {
      if (message.kind === 'commit') this.#commit(message.writes);
      else void this.#close();
    });
    answer(this.#opening, { kind: 'opened' });
  }

  #commit(packed: Uint8Array): void {
    try {
      answer(this.#opening, { kind: 'committed', id: this.#store.commit(unpackWrites(packed)) });
    } catch (error) {
      answer(this.#opening, { kind: 'failed', error: toThreadError(error) });
    }
  }

  async #close(): Promise<void> {
    await this.#store.close();
    answer(this.#opening, { kind: 'closed' });
    this.#opening.port.close();
  }
}

parentPort?.on('message', (opening: ToWriterThread) => {
  if (Atomics.compareExchange(opening.state, OPENING, NOT_BEGUN, BEGUN) !== NOT_BEGUN) {
    opening.port.close();
    return;
  }
  try {
    new Served(opening);
  } catch (error) {
    answer(opening, { kind: 'failed', error: toThreadError(error) });
    opening.port.close();
  }
});
