/** Commands are done when they have done what they were told. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DatabaseStats } from '../../src/index.ts';
import { memoryDirectory } from '../base/database.ts';
import { sluice, sluiceJson } from './run.ts';

test('a command starts no compactions', async () => {
  const dir = memoryDirectory();
  const [db, sst] = [join(dir, 'db'), join(dir, 'a.sst')];
  await sluice(['sst', 'build', sst], 'a\t1\nz\t2\n');
  for (let n = 0; n < 12; n++) expect((await sluice(['ingest', db, sst])).code).toBe(0);
  const levels = async () => {
    const { keyspaces } = await sluiceJson(['stat', db]).then(([stats]) => stats as DatabaseStats);
    return keyspaces[0]?.levels.map(({ tables }) => tables);
  };
  // The last six are more than level 0 takes before it is merged.
  expect(await levels()).toEqual([6, 1, 1, 1, 1, 1, 1]);
  expect((await sluice(['compact', db])).code).toBe(0);
  expect(await levels()).toEqual([0, 0, 0, 0, 0, 0, 1]);
});
