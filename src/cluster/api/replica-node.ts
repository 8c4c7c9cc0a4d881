/** A cluster's replica, as clients are served by it. */

import type { ClusterDb } from '../cluster-db.ts';
import type { FileStore } from '../files/file-store.ts';
import { importsUnderWay, type NodeStatus, type ServedNode } from './served-node.ts';

export function replicaNode(db: ClusterDb, store: Pick<FileStore, 'bytes' | 'digests'>): ServedNode {
  return {
    db,
    condition: () => db.condition(),
    compareContents: (signal) => db.compareContents({ signal }),
    forgetNode: (node) => db.forgetNode(node),
    catchUp: (signal) => db.caughtUp({ signal }),
    once: async (id, _again, commit) => db.requestVersion(id) ?? commit(),
    requestVersion: (id) => db.requestVersion(id),
    cancelImport: (id) => db.cancelImport(id),
    status: async (): Promise<NodeStatus> => {
      const status = await db.status();
      return {
        node: status.node,
        cluster: status.clusterId,
        condition: status.condition,
        error: status.error,
        version: status.appliedVersion,
        appliedRevision: status.appliedRevision,
        headRevision: status.headRevision,
        lag: status.lag,
        pendingCommits: status.pendingCommits,
        members: status.members,
        imports: importsUnderWay(db.tasks()),
        files: { held: store.digests().length, bytes: store.bytes, inFlight: status.filesInFlight },
      };
    },
  };
}
