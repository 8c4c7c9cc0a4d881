/** The sources that the words of a caller stand for. */

import { fileURLToPath } from 'node:url';
import type { FileSystem } from '../../base/env/file-system.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import type { SourceCompression } from '../../import-options.ts';
import { filesUnder, glob, isPattern } from './glob.ts';
import type { SourceSpec } from './source-spec.ts';

/** What '-' is called. */
const STANDARD_INPUT = 'standard input';

/**
 * The sources of a path, pattern, directory, URL or '-'; those of a pattern or a directory by their names. A file whose name
 * looks like a pattern is that file.
 */
export function expand(fs: FileSystem, input: string, compression: SourceCompression): SourceSpec[] {
  if (typeof input !== 'string' || input === '')
    throw new TypeError('A source must be a path, a pattern, a URL or -');
  if (input === '-') return [{ kind: 'fed', name: STANDARD_INPUT, compression }];
  if (/^https?:\/\//i.test(input)) return [{ kind: 'url', url: checkedUrl(input), compression }];
  const path = /^file:\/\//i.test(input) ? fileURLToPath(input) : input;
  const files = (paths: readonly string[]): SourceSpec[] =>
    paths.map((file) => ({ kind: 'file', path: file, compression }));
  try {
    if (!fs.statSync(path).isDirectory) return files([path]);
    const inside = filesUnder(fs, path);
    if (inside.length > 0) return files(inside);
    throw new SluiceError(
      'FILE_NOT_FOUND',
      `The directory ${path} has no files, those that begin with . or _ aside`,
    );
  } catch (error) {
    if (!isSluiceError(error, 'FILE_NOT_FOUND') || !isPattern(path)) throw error;
  }
  const found = glob(fs, path);
  if (found.length === 0) throw new SluiceError('FILE_NOT_FOUND', `No file matches the pattern ${path}`);
  return files(found);
}

function checkedUrl(input: string): string {
  let url: URL;
  try {
    url = new URL(input);
  } catch {
    throw new TypeError(`${input} is no URL`);
  }
  // fetch takes none in a URL, and names of sources are kept and shown.
  if (url.username !== '' || url.password !== '')
    throw new TypeError(`The URL of ${url.host}${url.pathname} must not have a user or a password in it`);
  return url.href;
}
