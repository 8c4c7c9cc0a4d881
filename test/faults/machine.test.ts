/** Faults of the real machine: each ends in a typed error, and nothing that was acknowledged is lost. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { listBackups } from '../../src/index.ts';
import { memoryDirectory, openDatabase, outcomeOf, TINY } from '../base/database.ts';
import { numbered, tableFiles } from '../base/sst-files.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { expectPuts } from './kills.ts';
import { live } from './lives.ts';

/** A file system of its own, in memory. Not to be had without root: then the test fails, and says so. */
function mounted(bytes: string): string {
  const dir = temporaryDirectory();
  const at = join(dir, 'mounted');
  mkdirSync(at);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'none', at]);
  onTestFinished(() => void execFileSync('umount', ['-l', at]));
  return at;
}

test('a full disk: NO_SPACE for whoever writes, reads go on, and so does all once there is room', async () => {
  const dir = mounted('48m');
  writeFileSync(join(dir, 'filler'), Buffer.alloc(16 << 20, 1));
  const { puts, codes, reads, end, signal } = await live(dir, 'fill');
  expect({ end, signal }).toEqual({ end: true, signal: null });
  expect(codes.length).toBeGreaterThan(4);
  expect([...new Set(codes)]).toEqual(['NO_SPACE']);
  expect(reads).toEqual([puts.length - 1]); // one more when there was room again
  expect(puts.length).toBeGreaterThan(100);
  expect(readdirSync(dir).sort()).toEqual(
    expect.not.arrayContaining(['checkpoint', 'checkpoint.partial-checkpoint']),
  );
  const db = await openDatabase(join(dir, 'db'), { durability: 'os' });
  await expectPuts(db, puts);
  expect((await db.verify({ full: true })).problems).toEqual([]);
});

test('a directory that cannot be written to is refused, and can be read', async () => {
  const dir = mounted('32m');
  const db = await openDatabase(join(dir, 'db'));
  await db.put('a', '1');
  await db.flush();
  await db.put('b', '2');
  await db.close();
  execFileSync('mount', ['-o', 'remount,ro', dir]);
  expect(await outcomeOf(() => openDatabase(join(dir, 'db')))).toBe('PERMISSION');
  expect(await outcomeOf(() => openDatabase(join(dir, 'new')))).toBe('PERMISSION');
  const reader = await openDatabase(join(dir, 'db'), { readOnly: true });
  expect(await reader.iterator().all()).toEqual([
    ['a', '1'],
    ['b', '2'],
  ]);
  expect(await outcomeOf(() => reader.checkpoint(join(dir, 'copy')))).toBe('PERMISSION');
});

test('few descriptors: IO for what finds none, and all is there afterwards', async () => {
  const dir = memoryDirectory();
  const { puts, codes, end, signal } = await live(dir, 'files', { limit: '-n 200' });
  expect({ end, signal }).toEqual({ end: true, signal: null });
  expect(codes).toContain('IO');
  expect(['IO', 'POISONED', 'OUTCOME_UNKNOWN']).toEqual(expect.arrayContaining([...new Set(codes)]));
  const db = await openDatabase(join(dir, 'db'));
  await expectPuts(db, puts);
  expect((await db.verify({ full: true })).problems).toEqual([]);
});

test.each(['truncated', 'removed'])('a table that is %s under an open database', async (what) => {
  const dir = memoryDirectory();
  // What is cached or open would hide it.
  const db = await openDatabase(join(dir, 'db'), { ...TINY, compaction: 'off', maxOpenTables: 16 });
  for (let i = 0; i < 30; i++) {
    await db.batch(numbered(i * 20, i * 20 + 20).map(([key, value = '']) => ({ type: 'put', key, value })));
    await db.flush();
  }
  await db.close();
  const again = await openDatabase(join(dir, 'db'), { ...TINY, compaction: 'off', maxOpenTables: 16 });
  const [first = ''] = tableFiles(again.path);
  const path = join(again.path, 'tables', first);
  if (what === 'truncated') truncateSync(path, 100);
  else unlinkSync(path);
  const code = what === 'truncated' ? 'CORRUPTION' : 'FILE_NOT_FOUND';
  expect(await outcomeOf(() => again.get('k000003'))).toBe(code);
  expect(await outcomeOf(() => again.getSync('k000003'))).toBe(code);
  expect(await outcomeOf(() => again.iterator().all())).toBe(code);
  expect(await outcomeOf(() => again.compactRange())).toBe(code);
  expect((await again.verify({ full: true })).problems).toEqual([expect.stringContaining(path)]);
  expect(await again.get('k000025')).toBe('v25');
  await again.put('more', 'goes on');
  await again.flush();
  expect(await again.get('more')).toBe('goes on');
  expect(await outcomeOf(() => again.backup(join(dir, 'backups')))).toBe(code);
});

test('the log or all of it removed under an open database', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), TINY);
  await db.put('a', '1');
  rmSync(db.path, { recursive: true });
  for (const act of [() => db.flush(), () => db.checkpoint(join(dir, 'copy')), () => db.keyspace('new')]) {
    expect(['FILE_NOT_FOUND', 'CORRUPTION', 'IO', 'POISONED', 'OUTCOME_UNKNOWN']).toContain(
      await outcomeOf(act),
    );
  }
  expect(await db.get('a')).toBe('1');
  expect(existsSync(join(dir, 'copy'))).toBe(false);
  await outcomeOf(() => db.close());
});

test('of two processes that open, or make, a database at once, one has it', async () => {
  for (let round = 0; round < 2; round++) {
    const dir = memoryDirectory();
    let answers = 0;
    let haveAnswered = (): void => undefined;
    const until = new Promise<void>((resolve) => {
      haveAnswered = resolve;
    });
    const onTold = (word: string): void => {
      if ((word === 'open' || word === 'code') && ++answers === 2) haveAnswered();
    };
    // Whoever has it keeps it until the other has been answered.
    const race = () => live(dir, 'open', { until, onTold });
    const lives = await Promise.all([race(), race()]);
    expect(lives.map(({ open }) => open).sort()).toEqual([false, true]);
    expect(lives.flatMap(({ codes }) => codes)).toEqual(['LOCKED']);
  }
});

test('a clock that jumps, back as well', async () => {
  let nowMs = Date.now();
  const jumps = [0, 3_600_000, -86_400_000, 2 ** 40, -(2 ** 41)];
  const clock = { ...nodeEnv.clock, nowMs: () => nowMs };
  const env = { fs: nodeEnv.fs, clock, random: nodeEnv.random };
  const dir = memoryDirectory();
  const expected: [string, string][] = [];
  for (const jump of jumps) {
    const db = await openDatabase(join(dir, 'db'), { ...TINY, env, keepHistoryMs: 1000 });
    for (let i = 0; i < 40; i++) {
      nowMs += i === 20 ? jump : 1;
      const pair: [string, string] = [`k${expected.length + 1000}`, 'v'.repeat(50)];
      await db.put(...pair);
      expected.push(pair);
    }
    await db.compactRange();
    await db.backup(join(dir, 'backups'));
    expect(await db.iterator().all()).toEqual(expected);
    await db.close();
  }
  const backups = await listBackups(join(dir, 'backups'));
  expect(backups.map(({ backup }) => backup)).toEqual([1, 2, 3, 4, 5]);
});
