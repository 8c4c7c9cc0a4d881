/** A file that is synced while it is written: what a sync on the way told is not lost. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EarlySyncFile } from '../../src/base/env/early-sync-file.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { FaultyFileSystem } from './faulty-file-system.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const MIB = 1 << 20;
const syncs = (fs: FaultyFileSystem) => fs.calls.filter(({ op }) => op === 'datasync').length;

test('bytes are synced on the way, and all of them in the end', async () => {
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const file = new EarlySyncFile(fs.openSync(join(temporaryDirectory(), 'a'), 'create'));
  const chunk = new Uint8Array(MIB).fill(7);
  for (let n = 0; n < 3; n++) file.writeSync(chunk, 0, MIB, n * MIB);
  expect(syncs(fs)).toBe(0);
  for (let n = 3; n < 12; n++) await file.write(chunk, 0, MIB, n * MIB);
  expect(syncs(fs)).toBeGreaterThan(0);
  const before = syncs(fs);
  await file.datasync();
  expect(syncs(fs)).toBe(before + 1);
  expect(file.sizeSync()).toBe(12 * MIB);
  file.closeSync();
});

test('a sync that failed on the way fails the last one, though the system tells it once', async () => {
  const fs = new FaultyFileSystem(nodeEnv.fs);
  fs.fail({ op: 'datasync', errno: 'EIO' });
  const file = new EarlySyncFile(fs.openSync(join(temporaryDirectory(), 'a'), 'create'));
  const chunk = new Uint8Array(5 * MIB);
  file.writeSync(chunk, 0, chunk.length, 0);
  await expect(file.datasync()).rejects.toMatchObject({ code: 'IO' });
  expect(() => file.datasyncSync()).toThrow(/sync/);
  file.closeSync();
});
