/** Tables go both ways between SluiceDB and the real RocksDB: what one writes, the other ingests and reads equal. */

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { open, SstWriter } from '../../src/index.ts';
import { makeMemoryDirectory } from '../base/database.ts';
import { type Entry, expectEntries, hexOf, linesOf, readEntries, writeEntries } from './entries.ts';
import { generate, ingestCheck, sstScan, sstVerify } from './toolchain.ts';

const dir = makeMemoryDirectory();
const theirs = join(dir, 'theirs');
const ours = join(dir, 'ours');

beforeAll(async () => {
  mkdirSync(theirs);
  mkdirSync(ours);
  await generate(theirs);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const FORMAT_VERSIONS = ['2', '3', '4', '5'];
const CHECKSUMS = ['crc32c', 'xxhash', 'xxhash64', 'xxh3', 'none'];
const COMPRESSIONS = ['none', 'snappy', 'lz4', 'zstd', 'zlib'];
const FILTERS = ['none', 'bloom'];
const INDEXES = ['plain', 'partitioned'];
const COMPRESSIONS_WRITTEN = ['none', 'snappy', 'lz4', 'zstd'] as const;
/** Entries of a table with many blocks, and an index of several KiB. */
const MANY = 20_000;

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
  const opened = open(join(dir, 'db'));
  afterAll(async () => (await opened).close());

  test('the generator made every combination', () => {
    const manifest = readFileSync(join(theirs, 'manifest.tsv'), 'utf8').trimEnd().split('\n');
    expect(manifest.map((line) => line.split('\t').slice(1))).toEqual(all);
  });

  // Each into a keyspace of its own.
  test.each(all.map((combination) => `fv${combination.join('-')}`))('%s', async (name) => {
    const expected = readEntries(join(theirs, 'entries.bin'));
    const puts = livePuts(expected);
    const db = await opened;
    const keyspace = db.keyspace(name);
    await db.ingest([join(theirs, `${name}.sst`)], { into: name, mode: 'link' });
    const forward: Entry[] = [];
    for await (const [key, value] of keyspace.iterator()) forward.push({ key, value });
    expectEntries(forward, puts);
    const backward: Entry[] = [];
    for await (const [key, value] of keyspace.iterator({ reverse: true })) backward.push({ key, value });
    expectEntries(backward.reverse(), puts);
    expectEntries(
      expected.map(({ key }) => ({ key, value: keyspace.getSync(key) })),
      expected,
    );
  });
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
  const SIZES: Readonly<Record<string, () => Entry[]>> = {
    one: () => [{ key: Buffer.from('k'), value: Buffer.from('v') }],
    deletes: () => [1, 2, 3].map((n) => ({ key: Buffer.of(n), value: undefined })),
    varied: () => readEntries(join(theirs, 'entries.bin')),
    many: () =>
      Array.from({ length: MANY }, (_, i) => ({
        key: Buffer.from(`user${String(i * 7).padStart(12, '0')}`),
        value: i % 11 === 0 ? undefined : Buffer.from(`${i * i}`.repeat(8)),
      })),
  };
  const cases = COMPRESSIONS_WRITTEN.flatMap((compression) =>
    FILTERS.flatMap((filter) =>
      Object.entries(SIZES).map(([size, entries]) => ({ compression, filter, size, entries })),
    ),
  );
  const pathOf = ({ compression, filter, size }: (typeof cases)[number], ending: string): string =>
    join(ours, `${compression}-${filter}-${size}${ending}`);
  let scanned: ReadonlyMap<string, readonly string[]>;

  beforeAll(async () => {
    await SstWriter.loadZstd();
    for (const each of cases) {
      const writer = new SstWriter(pathOf(each, '.sst'), {
        compression: each.compression,
        filterBitsPerKey: each.filter === 'bloom' ? 10 : 0,
      });
      const entries = each.entries();
      for (const { key, value } of entries) {
        if (value === undefined) writer.del(key);
        else writer.put(key, value);
      }
      const facts = await writer.finish();
      expect(facts.entries).toBe(entries.length);
      if (each.size === 'many') {
        const rawBytes = entries.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
        expect(facts.bytes < rawBytes / 2).toBe(each.compression !== 'none');
      }
      writeEntries(pathOf(each, '.expected'), entries);
    }
    expect((await sstVerify(ours)).sort()).toEqual(cases.map((each) => pathOf(each, '.sst')).sort());
    scanned = await sstScan(ours);
    await ingestCheck(
      ...cases.map((each) => ({
        db: pathOf(each, '-rocksdb'),
        expected: pathOf(each, '.expected'),
        file: pathOf(each, '.sst'),
        dump: pathOf(each, '.dump'),
      })),
    );
  });

  test.each(cases)('$compression, filter $filter, $size', (each) => {
    const entries = each.entries();
    const lines = entries.map(({ key, value }) => {
      const type = value === undefined ? 0 : 1;
      return `'${hexOf(key).toUpperCase()}' seq:0, type:${type} => ${hexOf(value ?? Buffer.of()).toUpperCase()}`;
    });
    expect(scanned.get(pathOf(each, '.sst'))).toEqual(lines);
    expectEntries(readEntries(pathOf(each, '.dump')), livePuts(entries));
  });
});
