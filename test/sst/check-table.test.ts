/** What the check of a file finds, each named with its place: the file is refused before it can answer wrongly. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { putFixed32 } from '../../src/base/codec.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import { versionOf } from '../../src/mvcc/version.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { type CheckTableOptions, checkTable } from '../../src/sst/check-table.ts';
import { heapOf } from '../../src/sst/heap.ts';
import { readEntries, tableBlocks } from '../../src/sst/table-blocks.ts';
import type { TableFacts } from '../../src/sst/table-facts.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import type { Entry } from '../mvcc/entries.ts';
import { tableAt, writeTable } from './written-table.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/rocksdb/', import.meta.url));
const cache = new BlockCache(1 << 20);

async function check(path: string, options: Partial<CheckTableOptions> = {}): Promise<TableFacts> {
  const table = tableAt(path, cache);
  try {
    return await checkTable(table, { verify: 'blocks', external: true, ...options });
  } finally {
    table.dispose();
  }
}

async function refusal(path: string, options: Partial<CheckTableOptions> = {}): Promise<string> {
  try {
    await check(path, options);
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    expect(error.message).toContain(path);
    return `${error.code} ${error.message.replaceAll(path, 'FILE')}`;
  }
  throw new Error('the file was not refused');
}

function entriesAt(version: number, count = 500): Entry[] {
  return Array.from({ length: count }, (_, i) => ({
    key: Buffer.from(`key${String(i).padStart(5, '0')}`),
    version: versionOf(version),
    type: i % 10 === 3 ? (0 as const) : (1 as const),
    value: Buffer.from(i % 10 === 3 ? '' : `value ${i}`.repeat(5)),
  }));
}

function written(version: number, options: Parameters<typeof writeTable>[2] = {}): string {
  const path = join(temporaryDirectory(), 'a.sst');
  writeTable(path, entriesAt(version), { compression: 'none', ...options });
  return path;
}

/** Changes the block that `find` picks and mends its checksum, as a hostile or broken writer would leave it. */
function patchBlock(path: string, name: string, change: (block: Uint8Array, length: number) => void): void {
  const table = tableAt(path, cache);
  const block = [...tableBlocks(table.openSync())].find((b) => b.kind === name || b.name === name);
  table.dispose();
  if (block === undefined) throw new Error(`no block ${name}`);
  const bytes = readFileSync(path);
  const disk = Uint8Array.from(bytes.subarray(block.offset, block.offset + block.bytes + 5));
  change(disk, block.bytes);
  putFixed32(disk, block.bytes + 1, heapOf(disk).kernels.blockChecksum(4, 0, block.bytes));
  bytes.set(disk, block.offset);
  writeFileSync(path, bytes);
}

function find(block: Uint8Array, text: string): number {
  const at = Buffer.from(block.buffer).indexOf(text);
  if (at < 0) throw new Error(`no ${text}`);
  return at;
}

describe('good files', () => {
  test.each(['blocks', 'footer', 'none'] as const)('tell their facts (%s)', async (verify) => {
    const facts = await check(written(0, { external: true }), { verify });
    expect(facts).toMatchObject({
      entries: 500,
      deletes: 50,
      formatVersion: 5,
      checksum: 'xxh3',
      externalVersion: 2,
    });
    expect(Buffer.from(facts.smallest ?? []).toString()).toBe('key00000');
    expect(Buffer.from(facts.largest ?? []).toString()).toBe('key00499');
  });

  test('of RocksDB pass whole', async () => {
    for (const name of [
      'v7.8/v_base.sst',
      'v11.8/v_fv7_zstd.sst',
      'v11.8/v_partitioned.sst',
      'v7.8/v_block_align.sst',
    ]) {
      expect((await check(FIXTURES + name)).entries).toBe(2000);
    }
  });

  test('tell how far the check is', async () => {
    const done: number[] = [];
    const path = written(0, { external: true });
    await check(path, { onProgress: (bytes, total) => done.push(bytes / total) });
    expect(done.at(-1)).toBe(1);
  });

  test('an aborted check stops', async () => {
    const signal = AbortSignal.abort();
    await expect(check(written(0, { external: true }), { signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});

describe('refused for what they hold', () => {
  test('merge operands', async () => {
    for (const version of ['v7.8', 'v11.8']) {
      expect(await refusal(`${FIXTURES}${version}/v_ops.sst`, { verify: 'footer' })).toMatch(
        /UNSUPPORTED_FORMAT .*1 merge operands/,
      );
    }
  });

  test('versions other than 0', async () => {
    const path = written(7, { external: false });
    expect(await refusal(path)).toMatch(/UNSUPPORTED_FORMAT .*version 7/);
    expect(await refusal(path, { verify: 'footer' })).toMatch(/UNSUPPORTED_FORMAT .*first key has version 7/);
    expect((await check(path, { external: false })).entries).toBe(500);
  });

  test('a plain RocksDB file, not made for ingesting', async () => {
    const path = join(temporaryDirectory(), 'a.sst');
    writeFileSync(path, readFileSync(`${FIXTURES}v7.8/v_base.sst`));
    // The name's own bytes: what it shares with the one before is cut off.
    patchBlock(path, 'rocksdb.properties', (block) => {
      const at = find(block, 'global_seqno');
      block[find(block, 'version\x02')] = 'w'.charCodeAt(0);
      expect(at).toBeGreaterThan(0);
    });
    expect(await refusal(path)).toMatch(/UNSUPPORTED_FORMAT .*external_sst_file\.version/);
  });

  test('a merge operand', async () => {
    const path = written(0, { external: true });
    patchBlock(path, 'data', (block) => {
      // The trailer of the first entry: header of 3 bytes, key of 8.
      block[11] = 2;
    });
    expect(await refusal(path)).toMatch(/UNSUPPORTED_FORMAT .*offset 0.*merge operand/);
  });
});

describe('refused for damage', () => {
  test('keys out of order', async () => {
    const path = written(0, { external: true });
    patchBlock(path, 'data', (block) => {
      block[3 + 7] = '9'.charCodeAt(0);
    });
    expect(await refusal(path)).toMatch(/CORRUPTION .*offset 0: keys do not ascend at entry 1/);
  });

  test('a filter that denies keys', async () => {
    const path = written(0, { external: true });
    patchBlock(path, 'fullfilter.rocksdb.BuiltinBloomFilter', (block, length) =>
      block.fill(0, 0, length - 5),
    );
    expect(await refusal(path)).toMatch(/CORRUPTION .*filter denies/);
  });

  test('an index whose separator is before its block', async () => {
    const path = written(0, { external: true });
    patchBlock(path, 'index', (block) => {
      // The first separator: shared, length, key.
      block[2 + 5] = 0;
    });
    expect(await refusal(path)).toMatch(/CORRUPTION .*offset 0: the index says/);
  });

  test('entries that the properties do not count', async () => {
    const path = written(0, { external: true });
    patchBlock(path, 'rocksdb.properties', (block) => {
      const at = find(block, 'entries') + 'entries'.length;
      block[at] = (block[at] as number) ^ 1;
    });
    expect(await refusal(path)).toMatch(/CORRUPTION .*holds 500 entries but says 501/);
  });

  test('a byte of a block', async () => {
    const path = written(0, { external: true });
    const bytes = readFileSync(path);
    bytes[5000] = (bytes[5000] as number) ^ 1;
    writeFileSync(path, bytes);
    expect(await refusal(path)).toMatch(/CHECKSUM_MISMATCH .*offset \d+ does not match/);
    // Not looked at here, it is found when it is read.
    await check(path, { verify: 'footer' });
  });
});

test('the entries of a file that is refused can still be shown', () => {
  const table = tableAt(`${FIXTURES}v7.8/v_ops.sst`, cache);
  const state = table.openSync();
  const types: string[] = [];
  for (let block = 0; block < state.index.blocks; block++) {
    readEntries(state, block, () => (key, length, type) => {
      types.push(`${Buffer.from(key.subarray(0, length - 8)).toString()}:${type}`);
    });
  }
  expect(types).toEqual(['a:1', 'b:0', 'c:2', 'g:1']);
  table.dispose();
});
