/**
 * Hostile inputs, signed: a slice of what `npm run fuzz` tries in processes of their own, and all that it ever kept. Files
 * that are accepted are also ingested for good, and read back through the database.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, outcomeOf, TINY } from '../base/database.ts';
import { child } from '../cli/run.ts';
import { mixed } from './dice.ts';
import { attempt, inputAt, SUITES, suiteOf } from './suites.ts';
import { makeTable, plainTable, tryTable } from './tables.ts';

const KEPT = 'test/regressions/fuzz';
const SEED = 20_261_121;

const kept = existsSync(KEPT) ? readdirSync(KEPT).filter((name) => name.endsWith('.bin')) : [];

test('inputs that failed once', async () => {
  for (const name of kept) {
    const [suite = ''] = name.split('-');
    await expect(attempt(suite, readFileSync(join(KEPT, name))), name).resolves.toMatch(/^\w+$/);
  }
});

test('a slice of each suite', async () => {
  const outcomes = new Map<string, number>();
  for (let index = 0; index < 600; index++) {
    const { name, bytes } = inputAt(SEED, index);
    const outcome = await attempt(name, bytes).catch((error: unknown) => {
      throw new Error(`input ${index}, ${name}`, { cause: error });
    });
    outcomes.set(`${name} ${outcome}`, (outcomes.get(`${name} ${outcome}`) ?? 0) + 1);
  }
  // Inputs of which none passes, or all, would prove nothing.
  for (const name of Object.keys(SUITES)) {
    expect(outcomes.get(`${name} ok`), name).toBeGreaterThan(3);
    const refused = { scenario: 'USAGE', rows: 'BAD_INPUT' }[name] ?? 'CORRUPTION';
    expect(outcomes.get(`${name} ${refused}`), name).toBeGreaterThan(3);
  }
  for (const code of ['NOT_SORTED', 'INVALID_KEY', 'UNSUPPORTED_FORMAT', 'CHECKSUM_MISMATCH']) {
    expect(outcomes.get(`table ${code}`), code).toBeGreaterThan(0);
  }
});

test('an input can be made of every seed', () => {
  // Logs that are forged twice in one place; to make these once took a number that fixed64 refused.
  for (const index of [46_197, 75_638, 166_656])
    expect(suiteOf('log').make(mixed(501_963, index)).length).toBeGreaterThan(0);
});

test('the kernels in TypeScript say the same', async () => {
  const count = 150;
  const here = new Map<string, number>();
  for (let index = 0; index < count; index++) {
    const { name, bytes } = inputAt(SEED, index);
    const outcome = `${name} ${await suiteOf(name).attempt(bytes)}`;
    here.set(outcome, (here.get(outcome) ?? 0) + 1);
  }
  const hooks = new URL('../base/typescript-hooks.mjs', import.meta.url).href;
  const argv = ['--import', hooks, 'test/fuzz/fuzz-child.ts', SEED, 0, count].map(String);
  const env = { ...process.env, SLUICE_KERNELS: 'js' };
  const { stdout, status } = spawnSync(process.execPath, argv, { env, encoding: 'utf8' });
  expect(status).toBe(0);
  const there = new Map<string, number>();
  for (const line of stdout.trim().split('\n')) {
    const { outcomes = {}, failed } = JSON.parse(line) as {
      outcomes?: Record<string, number>;
      failed?: number;
    };
    expect(failed).toBeUndefined();
    for (const [outcome, n] of Object.entries(outcomes)) there.set(outcome, (there.get(outcome) ?? 0) + n);
  }
  expect([...there].sort()).toEqual([...here].sort());
});

test('what is ingested reads as a plain decoding of its file', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), {
    ...TINY,
    keyEncoding: 'utf8',
    valueEncoding: 'utf8',
    compaction: 'off',
  });
  const path = join(dir, 'in.sst');
  let ingested = 0;
  for (let index = 0; index < 150; index++) {
    const bytes = makeTable(mixed(SEED, index));
    writeFileSync(path, bytes);
    const into = `k${index}`;
    const outcome = await outcomeOf(() => db.ingest(path, { into }));
    if (outcome !== 'ok') {
      // A file without entries is none to ingest, and nothing else may make a difference.
      if (outcome !== 'UNSUPPORTED_FORMAT') expect(await tryTable(bytes)).toBe(outcome);
      continue;
    }
    ingested++;
    const plain = plainTable(bytes).entries.filter(({ trailer }) => trailer === 1);
    const wanted = plain.map(({ key, value }) => [Buffer.from(key), Buffer.from(value)]);
    const keyspace = db.keyspace(into, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
    const read = (pairs: [Uint8Array, Uint8Array][]) =>
      pairs.map(([key, value]) => [Buffer.from(key), Buffer.from(value)]);
    expect(read(await keyspace.iterator().all()), `input ${index}`).toEqual(wanted);
    expect(read(await keyspace.iterator({ reverse: true }).all()), `input ${index}`).toEqual(
      wanted.toReversed(),
    );
  }
  expect(ingested).toBeGreaterThan(20);
  expect((await db.verify({ full: true })).problems).toEqual([]);
});

test('the command tells what came of them, and keeps what failed', async () => {
  const { code, out, err } = await child(process.execPath, [
    ...['scripts/fuzz.mjs', '--inputs', '100', '--minutes', '2', '--seed', '7', '--processes', '1'],
  ]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/\d+ {2}table ok\n/);
  expect(out).toMatch(/^100 inputs of seed 7, 0 failed$/m);
});
