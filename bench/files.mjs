/** Directories and files that the cases use and use up. */

import { linkSync, mkdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A path at which nothing is, in a directory that exists. */
export function fresh(dir) {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dirname(dir), { recursive: true });
  return dir;
}

/** Sources that may be moved away: hard links in DIR to the files given, made anew for each ingest. */
export function relink(files, dir) {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  return files.map((file) => {
    const source = join(dir, basename(file));
    linkSync(file, source);
    return source;
  });
}

/** The paths of a set: a description of it is short, a list of 10,000 paths is no command line. */
export function pathsOf({ dir, files }) {
  return Array.from({ length: files }, (_, n) => join(dir, `${String(n).padStart(5, '0')}.sst`));
}

/** What a case needs: a set of files. */
export const needsFiles = (set) => () => ({ path: set.dir, task: { kind: 'files', ...set } });
