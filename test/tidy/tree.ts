/** The files of this repository that people write, as text. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SourceFile {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface Finding {
  readonly path: string;
  readonly line: number;
  /** What is wrong, and what to do instead. */
  readonly message: string;
}

const ROOT = join(import.meta.dirname, '../..');
const NOT_OURS = new Set([
  'node_modules',
  'dist',
  'coverage',
  '.git',
  'tmp',
  'fixtures',
  'package-lock.json',
]);
const TEXT = /\.(ts|mts|mjs|js|json|md|sh|yml|yaml|cc|h|txt|tsv)$|^[^.]+$/;

export function readTree(dir = ''): SourceFile[] {
  return readdirSync(join(ROOT, dir), { withFileTypes: true }).flatMap((entry) => {
    if (NOT_OURS.has(entry.name)) return [];
    const path = dir === '' ? entry.name : `${dir}/${entry.name}`;
    if (entry.isDirectory()) return readTree(path);
    if (!entry.isFile() || !TEXT.test(entry.name)) return [];
    return [{ path, text: readFileSync(join(ROOT, path), 'utf8') }];
  });
}

/** The text of any file of the repository, `fixtures` and lock file included. */
export function readOne(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line++;
  return line;
}
