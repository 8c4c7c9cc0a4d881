/** get, put, del, scan, keyspaces: what goes in comes out, with the exit codes that --help promises. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { open } from '../../src/index.ts';
import { memoryDirectory, openDatabase, outcomeOf } from '../base/database.ts';
import { sluice, sluiceJson } from './run.ts';

let db: string;
beforeEach(() => {
  db = join(memoryDirectory(), 'db');
});

/** Puts these, in one database that is opened once. */
async function fill(
  entries: readonly (readonly [string | Uint8Array, string | Uint8Array])[],
): Promise<void> {
  await using opened = await open(db);
  await opened.batch(entries.map(([key, value]) => ({ type: 'put', key, value })));
}

test('what is put is got; a miss exits with 1 and prints nothing', async () => {
  expect(await sluice(['put', db, 'name', 'Ada\nLovelace'])).toEqual({ code: 0, out: '', err: '' });
  expect(await sluice(['get', db, 'name'])).toEqual({ code: 0, out: 'Ada\nLovelace\n', err: '' });
  expect((await sluice(['get', db, 'name', '--raw'])).out).toBe('Ada\nLovelace');
  expect(await sluice(['get', db, 'nobody'])).toEqual({ code: 1, out: '', err: '' });
  expect((await sluice(['del', db, 'name'])).code).toBe(0);
  expect((await sluice(['get', db, 'name'])).code).toBe(1);
});

test('JSON of get, put and del', async () => {
  expect(await sluiceJson(['put', db, 'k', 'v'])).toEqual([{ version: expect.any(Number) }]);
  expect(await sluiceJson(['get', db, 'k'])).toEqual([{ key: 'k', found: true, value: 'v' }]);
  expect(await sluiceJson(['get', db, '6b', '--hex'])).toEqual([
    { keyHex: '6b', found: true, valueHex: '76' },
  ]);
  expect(await sluiceJson(['del', db, 'k'])).toEqual([{ version: expect.any(Number) }]);
  const miss = await sluice(['get', db, 'k', '--json']);
  expect(miss.code).toBe(1);
  expect(JSON.parse(miss.out)).toEqual({ key: 'k', found: false });
});

test('get --at and scan --at read a past version, and are told when it is not kept', async () => {
  const versions: string[] = [];
  for (const value of ['1', '2']) {
    const [{ version }] = (await sluiceJson(['put', db, 'k', value])) as [{ version: number }];
    versions.push(String(version));
  }
  const [first = '', second = ''] = versions;
  expect(await sluice(['get', db, 'k', '--at', first])).toEqual({ code: 0, out: '1\n', err: '' });
  expect((await sluice(['get', db, 'k', '--at', second])).out).toBe('2\n');
  expect((await sluice(['scan', db, '--at', first])).out).toBe('k\t1\n');
  const newer = await sluice(['get', db, 'k', '--at', '999']);
  expect(newer.code).toBe(3);
  expect(newer.err).toContain('Version 999 is not visible');
  expect((await sluice(['scan', db, '--at', 'x'])).code).toBe(2);
});

test('--at reads a keyspace that was dropped since', async () => {
  const writer = await openDatabase(db, { keepHistoryMs: 3_600_000 });
  const sessions = writer.keyspace('sessions');
  const version = await sessions.put('k', 'v');
  await writer.dropKeyspace('sessions');
  using snapshot = writer.snapshot({ at: version });
  expect(await writer.keyspace('sessions', { snapshot }).get('k', { snapshot })).toBe('v');
  expect(writer.keyspaces()).toEqual(['default']);
  using before = writer.snapshot({ at: version - 2 });
  expect(await outcomeOf(() => writer.keyspace('sessions', { snapshot: before }))).toBe('KEYSPACE_NOT_FOUND');
  const at = ['--keyspace', 'sessions', '--at', String(version)];
  expect((await sluice(['get', db, 'k', ...at])).out).toBe('v\n');
  expect((await sluice(['scan', db, ...at])).out).toBe('k\tv\n');
  expect((await sluice(['scan', db, '--keyspace', 'sessions'])).code).toBe(3);
  await writer.close();
});

test('del --range deletes from a key up to another, which stays', async () => {
  await fill([...'abcde'].map((key) => [key, key] as const));
  expect(await sluice(['del', db, '--range', 'b', 'd'])).toEqual({ code: 0, out: '', err: '' });
  expect((await sluice(['scan', db, '--keys-only'])).out).toBe('a\nd\ne\n');
  expect(await sluiceJson(['del', db, '--range', '64', '65', '--hex'])).toEqual([
    { version: expect.any(Number) },
  ]);
  expect((await sluice(['scan', db, '--keys-only'])).out).toBe('a\ne\n');
  expect((await sluice(['stat', db])).out).toMatch(/^default .*, 2 range tombstones$/m);
  for (const argv of [
    ['del', db, '--range', 'b'],
    ['del', db, '--range', 'd', 'b'],
    ['del', db, 'a', 'b'],
  ]) {
    expect((await sluice(argv)).code).toBe(2);
  }
});

test('keys and values in hex, also those that are not text', async () => {
  expect((await sluice(['put', db, 'ff00', '', '--hex'])).code).toBe(0);
  expect((await sluice(['get', db, 'FF00', '--hex'])).out).toBe('\n');
  expect((await sluice(['scan', db, '--hex'])).out).toBe('ff00\t\n');
  expect(await sluiceJson(['scan', db])).toEqual([{ keyHex: 'ff00', value: '' }]);
});

test('a key that looks like a flag goes after --', async () => {
  expect((await sluice(['put', db, '--', '--hex', '-1'])).code).toBe(0);
  expect((await sluice(['get', db, '--', '--hex'])).out).toBe('-1\n');
});

test('scan: bounds, prefix, limit, reverse, keys only', async () => {
  await fill([...'abcde'].map((key) => [key, key.toUpperCase()] as const));
  await fill([['ba', '2']]);
  const keys = async (...argv: string[]) =>
    (await sluice(['scan', db, '--keys-only', ...argv])).out.trimEnd().split('\n').join(' ');
  expect(await keys()).toBe('a b ba c d e');
  expect(await keys('--gte', 'b', '--lt', 'd')).toBe('b ba c');
  expect(await keys('--gt', 'b', '--lte', 'd')).toBe('ba c d');
  expect(await keys('--prefix', 'b')).toBe('b ba');
  expect(await keys('--prefix', '62', '--hex')).toBe('62 6261');
  expect(await keys('--reverse', '--limit', '2')).toBe('e d');
  expect(await keys('--limit', '0')).toBe('');
  expect((await sluice(['scan', db, '--limit', '1'])).out).toBe('a\tA\n');
  expect(await sluiceJson(['scan', db, '--limit', '1'])).toEqual([{ key: 'a', value: 'A' }]);
  expect(await sluiceJson(['scan', db, '--limit', '1', '--keys-only'])).toEqual([{ key: 'a' }]);
});

test('a prefix of 0xff bytes has no end but that of the keyspace', async () => {
  await fill([
    [Buffer.from('fe', 'hex'), ''],
    [Buffer.from('ffff', 'hex'), ''],
    [Buffer.from('ffff01', 'hex'), ''],
  ]);
  expect((await sluice(['scan', db, '--prefix', 'ffff', '--hex', '--keys-only'])).out).toBe('ffff\nffff01\n');
});

test('scan escapes what would break a line', async () => {
  await fill([
    ['tab\tkey', 'back\\slash'],
    [Uint8Array.of(0x66, 0xc3), 'two\nlines\r\u0001é'],
  ]);
  expect((await sluice(['scan', db])).out).toBe('f\\xc3\ttwo\\nlines\\r\\x01é\ntab\\tkey\tback\\\\slash\n');
});

test('a scan of many batches prints every entry once', async () => {
  await fill(Array.from({ length: 3000 }, (_, i) => [String(i).padStart(5, '0'), 'x'.repeat(100)] as const));
  const lines = (await sluice(['scan', db, '--keys-only'])).out.trimEnd().split('\n');
  expect(lines).toEqual(Array.from({ length: 3000 }, (_, i) => String(i).padStart(5, '0')));
});

test('keyspaces: made by put, listed, read, dropped', async () => {
  expect((await sluice(['put', db, 'k', 'v', '--keyspace', 'users'])).code).toBe(0);
  expect((await sluice(['get', db, 'k', '--keyspace', 'users'])).out).toBe('v\n');
  expect((await sluice(['get', db, 'k'])).code).toBe(1);
  expect((await sluice(['keyspaces', db])).out).toBe('default\nusers\n');
  expect(await sluiceJson(['keyspaces', db, 'ls'])).toEqual([['default', 'users']]);
  expect(await sluiceJson(['keyspaces', db, 'drop', 'users'])).toEqual([{ dropped: 'users' }]);
  expect((await sluice(['keyspaces', db])).out).toBe('default\n');
  const gone = await sluice(['keyspaces', db, 'drop', 'users']);
  expect(gone).toEqual({
    code: 3,
    out: '',
    err: 'error KEYSPACE_NOT_FOUND: There is no keyspace "users"; there are: "default"\n',
  });
});

test('reading and deleting make no keyspace', async () => {
  await fill([['k', 'v']]);
  for (const argv of [
    ['get', db, 'k'],
    ['scan', db],
    ['del', db, 'k'],
  ]) {
    const { code, err } = await sluice([...argv, '--keyspace', 'typo']);
    expect(code).toBe(3);
    expect(err).toBe('error KEYSPACE_NOT_FOUND: There is no keyspace "typo"; there are: "default"\n');
  }
  expect((await sluice(['keyspaces', db])).out).toBe('default\n');
});

test('only put and ingest make a database', async () => {
  for (const argv of [
    ['get', db, 'k'],
    ['del', db, 'k'],
    ['scan', db],
    ['stat', db],
    ['verify', db],
    ['keyspaces', db],
  ]) {
    const { code, err } = await sluice(argv);
    expect(code).toBe(3);
    expect(err).toMatch(/^error NOT_A_DATABASE: There is no database at /);
  }
  expect(existsSync(db)).toBe(false);
});
