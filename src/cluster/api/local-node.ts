/** A database in no cluster, as a node: what is committed is applied. */

import type { Db } from '../../db.ts';
import type { NodeStatus, ServedNode } from './served-node.ts';

export function localNode(db: Db, name: string): ServedNode {
  return {
    db,
    catchUp: () => Promise.resolve(),
    status: async (): Promise<NodeStatus> => {
      const { poisoned } = db.stats();
      return {
        node: name,
        cluster: undefined,
        condition: poisoned === undefined ? 'running' : 'halted',
        error: poisoned,
        version: db.version,
        appliedRevision: 0,
        headRevision: undefined,
        lag: { revisions: 0, records: 0, bytes: 0, seconds: 0 },
        pendingCommits: 0,
        members: [],
        files: { held: 0, bytes: 0, inFlight: [] },
      };
    },
  };
}
