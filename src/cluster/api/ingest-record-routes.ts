/** What was ingested, over HTTP; undoing it, and letting go of what that would need. */

import type { Clock } from '../../base/env/env.ts';
import type { IngestRecord } from '../../txn/ingests.ts';
import type { Call } from '../http/call.ts';
import { tellWhenDone } from '../http/file-routes.ts';
import type { Route } from '../http/node-server.ts';
import { Fields } from '../json-fields.ts';
import type { ServedNode } from './served-node.ts';

/** As `db.ingests()` tells it; keys in hex. */
export interface IngestStatus {
  readonly id: string;
  readonly version: number;
  /** ISO 8601. */
  readonly time: string;
  readonly keyspace: string;
  readonly undoable: boolean;
  readonly undoneAt?: number;
  readonly undoes?: string;
  readonly files: readonly {
    readonly file: string;
    readonly bytes: number;
    readonly entries: number;
    readonly skipped: number;
    readonly smallestHex: string;
    readonly largestHex: string;
    readonly sha256?: string;
  }[];
}

export function ingestRecordRoutes(node: ServedNode, clock: Clock): readonly Route[] {
  const access = 'client';
  return [
    {
      method: 'GET',
      path: '/v1/ingests',
      access,
      run: (call) => call.answer(200, { ingests: node.db.ingests().map(toldOf) }),
    },
    { method: 'POST', path: '/v1/ingests/:id/undo', access, run: (call) => undo(node, clock, call) },
    { method: 'POST', path: '/v1/ingests/:id/release', access, run: (call) => release(node, call) },
  ];
}

async function undo({ db, catchUp }: ServedNode, clock: Clock, call: Call): Promise<void> {
  new Fields(await call.json(), 'body').end();
  const [id = ''] = call.parameters;
  await tellWhenDone(call, clock, async () => {
    await catchUp(call.signal);
    return { version: await db.undoIngest(id, { signal: call.signal }) };
  });
}

async function release({ db, catchUp }: ServedNode, call: Call): Promise<void> {
  new Fields(await call.json(), 'body').end();
  const [id = ''] = call.parameters;
  await catchUp(call.signal);
  db.releaseIngest(id);
  call.answer(200, {});
}

function toldOf({
  files,
  time,
  id,
  version,
  keyspace,
  undoable,
  undoneAt,
  undoes,
}: IngestRecord): IngestStatus {
  return {
    id,
    version,
    time: time.toISOString(),
    keyspace,
    undoable,
    ...(undoneAt !== undefined && { undoneAt }),
    ...(undoes !== undefined && { undoes }),
    files: files.map(({ file, bytes, entries, skipped, smallest, largest, sha256 }) => ({
      file,
      bytes,
      entries,
      skipped,
      smallestHex: smallest.toString('hex'),
      largestHex: largest.toString('hex'),
      ...(sha256 !== undefined && { sha256 }),
    })),
  };
}
