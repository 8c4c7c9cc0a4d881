/**
 * The child of the kill test of a watched directory: watches until it is killed.
 *
 *     watch-child.ts DATABASE DIRECTORY
 *
 * Tells on standard output, one line each, written at once: "open", then "live N" when version N of the dataset is.
 */

import fs from 'node:fs';
import { open } from '../../src/index.ts';

const [, , database = '', drops = ''] = process.argv;
const tell = (line: string): void => {
  fs.writeSync(1, `${line}\n`);
};

const db = await open(database, { memtableBytes: 1 << 14, blockCacheBytes: 1 << 20 });
db.watchDatasets(drops, {
  pollMs: 10,
  keepVersions: 2,
  onChange: ({ state, version, problem }) => tell(problem ?? `${state} ${version}`),
});
tell('open');
// A watch keeps no process alive.
setInterval(() => undefined, 1000);
