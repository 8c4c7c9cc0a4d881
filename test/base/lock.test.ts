/** One holder at a time, in any process; death frees it. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { acquireLock } from '../../src/base/env/lock.ts';
import { Child } from './child.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const script = new URL('./lock-child.ts', import.meta.url);
const locked = (pid: number): unknown =>
  expect.objectContaining({ code: 'LOCKED', message: expect.stringContaining(`pid ${pid}`) });

test('the same process is refused a second time, and may take it again after release', () => {
  const path = `${temporaryDirectory()}/LOCK`;
  const lock = acquireLock(path);
  expect(() => acquireLock(path)).toThrow(/this process \(pid \d+\) itself.*readOnly/);
  lock.release();
  const again = acquireLock(path);
  lock.release(); // of the old one: must not free the new
  expect(() => acquireLock(path)).toThrow(locked(process.pid) as Error);
  again.release();
});

test('another process is refused until the holder releases it', async () => {
  const path = `${temporaryDirectory()}/LOCK`;
  const child = new Child(script);
  const lock = acquireLock(path);
  await expect(child.ask('acquire', path)).rejects.toMatchObject(locked(process.pid) as object);
  lock.release();
  await child.ask('acquire', path);
  expect(() => acquireLock(path)).toThrow(locked(child.pid) as Error);
  await child.ask('release');
  acquireLock(path).release();
});

test('kill -9 frees it', async () => {
  const path = `${temporaryDirectory()}/LOCK`;
  const child = new Child(script);
  await child.ask('acquire', path);
  expect(() => acquireLock(path)).toThrow(locked(child.pid) as Error);
  await child.kill();
  acquireLock(path).release();
});

test('a lock file that cannot be made says why', () => {
  const dir = temporaryDirectory();
  fs.writeFileSync(`${dir}/file`, '');
  expect(() => acquireLock(`${dir}/none/LOCK`)).toThrow(expect.objectContaining({ code: 'FILE_NOT_FOUND' }));
  expect(() => acquireLock(dir)).toThrow(/EISDIR/);
});
