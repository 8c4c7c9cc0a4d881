/** A shared log whose entries come late to one node, while all else that it asks of the log goes on: the node is open, alive, and behind. */

import type { LogEntry, SharedLog } from '../../src/cluster/log/shared-log.ts';
import { PassedLog } from './faults/passed-log.ts';

export class LogGate {
  /** Entries that may pass. */
  #left = Number.POSITIVE_INFINITY;
  readonly #waiting = new Set<() => void>();

  hold(): void {
    this.#left = 0;
  }

  letThrough(entries: number): void {
    this.#left += entries;
    this.#wake();
  }

  release(): void {
    this.letThrough(Number.POSITIVE_INFINITY);
  }

  /** Resolves when an entry may pass, or the signal has fired. */
  async entry(signal: AbortSignal): Promise<void> {
    while (this.#left === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#waiting.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#waiting.add(done);
        signal.addEventListener('abort', done);
      });
    }
    this.#left--;
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}

export class GatedLog extends PassedLog {
  readonly #gate: LogGate;

  constructor(inner: SharedLog, gate: LogGate) {
    super(inner);
    this.#gate = gate;
  }

  override async *read(after: number, signal: AbortSignal): AsyncGenerator<LogEntry> {
    for await (const entry of super.read(after, signal)) {
      await this.#gate.entry(signal);
      if (signal.aborted) return;
      yield entry;
    }
  }
}
