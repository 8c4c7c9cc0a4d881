/** Opening an SST file by itself, outside any database. */

import { nodeEnv } from '../base/env/node-env.ts';
import { SluiceError } from '../base/errors.ts';
import { BlockCache } from '../sst/block-cache.ts';
import { Table } from '../sst/table.ts';
import { TableCache } from '../sst/table-cache.ts';

const CACHE_BYTES = 8 << 20;

export async function withTable<T>(path: string, use: (table: Table) => Promise<T>): Promise<T> {
  if (nodeEnv.fs.statSync(path).isDirectory) {
    throw new SluiceError('UNSUPPORTED_FORMAT', `${path} is a directory, not an SST file`);
  }
  const cache = new BlockCache(CACHE_BYTES);
  const table = new Table({ path, fs: nodeEnv.fs, cache, tableCache: new TableCache(cache) });
  try {
    await table.open();
    return await use(table);
  } finally {
    table.dispose();
  }
}
