/** The library of ZSTD takes megabytes in each thread: it is loaded by whoever meets such a table, and by nobody else. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { expect, test } from 'vitest';
import { ensureZstd } from '../../../src/sst/zstd.ts';
import { memoryDirectory, openDatabase, openText } from '../../base/database.ts';
import { numbered, writeSst } from '../../base/sst-files.ts';

const HOOKS = new URL('../../base/typescript-hooks.mjs', import.meta.url).href;
const CHILD = fileURLToPath(new URL('./zstd-child.ts', import.meta.url));

test('not by a new database until a file asks for it; a block that its file does not tell of is damage', async () => {
  const dir = memoryDirectory();
  await ensureZstd(); // of this thread, for the writer
  const entries = [['b', 'value '.repeat(40)]] as const;
  const { path } = await writeSst(join(dir, 'zstd.sst'), entries, { compression: 'zstd' });
  const args = ['--import', HOOKS, CHILD, join(dir, 'db'), path];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const outcome = 'zstdDecompressSync' in zlib ? 'ok' : 'CORRUPTION';
  expect(JSON.parse(stdout)).toEqual({ value: '2', loaded: false, outcome, ingested: entries[0][1] });
}, 60_000);

test('by threads that merge and split such tables into others, and by a database that has such', async () => {
  const dir = memoryDirectory();
  const threads = {
    durability: 'os',
    compaction: 'off',
    maxSubcompactions: 3,
    compactionInline: false,
  } as const;
  const db = await openText(join(dir, 'db'), { ...threads, targetFileBytes: 1 << 16 });
  const value = 'value '.repeat(40);
  const rows = numbered(0, 4000, 'k', value);
  await ensureZstd(); // of this thread, for the writer
  await db.ingest((await writeSst(join(dir, 'lz4.sst'), rows)).path);
  await db.ingest((await writeSst(join(dir, 'zstd.sst'), rows, { compression: 'zstd' })).path);
  await db.compactRange();
  const levels = db.stats().keyspaces[0]?.levels ?? [];
  expect(levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(4000);
  expect((await db.verify({ full: true })).problems).toEqual([]);
  await db.ingest((await writeSst(join(dir, 'more.sst'), rows, { compression: 'zstd' })).path);
  await db.close();
  const again = await openDatabase(join(dir, 'db'), { ...threads });
  expect(again.getSync('k000000')).toBeDefined();
  await again.close();
});
