/**
 * The exchange of files between simulated machines: what is kept, and how a file that comes is checked and made durable, are the real
 * node's `FileStore`, `Pulls` and `Transfer`; the network between them is slow, breaks off, and damages bytes.
 */

import type { Env } from '../../../src/base/env/env.ts';
import type { File } from '../../../src/base/env/file-system.ts';
import type { HttpAnswer } from '../../../src/base/env/http.ts';
import { makeDirectories } from '../../../src/base/env/make-directories.ts';
import { isSluiceError, SluiceError, throwIfAborted } from '../../../src/base/errors.ts';
import { filesBelow, removeTree, syncTree } from '../../../src/cluster/files/directory-tree.ts';
import type {
  FileExchange,
  FileFacts,
  FileInFlight,
  PeerService,
} from '../../../src/cluster/files/file-exchange.ts';
import { FileStore } from '../../../src/cluster/files/file-store.ts';
import { PULL_LIMITS, Pulls } from '../../../src/cluster/files/pulls.ts';
import { Transfer, type TransferJob } from '../../../src/cluster/files/transfer.ts';
import type { RunningTransfer } from '../../../src/cluster/files/transfers.ts';
import type { SeededRandom } from '../../base/seeded-random.ts';

const PIECE_BYTES = 300;
const LOCK = 'LOCK';

/** Which nodes are up, and what is wrong between them. */
export class PeerNetwork {
  readonly up = new Map<string, SimulatedExchange>();
  readonly cut = new Set<string>();
  /** By the node that sends: so many of the next pieces are damaged. */
  readonly damages = new Map<string, number>();

  endTroubles(): void {
    this.cut.clear();
    this.damages.clear();
  }

  /** @throws SluiceError UNAVAILABLE; CLOSED: it is not up itself */
  reach(from: SimulatedExchange, to: string): SimulatedExchange {
    if (this.up.get(from.url) !== from) throw new SluiceError('CLOSED', 'The machine is off');
    const peer = this.up.get(to);
    if (peer !== undefined && !this.cut.has(to) && !this.cut.has(from.url)) return peer;
    throw new SluiceError('UNAVAILABLE', `The node at ${to} cannot be reached`);
  }
}

export interface ExchangeParts {
  readonly network: PeerNetwork;
  readonly env: Env;
  readonly random: SeededRandom;
  readonly node: string;
  /** The node's. */
  readonly dir: string;
  readonly service: PeerService;
}

interface Source {
  readonly peer: SimulatedExchange;
  readonly path: string;
}

export class SimulatedExchange implements FileExchange {
  readonly url: string;
  readonly store: FileStore;
  readonly service: PeerService;
  readonly #parts: ExchangeParts;
  readonly #env: Env;
  readonly #checkpoints: string;
  readonly #pulls: Pulls;

  constructor(parts: ExchangeParts) {
    const { network, env, dir, node, service } = parts;
    this.#parts = parts;
    this.#env = env;
    this.url = node;
    this.service = service;
    this.store = new FileStore(env, dir);
    const begin = this.#transfer.bind(this);
    this.#pulls = new Pulls(this.store, { begin }, PULL_LIMITS.transfers);
    this.#checkpoints = `${dir}/cluster/checkpoints`;
    removeTree(env.fs, this.#checkpoints);
    network.up.set(this.url, this);
  }

  hold(path: string, file: FileFacts): Promise<void> {
    return this.store.hold(path, file);
  }

  has(digest: string): boolean {
    return this.store.has(digest);
  }

  path(digest: string): string {
    return this.store.path(digest);
  }

  digests(): readonly string[] {
    return this.store.digests();
  }

  drop(digest: string): void {
    this.store.drop(digest);
  }

  pull(file: FileFacts, sources: readonly string[], signal: AbortSignal): Promise<void> {
    const others = sources.filter((source) => source !== this.url);
    return this.#pulls.pull(file, others, signal);
  }

  #transfer(job: TransferJob, sources: readonly string[], signal: AbortSignal): RunningTransfer {
    const range = async (source: string, _: string, from: number): Promise<HttpAnswer> => {
      await this.#latency();
      const peer = this.#parts.network.reach(this, source);
      const { digest, bytes } = job.file;
      if (!peer.has(digest)) return NOT_FOUND;
      return this.#answer({ peer, path: peer.path(digest) }, bytes, from);
    };
    const sync = (file: File): Promise<void> => file.datasync();
    const parts = { env: this.#env, client: { range }, sync, pace: async () => undefined };
    const transfer = new Transfer(parts, job, sources, signal);
    return {
      done: transfer.run(),
      progress: transfer,
      addSources: (more) => transfer.addSources(more),
    };
  }

  #answer({ peer, path }: Source, bytes: number, from: number): HttpAnswer {
    const pump = async (take: (piece: Uint8Array) => Promise<void> | undefined): Promise<void> => {
      for (let at = from; at < bytes; ) {
        await this.#latency();
        // It may be cut off meanwhile, or have stopped.
        this.#parts.network.reach(this, peer.url);
        const piece = await peer.#piece(path, at).catch(brokenOff);
        if (piece.length === 0) return;
        at += piece.length;
        await take(piece);
      }
    };
    const range = `bytes ${from}-${bytes - 1}/${bytes}`;
    return {
      status: 206,
      headers: { 'content-range': range },
      body: NOTHING,
      pump,
      destroy: () => undefined,
    };
  }

  async #piece(path: string, at: number): Promise<Uint8Array> {
    const { damages } = this.#parts.network;
    const piece = new Uint8Array(PIECE_BYTES);
    const file = await this.#env.fs.open(path, 'read');
    try {
      const read = piece.subarray(0, await file.read(piece, 0, piece.length, at));
      const damage = damages.get(this.url) ?? 0;
      if (damage > 0 && read.length > 0) {
        damages.set(this.url, damage - 1);
        read[0] = 255 - (read[0] ?? 0);
      }
      return read;
    } finally {
      file.closeSync();
    }
  }

  async ask(peer: string, file: FileFacts, sources: readonly string[], signal: AbortSignal): Promise<void> {
    const { network } = this.#parts;
    await this.#latency();
    throwIfAborted(signal);
    const asked = network.reach(this, peer);
    try {
      await unlessAborted(asked.service.stage(file, sources, signal), signal);
    } catch (error) {
      throw asUnavailable(error, signal);
    }
    await this.#latency();
    network.reach(this, peer);
  }

  inFlight(): readonly FileInFlight[] {
    return this.#pulls.inFlight();
  }

  /** As `checkpoint-fetch.ts`, of what `checkpoint-routes.ts` offers: the originals that the peer holds throughout come with it. */
  async fetchCheckpoint(peer: string, dir: string, signal: AbortSignal): Promise<void> {
    const { fs } = this.#env;
    await this.#latency();
    const from = this.#parts.network.reach(this, peer);
    const partial = `${dir}.fetching`;
    removeTree(fs, partial);
    try {
      const offered = await from.#offer();
      fs.mkdirSync(partial);
      for (const { name, bytes } of filesBelow(from.#env.fs, offered)) {
        throwIfAborted(signal);
        if (name !== LOCK) await this.#fetch(from, `${offered}/${name}`, `${partial}/${name}`, bytes);
      }
      await from.#withdraw(offered);
    } catch (error) {
      if (this.#parts.network.up.get(this.url) === this) removeTree(fs, partial);
      throw from.#isUp ? error : new SluiceError('UNAVAILABLE', `${peer} has stopped`, { cause: error });
    }
    const originals = `${partial}/cluster`;
    const digests = fs.readdirSync(`${originals}/files`);
    for (const digest of digests) {
      const path = `${originals}/files/${digest}`;
      await this.store.hold(path, { digest, bytes: fs.statSync(path).bytes });
    }
    removeTree(fs, originals);
    await syncTree(fs, partial);
    fs.renameSync(partial, dir);
    await fs.syncDirectory(dir.slice(0, dir.lastIndexOf('/')));
  }

  get #isUp(): boolean {
    return this.#parts.network.up.get(this.url) === this;
  }

  async #offer(): Promise<string> {
    const { fs } = this.#env;
    const dir = `${this.#checkpoints}/${this.#parts.random.hex(4)}`;
    makeDirectories(fs, this.#checkpoints);
    const held = this.store.digests();
    await this.service.checkpoint(dir);
    fs.mkdirSync(`${dir}/cluster/files`);
    for (const digest of new Set([...held, ...this.store.digests()])) {
      if (this.store.has(digest)) fs.linkSync(this.store.path(digest), `${dir}/cluster/files/${digest}`);
    }
    return dir;
  }

  async #withdraw(offered: string): Promise<void> {
    await this.#latency();
    if (this.#isUp) removeTree(this.#env.fs, offered);
  }

  async #fetch(from: SimulatedExchange, source: string, path: string, bytes: number): Promise<void> {
    const { fs } = this.#env;
    fs.mkdirSync(path.slice(0, path.lastIndexOf('/')));
    const file = await fs.open(path, 'create');
    try {
      for (let at = 0; at < bytes; ) {
        await this.#latency();
        this.#parts.network.reach(this, from.url);
        const piece = await from.#wholePiece(source, at, bytes);
        await file.write(piece, 0, piece.length, at);
        at += piece.length;
      }
      await file.datasync();
    } finally {
      file.closeSync();
    }
  }

  async #wholePiece(path: string, at: number, bytes: number): Promise<Uint8Array> {
    const piece = new Uint8Array(bytes - at);
    const file = await this.#env.fs.open(path, 'read');
    try {
      return piece.subarray(0, await file.read(piece, 0, piece.length, at));
    } finally {
      file.closeSync();
    }
  }

  async close(): Promise<void> {
    this.leave();
    await this.#pulls.close();
  }

  /** Nobody reaches it any more. */
  leave(): void {
    const { up } = this.#parts.network;
    if (up.get(this.url) === this) up.delete(this.url);
  }

  async #latency(): Promise<void> {
    const { env, random } = this.#parts;
    const dice = random.float();
    await env.clock.sleep(dice < 0.9 ? dice : random.float() * 100);
  }
}

const NOTHING: AsyncIterable<Uint8Array> = { async *[Symbol.asyncIterator]() {} };
const NOT_FOUND: HttpAnswer = {
  status: 404,
  headers: {},
  body: NOTHING,
  pump: async () => undefined,
  destroy: () => undefined,
};

/** Why, the other side does not learn. */
function brokenOff(cause: unknown): never {
  throw new Error('the connection was closed', { cause });
}

/** Of a peer that stops, or whose disk fails, no more is known. */
function asUnavailable(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || isSluiceError(error, 'UNAVAILABLE') || isSluiceError(error, 'NO_SPACE')) return error;
  return new SluiceError('UNAVAILABLE', 'The other node could not do what it was asked for', {
    cause: error,
  });
}

/** REQUIRES: it has not fired. */
async function unlessAborted<T>(done: Promise<T>, signal: AbortSignal): Promise<T> {
  let leave: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(new SluiceError('ABORTED', 'It was aborted', { cause: signal.reason }));
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([done, aborted]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
