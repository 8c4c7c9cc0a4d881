/**
 * SIGKILL while versions are published and made live, by calls and by a watched directory: the pointers are old or new, together,
 * and nothing is left over.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { memoryDirectory, openText, type TextDb } from '../base/database.ts';
import { numbered, tableFiles, writeSst } from '../base/sst-files.ts';

const ROUNDS = 5;
const WORK_MS = 250;
const HOOKS = new URL('../base/typescript-hooks.mjs', import.meta.url).href;
const CHILD = fileURLToPath(new URL('./kill-child.ts', import.meta.url));
const WATCHING_CHILD = fileURLToPath(new URL('./watch-child.ts', import.meta.url));

/** One life of a child, to its SIGKILL, some time after it first tells `word`; what it has told. */
async function lifeOf(
  child: string,
  args: readonly string[],
  word: string,
  onWord: () => unknown,
): Promise<string[]> {
  const spawned = spawn(process.execPath, ['--import', HOOKS, child, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(spawned, 'close');
  const told: string[] = [];
  for await (const line of createInterface(spawned.stdout)) {
    told.push(line);
    if (told.filter((each) => each.startsWith(word)).length !== 1 || !line.startsWith(word)) continue;
    await onWord();
    setTimeout(() => spawned.kill('SIGKILL'), Math.random() * WORK_MS);
  }
  expect((await closed)[1]).toBe('SIGKILL');
  return told;
}

/** The last round that the child has done. */
async function live(dir: string, first: number): Promise<number> {
  // However slow the machine is, each life has done something.
  const told = await lifeOf(CHILD, [dir, String(first)], 'done', () => undefined);
  return Number(told.at(-1)?.split(' ')[1]);
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
    await checkGoingBack(db);
    await checkUndoing(db);
    expect((await db.verify({ full: true })).problems).toEqual([]);
    const named = async (): Promise<number> => (await db.verify()).tables;
    await expect.poll(async () => tableFiles(join(dir, 'db')).length - (await named())).toBe(0);
    const versions = published.map(({ version }) => version % 1_000_000);
    return Math.max(round, done, ...versions);
  } finally {
    await db.close();
  }
}

/** Before, after, or between a publication and the way back from it, and its drop. */
async function checkGoingBack(db: TextDb): Promise<void> {
  const d = db.dataset('d');
  const kept = d.versions().map(({ version }) => version);
  expect(kept.length).toBeLessThanOrEqual(2);
  if (d.current !== undefined) expect(kept).toContain(d.current);
  for (const version of kept) {
    using view = d.at(version);
    const values = await view.values().all();
    const wanted = version === 1_000_000 ? '000000' : String(version).repeat(4);
    expect(values.join('')).toBe(wanted);
    if (version === d.current) expect(await db.keyspace('d').values().all()).toEqual(values);
  }
}

/** As before an ingest, or with all of it. */
async function checkUndoing(db: TextDb): Promise<void> {
  const values = (await db.keyspace('u').values().all()).slice(0, 2);
  const [left, ...more] = db.ingests().filter(({ undoable }) => undoable);
  expect(more).toEqual([]);
  const round = left?.id.split('/')[0];
  const before = values.map(() => 'before');
  expect(values).toEqual(round === undefined ? before : [round, round]);
}

test(`${ROUNDS} crashes`, async () => {
  const dir = memoryDirectory();
  let last = 0;
  for (let n = 0; n < ROUNDS; n++) last = await check(dir, await live(dir, last + 1));
  expect(last).toBeGreaterThanOrEqual(ROUNDS);
}, 600_000);

/** Versions 3n - 2 to 3n: a base, and two deltas. */
async function drop(drops: string, n: number): Promise<void> {
  const dir = join(drops, 'feats');
  mkdirSync(dir, { recursive: true });
  const write = (version: number, keys: number) =>
    writeSst(join(dir, `${version}.sst`), numbered(0, keys, 'k', `${version}-`));
  await write(3 * n - 2, 200);
  await write(3 * n - 1, 100);
  await write(3 * n, 50);
  const deltas = [3 * n - 1, 3 * n].map((version) => ({ version, files: [`${version}.sst`] }));
  const metadata = { version: 3 * n, base: [`${3 * n - 2}.sst`], deltas };
  writeFileSync(join(dir, 'new'), JSON.stringify(metadata));
  renameSync(join(dir, 'new'), join(dir, 'METADATA.json'));
}

/** What the version has: of each key the newest of its chain's. */
function contentOf(version: number): [string, string][] {
  const base = version - ((version - 1) % 3);
  const content = new Map<string, string>();
  for (let each = base; each <= version; each++) {
    const keys = [200, 100, 50][each - base] ?? 0;
    for (const [key, value = ''] of numbered(0, keys, 'k', `${each}-`)) content.set(key, value);
  }
  return [...content];
}

test(`${ROUNDS} crashes of a process that watches a directory`, async () => {
  const dir = memoryDirectory();
  const [path, drops] = [join(dir, 'db'), join(dir, 'drops')];
  mkdirSync(drops);
  for (let n = 1; n <= ROUNDS; n++) {
    const told = await lifeOf(WATCHING_CHILD, [path, drops], 'open', () => drop(drops, n));
    const db = await openText(path);
    const feats = db.dataset('feats');
    const { current } = feats;
    // Only the last of a chain is ever live; what was told is not taken back.
    const before = n === 1 ? undefined : 3 * (n - 1);
    expect(told.includes(`live ${3 * n}`) ? [3 * n] : [before, 3 * n]).toContain(current);
    if (current !== undefined)
      expect(await db.keyspace('feats').iterator().all()).toEqual(contentOf(current));
    for (const { version } of feats.versions()) {
      using view = feats.at(version);
      expect(await view.iterator().all()).toEqual(contentOf(version));
    }
    expect((await db.verify({ full: true })).problems).toEqual([]);
    await expect.poll(async () => tableFiles(path).length - (await db.verify()).tables).toBe(0);
    await using watch = db.watchDatasets(drops, { pollMs: 1e9, keepVersions: 2 });
    await watch.check();
    expect(watch.status()).toMatchObject([{ state: 'live', version: 3 * n }]);
    expect(await db.keyspace('feats').iterator().all()).toEqual(contentOf(3 * n));
    expect(feats.versions().map(({ version }) => version)).toEqual([3 * n - 1, 3 * n]);
    await db.close();
  }
}, 600_000);
