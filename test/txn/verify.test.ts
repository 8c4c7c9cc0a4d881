/** `db.verify({ full: true })` holds what is in the tables against what the manifest says of them. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { Manifest } from '../../src/manifest/manifest.ts';
import { versionOf } from '../../src/mvcc/version.ts';
import { memoryDirectory, openText } from '../base/database.ts';

test('versions that are not those of the manifest are found', async () => {
  const path = join(memoryDirectory(), 'db');
  const db = await openText(path);
  for (let i = 0; i < 10; i++) await db.put(`key${i}`, 'x');
  await db.close();
  const again = await openText(path, { compaction: 'off' });
  await again.flush();
  expect((await again.verify({ full: true })).problems).toEqual([]);
  await again.close();
  const manifest = Manifest.open({ env: nodeEnv, dir: path });
  const [table] = [...manifest.state.tables.values()];
  if (table === undefined) throw new Error('no table');
  const { minVersion, maxVersion } = table;
  manifest.apply([{ kind: 'addTable', table: { ...table, minVersion: versionOf(minVersion + 1) } }]);
  await manifest.close();
  const last = await openText(path, { compaction: 'off' });
  // Their ends are as they should be: only the entries tell.
  expect((await last.verify()).problems).toEqual([]);
  expect((await last.verify({ full: true })).problems).toEqual([
    expect.stringContaining(
      `its versions are ${minVersion} to ${maxVersion}, the manifest says ${minVersion + 1} to ${maxVersion}`,
    ),
  ]);
  await last.close();
});
