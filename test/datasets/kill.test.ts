/** SIGKILL while versions are published and made live: the pointers are old or new, together, and nothing is left over. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { memoryDirectory, openText } from '../base/database.ts';
import { tableFiles } from '../base/sst-files.ts';

const ROUNDS = 5;
const WORK_MS = 250;
const HOOKS = new URL('../base/typescript-hooks.mjs', import.meta.url).href;
const CHILD = fileURLToPath(new URL('./kill-child.ts', import.meta.url));

/** One life of the child; the last round that it was told of. */
async function live(dir: string, first: number): Promise<number> {
  const child = spawn(process.execPath, ['--import', HOOKS, CHILD, dir, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  let done = 0;
  for await (const line of createInterface(child.stdout)) {
    const [word, n] = line.split(' ');
    if (word === 'open') setTimeout(() => child.kill('SIGKILL'), Math.random() * WORK_MS);
    else done = Number(n);
  }
  expect((await closed)[1]).toBe('SIGKILL');
  return done;
}

async function check(dir: string, done: number): Promise<number> {
  const db = await openText(join(dir, 'db'));
  try {
    const round = Number((await db.get('round')) ?? 0);
    expect(round).toBeGreaterThanOrEqual(done);
    const [a, b, c] = [db.dataset('a'), db.dataset('b'), db.dataset('c')];
    const current = round === 0 ? 2 : (round % 2) + 1;
    expect([a.current, b.current]).toEqual([current, current]);
    const inB = await db.keyspace('b').iterator().all();
    const inA = await db.keyspace('a').iterator().all();
    expect(inB).toEqual(round === 0 ? inA : [...inA, ['round', String(round)]]);
    expect(inA.map(([, value]) => value)).toEqual([...(current === 2 ? '222211111' : '111111111')]);
    const published = c.versions();
    expect(published.length).toBeLessThanOrEqual(2);
    expect(c.current).toBe(published.at(-1)?.version);
    for (const { version } of published) {
      using view = c.at(version);
      const of = String(version % 1_000_000);
      expect(await view.values().all()).toEqual([of, of, of, of, of]);
    }
    expect((await db.verify({ full: true })).problems).toEqual([]);
    expect(tableFiles(join(dir, 'db'))).toHaveLength((await db.verify()).tables);
    const versions = published.map(({ version }) => version % 1_000_000);
    return Math.max(round, done, ...versions);
  } finally {
    await db.close();
  }
}

test(`${ROUNDS} crashes`, async () => {
  const dir = memoryDirectory();
  let last = 0;
  for (let n = 0; n < ROUNDS; n++) last = await check(dir, await live(dir, last + 1));
  expect(last).toBeGreaterThan(ROUNDS);
}, 120_000);
