/** CONTRIBUTING.md as a test: the rules that a machine can check, and proof that each of them bites. */

import { describe, expect, test } from 'vitest';
import { checkImports } from './tidy/import-rules.ts';
import { missingFromLock } from './tidy/lock-rules.ts';
import { checkSource } from './tidy/source-rules.ts';
import { checkText } from './tidy/text-rules.ts';
import { type Finding, readOne, readTree, type SourceFile } from './tidy/tree.ts';

const show = ({ path, line, message }: Finding) => `${path}:${line} ${message}`;

describe('the repository', () => {
  const files = readTree();
  const manifest = JSON.parse(readOne('package.json')) as { dependencies: Record<string, string> };

  test('reads itself', () => {
    expect(files.map((file) => file.path)).toEqual(
      expect.arrayContaining(['src/base/errors.ts', 'test/tidy.test.ts', 'CONTRIBUTING.md', 'package.json']),
    );
  });
  test('imports down the layers only, without cycles', () => {
    expect(checkImports(files, new Set(Object.keys(manifest.dependencies))).map(show)).toEqual([]);
  });
  test('says nothing that CONTRIBUTING.md forbids', () => {
    expect(files.flatMap(checkSource).map(show)).toEqual([]);
  });
  test('has files of the right shape, without leftovers', () => {
    const lock = { path: 'package-lock.json', text: readOne('package-lock.json') };
    expect([...files, lock].flatMap(checkText).map(show)).toEqual([]);
  });
  test('locks every package for every platform, as npm ci demands', () => {
    expect(missingFromLock(readOne('package-lock.json'))).toEqual([]);
  });
});

test('a platform missing from the lock file is found', () => {
  const packages = {
    'node_modules/tool': {
      optionalDependencies: { 'tool-linux-x64': '1.0.0', 'tool-darwin-arm64': '1.0.0' },
    },
    'node_modules/tool/node_modules/tool-linux-x64': {},
  };
  expect(missingFromLock(JSON.stringify({ packages }))).toEqual([
    'tool-darwin-arm64 is not in package-lock.json: run node scripts/complete-lock.mjs',
  ]);
});

/** Samples hold `~` where the banned word would otherwise stand in this file, which is checked like any other. */
const sample = (path: string, text: string): SourceFile => ({ path, text: text.replaceAll('~', '') });
const title = (text: string) => text.replaceAll('~', '').slice(0, 50).replaceAll('\n', ' ');
const long = (lines: number) => 'a();\n'.repeat(lines);

describe('the import rules', () => {
  const check = (sources: Record<string, string>) => {
    const files = Object.entries(sources).map(([path, text]) => sample(path, text));
    return checkImports(files, new Set(['lmdb', '@noble/hashes'])).map(show);
  };

  for (const [path, text, message] of [
    [
      'src/sst/table.ts',
      "import { Manifest } from '../manifest/manifest.ts';",
      /sst may not import manifest/,
    ],
    ['src/ingest/a.ts', "import type { View } from '../levels/view.ts';", /ingest may not import levels/],
    ['src/levels/a.ts', "import { b } from '../ingest/b.ts';", /levels may not import ingest/],
    ['src/txn/a.ts', "import { Db } from '../db.ts';", /txn may not import db.ts/],
    ['src/import/a.ts', "export const a = await import('../cluster/b.ts');", /import may not import cluster/],
    ['src/cli/main.ts', "import { open } from '../index.ts';", /imports the barrel/],
    ['src/extra/a.ts', "import { b } from '../base/b.ts';", /extra is no part/],
    ['src/base/a.ts', "import { b } from './b';", /\.ts ending/],
    ['src/base/a.ts', "export * from './b.ts';", /re-exports/],
    ['src/txn/a.ts', "import { open } from 'lmdb';", /belongs to src\/manifest\//],
    ['src/txn/a.ts', "import pad from 'left-pad';", /not among the dependencies/],
    ['src/txn/a.ts', "import { openSync } from 'node:fs';", /node:fs outside/],
  ] as [string, string, RegExp][]) {
    test(`${path}: ${title(text)}`, () => {
      expect(check({ [path]: text })).toEqual([expect.stringMatching(message)]);
    });
  }

  test('finds a cycle and names its files', () => {
    const cycle = check({
      'src/mvcc/a.ts': "import { b } from './b.ts';",
      'src/mvcc/b.ts': "import { c } from './c.ts';",
      'src/mvcc/c.ts': "import { b } from './b.ts';",
    });
    expect(cycle).toEqual([expect.stringContaining('src/mvcc/b.ts → src/mvcc/c.ts → src/mvcc/b.ts')]);
  });

  test('lets through what is right', () => {
    const right = check({
      'src/index.ts': "export { Db } from './db.ts';",
      'src/db.ts': "import { Pipeline } from './txn/pipeline.ts';",
      'src/txn/pipeline.ts':
        "import { Tree } from '../levels/tree.ts';\nimport { sha256 } from '@noble/hashes/sha2.js';",
      'src/levels/tree.ts':
        "import { deflateRawSync } from 'node:zlib';\nimport type { Readable } from 'node:stream';",
      'src/manifest/store.ts': "import { open } from 'lmdb';",
      'src/base/env/node-env.ts': "import { openSync } from 'node:fs';",
      'src/sst/kernels/assembly/x.ts': "import { y } from './y';",
    });
    expect(right).toEqual([]);
  });
});

describe('the source rules', () => {
  const check = (path: string, text: string) => checkSource(sample(path, text)).map(show);

  for (const [text, message] of [
    ['const a: any = 1;', /any/],
    ['const a = b as any;', /any/],
    ['const a = b!;', /non-null/],
    ['enum A { B }', /enum/],
    ['namespace A { b(); }', /namespace/],
    ['class A { constructor(readonly b: number) {} }', /parameter property/],
    ['const a = Date.now();', /env\.clock/],
    ['const a = new Date();', /env\.clock/],
    ['const a = performance.now();', /env\.clock/],
    ['const a = process.hrtime.bigint();', /env\.clock/],
    ['setTimeout(run, 5);', /env\.clock\.after/],
    ['const a = Math.random();', /env\.random/],
    ['const a = randomBytes(8);', /env\.random/],
    ['console.error(1);', /logger/],
    ['process.exit(1);', /throw/],
    [`function f() {\n${long(70)}}`, /f has 72 lines/],
    [`class A {\n  m() {\n${long(70)}}\n}`, /m has 72 lines/],
    [`const g = () => {\n${long(70)}};`, /g has 72 lines/],
  ] as [string, RegExp][]) {
    test(title(text), () => {
      expect(check('src/txn/a.ts', text)).toEqual([expect.stringMatching(message)]);
    });
  }

  test('lets through what is right', () => {
    const world = 'console.log(Date.now());\nconst a = setTimeout(run, Math.random());';
    expect(check('src/cli/a.ts', world)).toEqual([]);
    expect(check('src/base/env/node-env.ts', world)).toEqual([]);
    expect(check('test/a.test.ts', world)).toEqual([]);
    expect(
      check('src/txn/a.ts', '// any enum! Date.now()\nconst a = "console.log()" + new Date(5);'),
    ).toEqual([]);
    expect(check('src/txn/a.ts', `function f() {\n${long(68)}}`)).toEqual([]);
    expect(check('src/base/env/x.d.ts', "declare module 'x' { export function f(): void; }")).toEqual([]);
    expect(check('test/a.test.ts', `describe('x', () => {\n${long(90)}});`)).toEqual([]);
    expect(check('test/a.test.ts', `describe.each([1])('x', () => {\n${long(90)}});`)).toEqual([]);
    expect(check('src/sst/kernels/assembly/a.ts', '@inline function f(): u32 { return <u32>1; }')).toEqual(
      [],
    );
  });
});

describe('the text rules', () => {
  const check = (path: string, text: string) => checkText(sample(path, text)).map(show);

  for (const [path, text, message] of [
    ['src/a.ts', '// TO~DO later', /issue/],
    ['src/a.ts', '// HA~CK', /issue/],
    ['src/a.ts', '// @ts-ign~ore', /fix the type/],
    ['src/a.ts', '// @ts-no~check', /fix the type/],
    ['src/a.ts', '// biome-ig~nore lint: no', /biome\.json/],
    ['test/a.test.ts', "it.~skip('x', f);", /every test runs/],
    ['test/a.test.ts', "describe.~only('x', f);", /every test runs/],
    ['test/a.test.ts', "test.concurrent.~todo('x');", /every test runs/],
    ['test/a.test.ts', "test.~skipIf(isRoot)('x', f);", /every test runs/],
    ['package.json', '{ "test": "vitest run --passWith~NoTests" }', /failure/],
    ['test/a.test.ts', 'expect(tr~ue).toBe(true);', /cannot fail/],
    ['src/a.ts', '// DESI~GN §5', /cite docs/],
    ['docs/a.md', '# A\n\nSee /wo~rk/main/src.', /one machine/],
    ['docs/a.md', '# A\n\n/ho~me/ada/x', /one machine/],
    ['package-lock.json', '"resolved": "https://registry.npm~js.org/x.tgz"', /registry/],
    ['src/base/utils.ts', '', /says nothing/],
    ['src/types.ts', '', /says nothing/],
    ['test/helpers/a.ts', '', /says nothing/],
    ['src/sst/reader-v2.ts', '', /says nothing/],
    ['src/a.ts', long(401), /401 lines/],
    ['docs/a.md', 'No title', /0 first-level/],
    ['docs/a.md', '# One\n\n# Two\n', /2 first-level/],
  ] as [string, string, RegExp][]) {
    test(`${path}: ${title(text)}`, () => {
      expect(check(path, text)).toEqual([expect.stringMatching(message)]);
    });
  }

  test('lets through what is right', () => {
    expect(check('src/a.ts', long(400))).toEqual([]);
    expect(
      check('src/a.ts', `/**\n * Longer than 400 lines because one table is.\n */\n${long(500)}`),
    ).toEqual([]);
    expect(
      check('docs/a.md', '# A\n\n```sh\n# a comment\n```\n\n## B\n\n# not at home: https://x.org/work/y\n'),
    ).toEqual([expect.stringMatching(/2 first-level/)]);
    expect(
      check('docs/a.md', '# A\n\n```sh\n# a comment\n```\n\nhttps://example.org/work/y/ ./home/x/y\n'),
    ).toEqual([]);
    expect(check('src/sst/kernels/assembly/a.ts', '// @ts-ign~ore: decorator')).toEqual([]);
    expect(check('src/network/typed.ts', 'const skipped = its.only;')).toEqual([]);
  });
});
