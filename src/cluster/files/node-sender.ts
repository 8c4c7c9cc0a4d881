/**
 * What one node sends, in the thread for that: a server of its own, which knows files by keys that the main thread has given out, each
 * good for one request of who may ask; see thread-sender.ts.
 */

import type { MessagePort } from 'node:worker_threads';
import { unreachable } from '../../base/assert.ts';
import { nodeEnv } from '../../base/env/node-env.ts';
import { toThreadError } from '../../base/thread-error.ts';
import type { Logger } from '../../txn/engine.ts';
import type { Call } from '../http/call.ts';
import { NodeServer } from '../http/node-server.ts';
import { sendFile } from '../http/send-file.ts';
import { RequestError } from '../http/status-codes.ts';
import type { FromSender, SenderServer, ToSender } from './transfer-messages.ts';

/** Who was told of a key comes at once. */
const UNUSED_MS = 30_000;

interface Lent {
  readonly path: string;
  /** Stops the clock that ends it. */
  readonly keep: () => void;
}

export class NodeSender {
  readonly #port: MessagePort;
  readonly #server: NodeServer;
  readonly #lent = new Map<string, Lent>();
  readonly #listening: Promise<void>;

  constructor(port: MessagePort, server: SenderServer) {
    this.#port = port;
    this.#server = new NodeServer({ ...server, clock: nodeEnv.clock, logger: this.#logger() });
    this.#server.add([
      { method: 'GET', path: '/transfers/:key', access: 'peer', run: (call) => this.#send(call) },
    ]);
    port.on('message', (message: ToSender) => this.#take(message));
    this.#listening = this.#listen();
  }

  async #listen(): Promise<void> {
    try {
      await this.#server.listen();
      this.#tell({ kind: 'listening', port: Number(new URL(this.#server.url).port) });
    } catch (error) {
      this.#tell({ kind: 'deaf', error: toThreadError(error) });
    }
  }

  #take(message: ToSender): void {
    switch (message.kind) {
      case 'lend': {
        const { key, path } = message;
        const keep = nodeEnv.clock.after(UNUSED_MS, () => this.#return(key));
        this.#lent.set(key, { path, keep });
        this.#tell({ kind: 'lent', key });
        break;
      }
      case 'close':
        void this.#close(message.graceMs);
        break;
      default:
        unreachable(message);
    }
  }

  async #close(graceMs: number): Promise<void> {
    await this.#listening;
    await this.#server.close(graceMs);
    for (const { keep } of this.#lent.values()) keep();
    this.#tell({ kind: 'closed' });
    this.#port.close();
  }

  async #send(call: Call): Promise<void> {
    const [key = ''] = call.parameters;
    const lent = this.#lent.get(key);
    if (lent === undefined) throw new RequestError(404, 'there is no such transfer, or it has begun');
    lent.keep();
    this.#lent.delete(key);
    try {
      await sendFile(call, await nodeEnv.fs.open(lent.path, 'read'));
    } finally {
      this.#return(key);
    }
  }

  #return(key: string): void {
    this.#lent.delete(key);
    this.#tell({ kind: 'returned', key });
  }

  #tell(message: FromSender): void {
    this.#port.postMessage(message);
  }

  #logger(): Logger {
    const log =
      (level: 'debug' | 'warn' | 'error') =>
      (fields: { readonly err?: unknown }, message: string): void => {
        const { err } = fields;
        const about = err instanceof Error ? (err.stack ?? err.message) : String(err);
        this.#tell({ kind: 'log', level, about, message });
      };
    return { debug: log('debug'), info: log('debug'), warn: log('warn'), error: log('error') };
  }
}
