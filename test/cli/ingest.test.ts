/** sluice ingest, ingests, explain, compact, verify, stat. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { memoryDirectory } from '../base/database.ts';
import { tableFiles } from '../base/sst-files.ts';
import { sluice, sluiceJson } from './run.ts';

let dir: string;
let db: string;
beforeEach(() => {
  dir = memoryDirectory();
  db = join(dir, 'db');
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

  test('every option of an ingest has a flag', async () => {
    const one = await build('one.sst', 'p/a\t1\np/b\t1\n');
    const two = await build('two.sst', 'p/b\t2\np/c\t2\n');
    const under = ['--strip-prefix', 'p/', '--prefix', 'q/'];
    expect((await sluice(['ingest', db, one.path, '--existing', '--into', 'users'])).err).toMatch(
      /^error KEYSPACE_NOT_FOUND: /,
    );
    expect((await sluice(['explain', db, one.path, ...under])).out).toContain('"q/a" … "q/b"');
    await sluice(['ingest', db, one.path, ...under, '--sha256', 'make']);
    await sluice(['ingest', db, two.path, '--strip-prefix', '702f', '--prefix', 'ff', '--hex']);
    expect((await sluice(['scan', db])).out).toBe('q/a\t1\nq/b\t1\n\\xffb\t2\n\\xffc\t2\n');
    expect((await sluiceJson(['ingests', db]))[0]).toMatchObject({
      files: [{ sha256: one.sha256, prefix: { fromHex: '702f', toHex: '712f' } }],
    });
    const replace = ['ingest', db, two.path, ...under, '--replace', '--gte', 'q/a', '--lt', 'q/b'];
    expect((await sluice(replace)).code).toBe(0);
    expect((await sluice(['scan', db, '--lt', 'r'])).out).toBe('q/b\t2\nq/c\t2\n');
    expect((await sluice(['ingest', db, two.path, '--strip-prefix', 'q'])).err).toMatch(
      /^error PREFIX_MISMATCH: .*two\.sst: the key "p\/b" does not begin with "q"/,
    );
    const impact = (...bounds: string[]) =>
      sluice(['ingest', db, one.path, ...under, ...bounds.flatMap((bound) => ['--max-impact', bound])]);
    for (let n = 0; n < 7; n++) await sluice(['ingest', db, one.path, ...under]);
    expect((await impact('level0Tables=0')).err).toMatch(/^error IMPACT_EXCEEDED: /);
    expect((await impact('level0Tables=99', 'pendingCompactionBytes=1000000')).code).toBe(0);
    for (const wrong of [
      ['--max-impact', 'level0Tables'],
      ['--max-impact', 'tables=7'],
      ['--gte', 'a'],
      ['--prefix', 'x', '--hex'],
      ['--sha256', 'make', '--sha256', 'make'],
    ])
      expect([wrong, (await sluice(['ingest', db, one.path, ...wrong])).code]).toEqual([wrong, 2]);
    await sluice(['ingest', db, one.path, '--into', 'old', '--behind', ...under]);
    expect((await sluice(['ingest', db, two.path, '--into', 'old', '--behind', ...under])).out).toMatch(
      /1 entry, 1 left out that exist/,
    );
    await sluice(['dataset', 'publish', db, 'data', one.path, ...under]);
    expect((await sluice(['scan', db, '--keyspace', 'data'])).out).toBe('q/a\t1\nq/b\t1\n');
    expect((await sluice(['verify', db, '--full'])).code).toBe(0);
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

  test.each([
    [['--replace', '--if-exists', 'keep'], /options\.replace must be left out/],
    [['--behind', '--if-exists', 'fail'], /options\.behind must stand alone/],
    [['--gte', 'a'], /--gte is of the range of --replace/],
    [['--max-impact', 'level0Tables=-1'], /--max-impact must be/],
    [['--prefix', 'x'.repeat(70_000)], /prefix.* must have at most 65535 bytes/],
    [['--mode', 'steal'], /--mode must be/],
    [['--into', ''], /must have 1 to/],
  ])("options that make no sense are the command line's fault: %s", async (flags, told) => {
    const { path } = await build('one.sst', 'a\t1\n');
    const { code, err } = await sluice(['ingest', db, path, ...flags]);
    expect([code, err]).toEqual([2, expect.stringMatching(told)]);
    expect(err).toMatch(/^error USAGE: /);
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
