/** Tables written by our builder for tests of the reader. */

import { rmSync } from 'node:fs';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { Table } from '../../src/sst/table.ts';
import { type BuiltTable, TableBuilder, type TableBuilderOptions } from '../../src/sst/table-builder.ts';
import type { Entry } from '../mvcc/entries.ts';

/** `entries` in internal order. Replaces a file that is there. */
export function writeTable(
  path: string,
  entries: readonly Entry[],
  options: Partial<TableBuilderOptions> = {},
): BuiltTable {
  rmSync(path, { force: true });
  const file = nodeEnv.fs.openSync(path, 'create');
  try {
    const builder = new TableBuilder(file, { external: false, ...options });
    for (const { key, version, type, value } of entries) {
      builder.add(key, 0, key.length, version, type, value, 0, value.length);
    }
    return builder.finish();
  } finally {
    file.closeSync();
  }
}

export function tableAt(path: string, cache = new BlockCache(1 << 20)): Table {
  return new Table({ path, fs: nodeEnv.fs, cache });
}
