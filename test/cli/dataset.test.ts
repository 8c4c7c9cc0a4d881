/** `sluice dataset`: versions from the command line. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDirectory } from '../base/database.ts';
import { sluice, sluiceJson } from './run.ts';

test('publish, list, compare, go back and drop', async () => {
  const dir = memoryDirectory();
  const db = join(dir, 'db');
  const build = async (name: string, tsv: string): Promise<string> => {
    await sluice(['sst', 'build', join(dir, name)], tsv);
    return join(dir, name);
  };
  const said = async (...argv: string[]): Promise<string> => {
    const { code, out, err } = await sluice(['dataset', ...argv]);
    expect([code, err]).toEqual([0, '']);
    return out;
  };
  const base = await build('base.sst', 'a\t1\nb\t1\nc\t1\n');
  const delta = await build('delta.sst', 'a\t2\nb\t\\N\nd\t2\n');
  expect(await said('publish', db, 'feats', base, '-m', 'nightly')).toMatch(
    /^Version 1 of feats is live: 1 table, 3 entries/,
  );
  expect(await said('publish', db, 'feats', delta, '--delta', '--version', '5')).toMatch(/^Version 5/);
  const lines = (await said('ls', db)).trimEnd().split('\n');
  expect(lines[0]).toMatch(/^feats {5,}1 {2}\S+Z {2}base +1 table, .* nightly$/);
  expect(lines[1]).toMatch(/^feats {2}\* {2}5 {2}\S+Z {2}delta on 1 +2 tables/);
  expect(await said('diff', db, 'feats', '1', '5')).toBe('~ a\t1\t2\n- b\t1\n+ d\t2\n');
  expect(await said('diff', db, 'feats', '1', '5', '--keys-only', '--readonly')).toBe('~ a\n- b\n+ d\n');
  expect(await sluiceJson(['dataset', 'diff', db, 'feats', '5', '1'])).toEqual([
    { type: 'changed', key: 'a', before: '2', value: '1' },
    { type: 'added', key: 'b', value: '1' },
    { type: 'removed', key: 'd', before: '2' },
  ]);
  expect(await said('rollback', db, 'feats')).toBe('Version 1 of feats is live\n');
  expect((await sluice(['scan', db, '--keyspace', 'feats'])).out).toBe('a\t1\nb\t1\nc\t1\n');
  expect(await said('activate', db, 'feats', '5')).toBe('Version 5 of feats is live\n');
  expect(await sluiceJson(['dataset', 'activate', db, 'feats', '1'])).toEqual([
    { dataset: 'feats', version: 1 },
  ]);
  expect(await said('publish', db, 'feats', base, '--no-activate', '--version', '9')).toMatch(
    /^Version 9 of feats is kept, and not live: 1 table/,
  );
  expect(await said('ls', db, 'feats')).toMatch(/\* {2}1 .*\n.*\n *feats {5,}9 /);
  expect(await said('drop', db, 'feats', '9')).toBe('Dropped 9\n');
  expect(await said('drop', db, 'feats', '5')).toBe('Dropped 5\n');
  expect(await said('drop', db, 'feats', '--keep', '1')).toBe('Nothing to drop\n');
  expect(await sluiceJson(['dataset', 'ls', db, 'feats'])).toMatchObject([
    { dataset: 'feats', version: 1, live: true, message: 'nightly', files: [{ file: base, entries: 3 }] },
  ]);
});

test('what is wrong is said', async () => {
  const db = join(memoryDirectory(), 'db');
  await sluice(['put', db, 'a', '1']);
  const wrong = async (...argv: string[]): Promise<[number, string]> => {
    const { code, err } = await sluice(['dataset', ...argv]);
    return [code, err];
  };
  expect(await wrong('activate', db, 'x', 'first')).toEqual([
    2,
    expect.stringMatching(/positive whole number/),
  ]);
  expect(await wrong('drop', db, 'x')).toEqual([2, expect.stringMatching(/either VERSION or --keep/)]);
  expect(await wrong('rollback', db, 'x')).toEqual([
    3,
    expect.stringMatching(/DATASET_VERSION_NOT_FOUND: .* has no version that is live/),
  ]);
  expect(await wrong('ls', db, 'x')).toEqual([3, expect.stringMatching(/no dataset "x"; it has none/)]);
  const nowhere = join(db, 'nowhere');
  expect(await wrong('watch', db, nowhere)).toEqual([3, expect.stringMatching(/FILE_NOT_FOUND.*nowhere/)]);
  expect(await wrong('watch', db, join(db, 'LOCK'))).toEqual([
    2,
    expect.stringMatching(/is not a directory/),
  ]);
  expect(await wrong('frob', db)).toEqual([2, expect.stringMatching(/there is no command "dataset frob"/)]);
});
