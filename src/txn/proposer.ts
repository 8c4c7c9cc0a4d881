/**
 * The way of writes in a cluster: an engine with a proposer takes no versions for its callers. Each write goes to the shared log and
 * comes back with its place in the order of commits, where a `ReplicaCommit` after the other is applied by the local committer.
 */

import type { Edit } from '../manifest/rows.ts';
import type { Version } from '../mvcc/version.ts';
import type { Table } from '../sst/table.ts';
import type { MergedLayer } from './commit-layers.ts';
import type { CommitResult } from './committer.ts';
import type { ReadSet } from './read-set.ts';
import type { TransactionCore } from './transaction.ts';

/** Where a database is one of a cluster's replicas; all but `ensure` and `release` resolve once it is applied here. */
export interface Proposer {
  /** One put or, with `value` undefined, one delete. Keeps neither array after it returns. */
  put(keyspace: string, key: Uint8Array, value: Uint8Array | undefined): Promise<Version>;
  commit(core: TransactionCore): Promise<CommitResult>;
  /** Of a transaction that has read nothing. Keys and values of puts may be the caller's: none is kept after it returns. */
  commitBlind(layers: readonly MergedLayer[]): Promise<Version>;
  /** The keyspace is made by what is written to it next; until then it reads as empty. @throws as `Keyspaces.ensure` */
  ensure(keyspace: string, allowIngestBehind: boolean): void;
  drop(keyspace: string): Promise<void>;
  /** Resolves with its version; undefined: none of them was there. */
  dropVersions(keyspace: string, ids: readonly number[]): Promise<Version | undefined>;
  /** Of an ingest that is there. */
  release(ingestId: string): void;
  /** All bytes of a file that is being ingested are at the table's path; they are still to be checked. */
  staged(table: Table): void;
  /** Resolves when all is applied here that was in the log at the call. @throws SluiceError ABORTED by the signal */
  caughtUp(signal: AbortSignal | undefined): Promise<void>;
}

/** A node that commits an import has it still: what all nodes know of it has this epoch (cluster/imports/). */
export interface ImportClaim {
  readonly id: string;
  readonly epoch: number;
  /** How far it is, as it is to be known from the commit on. */
  readonly info: string;
}

/** What the check of a commit needs of its transaction. */
export interface CheckedTransaction {
  readonly reads: ReadSet | undefined;
  readonly snapshotVersion: Version;
  tooOld: boolean;
}

/** A commit as the log has it, and what a replica does at its steps. */
export interface ReplicaCommit {
  readonly transaction: CheckedTransaction;
  /** Without what asks for this node's own levels. */
  readonly layers: readonly MergedLayer[];
  /** The same on all replicas. */
  readonly timeMs: number;
  /** In the turn in which its version is taken. */
  readonly begun: () => void;
}

/** Called within the section of a commit by the manifest: what the edit says of the log, so that both are durable together. */
export type ReplicaEdits = (version: Version) => readonly Edit[];
