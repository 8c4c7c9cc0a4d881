/** Wrong command lines, help, and how errors are told. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as command from '../../src/cli/command.ts';
import { main } from '../../src/cli/program.ts';
import { memoryDirectory } from '../base/database.ts';
import { sluice } from './run.ts';

const NAMES = [
  'ingest',
  'import',
  'tasks',
  'get',
  'put',
  'del',
  'scan',
  'stat',
  'keyspaces',
  'dataset ls',
  'dataset publish',
  'dataset activate',
  'dataset rollback',
  'dataset diff',
  'dataset drop',
  'dataset watch',
  'verify',
  'compact',
  'checkpoint',
  'backup',
  'backups',
  'restore',
  'explain',
  'scenario',
  'sst build',
  'sst inspect',
  'sst dump',
];

test.each([
  [['frobnicate'], /there is no command "frobnicate"/],
  [['sst', 'frobnicate'], /there is no command "sst frobnicate"/],
  [['sst'], /sluice sst needs one of: sst build, sst inspect, sst dump/],
  [['get', 'db'], /too few arguments; the command is: sluice get DB KEY/],
  [['get', 'db', 'a', 'b'], /too many arguments: b/],
  [['get', '', 'a'], /DB must not be empty/],
  [['get', 'db', ''], /KEY must not be empty/],
  [['get', 'db', 'a', '--frob'], /--frob/],
  [['get', 'db', 'xyz', '--hex'], /KEY must be hex digits/],
  [['get', 'db', 'abc', '--hex'], /KEY must be hex digits/],
  [['put', 'db', '00', '0', '--hex'], /VALUE must be hex digits/],
  [['scan', 'db', '--limit', 'many'], /--limit must be a whole number; got "many"/],
  [['scan', 'db', '--limit=-1'], /--limit must be a whole number; got "-1"/],
  [['scan', 'db', '--prefix', 'a', '--gte', 'b'], /exclude each other/],
  [['ingest', 'db', 'f', '--mode', 'steal'], /--mode must be one of copy, link, move; got "steal"/],
  [['ingest', 'db', 'f', '--verify', 'all'], /--verify must be one of blocks, checksums, footer, none/],
  [
    ['ingest', 'db', 'f', '--sha256', 'a', '--sha256', 'b'],
    /--sha256 must be given once for each file: 1 file, 2 given/,
  ],
  [['keyspaces', 'db', 'rename', 'x'], /rename is no action here/],
  [['keyspaces', 'db', 'ls', 'x'], /ls is no action here/],
  [['keyspaces', 'db', 'drop'], /NAME is missing/],
  [['keyspaces', 'db', 'drop', 'x', '--readonly'], /drop writes/],
  [['sst', 'build', 'out', '--format', 'csv'], /--format must be one of tsv, jsonl/],
  [['sst', 'build', 'out', '--key', 'id'], /need --format jsonl/],
  [['sst', 'build', 'out', '--format', 'jsonl', '--hex'], /--hex is for tsv/],
] as [string[], RegExp][])('sluice %j is a wrong command line', async (argv, message) => {
  const { code, out, err } = await sluice(argv);
  expect(err).toMatch(message);
  expect(err).toMatch(/^error USAGE: [^\n]+\n$/);
  expect({ code, out }).toEqual({ code: 2, out: '' });
});

test('what the library refuses of an argument is a wrong command line as well', async () => {
  const db = join(memoryDirectory(), 'db');
  expect((await sluice(['put', db, 'k', 'v'])).code).toBe(0);
  const long = await sluice(['put', db, 'k', 'v', '--keyspace', 'x'.repeat(256)]);
  expect(long).toEqual({ code: 2, out: '', err: 'error USAGE: name must have 1 to 255 bytes; got 256\n' });
  const digest = await sluice(['ingest', db, 'file', '--sha256', 'nonsense']);
  expect(digest.code).toBe(2);
  expect(digest.err).toMatch(/^error USAGE: each of options.sha256 must be 64 lower-case hex digits/);
  const key = await sluice(['put', db, 'k'.repeat(65_536), 'v']);
  expect(key.code).toBe(3);
  expect(key.err).toMatch(/^error INVALID_KEY: /);
});

test('with --json errors are JSON', async () => {
  const { code, err } = await sluice(['get', join(memoryDirectory(), 'none'), 'k', '--json']);
  expect(code).toBe(3);
  expect(JSON.parse(err)).toEqual({
    error: { code: 'NOT_A_DATABASE', message: expect.stringMatching(/^There is no database at /) },
  });
});

test('help: of the program, and of every command by either spelling', async () => {
  const program = await sluice(['--help']);
  expect(program.code).toBe(0);
  expect((await sluice(['help'])).out).toBe(program.out);
  for (const name of NAMES) {
    expect(program.out).toContain(`  sluice ${name} `);
    const own = await sluice([...name.split(' '), '--help']);
    expect(own).toMatchObject({ code: 0, err: '' });
    expect(own.out).toContain(`  sluice ${name} `);
    expect(own.out).toMatch(/Exit codes\n {2}0 {4}done\n/);
    expect(await sluice(['help', ...name.split(' ')])).toEqual(own);
  }
});

test('every exit code is in --help and in the README', async () => {
  const codes = Object.entries(command).filter(([name]) => name.startsWith('EXIT_'));
  const { out } = await sluice(['--help']);
  const readme = readFileSync('README.md', 'utf8');
  const listed = (text: string, row: RegExp): number[] => [...text.matchAll(row)].map(([, n]) => Number(n));
  const expected = codes.map(([, code]) => Number(code)).sort((a, b) => a - b);
  expect(expected).toHaveLength(6);
  expect(listed(out.slice(out.indexOf('Exit codes')), /^ {2}(\d+) +\S/gm)).toEqual(expected);
  const section = readme.slice(readme.indexOf('| exit code |'), readme.indexOf('## Beside others'));
  expect(listed(section, /^\| (\d+) \|/gm)).toEqual(expected);
});

test('without a command: help on stderr, exit code 2', async () => {
  const { code, out, err } = await sluice([]);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toContain('sluice ingest DB FILE…');
});

test('--version', async () => {
  expect(await sluice(['--version'])).toEqual({
    code: 0,
    out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    err: '',
  });
});

test('output that cannot be written is an error; a reader who has gone is not', async () => {
  const failing = (code: string) => ({
    write(_chunk: unknown, done: (error: Error) => void) {
      done(Object.assign(new Error(`write ${code}`), { code }));
      return false;
    },
  });
  let told = '';
  const stderr = {
    write(chunk: string | Uint8Array, done: () => void) {
      told += String(chunk);
      done();
      return true;
    },
  };
  const nothing = (async function* () {})();
  const run = (code: string) => main(['--version'], { stdin: nothing, stdout: failing(code), stderr });
  expect(await run('EPIPE')).toBe(0);
  expect(told).toBe('');
  expect(await run('ENOSPC')).toBe(3);
  expect(told).toBe('error NO_SPACE: Could not write the output: write ENOSPC\n');
});
