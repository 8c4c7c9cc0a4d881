/** What the client API needs of a node. A plain database is one too: alone, it has always caught up. */

import type { Db } from '../../db.ts';
import type { ImportTaskInfo } from '../../import-options.ts';
import type { ContentComparison } from '../contents.ts';
import type { FileInFlight } from '../files/file-exchange.ts';
import type { ReplicaLag } from '../lag.ts';
import type { MemberCondition, MemberState } from '../log/shared-log.ts';

export interface ServedNode {
  readonly db: Pick<
    Db,
    | 'dataset'
    | 'datasets'
    | 'dropKeyspace'
    | 'ingest'
    | 'import'
    | 'ingests'
    | 'keyspace'
    | 'keyspaces'
    | 'releaseIngest'
    | 'resumeImport'
    | 'snapshot'
    | 'stats'
    | 'tasks'
    | 'transaction'
    | 'undoIngest'
    | 'version'
  >;
  /** Resolves when all is applied here that was committed anywhere before the call: then a read is linearizable. */
  catchUp(signal: AbortSignal): Promise<void>;
  /**
   * Commits a request that its client has named, unless it was committed before. `again`: the client has sent it before.
   * @throws SluiceError OUTCOME_UNKNOWN where it cannot be told whether it was; else what `commit` throws
   */
  once(id: string, again: boolean, commit: () => Promise<number>): Promise<number>;
  /** Where it is committed, as far as this node knows. */
  requestVersion(id: string): number | undefined;
  /** Wherever in the cluster it runs. @throws SluiceError IMPORT_NOT_FOUND */
  cancelImport(id: string): Promise<void>;
  status(): Promise<NodeStatus>;
  /** As `status` has it, without asking anybody. */
  condition(): MemberCondition;
  /** A node that is gone for good; absent of a database that is in no cluster. @throws SluiceError BUSY while it lives */
  forgetNode?(node: string): Promise<void>;
  /** What all nodes hold; absent of a database that is in no cluster. */
  compareContents?(signal: AbortSignal): Promise<ContentComparison>;
}

export interface NodeStatus {
  readonly node: string;
  /** Its id; undefined of a database that is in no cluster. */
  readonly cluster: string | undefined;
  readonly condition: MemberCondition;
  /** What halted it. */
  readonly error: string | undefined;
  /** The version that reads see here. */
  readonly version: number;
  readonly appliedRevision: number;
  /** Of the log; undefined while it cannot be asked, as of a database that is in no cluster. */
  readonly headRevision: number | undefined;
  readonly lag: ReplicaLag;
  /** Commits of this node's callers that wait for their outcome. */
  readonly pendingCommits: number;
  readonly members: readonly MemberState[];
  /** Imports of the cluster, or of the database alone, that have not ended: nobody runs those that are not running. */
  readonly imports: readonly Pick<ImportTaskInfo, 'id' | 'state' | 'node' | 'running'>[];
  readonly files: {
    readonly held: number;
    readonly bytes: number;
    readonly inFlight: readonly FileInFlight[];
  };
}

export function importsUnderWay(tasks: readonly ImportTaskInfo[]): NodeStatus['imports'] {
  return tasks
    .filter(({ state }) => state !== 'imported' && state !== 'cancelled')
    .map(({ id, state, node, running }) => ({ id, state, node, running }));
}
