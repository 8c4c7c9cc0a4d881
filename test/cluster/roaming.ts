/**
 * A cluster in the place of a database: each call goes to the next of its three replicas, and all have applied what it wrote
 * when it resolves. So whatever holds of a database can be asked of a cluster, through all its nodes at once.
 *
 * What belongs to one node (a transaction, a snapshot, an iterator) stays with the node that it came from; keyspaces and datasets
 * roam. When it is closed the replicas must have the same.
 */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { EncodingName } from '../../src/base/encoding.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import type { ClusterDb } from '../../src/cluster/cluster-db.ts';
import { ClusterProposer } from '../../src/cluster/cluster-proposer.ts';
import type { DbOptions, InternalOptions } from '../../src/db-options.ts';
import { type Db, open } from '../../src/index.ts';
import { Dataset } from '../../src/txn/dataset/dataset.ts';
import { Keyspace } from '../../src/txn/keyspace.ts';
import { Snapshot } from '../../src/txn/snapshot.ts';
import { Transaction } from '../../src/txn/transaction.ts';
import type { OpenNode } from './clusters.ts';
import { type Replica, sameContent, sameOnAll } from './entries.ts';
import { sameAsBefore, writesFromBehind } from './lagging.ts';
import { LogGate } from './log-gate.ts';
import { until } from './nodes.ts';
import { engineOf } from './tree-entries.ts';

export const NODES = ['a', 'b', 'c'] as const;
/** Whose database is opened read-only. */
export const READ_BESIDE = 'b';

/** Of a node's database, in a cluster's directory. */
export const directoryOf = (dir: string, node: (typeof NODES)[number]): string => join(dir, node, 'db');

type Options<KE extends EncodingName, VE extends EncodingName> = DbOptions<KE, VE> & InternalOptions;

/** Opens clusters as `open` opens databases: one in each directory. */
export class RoamingClusters {
  readonly #openNode: OpenNode;
  readonly #opened: Roaming[] = [];
  readonly #nodes = new WeakMap<object, readonly object[]>();
  #last:
    | { readonly roaming: Roaming; readonly dir: string; readonly reopen: () => Promise<void> }
    | undefined;

  constructor(openNode: OpenNode) {
    this.#openNode = openNode;
  }

  /** Read-only: one of the replicas, beside its node. */
  open = async <KE extends EncodingName = 'buffer', VE extends EncodingName = 'buffer'>(
    dir: string,
    options: Options<KE, VE> = {},
  ): Promise<Db<KE, VE>> => {
    if (options.readOnly === true) return open(directoryOf(dir, READ_BESIDE), options);
    const {
      readOnly: _,
      createIfMissing: __,
      errorIfExists: ___,
      conflictWindowBytes: ____,
      ...own
    } = options;
    const gate = new LogGate();
    const openNode = (node: string) =>
      this.#openNode(dir, node, node === NODES[AWAY] ? { ...own, gate } : own);
    const nodes: ClusterDb<KE, VE>[] = [];
    for (const name of NODES) nodes.push(await openNode(name));
    const keepsAll = own.compaction === 'off' && (own.keepHistoryMs ?? 0) > 0;
    const roaming = new Roaming(nodes, gate, keepsAll ? sameOnAll : sameContent);
    this.#opened.push(roaming);
    this.#last = {
      roaming,
      dir,
      reopen: async () => {
        nodes[AWAY] = await openNode(NODES[AWAY]);
      },
    };
    const database: Db<KE, VE> = roaming.database(nodes);
    this.#nodes.set(database, nodes);
    return database;
  };

  /** As they are now. */
  nodesOf = <D extends object>(db: D): readonly D[] => (this.#nodes.get(db) ?? [db]) as readonly D[];

  /**
   * The last node of the cluster that was opened last is away until `bringBack`: closed; 'wiped', with all that it had; or 'lagging',
   * open and alive while the log's entries do not reach it.
   */
  async takeAway(how: Absence): Promise<void> {
    if (this.#last === undefined || !(await this.#last.roaming.takeAway(how))) return;
    if (how === 'wiped') rmSync(join(this.#last.dir, NODES[AWAY]), { recursive: true });
  }

  /** Lets a node that lags have so many entries more, and sees to it that it has what the others had then. */
  async letThrough(entries: number): Promise<void> {
    await this.#last?.roaming.letThrough(entries);
  }

  /** Where it was there, nothing is done. */
  async bringBack(): Promise<void> {
    await this.#last?.roaming.bringBack(this.#last.reopen);
  }

  /** All that is open has applied what there is, and what calls have begun that nobody could wait for. */
  settled = async (): Promise<void> => {
    await Promise.all(this.#opened.map((roaming) => roaming.settleAll()));
  };
}

export type Absence = 'closed' | 'wiped' | 'lagging';

/** One of the things that a call may be of, as it is on each node. */
type Kin = (node: number) => object;

/** The node that may be gone for a while: snapshots and transactions by hand are of the others. */
const AWAY = 2;
/** What belongs to its node until it is closed. */
const STAYING: ReadonlySet<PropertyKey> = new Set(['snapshot', 'begin']);
/** What every node does for itself. */
const ON_EVERY_NODE: ReadonlySet<PropertyKey> = new Set(['flush', 'compactRange']);
/** What leaves everything as it is. */
const READING: ReadonlySet<PropertyKey> = new Set(['get', 'getMany', 'has', 'verify', 'explainIngest']);

class Roaming {
  readonly #nodes: readonly Replica[];
  /** To the node that may be away. */
  readonly #gate: LogGate;
  readonly #check: (nodes: readonly Replica[]) => Promise<void>;
  readonly #kin = new WeakMap<object, Kin>();
  /** Of what belongs to one node. */
  readonly #home = new WeakMap<object, number>();
  /** The last one, and its node. */
  #snapshot: { readonly snapshot: Snapshot; readonly node: number } | undefined;
  #next = 0;
  #away: Absence | undefined;
  #closing: Promise<void> | undefined;

  constructor(nodes: readonly Replica[], gate: LogGate, check: (nodes: readonly Replica[]) => Promise<void>) {
    this.#nodes = nodes;
    this.#gate = gate;
    this.#check = check;
  }

  database<D extends object>(nodes: readonly D[]): D {
    return this.#roam((node) => this.#at(nodes, node));
  }

  /** All have what the log had at the call. One asks it, for three questions would be most of what a statement costs on etcd. */
  async settle(): Promise<void> {
    if (this.#closing !== undefined) return;
    const [asked, ...others] = this.#present;
    await asked?.caughtUp().catch(unlessClosed);
    await until('the others have applied it', () => {
      return this.#closing !== undefined || others.every(({ version }) => version >= (asked?.version ?? 0));
    });
  }

  get #present(): readonly Replica[] {
    return this.#away === undefined ? this.#nodes : this.#nodes.slice(0, AWAY);
  }

  /** False where it is gone, or all are. */
  async takeAway(how: Absence): Promise<boolean> {
    if (this.#away !== undefined || this.#closing !== undefined) return false;
    this.#away = how;
    if (this.#next === AWAY) this.#next = 0;
    if (how === 'lagging') this.#gate.hold();
    else await this.#at(this.#nodes, AWAY).close();
    return true;
  }

  async bringBack(reopen: () => Promise<void>): Promise<void> {
    if (this.#away === undefined || this.#closing !== undefined) return;
    if (this.#away === 'lagging') await this.#catchUp();
    else await reopen();
    this.#away = undefined;
    await this.settle();
  }

  async letThrough(entries: number): Promise<void> {
    if (this.#away !== 'lagging' || this.#closing !== undefined) return;
    this.#gate.letThrough(entries);
    await sameAsBefore(this.#at(this.#nodes, AWAY), this.#at(this.#nodes, 0));
  }

  async #catchUp(): Promise<void> {
    const [lagging, other] = [this.#at(this.#nodes, AWAY), this.#at(this.#nodes, 0)];
    await sameAsBefore(lagging, other);
    await writesFromBehind(lagging, other, () => this.#gate.release());
  }

  async settleAll(): Promise<void> {
    if (this.#closing !== undefined) return;
    await until('all that was begun is in the log', () => {
      return this.#closing !== undefined || this.#present.every((node) => pendingCommits(node) === 0);
    });
    await this.settle();
  }

  /** The same objects of all nodes, as one. */
  #roam<T extends object>(kin: (node: number) => T): T {
    const proxy = new Proxy(kin(0), {
      get: (_, name) => {
        const value: unknown = Reflect.get(kin(this.#next), name, kin(this.#next));
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => this.#call(kin, name, args);
      },
    });
    this.#kin.set(proxy, kin);
    return proxy;
  }

  /** An object of one node. */
  #stay<T extends object>(object: T, node: number): T {
    const proxy = new Proxy(object, {
      get: (_, name) => {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => this.#answer(apply(object, name, this.#given(args, node)), node, name);
      },
    });
    this.#kin.set(proxy, () => object);
    this.#home.set(proxy, node);
    return proxy;
  }

  #call(kin: Kin, name: PropertyKey, args: readonly unknown[]): unknown {
    if (name === 'close' || name === Symbol.asyncDispose) return this.#close();
    if (ON_EVERY_NODE.has(name)) {
      const answers = this.#present.map((_, node) => apply(kin(node), name, this.#given(args, node)));
      return Promise.all(answers).then(() => undefined);
    }
    const node = this.#homeOf(args) ?? this.#turn(name);
    const answer = apply(kin(node), name, this.#given(args, node));
    if (answer instanceof Keyspace || answer instanceof Dataset)
      return this.#everywhere(answer, node, kin, name, args);
    return this.#answer(answer, node, name);
  }

  /** A keyspace or dataset of all nodes: one that is made by this call is soon on the others. */
  #everywhere(answer: object, node: number, kin: Kin, name: PropertyKey, args: readonly unknown[]): object {
    if (this.#homeOf(args) !== undefined) return this.#stay(answer, node);
    const all = this.#present.map((_, other) =>
      other === node ? answer : asObject(apply(kin(other), name, this.#given(args, other))),
    );
    return this.#roam((other) => this.#at(all, other));
  }

  #answer(answer: unknown, node: number, name: PropertyKey): unknown {
    if (answer instanceof Promise && !READING.has(name)) {
      return answer.then(
        async (value: unknown) => {
          await this.settle();
          return value;
        },
        async (error: unknown) => {
          await this.settle();
          throw error;
        },
      );
    }
    if (answer instanceof Transaction) return this.#stay(answer, node);
    if (answer instanceof Snapshot) {
      this.#home.set(answer, node);
      this.#snapshot = { snapshot: answer, node };
    }
    return answer;
  }

  /** Arguments as the node knows them. */
  #given(args: readonly unknown[], node: number): unknown[] {
    return args.map((arg) => {
      if (typeof arg === 'function') {
        return (...inner: unknown[]): unknown =>
          Reflect.apply(
            arg,
            undefined,
            inner.map((each) => this.#answer(each, node, '')),
          );
      }
      return isObject(arg) ? (this.#kin.get(arg)?.(node) ?? arg) : arg;
    });
  }

  /** The node that an argument belongs to: a snapshot, as an option. */
  #homeOf(args: readonly unknown[]): number | undefined {
    for (const arg of args) {
      if (!isObject(arg)) continue;
      const snapshot: unknown = Reflect.get(arg, 'snapshot');
      if (isObject(snapshot) && this.#home.has(snapshot)) return this.#home.get(snapshot);
    }
    return undefined;
  }

  #turn(name: PropertyKey): number {
    const node = this.#next;
    this.#next = (node + 1) % this.#present.length;
    // What levels keep for a snapshot is in those of its node alone.
    if (name === 'stats' && this.#snapshot?.snapshot.closed === false) return this.#snapshot.node;
    return STAYING.has(name) ? node % AWAY : node;
  }

  #at<T>(all: readonly T[], node: number): T {
    const found = all[node];
    if (found === undefined) throw new Error(`there is no node ${node}`);
    return found;
  }

  #close(): Promise<void> {
    this.#closing ??= this.#checkAndClose();
    return this.#closing;
  }

  async #checkAndClose(): Promise<void> {
    if (this.#away === 'lagging') {
      this.#gate.release();
      this.#away = undefined;
    }
    try {
      await this.#check(this.#present);
    } finally {
      for (const node of this.#present) await node.close();
    }
  }
}

function apply(object: object, name: PropertyKey, args: readonly unknown[]): unknown {
  const method: unknown = Reflect.get(object, name, object);
  if (typeof method !== 'function') throw new TypeError(`${String(name)} is no method`);
  return Reflect.apply(method, object, args);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function asObject(value: unknown): object {
  if (isObject(value)) return value;
  throw new TypeError('a node answered otherwise than another');
}

function pendingCommits(node: Replica): number {
  const { proposer } = engineOf(node);
  if (proposer instanceof ClusterProposer) return proposer.pending;
  throw new TypeError('a node has no proposer');
}

function unlessClosed(error: unknown): void {
  if (!isSluiceError(error, 'CLOSED')) throw error;
}
