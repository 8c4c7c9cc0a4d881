/** How the bytes of an external file come to a path of the database's own. */

import type { FileSystem } from '../base/env/file-system.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import type { CheckThreads } from '../sst/check-table.ts';

/**
 * copy: a reflink where the file system can, else byte by byte. link: a hard link, a copy across file systems; the
 * producer must never write to the file again. move: as link, and the source's name is removed once the commit is durable.
 */
export type IngestMode = 'copy' | 'link' | 'move';

/** The input is not touched, whatever the mode (L9). Copies are made by `threads`, if there are any: not by Node's, which give way to nobody. */
export async function adoptFile(
  fs: FileSystem,
  source: string,
  path: string,
  { mode, signal }: { readonly mode: IngestMode; readonly signal: AbortSignal | undefined },
  threads: CheckThreads | undefined,
): Promise<void> {
  if (mode !== 'copy' && tryLink(fs, source, path)) return;
  const bytes = fs.statSync(source).bytes;
  await (threads === undefined ? fs.copy(source, path, signal) : threads.inBrief.copy(source, path, signal));
  const copied = fs.statSync(path).bytes;
  if (copied !== bytes) {
    throw new SluiceError('IO', `${source} changed while it was copied: ${bytes} bytes, then ${copied}`);
  }
}

/** False where a hard link cannot be had (another file system, none at all, too many links): then a copy serves. */
export function tryLink(fs: FileSystem, from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (isSluiceError(error, 'FILE_NOT_FOUND') || isSluiceError(error, 'NO_SPACE')) throw error;
    return false;
  }
}
