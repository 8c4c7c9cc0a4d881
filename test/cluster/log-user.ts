/** A process that uses a log in etcd for all that it does, closes it, and has nothing more to do: argv has the host. */

import { nodeEnv } from '../../src/base/env/node-env.ts';
import { openEtcdLog } from '../../src/cluster/log/etcd/etcd-log.ts';

const log = await openEtcdLog('leaves', { hosts: process.argv.slice(2) }, nodeEnv);
await log.append({ id: '0'.repeat(32), bytes: new Uint8Array(1), stagings: [] });
await log.announce({
  node: 'a',
  session: 'one',
  home: 'one',
  beat: 0,
  url: undefined,
  condition: 'running',
  appliedRevision: 0,
  appliedVersion: 0,
  digest: '',
});
log.watchMembers(() => undefined);
const never = new AbortController().signal;
for await (const _ of log.read(0, never)) break;
const reading = (async () => {
  for await (const _ of log.read(await log.head(), never));
})();
await nodeEnv.clock.turn();
const failing = log.head().catch((error: unknown) => error);
await log.close();
await Promise.all([reading.catch(() => undefined), failing]);
process.stdout.write('closed');
