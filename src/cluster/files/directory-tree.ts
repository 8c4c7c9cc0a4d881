/** All files of a directory and those below it. */

import type { FileSystem } from '../../base/env/file-system.ts';

export interface TreeFile {
  /** From the directory, with '/'. */
  readonly name: string;
  readonly bytes: number;
  readonly identity: string;
}

export function filesBelow(fs: FileSystem, dir: string, prefix = ''): TreeFile[] {
  return fs.readdirSync(dir).flatMap((entry): TreeFile[] => {
    const [path, name] = [`${dir}/${entry}`, `${prefix}${entry}`];
    const { isDirectory, bytes, identity } = fs.statSync(path);
    return isDirectory ? filesBelow(fs, path, `${name}/`) : [{ name, bytes, identity }];
  });
}

/** With all that is in it; of one that is not there nothing. */
export function removeTree(fs: FileSystem, dir: string): void {
  if (!fs.existsSync(dir)) return;
  for (const entry of fs.readdirSync(dir)) {
    const path = `${dir}/${entry}`;
    if (fs.statSync(path).isDirectory) removeTree(fs, path);
    else fs.unlinkSync(path);
  }
  fs.rmdirSync(dir);
}

/** The names in it and in the directories below it are durable when this resolves. */
export async function syncTree(fs: FileSystem, dir: string): Promise<void> {
  for (const entry of fs.readdirSync(dir)) {
    const path = `${dir}/${entry}`;
    if (fs.statSync(path).isDirectory) await syncTree(fs, path);
  }
  await fs.syncDirectory(dir);
}
