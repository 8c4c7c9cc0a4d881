/** What the client API needs of a node. A plain database is one too: alone, it has always caught up. */

import type { Db } from '../../db.ts';

export interface ServedNode {
  readonly db: Pick<
    Db,
    | 'ingest'
    | 'import'
    | 'keyspace'
    | 'keyspaces'
    | 'resumeImport'
    | 'snapshot'
    | 'stats'
    | 'tasks'
    | 'transaction'
    | 'version'
  >;
  /** Resolves when all is applied here that was committed anywhere before the call: then a read is linearizable. */
  catchUp(signal: AbortSignal): Promise<void>;
  status(): Promise<NodeStatus>;
}

export type NodeCondition = 'starting' | 'running' | 'lagging' | 'halted' | 'closed';

export interface MemberStatus {
  readonly node: string;
  readonly url: string | undefined;
  readonly condition: string;
  readonly appliedRevision: number;
  readonly appliedVersion: number;
  readonly digest: string;
}

export interface NodeStatus {
  readonly node: string;
  /** Undefined of a database that is in no cluster. */
  readonly cluster: string | undefined;
  readonly condition: NodeCondition;
  /** What halted it. */
  readonly error: string | undefined;
  /** The version that reads see here. */
  readonly version: number;
  readonly appliedRevision: number;
  /** How far it is behind the newest entry of the log that it knows of. */
  readonly lag: { readonly records: number; readonly bytes: number; readonly seconds: number };
  readonly members: readonly MemberStatus[];
  readonly files: {
    readonly held: number;
    readonly bytes: number;
    readonly inFlight: readonly {
      readonly digest: string;
      readonly bytes: number;
      readonly received: number;
      readonly from: string;
    }[];
  };
}
