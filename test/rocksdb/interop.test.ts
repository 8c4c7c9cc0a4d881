/** Tables go both ways between SluiceDB and the real RocksDB: what one writes, the other ingests and reads equal. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { open, SstWriter } from '../../src/index.ts';
import { type Entry, hexOf, linesOf, readEntries, writeEntries } from './entries.ts';
import { generate, ingestCheck, sstScan, sstVerify } from './toolchain.ts';

const dir = mkdtempSync(join(tmpdir(), 'sluice-interop-'));
const theirs = join(dir, 'theirs');

beforeAll(async () => {
  mkdirSync(theirs);
  await generate(theirs);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const FORMAT_VERSIONS = ['2', '3', '4', '5'];
const CHECKSUMS = ['crc32c', 'xxhash', 'xxhash64', 'xxh3', 'none'];
const COMPRESSIONS = ['none', 'snappy', 'lz4', 'zstd', 'zlib'];
const FILTERS = ['none', 'bloom'];
const INDEXES = ['plain', 'partitioned'];

function combinations(...choices: string[][]): string[][] {
  let rows: string[][] = [[]];
  for (const choice of choices) rows = rows.flatMap((row) => choice.map((value) => [...row, value]));
  return rows;
}

function livePuts(entries: Entry[]): Entry[] {
  return entries.filter((entry) => entry.value !== undefined);
}

describe('SluiceDB ingests what RocksDB writes', () => {
  const all = combinations(FORMAT_VERSIONS, CHECKSUMS, COMPRESSIONS, FILTERS, INDEXES);

  test('the generator made every combination', () => {
    const manifest = readFileSync(join(theirs, 'manifest.tsv'), 'utf8').trimEnd().split('\n');
    expect(manifest.map((line) => line.split('\t').slice(1))).toEqual(all);
  });

  for (const format of FORMAT_VERSIONS) {
    const name = (combination: string[]) => `fv${combination.join('-')}.sst`;
    const files = all.filter((combination) => combination[0] === format).map(name);
    test.each(files)('%s', async (file) => {
      const expected = readEntries(join(theirs, 'entries.bin'));
      const puts = linesOf(livePuts(expected));
      const db = await open(join(dir, `db-${file}`));
      try {
        await db.ingest([join(theirs, file)], { mode: 'link' });
        const wrong = expected.filter(({ key, value }) => {
          const got = db.getSync(key);
          return got === undefined || value === undefined ? got !== value : hexOf(got) !== hexOf(value);
        });
        expect(linesOf(wrong)).toEqual([]);
        const forward: Entry[] = [];
        for await (const [key, value] of db.iterator()) forward.push({ key, value });
        expect(linesOf(forward)).toEqual(puts);
        const backward: Entry[] = [];
        for await (const [key, value] of db.iterator({ reverse: true })) backward.push({ key, value });
        expect(linesOf(backward.reverse())).toEqual(puts);
      } finally {
        await db.close();
      }
    });
  }
});

test('range deletions of RocksDB leave what they leave there', async () => {
  const db = await open(join(dir, 'db-ranges'));
  try {
    const before = readEntries(join(theirs, 'ranges-before.bin'));
    await db.batch(before.map(({ key, value = Buffer.of() }) => ({ type: 'put', key, value })));
    await db.ingest(join(theirs, 'ranges.sst'));
    await db.ingest(join(theirs, 'ranges-only.sst'));
    const after = (await db.iterator().all()).map(([key, value]): Entry => ({ key, value }));
    expect(linesOf(after)).toEqual(linesOf(readEntries(join(theirs, 'ranges-after.bin'))));
  } finally {
    await db.close();
  }
});

describe('RocksDB ingests what SluiceDB writes', () => {
  const SIZES: Record<string, () => Entry[]> = {
    one: () => [{ key: Buffer.from('k'), value: Buffer.from('v') }],
    deletes: () => [1, 2, 3].map((n) => ({ key: Buffer.of(n), value: undefined })),
    varied: () => readEntries(join(theirs, 'entries.bin')),
    many: () =>
      Array.from({ length: 50_000 }, (_, i) => ({
        key: Buffer.from(`user${String(i * 7).padStart(12, '0')}`),
        value: i % 11 === 0 ? undefined : Buffer.from(`${i * i}`.repeat(8)),
      })),
  };
  const cases = combinations(['none', 'snappy', 'lz4', 'zstd'], FILTERS, Object.keys(SIZES));

  test.each(cases)('%s, filter %s, %s', async (compression, filter, size) => {
    const name = `${compression}-${filter}-${size}`;
    const entries = (SIZES[size as string] as () => Entry[])();
    const file = join(dir, `${name}.sst`);
    const writer = new SstWriter(file, {
      compression: compression as 'none' | 'snappy' | 'lz4' | 'zstd',
      filterBitsPerKey: filter === 'bloom' ? 10 : 0,
    });
    for (const { key, value } of entries) {
      if (value === undefined) writer.del(key);
      else writer.put(key, value);
    }
    const facts = await writer.finish();
    expect(facts.entries).toBe(entries.length);
    if (size === 'many') {
      const rawBytes = entries.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
      expect(facts.bytes < rawBytes / 2).toBe(compression !== 'none');
    }

    await sstVerify(file);
    const lines = entries.map(({ key, value }) => {
      const type = value === undefined ? 0 : 1;
      return `'${hexOf(key).toUpperCase()}' seq:0, type:${type} => ${hexOf(value ?? Buffer.of()).toUpperCase()}`;
    });
    expect(await sstScan(file)).toEqual(lines);

    const expected = join(dir, `${name}.expected`);
    const dump = join(dir, `${name}.dump`);
    writeEntries(expected, entries);
    await ingestCheck(join(dir, `${name}-rocksdb`), expected, file, dump);
    expect(linesOf(readEntries(dump))).toEqual(linesOf(livePuts(entries)));
  });
});
