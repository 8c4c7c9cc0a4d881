/**
 * Time, and the order in which what is under way comes to its end. Nothing waits for real time: each event has a moment
 * of virtual time, and the earliest is the next, one in each turn of the event loop.
 */

import type { Clock } from '../../src/base/env/env.ts';
import { SluiceError, throwIfAborted } from '../../src/base/errors.ts';

interface Event {
  readonly dueMs: number;
  readonly run: () => void;
}

const EPOCH_MS = 1_700_000_000_000;

export class Schedule implements Clock {
  #timeMs = 0;
  /** By due time; of one time in the order in which they were made. */
  #events: Event[] = [];
  #armed = false;
  #ended = false;

  nowMs(): number {
    return EPOCH_MS + Math.floor(this.#timeMs);
  }

  monotonicMs(): number {
    return this.#timeMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    await new Promise<void>((resolve, reject) => {
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      const abort = (): void => {
        cancel();
        reject(new SluiceError('ABORTED', 'The wait was aborted', { cause: signal?.reason }));
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  turn(): Promise<void> {
    return new Promise((resolve) => this.after(0, resolve));
  }

  after(ms: number, task: () => void): () => void {
    const event = { dueMs: this.#timeMs + Math.max(0, ms), run: task };
    const place = this.#events.findIndex(({ dueMs }) => dueMs > event.dueMs);
    if (place < 0) this.#events.push(event);
    else this.#events.splice(place, 0, event);
    this.#arm();
    return () => {
      this.#events = this.#events.filter((other) => other !== event);
    };
  }

  /** Nothing that waits for anything goes on. */
  end(): void {
    this.#ended = true;
    this.#events = [];
  }

  #arm(): void {
    if (this.#ended || this.#armed || this.#events.length === 0) return;
    this.#armed = true;
    setImmediate(() => {
      this.#armed = false;
      const event = this.#events.shift();
      if (event !== undefined) {
        this.#timeMs = Math.max(this.#timeMs, event.dueMs);
        event.run();
      }
      this.#arm();
    });
  }
}
