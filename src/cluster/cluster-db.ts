/** The database of a cluster's node: `Db`, and how the cluster is. */

import type { EncodingName } from '../base/encoding.ts';
import { Db } from '../db.ts';
import type { Home } from '../db-home.ts';
import type { Settings } from '../db-options.ts';
import type { Engine } from '../txn/engine.ts';
import type { Snapshot } from '../txn/snapshot.ts';
import type { ClusterNode, ClusterStatus } from './cluster-node.ts';
import { checkNodeName } from './cluster-options.ts';
import { type ContentComparison, contentDigest } from './contents.ts';
import type { CurrentImports } from './imports/current-imports.ts';
import type { MemberCondition } from './log/shared-log.ts';

/** The replica behind the database, which may be made anew while that is held. */
export interface ReplicaOfDb {
  readonly node: ClusterNode;
  importsOf(db: Db<EncodingName, EncodingName>, engine: () => Engine): CurrentImports;
  /** From then on it is made anew no more. */
  end(): Promise<void>;
}

export class ClusterDb<KE extends EncodingName = 'buffer', VE extends EncodingName = 'buffer'> extends Db<
  KE,
  VE
> {
  readonly #replica: ReplicaOfDb;
  readonly #imports: CurrentImports | undefined;

  /** For `openCluster`. */
  constructor(home: Home, settings: Settings, replica: ReplicaOfDb) {
    let imports: CurrentImports | undefined;
    super(home, settings, settings.keyEncoding as KE, settings.valueEncoding as VE, (db, engine) => {
      imports = replica.importsOf(db, engine);
      return imports;
    });
    this.#replica = replica;
    this.#imports = imports;
  }

  /**
   * Ends an import, whichever node runs it: nothing of it is committed once this has resolved, unless it was before.
   *
   * @throws SluiceError IMPORT_NOT_FOUND; UNAVAILABLE, OUTCOME_UNKNOWN where the log does not answer
   */
  async cancelImport(id: string): Promise<void> {
    this.engine().checkWritable();
    await this.#imports?.cancel(id);
  }

  /** The members of the cluster, how far this one is, and what it waits for. Parts that the log would have to tell are absent while it does not answer. */
  status(): Promise<ClusterStatus> {
    return this.#replica.node.status();
  }

  /**
   * Resolves when this node has applied all that the log had at the call: reads that begin then see what any node had
   * acknowledged before it.
   *
   * @throws SluiceError HALTED, UNAVAILABLE, CLOSED, ABORTED
   */
  caughtUp(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#replica.node.caughtUp(options.signal);
  }

  /** For the server of this node: whether it takes part, as far as it knows by itself. */
  condition(): MemberCondition {
    return this.#replica.node.condition;
  }

  /** For the server of this node: where a request that a client named is committed. */
  requestVersion(id: string): number | undefined {
    return this.#replica.node.requestVersion(id);
  }

  /**
   * A node that is gone for good: what it held of files counts for no majority any more. One that comes back under the name tells what
   * it holds again.
   *
   * @throws SluiceError BUSY while it lives; UNAVAILABLE, CLOSED; TypeError
   */
  async forgetNode(node: string): Promise<void> {
    checkNodeName(node, 'node');
    await this.#replica.node.forgetNode(node);
  }

  /** SHA-256 of all keyspaces' names, keys and values at a snapshot, or now, in hex: the same on every node at the same version. */
  async contentDigest(options: { readonly snapshot?: Snapshot } = {}): Promise<string> {
    const given = options.snapshot;
    const snapshot = given ?? this.snapshot();
    try {
      return await contentDigest(this.engine(), snapshot);
    } finally {
      if (given === undefined) snapshot.close();
    }
  }

  /**
   * Has all replicas compute `contentDigest` at the same place of the log, which is now, and compares: each reads all that it has. One that does
   * not hold what a majority holds halts with DIVERGED, and so does one that cannot read what it holds, with the reason.
   *
   * @throws SluiceError HALTED, UNAVAILABLE, ABORTED, CLOSED
   */
  compareContents(options: { readonly signal?: AbortSignal } = {}): Promise<ContentComparison> {
    return this.#replica.node.compareContents(options.signal);
  }

  override async close(): Promise<void> {
    await this.#replica.end();
    await super.close();
  }
}
