/** Making a directory that is there after a loss of power. */

import { dirname } from 'node:path';
import { isSluiceError } from '../errors.ts';
import type { FileSystem } from './file-system.ts';

/**
 * Makes the directory `path` with those missing above it; all their names are durable when it returns.
 *
 * From the top down, each name before the next directory is made in it: so of what a crash may have left only the lowest
 * can have a name that is not durable, and that one is synced first.
 *
 * @throws SluiceError PERMISSION, NO_SPACE, IO …
 */
export function makeDirectories(fs: FileSystem, path: string): void {
  const missing: string[] = [];
  let there = path;
  for (; !fs.existsSync(there); there = dirname(there)) missing.push(there);
  if (missing.length === 0) return;
  try {
    fs.syncDirectorySync(dirname(there));
  } catch (error) {
    // Whoever may not look at that directory has made nothing in it.
    if (!isSluiceError(error, 'PERMISSION')) throw error;
  }
  for (const directory of missing.reverse()) {
    fs.mkdirSync(directory);
    fs.syncDirectorySync(dirname(directory));
  }
}
