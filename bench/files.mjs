/** Sources that may be moved away: hard links in DIR to the files given, made anew for each ingest. */

import { linkSync, mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';

export function relink(files, dir) {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  return files.map((file) => {
    const source = join(dir, basename(file));
    linkSync(file, source);
    return source;
  });
}
