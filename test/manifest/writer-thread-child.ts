/**
 * Tells how many rows there are, and ends while the manifest's thread is within a transaction of 20,000 more.
 *
 *     writer-thread-child.ts DIRECTORY exit|throw|natural
 */

import { nodeEnv } from '../../src/base/env/node-env.ts';
import { Manifest } from '../../src/manifest/manifest.ts';
import type { Edit, FileId, TableRow, TreeId } from '../../src/manifest/rows.ts';
import { versionOf } from '../../src/mvcc/version.ts';

const MANY = 20_000;

const [dir = '', how] = process.argv.slice(2);
const version = versionOf(1);
const key = Buffer.from('key');
const row: Omit<TableRow, 'id'> = {
  tree: 1 as TreeId,
  level: 6,
  bytes: 1,
  entries: 1,
  deletes: 0,
  smallest: key,
  largest: key,
  minVersion: version,
  maxVersion: version,
  globalVersion: version,
  source: 'ingest',
  ingestId: undefined,
};
const add = (id: number): Edit => ({ kind: 'addTable', table: { ...row, id: id as FileId } });

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
