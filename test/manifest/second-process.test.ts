/** A readOnly process beside the writer: it keeps its state, and the writer knows that it is there. */

import fs from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { Manifest } from '../../src/manifest/manifest.ts';
import type { Edit, FileId } from '../../src/manifest/rows.ts';
import { Store } from '../../src/manifest/store.ts';
import { Child } from '../base/child.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { table } from './rows.ts';

const script = new URL('./manifest-child.ts', import.meta.url);
const add = (id: number): Edit => ({ kind: 'addTable', table: table(id) });
const drop = (id: number): Edit => ({ kind: 'dropTable', id: id as FileId });

function writer(dir: string): Manifest {
  const manifest = Manifest.open({ env: nodeEnv, dir });
  onTestFinished(() => manifest.close());
  return manifest;
}

test('a reader sees what it opened until it refreshes, and pins it', async () => {
  const dir = temporaryDirectory();
  const manifest = writer(dir);
  manifest.apply([add(1), add(2)]);
  expect(manifest.oldestReaderCommitId()).toBeUndefined();
  const child = new Child(script);
  expect(await child.ask('open', dir)).toEqual([1, 2]);
  expect(manifest.oldestReaderCommitId()).toBe(manifest.commitId);
  expect(await child.ask('commitId')).toBe(manifest.commitId);

  manifest.apply([drop(1), add(3)]);
  const dropped = manifest.commitId;
  manifest.apply([add(4)]);
  expect(manifest.oldestReaderCommitId()).toBe(dropped - 1); // so table 1 must stay
  expect(await child.ask('ids')).toEqual([1, 2]);

  expect(await child.ask('refresh')).toEqual([2, 3, 4]);
  expect(manifest.oldestReaderCommitId()).toBe(manifest.commitId);
  expect(await child.ask('refresh')).toEqual([2, 3, 4]); // nothing new: keeps its pin
  expect(manifest.oldestReaderCommitId()).toBe(manifest.commitId);
  await child.ask('close');
  expect(manifest.oldestReaderCommitId()).toBeUndefined();
});

test('the pin of a reader that was killed is cleared', async () => {
  const dir = temporaryDirectory();
  const manifest = writer(dir);
  const [killed, alive] = [new Child(script), new Child(script)];
  await killed.ask('open', dir);
  manifest.apply([add(1)]);
  await alive.ask('open', dir);
  expect(manifest.oldestReaderCommitId()).toBe(manifest.commitId - 1);
  await killed.kill();
  expect(manifest.oldestReaderCommitId()).toBe(manifest.commitId);
  await alive.kill();
  expect(manifest.oldestReaderCommitId()).toBeUndefined();
});

test('a reader in the same process is a pin as well', async () => {
  const dir = temporaryDirectory();
  const manifest = writer(dir);
  manifest.apply([add(1)]);
  const reader = Manifest.open({ env: nodeEnv, dir, readOnly: true });
  const seen = manifest.commitId;
  manifest.apply([drop(1), add(2)]);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(manifest.oldestReaderCommitId()).toBe(seen);
  expect([...reader.state.tables.keys()]).toEqual([1]);
  reader.refresh();
  expect([...reader.state.tables.keys()]).toEqual([2]);
  expect(manifest.oldestReaderCommitId()).toBe(manifest.commitId);
  await reader.close();
  expect(manifest.oldestReaderCommitId()).toBeUndefined();
  manifest.apply([add(3)]); // the environment is still open
});

test('a reader whom the writer could not see is refused', async () => {
  const dir = temporaryDirectory();
  const manifest = writer(dir);
  manifest.apply([add(1)]);
  fs.chmodSync(dir, 0o755);
  fs.chmodSync(`${dir}/manifest`, 0o555);
  fs.chmodSync(`${dir}/manifest/data.mdb`, 0o644);
  fs.chmodSync(`${dir}/manifest/lock.mdb`, 0o444);
  const child = new Child(script);
  await child.ask('demote');
  await expect(child.ask('open', dir)).rejects.toMatchObject({
    code: 'PERMISSION',
    message: expect.stringContaining('lock.mdb'),
  });
  fs.chmodSync(`${dir}/manifest/lock.mdb`, 0o666);
  expect(await child.ask('open', dir)).toEqual([1]);
  expect(manifest.oldestReaderCommitId()).toBe(manifest.commitId);
  fs.chmodSync(`${dir}/manifest`, 0o755);
});

test('a reader follows a manifest that outgrows the map it was opened with', async () => {
  const dir = temporaryDirectory();
  const manifest = writer(dir);
  const child = new Child(script);
  await child.ask('open', dir);
  manifest.apply(Array.from({ length: 30_000 }, (_, i) => add(i + 1)));
  expect(await child.ask('refresh')).toHaveLength(30_000);
  manifest.apply(Array.from({ length: 20_000 }, (_, i) => drop(i + 1)));
  expect(await child.ask('refresh')).toHaveLength(10_000);
});

test('after a failure of LMDB: outcome unknown, then poisoned', () => {
  const manifest = writer(temporaryDirectory());
  manifest.apply([add(1)]);
  const commit = vi.spyOn(Store.prototype, 'commit').mockImplementationOnce(() => {
    throw new Error('Input/output error');
  });
  onTestFinished(() => commit.mockRestore());
  expect(() => manifest.apply([add(2)])).toThrow(expect.objectContaining({ code: 'OUTCOME_UNKNOWN' }));
  expect(() => manifest.apply([add(2)])).toThrow(expect.objectContaining({ code: 'POISONED' }));
  expect(manifest.poisoned).toMatchObject({ code: 'POISONED' });
  expect([...manifest.state.tables.keys()]).toEqual([1]);
  expect(commit).toHaveBeenCalledTimes(1);
});
