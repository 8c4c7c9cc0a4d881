/** Writers and compaction: slowed down before they are stopped, and let go; and a process that ends. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { Env } from '../../../src/base/env/env.ts';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import { JobGate } from '../../../src/levels/compaction/job-gate.ts';
import { memoryDirectory, openDatabase, openText, type TextDb, TINY } from '../../base/database.ts';

/** In `src/levels/compaction/pacer.ts`. */
const COMPACTION_NAP_MS = 20;

const name = (i: number): string => `key${String(i % 97).padStart(3, '0')}`;

function statesOf(db: TextDb): string[] {
  const states: string[] = [];
  db.on((event) => {
    if (event.kind === 'stall') states.push(event.state);
  });
  return states;
}

/**
 * Compaction gets no further than its first pause, for its rate, until it is let go; then it need not pause. Writers that
 * are slowed down pause as well, each for a few milliseconds.
 */
function heldCompaction(): { env: Env; letGo: () => void } {
  let letGo = (): void => undefined;
  let held: Promise<void> | undefined = new Promise((resolve) => {
    letGo = () => {
      held = undefined;
      resolve();
    };
  });
  const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    ms < COMPACTION_NAP_MS ? nodeEnv.clock.sleep(ms, signal) : (held ?? Promise.resolve());
  return { env: { ...nodeEnv, clock: { ...nodeEnv.clock, sleep } }, letGo };
}

test('writers are slowed down, then stopped, then let go, as level 0 grows and shrinks', async () => {
  const { env, letGo } = heldCompaction();
  const db = await openDatabase(memoryDirectory(), {
    ...TINY,
    levelBaseBytes: 1 << 20,
    backgroundBytesPerSecond: 10_000,
    env,
  });
  const states = statesOf(db);
  db.on((event) => {
    if (event.kind === 'stall' && event.state === 'stopped') setTimeout(letGo, 20);
  });
  const random = Array.from({ length: 400 }, () => Math.random().toString(36)).join('');
  let puts = 0;
  while (!states.includes('stopped')) {
    await db.put(name(puts), random.slice(puts % 1000, (puts % 1000) + 2000));
    puts++;
  }
  await db.put(name(puts), 'stopped');
  expect(states.slice(0, 2)).toEqual(['slow', 'stopped']);
  await expect.poll(() => states.at(-1), { timeout: 120_000 }).toBe('none');
  // The write that was stopped has come through, and it is told why it had to wait.
  const { stall, keyspaces } = db.stats();
  expect(stall).toMatchObject({ reason: expect.stringMatching(/tables in level 0|^$/) });
  expect(stall.waitedMs).toBeGreaterThan(0);
  expect(stall.stops).toBeGreaterThan(0);
  expect(keyspaces[0]?.levels[0]?.tables).toBeLessThan(25);
});

test('a writer that is stopped is told when the database is closed', async () => {
  const db = await openText(memoryDirectory(), { ...TINY, backgroundBytesPerSecond: 1 });
  const states = statesOf(db);
  const random = Array.from({ length: 400 }, () => Math.random().toString(36)).join('');
  let waiting: Promise<unknown> = Promise.resolve();
  for (let i = 0; !states.includes('stopped'); i++) {
    waiting = db.put(name(i), random.slice(i % 1000, (i % 1000) + 3000));
    await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 200))]);
  }
  const stopped = db.put('last', 'x');
  stopped.catch(() => undefined);
  waiting.catch(() => undefined);
  await db.close();
  await expect(stopped).rejects.toMatchObject({ code: 'CLOSED' });
});

test.each([true, false])(
  'a compaction rests while writers wait for a flush, and goes on then (in slices: %s)',
  async (inline) => {
    const db = await openDatabase(memoryDirectory(), {
      memtableBytes: 64 << 10,
      level0Trigger: 4,
      compactionInline: inline,
      // It is still under way when writers come.
      backgroundBytesPerSecond: 2_000_000,
    });
    const random = Array.from({ length: 400 }, () => Math.random().toString(36)).join('');
    const value = (i: number): string => random.slice(i % 1000, (i % 1000) + 2000);
    const pauses = () => db.stats().compaction.pauses;
    expect(pauses()).toEqual({ paused: false, pauses: 0, pausedMs: 0 });
    let pausedWith = 0;
    for (let i = 0; i < 200 && pausedWith === 0; i++) {
      // More than all memtables take, at once.
      const writes = Array.from({ length: 400 }, (_, n) => db.put(name(i * 400 + n), value(n)));
      let done = false;
      const all = Promise.all(writes).finally(() => (done = true));
      while (!done && pausedWith === 0) {
        await new Promise((resolve) => setImmediate(resolve));
        if (pauses().paused) pausedWith = db.stats().compaction.running;
      }
      await all;
    }
    expect(pausedWith).toBeGreaterThan(0);
    await db.flush();
    await expect.poll(() => db.stats().compaction.running, { timeout: 120_000 }).toBe(0);
    expect(pauses()).toMatchObject({ paused: false, pauses: expect.any(Number) });
    expect(pauses().pauses).toBeGreaterThan(0);
    expect(db.stats().compaction).toMatchObject({ failures: 0 });
    expect(db.stats().compaction.merges).toBeGreaterThan(0);
    expect((await db.verify({ full: true })).problems).toEqual([]);
  },
);

test('a paused job is cancelled at once', async () => {
  const gate = new JobGate(nodeEnv.clock);
  gate.pause(true);
  const turn = gate.turn();
  let passed = false;
  turn.then(
    () => (passed = true),
    () => undefined,
  );
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(passed).toBe(false);
  gate.cancel();
  await expect(turn).rejects.toMatchObject({ code: 'ABORTED' });
});

test('with compaction off nobody waits for it', async () => {
  const db = await openDatabase(memoryDirectory(), { ...TINY, compaction: 'off' });
  const states = statesOf(db);
  for (let i = 0; i < 300; i++) await db.put(name(i), 'x'.repeat(2000));
  await db.flush();
  expect(db.stats().keyspaces[0]?.levels[0]?.tables).toBeGreaterThan(30);
  expect(states).toEqual([]);
});

test('compactions that are waited for, by a close too, keep the process alive; one in the background does not', async () => {
  const script = fileURLToPath(new URL('./compact-and-leave.ts', import.meta.url));
  const hooks = new URL('../../base/typescript-hooks.mjs', import.meta.url).href;
  const run = (wait: string) =>
    promisify(execFile)(process.execPath, ['--import', hooks, script, join(memoryDirectory(), 'db'), wait]);
  expect((await run('wait')).stdout).toBe('compacted to 1 table\n');
  expect((await run('leave')).stdout).toBe('left\n');
  expect((await run('close')).stdout).toBe('closed\n');
});

test('a writer that waits for the next attempt of a compaction keeps the process alive, and is told', async () => {
  const script = fileURLToPath(new URL('./stop-and-wait.ts', import.meta.url));
  const hooks = new URL('../../base/typescript-hooks.mjs', import.meta.url).href;
  const child = promisify(execFile)(process.execPath, [
    '--import',
    hooks,
    script,
    join(memoryDirectory(), 'db'),
  ]);
  expect((await child).stdout).toBe('CHECKSUM_MISMATCH\n');
});
