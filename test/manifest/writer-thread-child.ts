/**
 * Tells how many rows there are, and ends while the manifest's thread is within a transaction of 20,000 more.
 *
 *     writer-thread-child.ts DIRECTORY exit|throw|natural
 *
 * With `close` instead it closes manifests while the thread is opening them.
 */

import { nodeEnv } from '../../src/base/env/node-env.ts';
import { Manifest } from '../../src/manifest/manifest.ts';
import type { Edit } from '../../src/manifest/rows.ts';
import { table } from './rows.ts';

const MANY = 20_000;

const [dir = '', how] = process.argv.slice(2);
const add = (id: number): Edit => ({ kind: 'addTable', table: table(id) });

if (how === 'close') {
  for (let n = 0; n < 60; n++) {
    const closing = Manifest.open({ env: nodeEnv, dir: `${dir}/${n}`, inThread: true });
    for (const id of [1, 2, 3]) closing.start(closing.prepare([add(id)]), () => undefined);
    // Once the thread is there, from one moment to the next it begins to open it.
    if (n === 0) await nodeEnv.clock.sleep(500);
    for (const end = performance.now() + n / 20; performance.now() < end; );
    await closing.close();
  }
  process.exit(0);
}

const manifest = Manifest.open({ env: nodeEnv, dir, inThread: true });
let rows = 0;
for (let isInThread = false; !isInThread; ) {
  await nodeEnv.clock.sleep(5);
  let isMade = false;
  const made = new Promise<void>((resolve) => {
    manifest.start(manifest.prepare([add(++rows)]), () => {
      isMade = true;
      resolve();
    });
  });
  isInThread = !isMade;
  await made;
}
const many = manifest.prepare(Array.from({ length: MANY }, (_, i) => add(rows + 1 + i)));
process.send?.(rows, () => {
  manifest.start(many, () => undefined);
  if (how === 'exit') setTimeout(() => process.exit(), 20);
  if (how === 'throw')
    setTimeout(() => {
      throw new Error('a bug of the application');
    }, 20);
});
