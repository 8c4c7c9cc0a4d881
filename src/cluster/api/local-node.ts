/** A database in no cluster, as a node: what is committed is applied. */

import { isSluiceError } from '../../base/errors.ts';
import type { Db } from '../../db.ts';
import type { ImportTask } from '../../import-options.ts';
import type { MemberCondition } from '../log/shared-log.ts';
import { NamedRequests } from './named-requests.ts';
import { importsUnderWay, type NodeStatus, type ServedNode } from './served-node.ts';

export function localNode(db: Db, name: string): ServedNode {
  const requests = new NamedRequests();
  const condition = (): MemberCondition => (db.stats().poisoned === undefined ? 'running' : 'halted');
  return {
    db,
    condition,
    once: (id, again, commit) => requests.once(id, again, commit),
    requestVersion: (id) => requests.versionOf(id),
    catchUp: () => Promise.resolve(),
    cancelImport: (id) => cancelHere(db, id),
    status: async (): Promise<NodeStatus> => {
      const { poisoned } = db.stats();
      return {
        node: name,
        cluster: undefined,
        condition: condition(),
        error: poisoned,
        version: db.version,
        appliedRevision: 0,
        headRevision: undefined,
        lag: { revisions: 0, records: 0, bytes: 0, seconds: 0 },
        pendingCommits: 0,
        members: [],
        imports: importsUnderWay(db.tasks()),
        files: { held: 0, bytes: 0, inFlight: [] },
      };
    },
  };
}

/** One that runs is stopped by whoever has its task; what is left of another goes. */
async function cancelHere(db: Db, id: string): Promise<void> {
  let task: ImportTask;
  try {
    task = db.resumeImport(id);
  } catch (error) {
    // It reads a stream: it is given an empty one, of which nothing will be read.
    if (!isSluiceError(error, 'SOURCE_GONE')) throw error;
    task = db.resumeImport(id, { source: [] });
  }
  await task.cancel();
}
