/** What the check of a file finds, each named with its place: the file is refused before it can answer wrongly. */

import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { putFixed32 } from '../../src/base/codec.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import { versionOf } from '../../src/mvcc/version.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { checkBlocks } from '../../src/sst/check-blocks.ts';
import {
  type CheckedFacts,
  type CheckTableOptions,
  type CheckThreads,
  checkTable,
} from '../../src/sst/check-table.ts';
import { checkThreads } from '../../src/sst/check-threads.ts';
import { heapOf } from '../../src/sst/heap.ts';
import { readEntries, tableBlocks } from '../../src/sst/table-blocks.ts';

import { temporaryDirectory } from '../base/temporary-directory.ts';
import type { Entry } from '../mvcc/entries.ts';
import { tableAt, writeTable } from './written-table.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/rocksdb/', import.meta.url));
const cache = new BlockCache(1 << 20);

async function check(path: string, options: Partial<CheckTableOptions> = {}): Promise<CheckedFacts> {
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

/** As many parts as a file has blocks, each checked by itself. */
const eachBlockApart: CheckThreads = {
  count: 1_000_000,
  partBytesMin: 1,
  async run(job) {
    const file = openSync(job.path, 'r');
    try {
      const steps = checkBlocks(job);
      for (;;) {
        const step = steps.next();
        if (step.done) return step.value;
        const { target, start, length, position } = step.value;
        readSync(file, target, start, length, position);
      }
    } finally {
      closeSync(file);
    }
  },
  digest: () => Promise.reject(new Error('no digest is asked for')),
  copy: () => Promise.reject(new Error('no copy is asked for')),
  get inBrief() {
    return this;
  },
};
/** Wherever blocks are checked, the outcome is the same. */
const WHERE: [string, CheckThreads | undefined][] = [
  ['here', undefined],
  ['in a thread', checkThreads],
  ['block by block', eachBlockApart],
];

describe('good files', () => {
  test.each(['blocks', 'checksums', 'footer', 'none'] as const)('tell their facts (%s)', async (verify) => {
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
      for (const [, threads] of WHERE)
        for (const verify of ['blocks', 'checksums'] as const)
          expect((await check(FIXTURES + name, { verify, threads })).entries).toBe(2000);
    }
  });

  test('tell how far the check is', async () => {
    const done: number[] = [];
    const path = written(0, { external: true });
    await check(path, { onProgress: (bytes, total) => done.push(bytes / total) });
    expect(done.at(-1)).toBe(1);
  });

  test.each(WHERE)('tell the versions of their entries (%s)', async (_, threads) => {
    const path = join(temporaryDirectory(), 'a.sst');
    const entries = entriesAt(0).map((entry, i) => ({ ...entry, version: versionOf(900 - i) }));
    writeTable(path, entries, { compression: 'none' });
    const { versions } = await check(path, { external: false, threads });
    expect(versions).toEqual({ min: 401, max: 900 });
    expect((await check(path, { external: false, threads, verify: 'checksums' })).versions).toBeUndefined();
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

describe.each(WHERE)('refused for damage, found %s:', (_, threads) => {
  const refused = (path: string) => refusal(path, { threads });

  test('keys out of order', async () => {
    const path = written(0, { external: true });
    patchBlock(path, 'data', (block) => {
      block[3 + 7] = '9'.charCodeAt(0);
    });
    expect(await refused(path)).toMatch(/CORRUPTION .*offset 0: keys do not ascend at entry 1/);
  });

  test('a filter that denies keys', async () => {
    const path = written(0, { external: true });
    patchBlock(path, 'fullfilter.rocksdb.BuiltinBloomFilter', (block, length) =>
      block.fill(0, 0, length - 5),
    );
    expect(await refused(path)).toMatch(/CORRUPTION .*filter denies/);
  });

  test('an index whose separator is before its block', async () => {
    const path = written(0, { external: true });
    patchBlock(path, 'index', (block) => {
      // The first separator: shared, length, key.
      block[2 + 5] = 0;
    });
    expect(await refused(path)).toMatch(/CORRUPTION .*offset 0: the index says/);
  });

  test('entries that the properties do not count', async () => {
    const path = written(0, { external: true });
    patchBlock(path, 'rocksdb.properties', (block) => {
      const at = find(block, 'entries') + 'entries'.length;
      block[at] = (block[at] as number) ^ 1;
    });
    expect(await refused(path)).toMatch(/CORRUPTION .*holds 500 entries but says 501/);
  });

  test('a byte of a block', async () => {
    const path = written(0, { external: true });
    const bytes = readFileSync(path);
    bytes[5000] = (bytes[5000] as number) ^ 1;
    writeFileSync(path, bytes);
    for (const verify of ['blocks', 'checksums'] as const)
      expect(await refusal(path, { verify, threads })).toMatch(
        /CHECKSUM_MISMATCH .*offset \d+ does not match/,
      );
    // Not looked at here, it is found when it is read.
    await check(path, { verify: 'footer' });
  });

  test('a key of two blocks, in every place', async () => {
    const path = written(0, { external: true });
    const table = tableAt(path, cache);
    const places = [...tableBlocks(table.openSync())].filter(({ kind }) => kind === 'data');
    table.dispose();
    expect(places.length).toBeGreaterThan(5);
    const bytes = readFileSync(path);
    for (const { offset, bytes: length } of places.slice(1)) {
      const disk = Uint8Array.from(bytes.subarray(offset, offset + length + 5));
      disk.set(Buffer.from('key00000'), 3);
      putFixed32(disk, length + 1, heapOf(disk).kernels.blockChecksum(4, 0, length));
      const damaged = Buffer.from(bytes);
      damaged.set(disk, offset);
      writeFileSync(path, damaged);
      expect(await refused(path)).toMatch(
        new RegExp(`NOT_SORTED .*offset ${offset}: its first key does not come after`),
      );
    }
  });

  test('a file cut off in a block while it is checked', async () => {
    const path = written(0, { external: true });
    const table = tableAt(path, cache);
    await table.open();
    truncateSync(path, 5000);
    for (const verify of ['blocks', 'checksums'] as const) {
      await expect(checkTable(table, { verify, external: true, threads })).rejects.toThrow(
        /CORRUPTION|ends at \d+, within|does not match/,
      );
    }
    table.dispose();
  });
});

describe('checks of checksums', () => {
  test('do not look at entries but for both ends: a writer that was wrong is believed', async () => {
    const path = written(0, { external: true });
    patchBlock(path, 'data', (block) => {
      block[3 + 7] = '9'.charCodeAt(0);
    });
    expect(await refusal(path, { verify: 'blocks' })).toMatch(/keys do not ascend/);
    // The first block is read for the first key, and found out then.
    expect(await refusal(path, { verify: 'checksums' })).toMatch(/keys do not ascend/);
    const other = written(0, { external: true });
    patchBlock(other, 'fullfilter.rocksdb.BuiltinBloomFilter', (block, length) =>
      block.fill(0, 0, length - 5),
    );
    expect(await refusal(other, { verify: 'blocks' })).toMatch(/filter denies/);
    expect((await check(other, { verify: 'checksums' })).entries).toBe(500);
  });

  test('refuse versions other than 0 at the ends', async () => {
    const path = written(7, { external: false });
    expect(await refusal(path, { verify: 'checksums' })).toMatch(/first key has version 7/);
  });
});

describe('threads that check', () => {
  test('tell how far they are, are cancelled, and pass on what a callback throws', async () => {
    const path = join(temporaryDirectory(), 'large.sst');
    const value = randomBytes(1000);
    const entries = Array.from({ length: 40_000 }, (_, i) => ({
      key: Buffer.from(`key${String(i).padStart(5, '0')}`),
      version: versionOf(0),
      type: 1 as const,
      value,
    }));
    writeTable(path, entries, { compression: 'none', external: true });
    const done: number[] = [];
    await check(path, { threads: checkThreads, onProgress: (bytes) => done.push(bytes) });
    expect(done.length).toBeGreaterThan(3);
    expect(done).toEqual([...done].sort((a, b) => a - b));

    const stop = new AbortController();
    const aborted = check(path, {
      threads: checkThreads,
      signal: stop.signal,
      onProgress: () => stop.abort('enough'),
    });
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED', cause: 'enough' });
    const thrown = check(path, {
      threads: checkThreads,
      onProgress: () => {
        throw new RangeError('of mine');
      },
    });
    await expect(thrown).rejects.toThrow('of mine');
    // And they go on working.
    const both = [checkThreads, checkThreads.inBrief, checkThreads, checkThreads.inBrief];
    const facts = await Promise.all(both.map((threads) => check(path, { threads })));
    expect(facts.map(({ entries: held }) => held)).toEqual(both.map(() => 40_000));
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
