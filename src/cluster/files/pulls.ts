/** Fetching files from other nodes: several at a time, each once however many wait for it, all together within one rate. */

import { sharedSignal } from '../../base/env/shared-signal.ts';
import { SluiceError, throwIfAborted } from '../../base/errors.ts';
import type { FileFacts, FileInFlight } from './file-exchange.ts';
import type { FileStore } from './file-store.ts';
import { Slots } from './slots.ts';
import type { RunningTransfer, Transfers } from './transfers.ts';

export interface PullLimits {
  /** Files on their way at a time; 4. */
  readonly transfers: number;
  /** What comes in together; 0: as fast as it goes. */
  readonly bytesPerSecond: number;
}

export const PULL_LIMITS: PullLimits = { transfers: 4, bytesPerSecond: 0 };

/** Left for the database itself. */
const ROOM_BYTES = 64 << 20;

const NOT_BEGUN = { received: 0, from: '' };

interface Pull {
  readonly file: FileFacts;
  readonly sources: string[];
  readonly ending: AbortController;
  waiting: number;
  transfer: RunningTransfer | undefined;
  readonly done: Promise<void>;
}

export class Pulls {
  readonly #store: FileStore;
  readonly #transfers: Pick<Transfers, 'begin'>;
  readonly #slots: Slots;
  readonly #pulls = new Map<string, Pull>();
  /** Of files that came whole, since the start. */
  bytesReceived = 0;
  filesReceived = 0;

  /** @param count how many run at a time */
  constructor(store: FileStore, transfers: Pick<Transfers, 'begin'>, count: number) {
    this.#store = store;
    this.#transfers = transfers;
    this.#slots = new Slots(count);
  }

  inFlight(): readonly FileInFlight[] {
    return [...this.#pulls.values()].map(({ file, transfer }) => ({
      ...file,
      ...(transfer?.progress ?? NOT_BEGUN),
    }));
  }

  /** Held, durable and verified when it resolves. @throws SluiceError UNAVAILABLE, NO_SPACE, ABORTED by the signal */
  async pull(file: FileFacts, sources: readonly string[], signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    // One that everybody has left ends first: two would write to one file.
    for (let last = this.#pulls.get(file.digest); last?.ending.signal.aborted; ) {
      await last.done.catch(() => undefined);
      last = this.#pulls.get(file.digest);
    }
    if (this.#store.has(file.digest)) return;
    const pull = this.#pulls.get(file.digest) ?? this.#start(file);
    const more = sources.filter((source) => !pull.sources.includes(source));
    pull.sources.push(...more);
    pull.transfer?.addSources(more);
    pull.waiting++;
    try {
      await orAborted(pull.done, signal);
    } finally {
      pull.waiting--;
      if (pull.waiting === 0) pull.ending.abort();
    }
  }

  async close(): Promise<void> {
    const running = [...this.#pulls.values()];
    for (const { ending } of running) ending.abort();
    await Promise.allSettled(running.map(({ done }) => done));
  }

  #start(file: FileFacts): Pull {
    const ending = new AbortController();
    const sources: string[] = [];
    const done = this.#slots
      // In a later turn: the first caller's sources come after this.
      .run(ending.signal, () => this.#transfer(pull))
      .finally(() => {
        if (this.#pulls.get(file.digest) === pull) this.#pulls.delete(file.digest);
      });
    const pull: Pull = { file, sources, ending, waiting: 0, transfer: undefined, done };
    done.catch(() => undefined); // whoever waits for it is told
    this.#pulls.set(file.digest, pull);
    return pull;
  }

  async #transfer(pull: Pull): Promise<void> {
    const { file, sources, ending } = pull;
    const path = this.#store.partialPath(file.digest);
    this.#store.checkRoom(file.bytes + ROOM_BYTES, `Fetching the file ${file.digest}`);
    const job = { file, path, target: `/files/${file.digest}` };
    pull.transfer = this.#transfers.begin(job, sources, sharedSignal(ending.signal));
    await pull.transfer.done;
    await this.#store.adopt(path, file);
    this.bytesReceived += file.bytes;
    this.filesReceived++;
  }
}

/** What ends by the signal of one goes on for the others. */
async function orAborted(done: Promise<void>, signal: AbortSignal): Promise<void> {
  let leave = (): void => undefined;
  const aborted = new Promise<void>((_, reject) => {
    leave = () =>
      reject(
        new SluiceError('ABORTED', 'The operation was aborted by its AbortSignal', { cause: signal.reason }),
      );
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    await Promise.race([done, aborted]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
