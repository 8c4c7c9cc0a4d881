/** A manifest that cannot be written: what was acknowledged stays, and the database goes on or says why not. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { envOf, memoryDirectory, openDatabase, openText } from '../base/database.ts';
import { FaultyFileSystem } from '../base/faulty-file-system.ts';
import { numbered, tableFiles, writeSst } from '../base/sst-files.ts';

const HOOKS = new URL('../base/typescript-hooks.mjs', import.meta.url).href;
const CHILD = fileURLToPath(new URL('./manifest-child.ts', import.meta.url));

test('without room for the manifest, puts go on, and a dropped keyspace is removed once there is room', async () => {
  const dir = memoryDirectory();
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const db = await openDatabase(join(dir, 'db'), { env: envOf(fs) });
  const { path } = await writeSst(join(dir, 'in.sst'), numbered(0, 9));
  await db.ingest(path, { into: 'dropped' });
  const snapshot = db.snapshot();
  await db.dropKeyspace('dropped');
  fs.freeBytes = 1 << 20;
  snapshot.close();
  await db.put('a', '1');
  await db.transaction(async (txn) => txn.put('b', (await txn.get('a')) ?? ''));
  expect(tableFiles(db.path)).toHaveLength(1);
  for (const act of [() => db.ingest(path, { mode: 'move' }), () => db.flush()]) {
    await expect(act()).rejects.toMatchObject({
      code: 'NO_SPACE',
      message: expect.stringMatching(/free some/),
    });
  }
  expect(() => db.keyspace('new')).toThrow(expect.objectContaining({ code: 'NO_SPACE' }));
  fs.heal();
  await db.put('c', '3');
  await expect.poll(() => tableFiles(db.path)).not.toContain('000001.sst');
  await db.ingest(path, { mode: 'move' });
  const keys = ['a', 'b', 'c', ...numbered(0, 9).map(([key]) => key)];
  expect(await db.keys().all()).toEqual(keys);
  fs.freeBytes = 1 << 20;
  await db.close();
  const again = await openDatabase(db.path);
  expect(await again.keys().all()).toEqual(keys);
  expect(again.version).toBe(db.version);
});

test('a failed write of LMDB poisons until the database is reopened, which then has all that was acknowledged', async () => {
  const path = join(memoryDirectory(), 'db');
  // Blocks of 512 or 1,024 bytes, by the shell.
  const limited = ['-c', 'ulimit -f 600; exec "$0" "$@"', process.execPath, '--import', HOOKS, CHILD, path];
  const { stdout, stderr } = spawnSync('sh', limited, { encoding: 'utf8' });
  if (stdout === '') throw new Error(`the child said nothing: ${stderr}`);
  const told = JSON.parse(stdout) as { acknowledged: string[]; codes: unknown[]; value: unknown };
  expect(told.acknowledged.length).toBeGreaterThan(100);
  expect(told.codes).toEqual(['OUTCOME_UNKNOWN', 'POISONED', 'POISONED', 'POISONED']);
  expect(told.value).toBe('value');
  const db = await openText(path);
  expect(db.keyspaces()).toEqual(expect.arrayContaining(told.acknowledged));
  expect(db.keyspaces().length).toBeLessThanOrEqual(told.acknowledged.length + 2);
  expect(await db.get('key')).toBe('value');
  db.keyspace('new');
  await db.close();
});
