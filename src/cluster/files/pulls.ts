/** Fetching files from other nodes: several at a time, each once however many wait for it, all together within one rate. */

import type { Env } from '../../base/env/env.ts';
import type { File } from '../../base/env/file-system.ts';
import { sharedSignal } from '../../base/env/shared-signal.ts';
import { SluiceError, throwIfAborted } from '../../base/errors.ts';
import { Limiter } from '../../levels/compaction/limiter.ts';
import type { PeerClient } from '../http/peer-client.ts';
import type { FileFacts, FileInFlight } from './file-exchange.ts';
import type { FileStore } from './file-store.ts';
import { Slots } from './slots.ts';
import { Transfer } from './transfer.ts';

export interface PullLimits {
  /** Files on their way at a time; 4. */
  readonly transfers: number;
  /** What comes in together; 0: as fast as it goes. */
  readonly bytesPerSecond: number;
}

export const PULL_LIMITS: PullLimits = { transfers: 4, bytesPerSecond: 0 };

/** In a row without a byte, before the next source is asked. */
const ATTEMPTS_MAX = 4;
/** Left for the database itself. */
const ROOM_BYTES = 64 << 20;
const SYNCS_AT_A_TIME = 2;

interface Pull {
  readonly file: FileFacts;
  readonly sources: string[];
  readonly ending: AbortController;
  waiting: number;
  transfer: Transfer | undefined;
  readonly done: Promise<void>;
}

export class Pulls {
  readonly #env: Env;
  readonly #store: FileStore;
  readonly #client: PeerClient;
  readonly #limits: PullLimits;
  readonly #slots: Slots;
  readonly #limiter: Limiter;
  readonly #syncs = new Slots(SYNCS_AT_A_TIME);
  readonly #always = sharedSignal(new AbortController().signal);
  readonly #pulls = new Map<string, Pull>();
  /** Of files that came whole, since the start. */
  bytesReceived = 0;
  filesReceived = 0;

  constructor(env: Env, store: FileStore, client: PeerClient, limits: PullLimits) {
    this.#env = env;
    this.#store = store;
    this.#client = client;
    this.#limits = limits;
    this.#slots = new Slots(limits.transfers);
    this.#limiter = new Limiter(env.clock);
  }

  inFlight(): readonly FileInFlight[] {
    return [...this.#pulls.values()].map(({ file, transfer }) => ({
      ...file,
      received: transfer?.received ?? 0,
      from: transfer?.from ?? '',
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
    for (const source of sources) if (!pull.sources.includes(source)) pull.sources.push(source);
    pull.waiting++;
    try {
      await orAborted(pull.done, signal);
    } finally {
      pull.waiting--;
      if (pull.waiting === 0) pull.ending.abort();
    }
  }

  /** A thread of Node's pool each, for as long as the disk takes: others are for readers whose blocks are not in memory. */
  readonly sync = (file: File): Promise<void> => this.#syncs.run(this.#always, () => file.datasync());

  /** Resolves when the rate lets so many more bytes in. */
  readonly pace = async (bytes: number, signal: AbortSignal): Promise<void> => {
    const pauseMs = this.#limiter.pauseMs(bytes, this.#limits.bytesPerSecond);
    if (pauseMs > 0) await this.#env.clock.sleep(pauseMs, signal);
  };

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
    const { signal } = ending;
    pull.transfer = new Transfer({
      env: this.#env,
      file,
      path,
      sources,
      attemptsMax: ATTEMPTS_MAX,
      ask: (source, from) => this.#client.file(source, file.digest, from, signal),
      pace: this.pace,
      sync: this.sync,
      signal,
    });
    await pull.transfer.run();
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
