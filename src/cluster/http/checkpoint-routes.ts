/**
 * Checkpoints for nodes that begin: `POST /checkpoints` makes one in DIR/cluster/checkpoints, by hard links, and lists its files;
 * they are fetched by their place in the list, so no path is ever taken from a request. One that nobody asks for goes by itself.
 */

import { basename } from 'node:path';
import type { Env } from '../../base/env/env.ts';
import { makeDirectories } from '../../base/env/make-directories.ts';
import { nodeEnv } from '../../base/env/node-env.ts';
import { isSluiceError, throwIfAborted } from '../../base/errors.ts';
import { sha256Of } from '../../ingest/staging.ts';
import type { CheckThreads } from '../../sst/check-table.ts';
import { checkThreads } from '../../sst/check-threads.ts';
import { filesBelow, removeTree, type TreeFile } from '../files/directory-tree.ts';
import type { PeerService } from '../files/file-exchange.ts';
import type { FileStore } from '../files/file-store.ts';
import type { ThreadSender } from '../files/thread-sender.ts';
import type { Call } from './call.ts';
import { tellWhenDone } from './file-routes.ts';
import type { Route } from './node-server.ts';
import { serveFile } from './send-file.ts';
import { RequestError } from './status-codes.ts';

/** What a `POST /checkpoints` is answered with. */
export interface CheckpointListing {
  readonly id: string;
  readonly files: readonly ListedFile[];
}

export interface ListedFile {
  readonly name: string;
  readonly bytes: number;
  /** The place in the list of a file that is another name of the same. */
  readonly sameAs?: number;
  /** Where it is known: of a table that is an original too. Of others it is asked. */
  readonly sha256?: string;
}

const CHECKPOINTS_MAX = 2;
const UNUSED_MS = 300_000;
/** Less is hashed here before a thread would have been asked for it. */
const THREAD_BYTES_MIN = 1 << 20;

interface Offered {
  readonly dir: string;
  readonly files: readonly TreeFile[];
  /** Requests that read it now. */
  readers: number;
  /** Stops the clock that ends it. */
  keep: () => void;
}

export class CheckpointOffers {
  readonly #env: Env;
  readonly #home: string;
  readonly #store: FileStore;
  readonly #service: PeerService;
  readonly #threads: CheckThreads | undefined;
  readonly #sender: ThreadSender | undefined;
  readonly #offered = new Map<string, Offered>();
  #making = 0;

  /** @param dir of the node, on the file system of its database, so that tables can be linked */
  constructor(
    env: Env,
    dir: string,
    store: FileStore,
    service: PeerService,
    sender: ThreadSender | undefined,
  ) {
    this.#sender = sender;
    this.#env = env;
    this.#home = `${dir}/cluster/checkpoints`;
    this.#store = store;
    this.#service = service;
    this.#threads = env.fs === nodeEnv.fs ? checkThreads : undefined;
    removeTree(env.fs, this.#home); // of a process that has ended
  }

  routes(): readonly Route[] {
    const access = 'peer';
    return [
      { method: 'POST', path: '/checkpoints', access, run: (call) => this.#make(call) },
      { method: 'DELETE', path: '/checkpoints/:id', access, run: (call) => this.#end(call) },
      {
        method: 'GET',
        path: '/checkpoints/:id/:index',
        access,
        run: (call) => this.#reading(call, (path) => serveFile(call, path, this.#env.fs, this.#sender)),
      },
      {
        method: 'POST',
        path: '/checkpoints/:id/:index/sha256',
        access,
        run: (call) =>
          this.#reading(call, (path, { bytes }) =>
            tellWhenDone(call, this.#env.clock, async () => {
              const threads = bytes < THREAD_BYTES_MIN ? undefined : this.#threads;
              return { sha256: await sha256Of(path, this.#env, threads, call.signal) };
            }),
          ),
      },
    ];
  }

  close(): void {
    for (const id of [...this.#offered.keys()]) this.#remove(id);
    removeTree(this.#env.fs, this.#home);
  }

  async #make(call: Call): Promise<void> {
    if (this.#offered.size + this.#making >= CHECKPOINTS_MAX)
      throw new RequestError(503, 'enough checkpoints are being fetched; try again', { 'retry-after': '30' });
    this.#making++;
    const id = this.#env.random.hex(16);
    const dir = `${this.#home}/${id}`;
    try {
      await tellWhenDone(call, this.#env.clock, async () => {
        makeDirectories(this.#env.fs, this.#home);
        try {
          const held = this.#store.digests();
          await this.#service.checkpoint(dir);
          // Those held before and after: what the checkpoint needs of them was held throughout.
          this.#linkHeld(dir, new Set([...held, ...this.#store.digests()]));
          throwIfAborted(call.signal);
          return this.#offer(id, dir);
        } catch (error) {
          removeTree(this.#env.fs, dir);
          throw error;
        }
      });
    } finally {
      this.#making--;
    }
  }

  #linkHeld(dir: string, digests: ReadonlySet<string>): void {
    const { fs } = this.#env;
    const to = `${dir}/cluster/files`;
    fs.mkdirSync(to);
    for (const digest of digests) {
      try {
        fs.linkSync(this.#store.path(digest), `${to}/${digest}`);
      } catch (error) {
        if (!isSluiceError(error, 'FILE_NOT_FOUND')) throw error; // dropped meanwhile
      }
    }
  }

  #offer(id: string, dir: string): CheckpointListing {
    const found = filesBelow(this.#env.fs, dir).filter(({ name }) => name !== 'LOCK');
    // Originals last: those that are tables too need not be sent.
    const isOriginal = ({ name }: TreeFile): boolean => name.startsWith('cluster/');
    const files = [...found.filter((file) => !isOriginal(file)), ...found.filter(isOriginal)];
    const offered: Offered = { dir, files, readers: 0, keep: () => undefined };
    this.#offered.set(id, offered);
    this.#untilUnused(id, offered);
    const firsts = new Map<string, number>();
    const digests = new Map(files.filter(isOriginal).map(({ name, identity }) => [identity, basename(name)]));
    const listed = files.map(({ name, bytes, identity }, index): ListedFile => {
      const sameAs = firsts.get(identity);
      if (sameAs !== undefined) return { name, bytes, sameAs };
      firsts.set(identity, index);
      const sha256 = digests.get(identity);
      return { name, bytes, ...(sha256 !== undefined && { sha256 }) };
    });
    return { id, files: listed };
  }

  async #reading(call: Call, read: (path: string, file: TreeFile) => Promise<void>): Promise<void> {
    const [id = '', index = ''] = call.parameters;
    const offered = this.#offered.get(id);
    const file = /^\d{1,9}$/.test(index) ? offered?.files[Number(index)] : undefined;
    if (offered === undefined || file === undefined)
      throw new RequestError(404, 'there is no such checkpoint, or no such file in it');
    offered.readers++;
    offered.keep();
    try {
      await read(`${offered.dir}/${file.name}`, file);
    } finally {
      offered.readers--;
      if (offered.readers === 0) this.#untilUnused(id, offered);
    }
  }

  #untilUnused(id: string, offered: Offered): void {
    offered.keep = this.#env.clock.after(UNUSED_MS, () => this.#remove(id));
  }

  #end(call: Call): void {
    const [id = ''] = call.parameters;
    if (!this.#offered.has(id)) throw new RequestError(404, 'there is no such checkpoint');
    this.#remove(id);
    call.answer(200, {});
  }

  #remove(id: string): void {
    const offered = this.#offered.get(id);
    if (offered === undefined) return;
    offered.keep();
    this.#offered.delete(id);
    removeTree(this.#env.fs, offered.dir);
  }
}
