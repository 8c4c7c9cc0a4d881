/** The judges are judged first: RocksDB's tools must accept RocksDB's own files and refuse what is wrong. */

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { linesOf, readEntries, writeEntries } from './entries.ts';
import { generate, ingestCheck, sstScan, sstVerify } from './toolchain.ts';

const dir = mkdtempSync(join(tmpdir(), 'sluice-rocksdb-tools-'));
const expected = join(dir, 'files/entries.bin');
const sample = join(dir, 'files/fv5-xxh3-lz4-bloom-plain.sst');
const dump = join(dir, 'dump.bin');

beforeAll(async () => {
  mkdirSync(join(dir, 'files'));
  await generate(join(dir, 'files'), 'fv5-xxh3-lz4-bloom-plain.sst');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('accepts a file of RocksDB and dumps what is in it', async () => {
  await sstVerify(sample);
  await ingestCheck({ db: join(dir, 'accepts'), expected, file: sample, dump });
  const puts = readEntries(expected).filter((entry) => entry.value !== undefined);
  expect(linesOf(readEntries(dump))).toEqual(linesOf(puts));
  expect((await sstScan(sample)).get(sample)).toHaveLength(readEntries(expected).length);
});

test('refuses a file with one flipped bit in a block', async () => {
  const damaged = join(dir, 'damaged.sst');
  const bytes = readFileSync(sample);
  bytes[2000] = (bytes[2000] as number) ^ 1;
  writeFileSync(damaged, bytes);
  const judged = { db: join(dir, 'flipped'), expected, file: damaged, dump };
  await expect(ingestCheck(judged)).rejects.toThrow(/damaged\.sst.*checksum/i);
  await expect(sstVerify(damaged)).rejects.toThrow();
  // Among others too.
  copyFileSync(sample, join(dir, 'sound.sst'));
  await expect(sstVerify(dir)).rejects.toThrow(/damaged\.sst/);
  rmSync(damaged);
  expect(await sstVerify(dir)).toEqual([join(dir, 'sound.sst')]);
});

test('refuses a file that lacks an entry, has one too many or another value', async () => {
  const entries = readEntries(expected);
  const at = entries.findLastIndex((entry) => entry.value !== undefined);
  const key = entries[at]?.key ?? Buffer.of();
  const lists = {
    more: [...entries, { key: Buffer.alloc(50, 0xff), value: Buffer.from('new') }],
    fewer: entries.toSpliced(at, 1),
    other: entries.with(at, { key, value: Buffer.from('other') }),
  };
  for (const [name, list] of Object.entries(lists)) {
    writeEntries(join(dir, name), list);
    const judged = { db: join(dir, `${name}-db`), expected: join(dir, name), file: sample, dump };
    await expect(ingestCheck(judged)).rejects.toThrow(/get|scan/);
  }
});
