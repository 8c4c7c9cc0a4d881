/** The package's entries: what loads what. */

import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { importsOf, parse } from '../tidy/syntax.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** All files and packages whose code is loaded with a file, without what it loads only when it is needed. */
function loadedWith(entry: string): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (path: string): void => {
    if (files.has(path)) return;
    files.add(path);
    const text = readFileSync(join(root, path), 'utf8');
    for (const { specifier, typeOnly, start } of importsOf(parse({ path, text }))) {
      const isLazy = text.slice(start).startsWith('import(');
      if (typeOnly || isLazy) continue;
      if (specifier.startsWith('.')) visit(relative(root, join(root, dirname(path), specifier)));
      else packages.add(specifier);
    }
  };
  visit(entry);
  return { files, packages };
}

test('the embedded database loads nothing of the cluster, of HTTP or of etcd', () => {
  const { files, packages } = loadedWith('src/index.ts');
  expect(files.size).toBeGreaterThan(100);
  expect([...files].filter((path) => /^src\/(cluster\/|base\/env\/http)/.test(path))).toEqual([]);
  expect([...packages].filter((name) => /^(node:https?|node:net|etcd3|@grpc|pino)/.test(name))).toEqual([]);
});

test('the cluster loads etcd only when it is connected to', () => {
  const { files, packages } = loadedWith('src/cluster/index.ts');
  expect(files.has('src/base/env/http.ts')).toBe(true);
  expect([...packages].filter((name) => /^(etcd3|@grpc|pino)/.test(name))).toEqual([]);
});

test('the command loads no cluster but where it is told to serve', () => {
  const { files } = loadedWith('src/cli/main.ts');
  expect(files.has('src/cluster/open-node.ts')).toBe(false);
});

test('the entries are where package.json says', () => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, { types: string; default: string }>;
  };
  expect(exports['./cluster']).toEqual({
    types: './dist/cluster/index.d.ts',
    default: './dist/cluster/index.js',
  });
});
