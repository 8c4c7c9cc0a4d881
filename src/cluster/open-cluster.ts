/** A database that is one of a cluster's replicas, over any shared log and any exchange of files: `open-node.ts` brings those of a real one. */

import { resolve } from 'node:path';
import type { EncodingName } from '../base/encoding.ts';
import type { Env } from '../base/env/env.ts';
import type { Lock } from '../base/env/lock.ts';
import { sharedSignal } from '../base/env/shared-signal.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import { Db } from '../db.ts';
import { type Home, openWriter } from '../db-home.ts';
import { type InternalOptions, resolveOptions, type Settings } from '../db-options.ts';
import { ensureZstd } from '../sst/zstd.ts';
import { RESERVED_KEYSPACE } from '../txn/catalog.ts';
import { bootstrap } from './bootstrap.ts';
import { ClusterDb } from './cluster-db.ts';
import { ClusterNode, majorityOf } from './cluster-node.ts';
import { type ClusterOptions, type ClusterSettings, resolveClusterOptions } from './cluster-options.ts';
import type { FileExchange, PeerService } from './files/file-exchange.ts';
import { type ClusterConfig, logLacks, type SharedLog } from './log/shared-log.ts';
import { LogCheck } from './log-check.ts';
import { checkCluster, homeOf, lockNode } from './node-directory.ts';
import { takeName } from './node-name.ts';
import { Positions } from './position.ts';
import { EntryRecords } from './record/entry.ts';
import { RequestIds } from './request-ids.ts';
import { SharedFiles } from './shared-files.ts';
import { enterEntry } from './window-rebuild.ts';

/**
 * Opens this node's replica, making it where there is none: from the log, or where that does not reach back far enough, or the
 * directory is damaged, from a peer that goes on meanwhile. Then it is used as any other database, with `status()`
 * beside; what the log has more is applied while it is used.
 *
 * @throws SluiceError as `open`; UNAVAILABLE where the log, or a peer that is needed, cannot be reached; TypeError
 */
export async function openCluster<KE extends EncodingName = 'buffer', VE extends EncodingName = 'buffer'>(
  options: ClusterOptions<KE, VE> & InternalOptions,
): Promise<ClusterDb<KE, VE>> {
  const cluster = resolveClusterOptions(options);
  const { dir, node: _, log, files, replicas, windowVersions, commitTimeoutMs, announceMs, ...own } = options;
  const root = resolve(dir);
  const resolved = resolveOptions(`${root}/db`, { durability: 'os', ...own });
  // The window is as large on every replica: by versions, not by this node's memory.
  const settings: Settings = { ...resolved, conflictWindowBytes: Number.POSITIVE_INFINITY };
  await ensureZstd();
  let lock: Lock | undefined;
  let exchange: FileExchange | undefined;
  try {
    lock = lockNode(settings.env, root);
    const opening = new Opening<KE, VE>(root, settings, cluster, log, lock);
    exchange = await files(root, opening.service);
    return await opening.open(exchange);
  } catch (error) {
    await exchange?.close();
    await log.close();
    lock?.release();
    throw error;
  }
}

class Opening<KE extends EncodingName, VE extends EncodingName> {
  readonly #root: string;
  readonly #settings: Settings;
  readonly #env: Env;
  readonly #cluster: ClusterSettings;
  readonly #log: SharedLog;
  readonly #lock: Lock;
  readonly #session: string;
  readonly #closing = new AbortController();
  #files: SharedFiles | undefined;
  #requests = new RequestIds();
  #node: ClusterNode | undefined;
  #db: ClusterDb<KE, VE> | undefined;

  constructor(root: string, settings: Settings, cluster: ClusterSettings, log: SharedLog, lock: Lock) {
    this.#root = root;
    this.#settings = settings;
    this.#env = settings.env;
    this.#cluster = cluster;
    this.#log = log;
    this.#lock = lock;
    this.#session = this.#env.random.hex(16);
  }

  /** What peers may ask while this node is up, or on its way. */
  readonly service: PeerService = {
    stage: async (file, sources, signal) => {
      if (this.#files === undefined) throw this.#notYet();
      await this.#files.stage(file, sources, signal);
    },
    checkpoint: async (to) => {
      if (this.#db === undefined) throw this.#notYet();
      await this.#db.checkpoint(to);
    },
  };

  #notYet(): SluiceError {
    return new SluiceError('UNAVAILABLE', `The node ${this.#cluster.node} is being opened`);
  }

  async open(exchange: FileExchange): Promise<ClusterDb<KE, VE>> {
    const { node, replicas, windowVersions } = this.#cluster;
    const clusterId = this.#env.random.hex(16);
    const config = await this.#log.config({ clusterId, replicas, windowVersions });
    checkCluster(this.#env, this.#root, config.clusterId);
    const directory = homeOf(this.#env, this.#root);
    this.#files = new SharedFiles({
      env: this.#env,
      node,
      majority: majorityOf(config),
      log: this.#log,
      exchange,
      signal: sharedSignal(this.#closing.signal),
      onWaiting: (waiting) => this.#node?.setWaiting(waiting),
    });
    await this.#files.retract();
    const url = exchange.url;
    // The log keeps what this node has not applied, from now on.
    await takeName(this.#env, this.#log, {
      node,
      session: this.#session,
      home: directory,
      beat: 0,
      url,
      condition: 'starting',
      appliedRevision: 0,
      appliedVersion: 0,
      digest: '',
    });
    const { home, positions } = await this.#openDatabase(exchange, config);
    const { engine } = home;
    this.#node = new ClusterNode({
      env: this.#env,
      engine,
      settings: this.#cluster,
      session: this.#session,
      directory,
      config,
      log: this.#log,
      exchange,
      files: this.#files,
      closing: this.#closing,
      positions,
      requests: this.#requests,
    });
    const opened = this.#node;
    home.beforeClose = () => opened.close();
    home.afterClose = () => this.#lock.release();
    const db = new ClusterDb<KE, VE>(home, this.#settings, opened);
    this.#db = db;
    return db;
  }

  /** The database, at a place from which the log goes on. */
  async #openDatabase(
    exchange: FileExchange,
    config: ClusterConfig,
  ): Promise<{ readonly home: Home; readonly positions: Positions }> {
    let why: unknown;
    for (let attempt = 1; attempt <= 2; attempt++) {
      let home: Home | undefined;
      try {
        home = openWriter(this.#settings);
        return { home, positions: await this.#positionsOf(home, config) };
      } catch (error) {
        if (home !== undefined) await closeHome(home, this.#settings);
        const isHopeless = isSluiceError(error, 'TRIMMED') || isSluiceError(error, 'CORRUPTION');
        if (!isHopeless || attempt === 2) throw error;
        why = error;
      }
      this.#settings.logger?.warn({ err: why }, 'this replica is made anew from a peer');
      await bootstrap({
        env: this.#env,
        root: this.#root,
        node: this.#cluster.node,
        log: this.#log,
        exchange,
        signal: this.#closing.signal,
        why,
      });
    }
    throw why;
  }

  /** @throws SluiceError TRIMMED where the log does not reach back to them, DIVERGED where it has others */
  async #positionsOf(home: Home, config: ClusterConfig): Promise<Positions> {
    const { engine } = home;
    if (engine.catalog.newest(RESERVED_KEYSPACE) === undefined) {
      if (engine.publication.last > 1) {
        const message = `${this.#settings.dir} is a database of its own, not a cluster's replica: open it by itself, and import from it`;
        throw new SluiceError('NOT_A_DATABASE', message);
      }
      engine.keyspaces.make(RESERVED_KEYSPACE, false);
    }
    const positions = await Positions.load(engine, config.windowVersions);
    const trimmed = await this.#log.trimmedThrough();
    const oldest = positions.all[0]?.revision;
    if ((oldest ?? 1) <= trimmed) {
      const message = `The log is kept from revision ${trimmed} on, and this replica asks for it from ${oldest ?? 0}`;
      throw new SluiceError('TRIMMED', message);
    }
    await this.#rebuildWindow(engine, positions);
    return positions;
  }

  /** L5: before anything is applied, the window has what those of the other replicas have. */
  async #rebuildWindow(engine: Home['engine'], positions: Positions): Promise<void> {
    this.#requests = new RequestIds();
    const [oldest, newest, files] = [positions.all[0], positions.last, this.#files];
    files?.adopt(newest?.revision ?? 0);
    if (oldest === undefined || newest === undefined || files === undefined) return;
    // Else it would be waited for.
    if ((await this.#log.head()) < newest.revision) throw logLacks(newest.revision);
    const check = new LogCheck(positions);
    const done = new AbortController();
    for await (const { bytes, revision } of this.#log.read(oldest.revision - 1, done.signal)) {
      const records = new EntryRecords(bytes);
      check.next(revision, records);
      const versions = positions.versionsOf(revision);
      await enterEntry(engine, records, versions, files.pathOf, async (record, version) => {
        await files.bring(record, revision);
        files.named(record.files, revision);
        if (record.request !== undefined) this.#requests.enter(record.request, version, 0);
      });
      if (revision >= newest.revision) break;
    }
    done.abort();
  }
}

function closeHome(home: Home, settings: Settings): Promise<void> {
  return new Db(home, settings, 'buffer', 'buffer', undefined).close();
}
