/** The real program in a process of its own: exit codes, pipes, a live writer beside it, and the demo. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { memoryDirectory, openDatabase } from '../base/database.ts';
import { buildProgram, child, DEMO, PROGRAM } from './run.ts';

beforeAll(buildProgram, 120_000);

const run = (argv: readonly string[], input?: string) => child(process.execPath, [PROGRAM, ...argv], input);

test('puts, gets, misses, refuses', async () => {
  const db = join(memoryDirectory(), 'db');
  expect(await run(['put', db, 'k', 'v'])).toEqual({ code: 0, out: '', err: '' });
  expect(await run(['get', db, 'k'])).toEqual({ code: 0, out: 'v\n', err: '' });
  expect(await run(['get', db, 'x'])).toEqual({ code: 1, out: '', err: '' });
  expect((await run(['get', db])).code).toBe(2);
  expect((await run(['get', `${db}-none`, 'k'])).code).toBe(3);
});

test('builds from a pipe; an error in the middle of the input ends it', async () => {
  const dir = memoryDirectory();
  const sorted = Array.from({ length: 50_000 }, (_, i) => `${String(i).padStart(8, '0')}\tvalue ${i}\n`).join(
    '',
  );
  const built = await run(['sst', 'build', join(dir, 'a.sst'), '--json'], sorted);
  expect(JSON.parse(built.out)).toMatchObject({ entries: 50_000, largest: '00049999' });
  const failed = await run(['sst', 'build', join(dir, 'b.sst')], `9\t\n8\t\n${sorted}`);
  expect(failed.code).toBe(3);
  expect(failed.err).toMatch(/^error NOT_SORTED: line 2: /);
  expect(readdirSync(dir)).toEqual(['a.sst']);
});

test('scan ends quietly when its reader has had enough', async () => {
  const dir = memoryDirectory();
  const db = join(dir, 'db');
  const long = 'x'.repeat(200);
  const sorted = Array.from({ length: 50_000 }, (_, i) => `${String(i).padStart(8, '0')}\t${long}\n`).join(
    '',
  );
  expect((await run(['sst', 'build', join(dir, 'a.sst')], sorted)).code).toBe(0);
  expect((await run(['ingest', db, join(dir, 'a.sst')])).code).toBe(0);
  const scan = spawn(process.execPath, [PROGRAM, 'scan', db], { stdio: ['ignore', 'pipe', 'pipe'] });
  let err = '';
  scan.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const exit = once(scan, 'exit');
  const [first] = (await once(scan.stdout, 'data')) as [Buffer];
  scan.stdout.destroy();
  expect(first.toString()).toMatch(/^00000000\tx{200}\n/);
  expect(await exit).toEqual([0, null]);
  expect(err).toBe('');
});

test('reads beside a process that writes with --readonly; is refused without it', async () => {
  const db = join(memoryDirectory(), 'db');
  const writer = await openDatabase(db, { durability: 'fsync' });
  await writer.put('k', 'first');
  await writer.put('k', 'second');
  const refused = await run(['get', db, 'k']);
  expect(refused.code).toBe(3);
  expect(refused.err).toMatch(/^error LOCKED: .*Commands that read work beside it with --readonly\n$/);
  const beside = await run(['get', db, 'k', '--readonly']);
  expect(beside).toMatchObject({ code: 0, err: '' });
  expect(['first\n', 'second\n']).toContain(beside.out);
  for (const argv of [['stat'], ['keyspaces'], ['verify', '--full'], ['scan']]) {
    const [command = '', ...flags] = argv;
    expect(await run([command, db, '--readonly', ...flags])).toMatchObject({ code: 0, err: '' });
  }
  await writer.put('k', 'third');
  expect(await writer.get('k')).toBe('third');
});

test('Ctrl-C ends a build that waits for input, and leaves no file', async () => {
  const dir = memoryDirectory();
  const build = spawn(process.execPath, [PROGRAM, 'sst', 'build', join(dir, 'a.sst')], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  build.stdin.write('a\t1\n');
  while (readdirSync(dir).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  build.kill('SIGINT');
  expect(await once(build, 'exit')).toEqual([130, null]);
  expect(readdirSync(dir)).toEqual([]);
});

test('the demo keeps its word, without a terminal and without colours', async () => {
  const { code, out, err } = await child(process.execPath, [DEMO]);
  expect(err).toBe('');
  expect(code).toBe(0);
  expect(out).toMatch(/\n(\d+) claims made, \1 checked\.\n$/);
  expect(out).toContain('GeoNames (geonames.org), CC BY 4.0');
  expect(out.includes('\u001b')).toBe(false);
});
