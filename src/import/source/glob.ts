/**
 * Files by pattern: `*` and `?` within a name, `[a-z]` and `[!a-z]`, `{a,b}`, `**` for any directories, none included; a
 * backslash takes the next character as it is. As in shells, hidden files are found only by a pattern that has their dot, and
 * as in Hadoop the same goes for names that begin with an underscore (`_SUCCESS`, `_temporary`).
 */

import type { FileSystem } from '../../base/env/file-system.ts';
import { isSluiceError } from '../../base/errors.ts';

/** More alternatives than these in one pattern are no pattern for file names. */
const ALTERNATIVES_MAX = 1000;

export function isPattern(path: string): boolean {
  return /[*?[{]/.test(path);
}

/** Left out unless it is asked for. */
export function isHidden(name: string): boolean {
  return name.startsWith('.') || name.startsWith('_');
}

/** The files that match, each once, in the order of their names. @throws TypeError where brackets or braces do not close */
export function glob(fs: FileSystem, pattern: string): string[] {
  const found = new Set<string>();
  for (const alternative of alternatives(pattern)) {
    const absolute = alternative.startsWith('/');
    const segments = alternative.split('/').filter((segment, i) => segment !== '' || i === 0);
    if (absolute) segments.shift();
    if (segments.at(-1) === '**') segments.push('*');
    walk(fs, absolute ? '/' : '', segments, found, new Set());
  }
  return [...found].sort(byName);
}

/** All files under a directory, in the order of their names. */
export function filesUnder(fs: FileSystem, directory: string): string[] {
  const found = new Set<string>();
  walk(fs, directory, ['**', '*'], found, new Set());
  return [...found].sort(byName);
}

/** By the names on the way, so that what is in a directory stays together. */
function byName(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const [l, r] = [left[i] as string, right[i] as string];
    if (l !== r) return l < r ? -1 : 1;
  }
  return left.length - right.length;
}

function walk(
  fs: FileSystem,
  base: string,
  segments: readonly string[],
  found: Set<string>,
  above: ReadonlySet<string>,
): void {
  const [segment, ...rest] = segments;
  if (segment === undefined) {
    if (statOf(fs, base)?.isFile) found.add(base);
    return;
  }
  if (segment !== '**' && !isPattern(segment) && !segment.includes('\\')) {
    walk(fs, join(base, segment), rest, found, above);
    return;
  }
  const stat = statOf(fs, base === '' ? '.' : base);
  // A link to a directory above would be walked for ever.
  if (stat === undefined || !stat.isDirectory || above.has(stat.identity)) return;
  if (segment === '**') walk(fs, base, rest, found, above);
  const inside = segment === '**' ? new Set([...above, stat.identity]) : above;
  const matches = segment === '**' ? /^/ : expression(segment);
  const takesHidden = segment !== '**' && /^[._]|^\\[._]|^\[/.test(segment);
  for (const name of fs.readdirSync(base === '' ? '.' : base)) {
    if ((isHidden(name) && !takesHidden) || !matches.test(name)) continue;
    const path = join(base, name);
    walk(fs, path, segment === '**' ? segments : rest, found, inside);
  }
}

function join(base: string, name: string): string {
  return base === '' || base.endsWith('/') ? base + name : `${base}/${name}`;
}

function statOf(fs: FileSystem, path: string) {
  try {
    return fs.statSync(path);
  } catch (error) {
    // A link to nothing, or removed since it was listed; what may not be looked at is told.
    if (isSluiceError(error, 'FILE_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** `a{b,c{d,e}}` → ab, acd, ace */
function alternatives(pattern: string): string[] {
  const open = unescaped(pattern, '{', 0);
  if (open === -1) return [pattern];
  let depth = 0;
  let from = open + 1;
  const options: string[] = [];
  for (let at = open; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === '\\') at++;
    else if (character === '{') depth++;
    else if (character === ',' && depth === 1) {
      options.push(pattern.slice(from, at));
      from = at + 1;
    } else if (character === '}' && --depth === 0) {
      options.push(pattern.slice(from, at));
      const [head, tail] = [pattern.slice(0, open), pattern.slice(at + 1)];
      const all = options.flatMap((option) => alternatives(head + option + tail));
      if (all.length > ALTERNATIVES_MAX)
        throw new TypeError(`The pattern ${pattern} has more than ${ALTERNATIVES_MAX} alternatives`);
      return all;
    }
  }
  throw new TypeError(`A brace of the pattern ${pattern} does not close`);
}

function unescaped(text: string, wanted: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === wanted) return at;
  }
  return -1;
}

/** One name of a path. */
function expression(segment: string): RegExp {
  let source = '';
  for (let at = 0; at < segment.length; at++) {
    const character = segment[at] as string;
    if (character === '*') source += '[^/]*';
    else if (character === '?') source += '[^/]';
    else if (character === '[') {
      const close = segment.indexOf(
        ']',
        segment[at + 1] === '!' || segment[at + 1] === '^' ? at + 3 : at + 2,
      );
      if (close === -1) throw new TypeError(`A bracket of the pattern ${segment} does not close`);
      const inside = segment.slice(at + 1, close).replace(/[\\[\]]/g, '\\$&');
      source += `[${inside.replace(/^[!^]/, '^')}]`;
      at = close;
    } else {
      const literal = character === '\\' ? segment[++at] : character;
      source += (literal ?? '').replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    }
  }
  return new RegExp(`^${source}$`, 'su');
}
