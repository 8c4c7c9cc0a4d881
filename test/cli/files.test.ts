/** sst build, inspect, dump; ingest, explain, verify, stat. */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { SstWriter } from '../../src/index.ts';
import { memoryDirectory } from '../base/database.ts';
import { tableFiles } from '../base/sst-files.ts';
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

describe('ingest', () => {
  const build = async (name: string, tsv: string) => {
    const path = join(dir, name);
    const [facts] = await sluiceJson(['sst', 'build', path], tsv);
    return { path, sha256: (facts as { sha256: string }).sha256 };
  };

  test('files become visible together; the later file wins', async () => {
    const [a, b] = [await build('one.sst', 'a\t1\nb\t1\n'), await build('two.sst', 'b\t2\nc\t2\n')];
    const { code, out } = await sluice(['ingest', db, a.path, b.path]);
    expect(code).toBe(0);
    expect(out).toMatch(
      /one\.sst +level 6 +2 entries\n.*two\.sst +level 5 +2 entries\nIngested 2 files, 4 entries at version \d+ in \d+ ms\n$/,
    );
    expect((await sluice(['scan', db])).out).toBe('a\t1\nb\t2\nc\t2\n');
  });

  test('into a keyspace, digest given, as JSON', async () => {
    const { path, sha256 } = await build('one.sst', 'a\t1\n');
    const [result] = await sluiceJson([
      'ingest',
      db,
      path,
      '--into',
      'users',
      '--sha256',
      sha256.toUpperCase(),
    ]);
    expect(result).toEqual({
      version: expect.any(Number),
      replayed: false,
      entries: 1,
      files: [
        {
          file: path,
          table: expect.any(Number),
          level: 6,
          version: expect.any(Number),
          entries: 1,
          skipped: 0,
        },
      ],
    });
    expect((await sluice(['get', db, 'a', '--keyspace', 'users'])).out).toBe('1\n');
  });

  test('an id makes a retry safe, after move took the file away too', async () => {
    const { path } = await build('one.sst', 'a\t1\n');
    const argv = ['ingest', db, path, '--id', 'feed/1', '--mode', 'move'];
    const [first] = await sluiceJson(argv);
    expect(existsSync(path)).toBe(false);
    const [second] = await sluiceJson(argv);
    expect(second).toMatchObject({ replayed: true, files: (first as { files: unknown }).files });
    expect((await sluice(argv)).out).toMatch(
      /^Nothing to do: this id was ingested at version \d+ \(1 file, 1 entry\)$/m,
    );
    expect(tableFiles(db).length).toBe(1);
  });

  test('policies: what exists is kept or refused, or all of it replaced', async () => {
    const [a, b] = [await build('one.sst', 'a\t1\nb\t1\n'), await build('two.sst', 'b\t2\nc\t2\n')];
    await sluice(['ingest', db, a.path]);
    expect((await sluice(['ingest', db, b.path, '--if-exists', 'fail'])).err).toMatch(
      /^error KEY_EXISTS: 1 of the keys to be ingested exist, and ifExists is 'fail': "b"\./,
    );
    const kept = await sluice(['ingest', db, b.path, '--if-exists', 'keep', '--require-bottom']);
    expect(kept.out).toMatch(/Ingested 1 file, 1 entry, 1 left out that exist at version/);
    expect((await sluice(['scan', db])).out).toBe('a\t1\nb\t1\nc\t2\n');
    expect((await sluice(['ingest', db, b.path, '--require-bottom'])).err).toMatch(
      /^error NOT_BOTTOM_LEVEL: /,
    );
    expect((await sluice(['ingest', db, b.path, '--replace'])).code).toBe(0);
    expect((await sluice(['scan', db])).out).toBe('b\t2\nc\t2\n');
  });

  test('ingests lists them, undoes one and releases one', async () => {
    const [a, b] = [await build('one.sst', 'a\t1\nb\t1\n'), await build('two.sst', 'b\t2\nc\t2\n')];
    await sluice(['ingest', db, a.path, '--id', 'first', '--undoable']);
    await sluice(['ingest', db, b.path, '--id', 'second', '--undoable']);
    expect((await sluice(['ingests', db])).out).toMatch(
      /^\d+ +20\S+Z +first +default +1 file, 2 entries +undoable\n\d+ .* second .* undoable\n$/,
    );
    expect((await sluice(['ingests', db, 'undo', 'first'])).err).toMatch(
      /^error UNDO_CONFLICT: .* 1 of its keys .* "b"$/m,
    );
    expect((await sluice(['ingests', db, 'undo', 'second'])).out).toMatch(/^Undone at version \d+\n$/);
    expect((await sluice(['scan', db])).out).toBe('a\t1\nb\t1\n');
    expect((await sluice(['ingests', db, 'release', 'first'])).out).toBe('Released\n');
    const listed = await sluiceJson(['ingests', db]);
    expect(listed).toMatchObject([
      { id: 'first', undoable: false, files: [{ file: a.path, smallestHex: '61' }] },
      { id: 'second', undoneAt: expect.any(Number) },
      { undoes: 'second', keyspace: 'default' },
    ]);
    expect((await sluice(['ingests', db, 'undo', 'none'])).err).toMatch(/^error INGEST_NOT_FOUND: /);
    expect((await sluice(['ingests', db, 'redo', 'none'])).code).toBe(2);
  });

  test('what cannot be ingested leaves nothing behind', async () => {
    const { path } = await build('one.sst', 'a\t1\n');
    const bad = join(dir, 'bad.sst');
    writeFileSync(bad, 'no table');
    expect((await sluice(['ingest', db, path, bad])).err).toMatch(/^error CORRUPTION: /);
    expect((await sluice(['ingest', db, path, '--sha256', '0'.repeat(64)])).err).toMatch(
      /^error CHECKSUM_MISMATCH: /,
    );
    expect((await sluice(['ingest', db, join(dir, 'none')])).err).toMatch(/^error FILE_NOT_FOUND: /);
    expect((await sluice(['scan', db])).out).toBe('');
    expect(tableFiles(db)).toEqual([]);
  });

  test('explain tells the level of each file and what is in the way, and changes nothing', async () => {
    const [a, b] = [await build('one.sst', 'a\t1\nm\t1\n'), await build('two.sst', 'b\t2\nc\t2\n')];
    await sluice(['ingest', db, a.path]);
    const { code, out } = await sluice(['explain', db, b.path, b.path]);
    expect(code).toBe(0);
    expect(out).toContain(`two.sst: level 5\n  2 entries, `);
    expect(out).toMatch(/ {2}not level 6: \d+\.sst has "a" … "m"\n/);
    expect(out).toMatch(/two\.sst: level 4\n/);
    expect(out).toMatch(/ {2}not level 5: an earlier file of the list has "b" … "c"\n/);
    const [[plan] = []] = (await sluiceJson(['explain', db, b.path])) as [unknown[]];
    expect(plan).toMatchObject({
      keyspace: 'default',
      level: 5,
      smallest: 'b',
      largest: 'c',
      blockers: [{ kind: 'table', level: 6, smallest: 'a', largest: 'm' }],
    });
    expect((await sluice(['get', db, 'b'])).code).toBe(1);
  });

  test('stat draws the levels, and prints what db.stats() returns', async () => {
    const { path } = await build('one.sst', 'a\t1\n');
    await sluice(['ingest', db, path]);
    const { code, out } = await sluice(['stat', db]);
    expect(code).toBe(0);
    expect(out).toMatch(/^default {2}\d+ B in tables, 1 entry$/m);
    expect(out).toMatch(/^ {2}level 0 {3}·$/m);
    expect(out).toMatch(/^ {2}level 6 {3}█+ {2}1 table {2}\d+ B {2}1 entry$/m);
    const [stats] = await sluiceJson(['stat', db]);
    expect(stats).toMatchObject({
      version: expect.any(Number),
      keyspaces: [
        {
          name: 'default',
          levels: expect.arrayContaining([{ tables: 1, entries: 1, bytes: expect.any(Number) }]),
        },
      ],
    });
  });

  test('compact merges what overlaps, and says what it came to', async () => {
    for (const value of ['1', '2', '3']) {
      const { path } = await build(`${value}.sst`, `a\t${value}\nb${value}\t\\N\n`);
      await sluice(['ingest', db, path]);
    }
    const { code, out } = await sluice(['compact', db]);
    expect(out).toMatch(/^Compacted 3 tables \(\d entries, .*B\) to 1 table \(1 entry, \d+ B\)\n$/);
    expect(code).toBe(0);
    expect((await sluice(['get', db, 'a'])).out).toBe('3\n');
    expect(await sluiceJson(['compact', db, '--keyspace', 'default', '--gte', 'b'])).toMatchObject([
      { after: { tables: 1, entries: 1 } },
    ]);
    expect((await sluice(['compact', db, '--keyspace', 'none'])).code).toBe(3);
  });

  test('verify finds damage, and exits with 1', async () => {
    const { path } = await build('one.sst', 'a\tsomething\nb\telse\n');
    await sluice(['ingest', db, path]);
    expect(await sluiceJson(['verify', db])).toMatchObject([
      { ok: true, tables: 1, entries: 2, problems: [], full: false },
    ]);
    expect((await sluice(['verify', db, '--full'])).out).toMatch(
      /^No damage found: 1 table, 2 entries, \d+ B \(every block read\)\n$/,
    );
    const [table = ''] = tableFiles(db);
    const bytes = readFileSync(join(db, 'tables', table));
    bytes[5] = (bytes[5] as number) ^ 1;
    writeFileSync(join(db, 'tables', table), bytes);
    const found = await sluice(['verify', db, '--full']);
    expect(found.code).toBe(1);
    expect(found.out).toMatch(new RegExp(`${table}: CHECKSUM_MISMATCH: .*\n1 problem: 1 table`));
    const json = await sluice(['verify', db, '--full', '--json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, problems: [expect.stringContaining(table)] });
  });

  test('a foreign directory is left alone', async () => {
    const foreign = join(dir, 'photos');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'cat.jpg'), 'cat');
    const { code, err } = await sluice(['put', foreign, 'k', 'v']);
    expect(code).toBe(3);
    expect(err).toMatch(/^error NOT_A_DATABASE: .*cat\.jpg/);
  });
});
