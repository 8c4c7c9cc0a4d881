/** sluice sst build, inspect, dump. */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { SstWriter } from '../../src/index.ts';
import { memoryDirectory } from '../base/database.ts';
import { sluice, sluiceJson } from './run.ts';

let dir: string;
let db: string;
let sst: string;
beforeEach(() => {
  dir = memoryDirectory();
  db = join(dir, 'db');
  sst = join(dir, 'a.sst');
});

const dump = async (path: string, ...argv: string[]) => (await sluice(['sst', 'dump', path, ...argv])).out;

describe('sst build', () => {
  test('TSV from standard input, escapes and tombstones included, comes back from dump', async () => {
    const tsv = 'a\tone\nb\\tc\ttwo\\nlines\\\\\nd\t\\N\ne\t\\\\N\nf\\xff\t\n';
    const built = await sluice(['sst', 'build', sst], tsv);
    expect(built).toMatchObject({ code: 0, err: '' });
    expect(built.out).toMatch(/a\.sst: 5 entries, .*\n {2}keys {4}a … f\\xff\n {2}sha256 {2}[0-9a-f]{64}\n$/);
    expect(await dump(sst)).toBe(tsv);
  });

  test('from a file, with \\r\\n, empty lines and no newline at the end', async () => {
    const input = join(dir, 'in.tsv');
    writeFileSync(input, 'a\t1\r\n\r\nb\t2');
    expect((await sluice(['sst', 'build', sst, input])).code).toBe(0);
    expect(await dump(sst)).toBe('a\t1\nb\t2\n');
  });

  test('dump --json and scan --json are read back as jsonl; dump --hex as tsv --hex', async () => {
    const writer = new SstWriter(sst);
    writer.put('a', 'text');
    writer.put('b', Uint8Array.of(0xff));
    writer.del(Uint8Array.of(0xfe));
    const { sha256 } = await writer.finish();
    const lines = await dump(sst, '--json');
    expect(
      lines
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { key: 'a', value: 'text' },
      { key: 'b', valueHex: 'ff' },
      { keyHex: 'fe', deleted: true },
    ]);
    const copy = join(dir, 'copy.sst');
    expect(await sluiceJson(['sst', 'build', copy, '--format', 'jsonl'], lines)).toMatchObject([
      { sha256, entries: 3 },
    ]);
    const hex = await dump(sst, '--hex');
    expect(hex).toBe('61\t74657874\n62\tff\nfe\t\\N\n');
    expect(await sluiceJson(['sst', 'build', join(dir, 'hex.sst'), '--hex'], hex)).toMatchObject([
      { sha256 },
    ]);
  });

  test('JSONL by field: the value is a field, or the whole line', async () => {
    const lines = '{"id":"a","n":1}\n{"id":"b","n":{"x":2}}\n';
    expect(
      (await sluice(['sst', 'build', sst, '--format', 'jsonl', '--key', 'id', '--value', 'n'], lines)).code,
    ).toBe(0);
    expect(await dump(sst)).toBe('a\t1\nb\t{"x":2}\n');
    const whole = join(dir, 'whole.sst');
    expect((await sluice(['sst', 'build', whole, '--format', 'jsonl', '--key', 'id'], lines)).code).toBe(0);
    expect(await dump(whole)).toBe('a\t{"id":"a","n":1}\nb\t{"id":"b","n":{"x":2}}\n');
  });

  test('JSON is told of the file', async () => {
    const [facts] = await sluiceJson(['sst', 'build', sst, '--compression', 'none'], 'a\t1\nb\t2\n');
    const bytes = readFileSync(sst);
    expect(facts).toEqual({
      path: sst,
      entries: 2,
      smallest: 'a',
      largest: 'b',
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
  });

  test.each([
    ['b\t1\na\t2\n', 'tsv', /^error NOT_SORTED: line 2: .*"a".*"b"|^error NOT_SORTED: line 2: .*"b".*"a"/],
    ['a\t1\n\na\t2\n', 'tsv', /^error NOT_SORTED: line 3: /],
    ['a\t1\nno tab\n', 'tsv', /^error CORRUPTION: line 2: it has no tab/],
    ['a\t1\t2\n', 'tsv', /^error CORRUPTION: line 1: it has more than one tab/],
    ['a\\q\t1\n', 'tsv', /^error CORRUPTION: line 1: \\q is not an escape/],
    ['a\\x4\t1\n', 'tsv', /^error CORRUPTION: line 1: \\x is not an escape/],
    ['\tempty key\n', 'tsv', /^error INVALID_KEY: line 1: /],
    ['', 'tsv', /^error UNSUPPORTED_FORMAT: .*no entries/],
    ['{"key":"a"}\n', 'jsonl', /^error CORRUPTION: line 1: it has neither value, valueHex nor deleted/],
    ['{"value":"a"}\n', 'jsonl', /^error CORRUPTION: line 1: it has neither key nor keyHex/],
    ['{"keyHex":"0","value":"a"}\n', 'jsonl', /^error CORRUPTION: line 1: keyHex is not hex digits/],
    ['["a"]\n', 'jsonl', /^error CORRUPTION: line 1: it is not a JSON object/],
    ['{"key":\n', 'jsonl', /^error CORRUPTION: line 1: it is not JSON/],
  ])('%j as %s names the line, and leaves no file', async (input, format, message) => {
    const { code, out, err } = await sluice(['sst', 'build', sst, '--format', format], input);
    expect(err).toMatch(message);
    expect({ code, out }).toEqual({ code: 3, out: '' });
    expect(existsSync(sst)).toBe(false);
  });

  test('neither a missing input nor an output that is there already costs anything', async () => {
    const missing = await sluice(['sst', 'build', sst, join(dir, 'none.tsv')]);
    expect(missing.code).toBe(3);
    expect(missing.err).toMatch(/^error FILE_NOT_FOUND: /);
    expect(existsSync(sst)).toBe(false);
    writeFileSync(sst, 'precious');
    const there = await sluice(['sst', 'build', sst], 'a\t1\n');
    expect(there.code).toBe(3);
    expect(there.err).toMatch(/^error ALREADY_EXISTS: /);
    expect(readFileSync(sst, 'utf8')).toBe('precious');
  });
});

describe('sst inspect and dump', () => {
  const fixture = 'test/fixtures/rocksdb/v11.8/v_fv7_zstd.sst';

  test('a file of ours', async () => {
    await sluice(['sst', 'build', sst], 'a\t1\nb\t\\N\n');
    const { code, out } = await sluice(['sst', 'inspect', sst, '--blocks']);
    expect(code).toBe(0);
    expect(out).toMatch(/^format +version 5, checksum xxh3, LZ4$/m);
    expect(out).toMatch(/^entries +2 entries, 1 of them deletes$/m);
    expect(out).toMatch(/^smallest +"a"$/m);
    expect(out).toMatch(/^ {2}rocksdb\.comparator +leveldb\.BytewiseComparator$/m);
    expect(out).toMatch(/^ {2}data +0 +\d+ {2}≤ "b"$/m);
  });

  test('a file of RocksDB, as JSON with its blocks', async () => {
    const [facts] = await sluiceJson(['sst', 'inspect', fixture, '--blocks']);
    expect(facts).toMatchObject({
      formatVersion: 7,
      own: false,
      comparator: 'leveldb.BytewiseComparator',
      properties: { 'rocksdb.num.entries': expect.any(Number), 'rocksdb.external_sst_file.version': 2 },
      blocks: expect.arrayContaining([expect.objectContaining({ kind: 'data', offset: 0 })]),
    });
    const { entries } = facts as { entries: number };
    const lines = (await dump(fixture)).trimEnd().split('\n');
    expect(lines.length).toBe(entries);
    expect(await dump(fixture, '--limit', '2')).toBe(`${lines.slice(0, 2).join('\n')}\n`);
    expect(await dump(fixture, '--limit', '0')).toBe('');
  });

  test('merge operands and range deletions are shown for what they are', async () => {
    const out = await dump('test/fixtures/rocksdb/v7.8/v_ops.sst');
    expect(out).toMatch(/\\T\(merge operand\)/);
    expect(out).toMatch(/^d\t\\T\(range delete\)f\n/m);
    expect(await dump('test/fixtures/rocksdb/v7.8/v_ops.sst', '--json')).toMatch(/"type":"merge operand"/);
    const ranges = 'test/fixtures/rocksdb/ranges/ranges.sst';
    expect((await sluice(['sst', 'inspect', ranges])).out).toMatch(/deletes +"key00100" up to "key00200"/);
    const [facts] = await sluiceJson(['sst', 'inspect', ranges]);
    expect(facts).toMatchObject({ rangeDeletes: 5, rangeTombstones: { length: 5 } });
    expect((await sluice(['ingest', db, ranges])).code).toBe(0);
    expect((await sluice(['explain', db, ranges])).out).toMatch(/7 entries, 5 range deletions, /);
  });

  test.each(['inspect', 'dump'])('%s of what is no SST file says so', async (command) => {
    writeFileSync(sst, 'not a table, and long enough that a footer could be read from its end, were it one');
    expect(await sluice(['sst', command, sst])).toMatchObject({
      code: 3,
      out: '',
      err: expect.stringMatching(/not an SST file/),
    });
    const folder = await sluice(['sst', command, dir]);
    expect(folder.err).toMatch(/is a directory, not an SST file/);
    const none = await sluice(['sst', command, join(dir, 'none')]);
    expect(none).toMatchObject({ code: 3, err: expect.stringMatching(/^error FILE_NOT_FOUND: /) });
  });

  test('dump of a damaged block fails and names the file, after what is before it', async () => {
    const lines = Array.from({ length: 1000 }, (_, i) => `${String(i).padStart(4, '0')}\tvalue ${i}\n`);
    await sluice(['sst', 'build', sst, '--compression', 'none'], lines.join(''));
    const bytes = readFileSync(sst);
    bytes[9000] = (bytes[9000] as number) ^ 1;
    writeFileSync(sst, bytes);
    const { code, out, err } = await sluice(['sst', 'dump', sst]);
    expect(code).toBe(3);
    expect(err).toMatch(/^error CHECKSUM_MISMATCH: .*a\.sst/);
    const printed = out.trimEnd().split('\n').length;
    expect(printed).toBeGreaterThan(100);
    expect(out).toBe(lines.slice(0, printed).join(''));
  });
});
