/** The exchange of files between nodes of one process: copies, checked against their digests. For tests and for trying things out. */

import type { Env } from '../../base/env/env.ts';
import { makeDirectories } from '../../base/env/make-directories.ts';
import { SluiceError, throwIfAborted } from '../../base/errors.ts';
import { tryLink } from '../../ingest/adopt-file.ts';
import { sha256Of } from '../../ingest/staging.ts';
import type {
  FileExchange,
  FileFacts,
  FileInFlight,
  OpenFileExchange,
  PeerService,
} from './file-exchange.ts';

interface Node {
  readonly exchange: MemoryExchange;
  readonly service: PeerService;
}

/** The nodes of the process; a test takes one away with `cut`. */
export class MemoryExchangeHub {
  readonly env: Env;
  readonly #nodes = new Map<string, Node>();
  readonly cut = new Set<string>();

  constructor(env: Env) {
    this.env = env;
  }

  /** For the node's options. */
  opener(node: string): OpenFileExchange {
    return async (dir, service) => {
      const exchange = new MemoryExchange(this, `memory:${node}`, `${dir}/cluster/files`);
      this.#nodes.set(exchange.url, { exchange, service });
      return exchange;
    };
  }

  /** @throws SluiceError UNAVAILABLE */
  nodeAt(url: string, from: string): Node {
    const node = this.#nodes.get(url);
    if (node !== undefined && !this.cut.has(url) && !this.cut.has(from)) return node;
    throw new SluiceError('UNAVAILABLE', `The node at ${url} cannot be reached`);
  }

  leave(url: string): void {
    this.#nodes.delete(url);
  }
}

export class MemoryExchange implements FileExchange {
  readonly url: string;
  readonly #hub: MemoryExchangeHub;
  readonly #dir: string;
  readonly #pulls = new Map<string, Promise<void>>();

  constructor(hub: MemoryExchangeHub, url: string, dir: string) {
    this.#hub = hub;
    this.url = url;
    this.#dir = dir;
    makeDirectories(hub.env.fs, dir);
    for (const name of hub.env.fs.readdirSync(dir))
      if (name.endsWith('.part')) hub.env.fs.unlinkSync(`${dir}/${name}`);
  }

  async hold(path: string, { digest }: FileFacts): Promise<void> {
    const { fs } = this.#hub.env;
    if (this.has(digest)) return;
    if (!tryLink(fs, path, this.path(digest))) await this.#copy(path, digest);
    await fs.syncDirectory(this.#dir);
  }

  has(digest: string): boolean {
    return this.#hub.env.fs.existsSync(this.path(digest));
  }

  path(digest: string): string {
    return `${this.#dir}/${digest}`;
  }

  digests(): readonly string[] {
    return this.#hub.env.fs.readdirSync(this.#dir).filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  drop(digest: string): void {
    if (this.has(digest)) this.#hub.env.fs.unlinkSync(this.path(digest));
  }

  pull(file: FileFacts, sources: readonly string[], signal: AbortSignal): Promise<void> {
    const { digest } = file;
    const running = this.#pulls.get(digest);
    if (running !== undefined) return running;
    const pull = this.#pull(file, sources, signal).finally(() => this.#pulls.delete(digest));
    this.#pulls.set(digest, pull);
    return pull;
  }

  async #pull({ digest }: FileFacts, sources: readonly string[], signal: AbortSignal): Promise<void> {
    let failure: unknown;
    for (const source of sources) {
      throwIfAborted(signal);
      if (this.has(digest)) return;
      try {
        const { exchange } = this.#hub.nodeAt(source, this.url);
        if (!exchange.has(digest)) throw new SluiceError('UNAVAILABLE', `${source} has no file ${digest}`);
        await this.#copy(exchange.path(digest), digest);
        return;
      } catch (error) {
        failure = error;
        if (!(error instanceof SluiceError) || error.code !== 'UNAVAILABLE') throw error;
      }
    }
    throw new SluiceError('UNAVAILABLE', `No source has given the file ${digest}`, { cause: failure });
  }

  async #copy(from: string, digest: string): Promise<void> {
    const { env } = this.#hub;
    const part = `${this.path(digest)}.${env.random.hex(4)}.part`;
    await env.fs.copy(from, part);
    const file = await env.fs.open(part, 'read');
    try {
      await file.datasync();
    } finally {
      file.closeSync();
    }
    if ((await sha256Of(part, env, undefined, undefined)) !== digest) {
      env.fs.unlinkSync(part);
      throw new SluiceError('UNAVAILABLE', `${from} does not have the digest ${digest}: it is damaged there`);
    }
    env.fs.renameSync(part, this.path(digest));
    await env.fs.syncDirectory(this.#dir);
  }

  async ask(peer: string, file: FileFacts, sources: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#hub.env.clock.turn();
    await this.#hub.nodeAt(peer, this.url).service.stage(file, sources, signal);
  }

  inFlight(): readonly FileInFlight[] {
    return [...this.#pulls.keys()].map((digest) => ({ digest, bytes: 0, received: 0, from: '' }));
  }

  async fetchCheckpoint(peer: string, dir: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    await this.#hub.nodeAt(peer, this.url).service.checkpoint(dir);
  }

  async close(): Promise<void> {
    this.#hub.leave(this.url);
  }
}
