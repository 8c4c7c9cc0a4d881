/** The thread that makes edits of the manifest durable. */

import { type ForkOptions, fork } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { Manifest } from '../../src/manifest/manifest.ts';
import type { Edit, FileId } from '../../src/manifest/rows.ts';
import { Store } from '../../src/manifest/store.ts';
import { ThreadWriter } from '../../src/manifest/thread-writer.ts';
import { packWrites, unpackWrites } from '../../src/manifest/writer-messages.ts';
import { memoryDirectory } from '../base/database.ts';
import { table } from './rows.ts';

const add = (id: number): Edit => ({ kind: 'addTable', table: table(id) });

const CHILD = new URL('./writer-thread-child.ts', import.meta.url);
const CHILD_OPTIONS: ForkOptions = {
  execArgv: ['--import', new URL('../base/typescript-hooks.mjs', import.meta.url).href],
  stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
};

/** Resolves when the edits are settled; `settled` tells it at once. */
function start(
  manifest: Manifest,
  edits: readonly Edit[],
): { done: Promise<void>; isSettled: () => boolean } {
  let settled = false;
  const done = new Promise<void>((resolve, reject) => {
    manifest.start(manifest.prepare(edits), (error) => {
      settled = true;
      if (error === undefined) resolve();
      else reject(error);
    });
  });
  return { done, isSettled: () => settled };
}

/** Edits until one is not made at once: from then on the thread makes them. */
async function untilInThread(manifest: Manifest, firstId: number): Promise<number> {
  for (let id = firstId; ; id++) {
    const { done, isSettled } = start(manifest, [add(id)]);
    const here = isSettled();
    await done;
    if (!here) return id + 1;
    await nodeEnv.clock.sleep(5);
  }
}

test('edits of the thread are durable, one after the other, and the event loop goes on meanwhile', async () => {
  const dir = memoryDirectory();
  const manifest = Manifest.open({ env: nodeEnv, dir, inThread: true });
  const from = await untilInThread(manifest, 1);
  const { done, isSettled } = start(
    manifest,
    Array.from({ length: 20_000 }, (_, i) => add(from + i)),
  );
  let turns = 0;
  for (; !isSettled(); turns++) await nodeEnv.clock.turn();
  await done;
  expect(turns).toBeGreaterThan(10);
  // One that waits is woken by the thread, not by the event loop.
  const last = start(manifest, [add(from + 20_000)]);
  expect(last.isSettled()).toBe(false);
  manifest.finish();
  expect(last.isSettled()).toBe(true);
  manifest.apply([{ kind: 'dropTable', id: 1 as FileId }]);
  const { commitId } = manifest;
  await manifest.close();
  const again = Manifest.open({ env: nodeEnv, dir });
  expect([again.state.tables.size, again.commitId]).toEqual([from + 20_000 - 1, commitId]);
  await again.close();
});

test('a manifest at the path of one that was closed is another', async () => {
  const dir = join(memoryDirectory(), 'db');
  for (let life = 0; life < 3; life++) {
    const manifest = Manifest.open({ env: nodeEnv, dir, inThread: true });
    expect(manifest.state.tables.size).toBe(0);
    await untilInThread(manifest, 1);
    await manifest.close();
    rmSync(dir, { recursive: true });
  }
});

test('a manifest that is closed while the thread starts is not opened by it', async () => {
  const dir = join(memoryDirectory(), 'db');
  const manifest = Manifest.open({ env: nodeEnv, dir, inThread: true });
  for (const id of [1, 2, 3]) await start(manifest, [add(id)]).done;
  await manifest.close();
  const again = Manifest.open({ env: nodeEnv, dir, inThread: true });
  expect(again.state.tables.size).toBe(3);
  await again.close();
});

test('what the thread throws is the outcome, and so is its end', async () => {
  const path = join(memoryDirectory(), 'manifest');
  const store = new Store(path, false);
  const writer = new ThreadWriter(path, store);
  await writer.join();
  const commit = (key: Uint8Array) =>
    new Promise((resolve) => writer.commit([{ key, value: Buffer.from('v') }], resolve));
  expect(await commit(Buffer.from('key'))).toMatchObject({ id: expect.any(Number) });
  // LMDB takes keys of 1,978 bytes at most.
  expect(await commit(new Uint8Array(5000).fill(1))).toMatchObject({ error: expect.any(Error) });
  const gone = commit(Buffer.from('other'));
  writer.lost(new Error('out of memory'));
  expect(await gone).toMatchObject({ error: { message: 'out of memory' } });
  // What comes now is made without it.
  expect(await commit(Buffer.from('third'))).toMatchObject({ id: expect.any(Number) });
  await writer.close();
  await store.close();
});

test('closing waits for the thread, though nothing else keeps the process alive', async () => {
  const child = fork(CHILD, [memoryDirectory(), 'close'], CHILD_OPTIONS);
  expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(0);
});

test.each(['exit', 'throw', 'natural'])(
  'a process ends while the thread is within a transaction: %s',
  async (how) => {
    const dir = memoryDirectory();
    const child = fork(new URL('./writer-thread-child.ts', import.meta.url), [dir, how], {
      execArgv: ['--import', new URL('../base/typescript-hooks.mjs', import.meta.url).href],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    let rows = 0;
    child.on('message', (told) => {
      rows = Number(told);
    });
    const code = await new Promise((resolve) => child.on('exit', resolve));
    expect(code).toBe(how === 'throw' ? 1 : 0);
    const manifest = Manifest.open({ env: nodeEnv, dir });
    expect(rows).toBeGreaterThan(0);
    expect(how === 'natural' ? [rows + 20_000] : [rows, rows + 20_000]).toContain(manifest.state.tables.size);
    await manifest.close();
  },
  300_000,
);

test('writes cross as they are', () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  const write = fc.record({ key: bytes, value: fc.option(bytes, { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(write), (writes) => {
      expect(unpackWrites(packWrites(writes))).toEqual(writes);
    }),
  );
});
