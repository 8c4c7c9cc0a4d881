/** What paths, patterns, directories and URLs stand for. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import { expandSources, makeSource } from '../../../src/import/source/make-source.ts';
import { temporaryDirectory } from '../../base/temporary-directory.ts';

const FILES = [
  'a.csv',
  'b1.csv',
  'b2.csv',
  'b10.csv',
  'c.tsv',
  'w[1].csv',
  '.hidden.csv',
  '_SUCCESS',
  'deep/x.csv',
  'deep/er/y.csv',
  'deep/er/_temporary/z.csv',
  'deep/.git/g.csv',
  'deep-b/x.csv',
];

describe('in a tree of files', () => {
  let root: string;
  const paths = async (...inputs: string[]) =>
    expandSources(
      nodeEnv.fs,
      inputs.map((input) => `${root}/${input}`),
    ).map((spec) => (spec.kind === 'file' ? relative(root, spec.path) : spec.kind));

  beforeEach(() => {
    root = temporaryDirectory();
    for (const file of FILES) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), '');
    }
    symlinkSync('..', join(root, 'deep', 'loop'));
    symlinkSync('nowhere', join(root, 'deep', 'dangling.csv'));
  });

  for (const [pattern, expected] of [
    ['*.csv', ['a.csv', 'b1.csv', 'b10.csv', 'b2.csv', 'w[1].csv']],
    ['b?.csv', ['b1.csv', 'b2.csv']],
    ['b[0-9].csv', ['b1.csv', 'b2.csv']],
    ['b[!2].csv', ['b1.csv']],
    ['{a,b{1,10}}.csv', ['a.csv', 'b1.csv', 'b10.csv']],
    ['{c,a}.?sv', ['a.csv', 'c.tsv']],
    ['w[1].csv', ['w[1].csv']],
    ['w\\[*', ['w[1].csv']],
    ['.*.csv', ['.hidden.csv']],
    ['_*', ['_SUCCESS']],
    ['*/x.csv', ['deep/x.csv', 'deep-b/x.csv']],
    ['**/x.csv', ['deep/x.csv', 'deep-b/x.csv']],
    ['deep/**', ['deep/er/y.csv', 'deep/x.csv']],
    ['deep/**/*.csv', ['deep/er/y.csv', 'deep/x.csv']],
    ['**/er/*', ['deep/er/y.csv']],
    ['deep/../a.csv', ['a.csv']],
  ] as [string, string[]][]) {
    test(`${pattern} finds ${expected.join(' ')}`, async () => {
      const found = await paths(pattern);
      // What a link leads to is found by its own way as well.
      expect(found.filter((path) => !path.includes('loop'))).toEqual(expected);
      expect(found.length).toBeLessThan(2 * FILES.length);
    });
  }

  test('a directory is all files in it but hidden ones, by their names', async () => {
    const found = await paths('deep');
    expect(found.filter((path) => !path.includes('loop'))).toEqual(['deep/er/y.csv', 'deep/x.csv']);
  });

  test('inputs keep their order', async () => {
    expect(await paths('c.tsv', 'b?.csv', 'a.csv')).toEqual(['c.tsv', 'b1.csv', 'b2.csv', 'a.csv']);
  });

  test('a pipe is read as it comes, once', async () => {
    const path = join(root, 'pipe');
    execFileSync('mkfifo', [path]);
    const [spec] = expandSources(nodeEnv.fs, [path]);
    expect(spec).toEqual({ kind: 'file', path, compression: 'auto' });
    if (spec === undefined) return;
    const writing = writeFile(path, gzipSync('a,b\n1,2\n'));
    const source = makeSource(spec, nodeEnv);
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.read(0, new AbortController().signal)) chunks.push(Buffer.from(chunk));
    await writing;
    expect(Buffer.concat(chunks).toString()).toBe('a,b\n1,2\n');
    const again = async () => {
      for await (const chunk of source.read(0, new AbortController().signal)) chunks.push(chunk);
    };
    await expect(again()).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  test('what stands for nothing is told', async () => {
    mkdirSync(join(root, 'empty'));
    writeFileSync(join(root, 'empty', '_SUCCESS'), '');
    for (const input of ['no.csv', 'no*.csv', 'empty', 'a.csv/*']) {
      await expect(paths(input)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    }
    for (const input of ['{a', 'x[a']) await expect(paths(input)).rejects.toThrow(TypeError);
    await expect(paths('{a,b}'.repeat(12))).rejects.toThrow(/alternatives/);
  });
});

test('standard input and URLs', () => {
  expect(expandSources(nodeEnv.fs, ['-', 'https://example.org/a%20b.csv?x=1'], 'gzip')).toEqual([
    { kind: 'fed', name: 'standard input', compression: 'gzip' },
    { kind: 'url', url: 'https://example.org/a%20b.csv?x=1', compression: 'gzip' },
  ]);
  const wrong = (input: string) => expect(() => expandSources(nodeEnv.fs, [input]));
  wrong('http://ada:secret@example.org/').toThrow(
    /^The URL of example.org\/ must not have a user or a password in it$/,
  );
  wrong('http://').toThrow(/is no URL/);
  wrong('').toThrow(TypeError);
});
