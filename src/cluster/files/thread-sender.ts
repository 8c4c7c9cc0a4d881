/**
 * Sends large files to other nodes from the thread for that, which listens at a port of its own: sockets cannot be handed from one thread
 * to another. Other nodes know the node by one address. Who asks there for a large file, and says that he can, is sent on to the other
 * port, with a key for that one request; who cannot reach it asks again, without saying so.
 */

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { unreachable } from '../../base/assert.ts';
import type { Random } from '../../base/env/env.ts';
import { fromThreadError } from '../../base/thread-error.ts';
import type { Logger } from '../../txn/engine.ts';
import { AccessControl } from '../http/access.ts';
import { transferThread } from './shared-thread.ts';
import type { FromSender, SenderServer, ToSender } from './transfer-messages.ts';

export interface LentFile {
  readonly port: number;
  /** Where it is to be asked for there. */
  readonly target: string;
  /** Nobody reads it any more, or will. */
  readonly returned: Promise<void>;
}

interface Lending {
  readonly lent: () => void;
  readonly returned: () => void;
}

export class ThreadSender {
  readonly #server: SenderServer;
  readonly #random: Random;
  readonly #logger: Logger | undefined;
  readonly #lendings = new Map<string, Lending>();
  #port: MessagePort | undefined;
  /** Where the thread listens; undefined: it cannot. */
  #listening: Promise<number | undefined> | undefined;
  #heard: (port: number | undefined) => void = () => undefined;
  #closing: (() => void) | undefined;
  #isClosed = false;

  /** @throws TypeError where others than this machine could ask without showing who they are */
  constructor(server: SenderServer, random: Random, logger: Logger | undefined) {
    this.#server = server;
    this.#random = random;
    this.#logger = logger;
    const mutualTls = server.tls?.ca !== undefined;
    new AccessControl({ ...server.access, mutualTls }).checkHost(server.listen.host);
  }

  /** Undefined where the thread cannot send it: whoever asks for it is answered here. */
  async lend(path: string): Promise<LentFile | undefined> {
    if (this.#isClosed) return undefined;
    transferThread.began();
    this.#listening ??= this.#join();
    const port = await this.#listening;
    if (port === undefined) {
      transferThread.ended();
      return undefined;
    }
    const key = this.#random.hex(16);
    let returned = (): void => undefined;
    const whenReturned = new Promise<void>((resolve) => {
      returned = () => {
        this.#lendings.delete(key);
        transferThread.ended();
        resolve();
      };
    });
    // Not before the thread knows of it: its sockets and its messages are in no order.
    const lent = new Promise<void>((resolve) => this.#lendings.set(key, { lent: resolve, returned }));
    this.#tell({ kind: 'lend', key, path });
    await Promise.race([lent, whenReturned]);
    return { port, target: `/transfers/${key}`, returned: whenReturned };
  }

  /** What is being sent has `graceMs` to end. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    const port = this.#port;
    if (port !== undefined) {
      await new Promise<void>((resolve) => {
        this.#closing = resolve;
        port.ref(); // nothing else may keep the process alive
        this.#tell({ kind: 'close', graceMs });
      });
    }
    transferThread.leave(this);
    this.lost(new Error('the node is closed'));
  }

  lost(why: Error): void {
    this.#port?.close();
    this.#port = undefined;
    this.#listening = undefined;
    this.#heard(undefined);
    this.#closing?.();
    for (const { returned } of [...this.#lendings.values()]) returned();
    this.#logger?.debug({ err: why }, 'the thread that sends files has ended');
  }

  #join(): Promise<number | undefined> {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.on('message', (message: FromSender) => this.#take(message));
    port1.unref();
    const listening = new Promise<number | undefined>((resolve) => {
      this.#heard = resolve;
    });
    transferThread.join(this, { kind: 'send', port: port2, server: this.#server });
    return listening;
  }

  #take(message: FromSender): void {
    switch (message.kind) {
      case 'listening':
        this.#heard(message.port);
        break;
      case 'deaf':
        this.#logger?.warn(
          { err: fromThreadError(message.error) },
          'large files are sent by the main thread',
        );
        this.#heard(undefined);
        break;
      case 'lent':
        this.#lendings.get(message.key)?.lent();
        break;
      case 'returned':
        this.#lendings.get(message.key)?.returned();
        break;
      case 'log':
        this.#logger?.[message.level]({ err: message.about }, message.message);
        break;
      case 'closed':
        this.#closing?.();
        break;
      default:
        unreachable(message);
    }
  }

  #tell(message: ToSender): void {
    this.#port?.postMessage(message);
  }
}
