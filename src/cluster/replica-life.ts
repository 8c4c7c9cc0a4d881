/**
 * A node's replica from its opening to its end. Where the log was trimmed under it (it was paused, or cut off, for longer than the others
 * wait) its database is made anew from a peer, while callers hold the `Db`: they go on with the new one.
 *
 * Reads go on until that is fetched. Then the old database is closed, and what was begun on it (transactions, snapshots, iterators)
 * ends with UNAVAILABLE: its files are gone. The new one is further: the log was trimmed beyond the old one, and the
 * peer has applied what was trimmed. So reads of this node still never go back.
 */

import type { EncodingName } from '../base/encoding.ts';
import type { Env } from '../base/env/env.ts';
import type { Lock } from '../base/env/lock.ts';
import { sharedSignal } from '../base/env/shared-signal.ts';
import { isSluiceError, SluiceError, throwIfAborted } from '../base/errors.ts';
import type { Db } from '../db.ts';
import type { Home } from '../db-home.ts';
import type { Settings } from '../db-options.ts';
import type { Engine } from '../txn/engine.ts';
import { fetchReplica, installReplica } from './bootstrap.ts';
import { ClusterDb, type ReplicaOfDb } from './cluster-db.ts';
import { ClusterNode } from './cluster-node.ts';
import type { ClusterSettings } from './cluster-options.ts';
import type { FileExchange, PeerService } from './files/file-exchange.ts';
import { ClusterImports } from './imports/cluster-imports.ts';
import { CurrentImports } from './imports/current-imports.ts';
import type { ClusterConfig, MemberState, SharedLog } from './log/shared-log.ts';
import { majorityOf } from './membership.ts';
import { checkCluster, homeOf } from './node-directory.ts';
import { takeName } from './node-name.ts';
import { halted } from './outcome.ts';
import { closeHome, openReplicaDatabase, type ReplicaDatabase } from './replica-database.ts';
import { SharedFiles } from './shared-files.ts';

const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 10_000;

export interface ReplicaPlace {
  /** Of the node. */
  readonly root: string;
  readonly settings: Settings;
  readonly cluster: ClusterSettings;
  readonly log: SharedLog;
  /** Of the node: released when nothing of it is open any more. */
  readonly lock: Lock;
}

/** The cluster as this node has found it. */
interface Entered {
  readonly exchange: FileExchange;
  readonly config: ClusterConfig;
  /** Of its directory. */
  readonly directory: string;
}

/** A database and what a node over it works with. */
interface Opened extends ReplicaDatabase {
  readonly files: SharedFiles;
  readonly closing: AbortController;
}

export class ReplicaLife<KE extends EncodingName, VE extends EncodingName> implements ReplicaOfDb {
  readonly #place: ReplicaPlace;
  readonly #env: Env;
  readonly #session: string;
  /** No other replica comes after this one. */
  readonly #ending = new AbortController();
  #files: SharedFiles | undefined;
  #node: ClusterNode | undefined;
  #db: ClusterDb<KE, VE> | undefined;
  /** The old database is closed, and no other has taken its place. */
  #isGone = false;
  #imports: CurrentImports | undefined;
  #renewing: Promise<void> = Promise.resolve();

  constructor(place: ReplicaPlace) {
    this.#place = place;
    this.#env = place.settings.env;
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

  /** The node that it is now. REQUIRES: begun. */
  get node(): ClusterNode {
    if (this.#node === undefined) throw this.#notYet();
    return this.#node;
  }

  #notYet(): SluiceError {
    return new SluiceError('UNAVAILABLE', `The node ${this.#place.cluster.node} is being opened`);
  }

  async begin(exchange: FileExchange): Promise<ClusterDb<KE, VE>> {
    const { root, settings, cluster, log } = this.#place;
    const { replicas, windowVersions } = cluster;
    const clusterId = this.#env.random.hex(16);
    const config = await log.config({ clusterId, replicas, windowVersions });
    checkCluster(this.#env, root, config.clusterId);
    const entered = { exchange, config, directory: homeOf(this.#env, root) };
    const opened = await this.#open(entered);
    this.#start(entered, opened, opened.home);
    this.#db = new ClusterDb<KE, VE>(opened.home, settings, this);
    return this.#db;
  }

  importsOf(db: Db<EncodingName, EncodingName>, engine: () => Engine): CurrentImports {
    this.#imports = new CurrentImports(() => new ClusterImports(db, engine, this.node));
    return this.#imports;
  }

  /** The replica stays the one that it is; resolves when it is not being made anew any more. */
  async end(): Promise<void> {
    this.#ending.abort();
    await this.#renewing;
    if (!this.#isGone) return;
    // There is no database left that would end the node.
    this.#isGone = false;
    await this.node.close();
    this.#place.lock.release();
  }

  #open(entered: Entered): Promise<Opened> {
    return this.#untilEnd((closing) => this.#openFor(entered, closing));
  }

  async #openFor({ exchange, config, directory }: Entered, closing: AbortController): Promise<Opened> {
    const { root, settings, cluster, log } = this.#place;
    const { node } = cluster;
    const files = new SharedFiles({
      env: this.#env,
      node,
      majority: majorityOf(config),
      log,
      exchange,
      signal: sharedSignal(closing.signal),
      onWaiting: (waiting) => this.#node?.setWaiting(waiting),
    });
    this.#files = files;
    await files.tellHeld();
    // The log keeps what this node has not applied, from now on.
    await takeName(this.#env, log, this.#starting(exchange, directory));
    const { signal } = closing;
    const database = await openReplicaDatabase({
      root,
      node,
      settings,
      config,
      log,
      exchange,
      files,
      signal,
    });
    return { ...database, files, closing };
  }

  /** It may wait for peers, or for the log: not beyond the end. */
  async #untilEnd<T>(act: (closing: AbortController) => Promise<T>): Promise<T> {
    const { signal } = this.#ending;
    throwIfAborted(signal);
    const closing = new AbortController();
    const leave = (): void => closing.abort();
    signal.addEventListener('abort', leave);
    try {
      return await act(closing);
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #starting({ url }: FileExchange, home: string): MemberState {
    const { node } = this.#place.cluster;
    const nothing = { appliedRevision: 0, appliedVersion: 0, digest: '' };
    return { node, session: this.#session, home, beat: 0, url, condition: 'starting', ...nothing };
  }

  /** `home`: as the `Db` has it. */
  #start(entered: Entered, { positions, requests, files, closing }: Opened, home: Home): void {
    const { cluster, log } = this.#place;
    const node = new ClusterNode({
      ...entered,
      env: this.#env,
      engine: home.engine,
      settings: cluster,
      session: this.#session,
      log,
      files,
      closing,
      positions,
      requests,
      onTrimmed: (why) => this.#renew(entered, home, why),
    });
    this.#node = node;
    home.beforeClose = () => node.close();
    home.afterClose = () => this.#place.lock.release();
  }

  #renew(entered: Entered, home: Home, why: SluiceError): void {
    if (this.#ending.signal.aborted) return;
    const old = this.node;
    this.#renewing = this.#makeAnew(entered, home, old, why).catch((error: unknown) => {
      this.#isGone = home.engine.closed;
      if (this.#ending.signal.aborted) home.engine.endedBy = undefined;
      else {
        if (this.#isGone) home.engine.endedBy = halted(error);
        old.notRenewed(error);
      }
    });
  }

  async #makeAnew(entered: Entered, home: Home, old: ClusterNode, why: SluiceError): Promise<void> {
    const { root, settings, cluster, log } = this.#place;
    const [env, { signal }] = [this.#env, this.#ending];
    const { exchange, directory } = entered;
    await old.leave();
    await this.#whilePassing(async () => {
      await log.announce(this.#starting(exchange, directory));
      await fetchReplica({ env, root, node: cluster.node, log, exchange, signal, why });
    });
    await this.#imports?.close();
    const { engine } = home;
    engine.endedBy = madeAnew(why);
    await closeHome(home, settings);
    installReplica({ env, root });
    const opened = await this.#whilePassing(() => this.#open(entered));
    // One turn: callers find the database that has ended, or the new one with its node.
    Object.assign(home, opened.home);
    home.engine.events.goOn(engine.events);
    this.#start(entered, opened, home);
    this.#imports?.beginAnew();
    settings.logger?.info({ version: home.engine.visible }, 'this replica was made anew from a peer');
  }

  /** Until it works: neither the log nor a peer may answer now. @throws all but UNAVAILABLE; ABORTED at the end */
  async #whilePassing<T>(act: () => Promise<T>): Promise<T> {
    for (let pauseMs = RETRY_MS_MIN; ; pauseMs = Math.min(RETRY_MS_MAX, 2 * pauseMs)) {
      try {
        return await act();
      } catch (err) {
        if (!isSluiceError(err, 'UNAVAILABLE')) throw err;
        this.#place.settings.logger?.warn({ err }, 'this replica cannot be made anew yet');
      }
      await this.#env.clock.sleep(pauseMs, this.#ending.signal);
    }
  }
}

function madeAnew(cause: SluiceError): SluiceError {
  const message =
    'This replica was behind what the log keeps, and has been made anew from another node: what was begun before that has ended; begin it again';
  return new SluiceError('UNAVAILABLE', message, { cause, retryable: true });
}
