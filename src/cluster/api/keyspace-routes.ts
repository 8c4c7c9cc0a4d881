/** Keyspaces over HTTP: which there are, making one, dropping one. */

import { SluiceError } from '../../base/errors.ts';
import type { Call } from '../http/call.ts';
import type { Route } from '../http/node-server.ts';
import { Fields } from '../json-fields.ts';
import type { ServedNode } from './served-node.ts';

/** So often is the log asked for it. */
const ASKED_MAX = 100;

export function keyspaceRoutes(node: ServedNode): readonly Route[] {
  const [access, path] = ['client', '/v1/keyspaces'] as const;
  return [
    {
      method: 'GET',
      path,
      access,
      run: (call) => call.answer(200, { keyspaces: node.db.keyspaces() }),
    },
    { method: 'POST', path, access, run: (call) => make(node, call) },
    { method: 'DELETE', path: '/v1/keyspaces/:name', access, run: (call) => drop(node, call) },
  ];
}

/** There when it is answered, on this node; on the others once they have applied as much. */
async function make({ db, catchUp }: ServedNode, call: Call): Promise<void> {
  const body = new Fields(await call.json(), 'body');
  const name = body.requiredText('name');
  const allowIngestBehind = body.flag('allowIngestBehind');
  body.end();
  db.keyspace(name, allowIngestBehind === undefined ? {} : { allowIngestBehind });
  // A record makes it: it is on its way into the log, or there.
  for (let asked = 0; !db.keyspaces().includes(name); asked++) {
    if (asked === ASKED_MAX)
      throw new SluiceError('UNAVAILABLE', `The keyspace ${name} could not be made yet; try again`);
    await catchUp(call.signal);
  }
  call.answer(200, { name });
}

/** One that another node has made is there too. */
async function drop({ db, catchUp }: ServedNode, call: Call): Promise<void> {
  const [name = ''] = call.parameters;
  await catchUp(call.signal);
  await db.dropKeyspace(name);
  call.answer(200, { dropped: name });
}
