/**
 * The shared log: what the nodes of a cluster agree on, and how they find each other. Two implementations, `MemoryLog` (one process)
 * and `EtcdLog`, are held to it by one contract suite.
 *
 * The order of revisions is the order of commits. Everything durable in a cluster but the files' bytes is here.
 */

import { SluiceError } from '../../base/errors.ts';

/** One atomic write of the log. Revisions ascend, and need not be dense. */
export interface LogEntry {
  readonly revision: number;
  readonly id: string;
  readonly bytes: Uint8Array;
}

/** `bytes` + `id` have at most this length, which is less than one etcd request takes. */
export const ENTRY_BYTES_MAX = 1024 * 1024;

export interface LogAppend {
  /** Names the write for ever: random, 32 hex digits. */
  readonly id: string;
  readonly bytes: Uint8Array;
  /** SHA-256 digests, lower-case hex, of files that the entry names: a majority must still hold each in the same atomic write. */
  readonly stagings: readonly string[];
  /** What `backlog` counts of it. A node makes one append at a time. */
  readonly weight?: { readonly node: string } & LogWeight;
}

/** `bytes`: of entries, and of the files that they name. */
export interface LogWeight {
  readonly records: number;
  readonly bytes: number;
}

/** What comes after a revision. */
export interface Backlog extends Partial<LogWeight> {
  /** The newest entry's. */
  readonly head: number;
}

/** @throws TypeError, of what no log takes */
export function checkAppend({ id, bytes }: LogAppend): void {
  if (!/^[0-9a-f]{32}$/.test(id))
    throw new TypeError(`batch.id must be 32 hex digits; got ${JSON.stringify(id)}`);
  if (id.length + bytes.length > ENTRY_BYTES_MAX)
    throw new TypeError(
      `batch.bytes: ${bytes.length} bytes are more than an entry may have (${ENTRY_BYTES_MAX})`,
    );
}

/** What holds the log was restored from a backup, most likely: of what was acknowledged since then it knows nothing. */
export function logLacks(revision: number): SluiceError {
  const message =
    `The log lacks what this replica has read of it up to revision ${revision}: was etcd restored from a backup? ` +
    'What was committed after that is not in the cluster any more, and still here. docs/cluster.md says how to go on';
  return new SluiceError('DIVERGED', message);
}

/** Where an entry is; or the digests that fewer than a majority hold, and nothing was written. */
export type AppendResult = { readonly revision: number } | { readonly missing: readonly string[] };

/** Set once, by the first node that opens the cluster: all replicas compute with the same values. */
export interface ClusterConfig {
  readonly clusterId: string;
  /** How many nodes the cluster is meant to have: a majority is more than half of it. */
  readonly replicas: number;
  /** How many versions back a transaction's snapshot may lie; an older one is TOO_OLD on every replica. */
  readonly windowVersions: number;
}

export type MemberCondition = 'starting' | 'running' | 'lagging' | 'halted';

/** What a node announces of itself, again and again while it lives. */
export interface MemberState {
  readonly node: string;
  /** Of its process, as no other has it: random. */
  readonly session: string;
  /** Of its directory: the same when the node is started again. */
  readonly home: string;
  /** How often it has announced itself. */
  readonly beat: number;
  /** Where its peers reach it; undefined while it serves nobody. */
  readonly url: string | undefined;
  readonly condition: MemberCondition;
  /** The newest log entry that it has applied whole; 0: none. */
  readonly appliedRevision: number;
  readonly appliedVersion: number;
  /** Rolling digest over all records applied through `appliedRevision`, lower-case hex; '': not known yet. */
  readonly digest: string;
  /** Of what it holds, where that was asked for; oldest first. */
  readonly contents?: readonly ContentDigest[];
}

/** SHA-256, lower-case hex, of all that a replica held where a record of the log asked for it. */
export interface ContentDigest {
  readonly revision: number;
  readonly version: number;
  readonly digest: string;
}

export interface SharedLog {
  /**
   * Appends once: the same id again answers with the revision of the first. UNAVAILABLE and CLOSED leave open whether it was
   * written: append again with the same id. Any other rejection says that it was not, and will not be, but for OUTCOME_UNKNOWN.
   *
   * @throws SluiceError UNAVAILABLE when the log does not answer; NO_SPACE, PERMISSION, IO when it refuses; OUTCOME_UNKNOWN; CLOSED
   */
  append(batch: LogAppend): Promise<AppendResult>;
  /**
   * Entries after `after`, in order, and then those to come, until the signal aborts (then it ends, without an error). A
   * connection that breaks is made again inside; UNAVAILABLE is thrown only when that is hopeless.
   *
   * @throws SluiceError TRIMMED when entries after `after` are kept no longer; DIVERGED when the log lacks what it had before
   */
  read(after: number, signal: AbortSignal): AsyncIterable<LogEntry>;
  /** The revision of the newest entry (0: none), asked linearizably. @throws SluiceError UNAVAILABLE, CLOSED */
  head(): Promise<number>;
  /** The head, and what is after `revision` up to it; without a weight where the log does not reach back so far. @throws as `head` */
  backlog(revision: number): Promise<Backlog>;
  /** Entries up to and including `revision` may be forgotten. */
  trim(revision: number): Promise<void>;
  /** The newest revision that `trim` has been called with; 0: never. Entries after it can be read. */
  trimmedThrough(): Promise<number>;

  /**
   * This node's state; it stays until it is replaced, or the node has not renewed it for a while, or `close`.
   *
   * @throws SluiceError LOCKED while another process has announced itself under the name: of a process that has not done so before, unless the
   * other was of the same directory
   */
  announce(member: MemberState): Promise<void>;
  /** All live members, ourselves included once announced, by name. */
  members(): Promise<readonly MemberState[]>;
  /** Calls back with all live members, at once and whenever one changes; returns how to stop. */
  watchMembers(listener: (members: readonly MemberState[]) => void): () => void;

  /** Durable: the node holds the file of this digest, and keeps it until `forgetFile`. */
  announceFile(digest: string, node: string): Promise<void>;
  /** The nodes that hold it, sorted; live or not. */
  holders(digest: string): Promise<readonly string[]>;
  forgetFile(digest: string, node: string): Promise<void>;
  /** The digests of the files that the node holds by its announcements, in no order. */
  heldBy(node: string): Promise<readonly string[]>;
  /** Durable: the node is gone for good, and so is what it held. */
  forgetNode(node: string): Promise<void>;

  /** The cluster's settings: what is there, or else these, from now on. */
  config(initial: ClusterConfig): Promise<ClusterConfig>;
  /** True when this log's node holds the lease of this name now, taken if nobody else held it; it ends with the node or `close`. */
  lease(name: string, node: string): Promise<boolean>;
  /** Our announcement and leases end; calls under way are rejected with CLOSED. */
  close(): Promise<void>;
}
