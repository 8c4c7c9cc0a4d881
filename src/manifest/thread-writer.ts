/**
 * Makes the manifest's transactions durable in a thread, one for all databases of the process. Until it has the manifest open
 * they are made here, and it is started when there are some: so a short life has no thread, and nobody waits for one.
 *
 * The thread has the environment open beside this one: LMDB takes both for one, and its lock lets one of them write at a time.
 * Only `transactionSync` is used there too (see `store.ts`), and a thread that may be within one is never terminated.
 */

import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { startThread } from '../base/background-thread.ts';
import { nodeEnv } from '../base/env/node-env.ts';
import { fromThreadError } from '../base/thread-error.ts';
import type { CommitWriter, Outcome } from './commit-writer.ts';
import type { Write } from './format.ts';
import type { Store } from './store.ts';
import {
  ANSWERS,
  type FromManifest,
  NOT_BEGUN,
  NOT_WANTED,
  OPENING,
  packWrites,
  type ToManifest,
  type ToWriterThread,
} from './writer-messages.ts';

const IDLE_MS = 10_000;
/** A database that is made and filled by one ingest has no more. */
const MADE_HERE = 2;
/** Of a thread that was asked for nothing but a transaction. */
const ANSWER_MS_MAX = 60_000;

/** Beside this file, in whichever language it is: compiled or not. */
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './writer-thread.ts' : './writer-thread.js',
  import.meta.url,
);

/** The thread, while a database needs it and for a while after. */
class SharedThread {
  readonly #users = new Set<ThreadWriter>();
  #worker: Worker | undefined;
  #cancelEnd: (() => void) | undefined;
  #waitsAtExit = false;

  join(user: ThreadWriter, message: ToWriterThread): void {
    this.#cancelEnd?.();
    this.#cancelEnd = undefined;
    this.#users.add(user);
    this.#worker ??= this.#start();
    this.#worker.postMessage(message, [message.port]);
    this.#worker.unref();
  }

  leave(user: ThreadWriter): void {
    const worker = this.#worker;
    if (!this.#users.delete(user) || this.#users.size > 0 || worker === undefined) return;
    this.#cancelEnd = nodeEnv.clock.after(IDLE_MS, () => {
      this.#worker = undefined;
      worker.removeAllListeners();
      void worker.terminate();
    });
  }

  #start(): Worker {
    const worker = startThread(THREAD);
    // At the end of the process Node stops the thread wherever it is: amid a transaction LMDB would wait for its own lock, for ever.
    if (!this.#waitsAtExit) {
      process.once('exit', () => {
        for (const user of this.#users) if (!user.cancelOpening()) user.awaitAnswer();
      });
    }
    this.#waitsAtExit = true;
    // It ends by itself only when it is out of memory, or by a bug of ours.
    const gone = (error: Error): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      const users = [...this.#users];
      this.#users.clear();
      for (const user of users) user.lost(error);
    };
    worker.on('error', gone);
    worker.on('exit', (code) => gone(new Error(`the manifest's thread ended with exit code ${code}`)));
    return worker;
  }
}

const sharedThread = new SharedThread();

export class ThreadWriter implements CommitWriter {
  readonly #path: string;
  readonly #store: Store;
  /** Where the thread is asked; undefined: it is not, or not yet. */
  #port: MessagePort | undefined;
  readonly #state = new Int32Array(new SharedArrayBuffer(8));
  /** As many answers as there must be. */
  #asked = 0;
  #settled: ((outcome: Outcome) => void) | undefined;
  /** Resolves when the thread has the manifest open, or cannot. */
  #joining: Promise<void> | undefined;
  #isOpen = false;
  #madeHere = 0;
  #closed: (() => void) | undefined;

  /** @param path the directory of `store` */
  constructor(path: string, store: Store) {
    this.#path = path;
    this.#store = store;
  }

  /** Resolves when transactions are made by the thread, or cannot be. */
  join(): Promise<void> {
    this.#joining ??= new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      this.#port = port1;
      port1.on('message', (message: FromManifest) => {
        if (message.kind === 'opened') this.#isOpen = true;
        if (!this.#isOpen) this.#port = undefined; // the thread could not open it: they are made here
        resolve();
        this.#take(message);
      });
      port1.on('close', () => resolve());
      this.#asked++;
      sharedThread.join(this, { path: this.#path, port: port2, state: this.#state });
      port1.unref();
    });
    return this.#joining;
  }

  commit(writes: readonly Write[], settled: (outcome: Outcome) => void): void {
    assert(this.#settled === undefined, 'one transaction at a time');
    if (!this.#isOpen || this.#port === undefined) {
      if (++this.#madeHere > MADE_HERE) void this.join();
      settled(this.#commitHere(writes));
      return;
    }
    this.#settled = settled;
    this.#asked++;
    const packed = packWrites(writes);
    const message: ToManifest = { kind: 'commit', writes: packed };
    this.#port.ref();
    this.#port.postMessage(message, [packed.buffer]);
  }

  finish(): void {
    while (this.#settled !== undefined && this.#port !== undefined) {
      const isAnswered = this.awaitAnswer();
      const received = receiveMessageOnPort(this.#port);
      if (received !== undefined) this.#take(received.message);
      else if (!isAnswered)
        this.lost(new Error(`the manifest's thread has not answered for ${ANSWER_MS_MAX / 1000} seconds`));
    }
  }

  /** True: the thread has not begun to open the manifest, and never will. */
  cancelOpening(): boolean {
    return Atomics.compareExchange(this.#state, OPENING, NOT_BEGUN, NOT_WANTED) === NOT_BEGUN;
  }

  /** Holds this thread until the other has done what it was asked for. False: it has not, for too long. */
  awaitAnswer(): boolean {
    for (;;) {
      const answers = Atomics.load(this.#state, ANSWERS);
      if (answers === this.#asked) return true;
      if (Atomics.wait(this.#state, ANSWERS, answers, ANSWER_MS_MAX) === 'timed-out') return false;
    }
  }

  /** The thread is gone. What it was at may have been made. */
  lost(error: Error): void {
    this.#port?.close();
    this.#port = undefined;
    this.#isOpen = false;
    this.#settle({ error });
    this.#closed?.();
  }

  /** L2: not before the thread has let go: another database may be made at the path, and LMDB would take it for this one. */
  async close(): Promise<void> {
    assert(this.#settled === undefined, 'no close during a transaction');
    if (!this.cancelOpening()) {
      this.#port?.ref(); // nothing else may keep the process alive
      await this.#joining;
    }
    const port = this.#port;
    if (port !== undefined && this.#isOpen) {
      await new Promise<void>((resolve) => {
        this.#closed = resolve;
        this.#asked++;
        const message: ToManifest = { kind: 'close' };
        port.ref();
        port.postMessage(message);
      });
    }
    port?.close();
    sharedThread.leave(this);
  }

  #commitHere(writes: readonly Write[]): Outcome {
    try {
      return { id: this.#store.commit(writes) };
    } catch (error) {
      return { error };
    }
  }

  #take(message: FromManifest): void {
    if (message.kind === 'committed') this.#settle({ id: message.id });
    else if (message.kind === 'failed') this.#settle({ error: fromThreadError(message.error) });
    else if (message.kind === 'closed') this.#closed?.();
  }

  #settle(outcome: Outcome): void {
    const settled = this.#settled;
    this.#settled = undefined;
    this.#port?.unref();
    settled?.(outcome);
  }
}
