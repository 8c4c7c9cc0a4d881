/**
 * Hostile tables. An input is refused with a typed error, or what is read of it, by scans both ways and by keys, is what a
 * plain decoding of its bytes has, in the order and with the counts that the engine relies on.
 */

import { compareBytes } from '../../src/base/bytes.ts';
import { ByteReader, fixed32 } from '../../src/base/codec.ts';
import { SluiceError } from '../../src/base/errors.ts';
import { PENDING } from '../../src/mvcc/cursor.ts';
import { TYPE_DELETE, TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { Probe } from '../../src/mvcc/probe.ts';
import { MAX_VERSION, NO_VERSION } from '../../src/mvcc/version.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { checkTable } from '../../src/sst/check-table.ts';
import { decompressBlock, rawLengthOf } from '../../src/sst/compression.ts';
import { heapOf } from '../../src/sst/heap.ts';
import { Table } from '../../src/sst/table.ts';
import { TableBuilder } from '../../src/sst/table-builder.ts';
import type { TableFacts } from '../../src/sst/table-facts.ts';
import { ensureZstd } from '../../src/sst/zstd.ts';
import { showCursor } from '../mvcc/entries.ts';
import {
  dataEntries,
  type Fixture,
  type FixtureBlock,
  fixtureNames,
  fixtureOf,
  readFixture,
} from '../sst/fixture-blocks.ts';
import { Dice } from './dice.ts';
import { type HostileEntry, type HostileRange, type Lies, sign, writeHostile } from './hostile-table.ts';
import { MemoryFiles } from './memory-files.ts';
import { scramble, TABLE_LIES } from './table-lies.ts';

/** The makers of inputs decompress too. */
await ensureZstd();

const PATH = 'input.sst';
const READS_MAX = 400_000;

/** Made once: a cache is a memory of its own. */
const cache = new BlockCache(4 << 20);
const lies = Object.values(TABLE_LIES);
/** Told more often than others. */
const favourites = ['entries', 'properties', 'index entries', 'metaindex', 'ranges'].map(
  (name) => TABLE_LIES[name] ?? {},
);

let fixtures: { small: Fixture[]; large: Fixture[] } | undefined;

function realFiles(): { small: Fixture[]; large: Fixture[] } {
  if (fixtures !== undefined) return fixtures;
  const names = [...fixtureNames(), 'ranges/ranges.sst', 'ranges/ranges-only.sst'];
  const all = names.map(readFixture);
  fixtures = {
    small: [...all.filter(({ file }) => file.length < 20_000), ...ownFiles()],
    large: all.filter(({ file }) => file.length >= 20_000),
  };
  return fixtures;
}

/** What our own writer makes, in each compression. */
function ownFiles(): Fixture[] {
  return (['none', 'lz4', 'snappy', 'zstd'] as const).map((compression) => {
    const fs = new MemoryFiles();
    const file = fs.openSync(PATH, 'create');
    const builder = new TableBuilder(file, { external: true, compression, blockBytes: 256 });
    for (let i = 0; i < 60; i++) {
      const [key, value] = [Buffer.from(`key${100 + i}`), Buffer.from(`value ${i}`.repeat(i % 5))];
      builder.add(
        key,
        0,
        key.length,
        NO_VERSION,
        i % 7 === 0 ? TYPE_DELETE : TYPE_VALUE,
        value,
        0,
        i % 7 === 0 ? 0 : value.length,
      );
    }
    builder.finish();
    const bytes = new Uint8Array(file.sizeSync());
    file.readSync(bytes, 0, bytes.length, 0);
    return fixtureOf(bytes, compression);
  });
}

function randomTable(dice: Dice): { entries: HostileEntry[]; ranges: HostileRange[] } {
  const count = dice.pick([0, 1, 2, 10, 60]);
  const entries: HostileEntry[] = [];
  const long = dice.chance(0.1) ? 'x'.repeat(300) : '';
  for (let i = 0; i < count; i++) {
    const type = dice.chance(0.2) ? 0 : 1;
    const value = Buffer.from(type === 0 ? '' : `value ${i}`.repeat(dice.below(4)));
    entries.push({
      key: Buffer.from(`key${long}${String(i * 3).padStart(3, '0')}`),
      version: 0,
      type,
      value,
    });
  }
  const ranges = dice.chance(0.2)
    ? [{ from: Buffer.from('key010'), to: Buffer.from('key050'), version: 0 }]
    : [];
  return { entries, ranges };
}

/** Several lies become one. */
function together(told: readonly Partial<Lies>[]): Partial<Lies> {
  return Object.assign({}, ...told);
}

/** A block of a real file with other bytes, signed again. */
function mutateReal(dice: Dice): Uint8Array {
  const { file, blocks, checksumType, baseContext } = dice.pick(
    dice.chance(0.998) ? realFiles().small : realFiles().large,
  );
  const copy = Uint8Array.from(file);
  for (let n = dice.pick([1, 1, 2]); n > 0; n--) {
    const kinds = (['data', 'index', 'meta'] as const).map((kind) =>
      blocks.filter((block) => block.kind === kind),
    );
    const { offset, length } = dice.pick(dice.pick(kinds.filter((some) => some.length > 0)));
    const stored = scramble(copy.subarray(offset, offset + length + (dice.chance(0.1) ? 1 : 0)), dice);
    copy.set(stored, offset);
    if (dice.chance(0.95)) sign(copy, offset, length, checksumType, baseContext, offset);
  }
  if (dice.chance(0.9)) return copy;
  return dice.chance(0.5) ? scramble(copy, dice) : copy.slice(0, dice.below(copy.length));
}

export function makeTable(seed: number): Uint8Array {
  const dice = new Dice(seed);
  if (dice.chance(0.3)) return mutateReal(dice);
  const told = Array.from({ length: dice.pick([0, 1, 1, 1, 2]) }, () =>
    dice.pick(dice.chance(0.4) ? favourites : lies),
  );
  return writeHostile(randomTable(dice), together(told), dice);
}

/** 'ok', or the code that it was refused with. */
export async function tryTable(bytes: Uint8Array): Promise<string> {
  const fs = new MemoryFiles();
  fs.set(PATH, bytes);
  const table = new Table({ path: PATH, fs, cache });
  try {
    const facts = await typed(() => checkTable(table, { verify: 'blocks', external: true }));
    if (facts instanceof SluiceError) {
      // Damage may also come to a file that was taken long ago.
      await typed(() => readEverything(table, []));
      await typed(() => readPrefixed(fs));
      return facts.code;
    }
    compare(plainTable(bytes), facts, table);
    return 'ok';
  } finally {
    table.dispose();
  }
}

/** A prefix that most keys have, so that some are without it, or shorter. */
function readPrefixed(fs: MemoryFiles): void {
  const prefix = { from: Buffer.from('key0'), to: Buffer.from('another') };
  const table = new Table({ path: PATH, fs, cache, prefix });
  try {
    readEverything(table, []);
  } finally {
    table.dispose();
  }
}

async function typed<T>(act: () => T | Promise<T>): Promise<T | SluiceError> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
}

function compare(plain: Plain, facts: TableFacts, table: Table): void {
  const { entries } = plain;
  for (const [i, { key, trailer }] of entries.entries()) {
    const before = entries[i - 1];
    if (before !== undefined && compareBytes(before.key, key) >= 0)
      throw new Error(`key ${i} is not in order`);
    if (trailer > 1) throw new Error(`entry ${i} has version and type ${trailer}`);
    if (key.length < 1 || key.length > 65_535) throw new Error(`key ${i} has ${key.length} bytes`);
  }
  const shown = entries.map(showPlain);
  const { forward, backward } = readEverything(table, entries);
  same(forward, shown, 'forward');
  same(backward, shown.toReversed(), 'backward');
  const deletes = entries.filter(({ trailer }) => trailer === 0).length;
  same([facts.entries, facts.deletes], [entries.length, deletes], 'entries and deletes');
  same(facts.rangeTombstones.map(showRange), plain.ranges.map(showRange), 'range deletions');
  const ends = [...entries.map(({ key }) => key), ...plain.ranges.flatMap(({ from, to }) => [from, to])];
  ends.sort(compareBytes);
  same([facts.smallest, facts.largest].map(hex), [ends[0], ends.at(-1)].map(hex), 'smallest and largest');
}

function same(got: readonly unknown[], wanted: readonly unknown[], what: string): void {
  const at = Array.from({ length: Math.max(got.length, wanted.length) }).findIndex(
    (_, i) => got[i] !== wanted[i],
  );
  if (at !== -1) throw new Error(`${what}, at ${at}: ${String(got[at])} instead of ${String(wanted[at])}`);
}

interface PlainEntry {
  readonly key: Uint8Array;
  readonly trailer: number;
  readonly value: Uint8Array;
}

interface Plain {
  readonly entries: readonly PlainEntry[];
  readonly ranges: readonly HostileRange[];
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const hex = (bytes: Uint8Array | undefined): string =>
  bytes === undefined ? 'none' : Buffer.from(bytes).toString('hex');

function showPlain({ key, trailer, value }: PlainEntry): string {
  return `${latin1(key)}@0${trailer === 1 ? `=${latin1(value)}` : ' deleted'}`;
}

function showRange({ from, to }: { readonly from: Uint8Array; readonly to: Uint8Array | undefined }): string {
  return `${hex(from)} to ${hex(to)}`;
}

/** Entries one after the other as they stand in the blocks that the index names; nothing else is asked. */
export function plainTable(file: Uint8Array): Plain {
  const fixture = fixtureOf(file, PATH);
  const named = (name: string): FixtureBlock[] => fixture.blocks.filter((block) => block.name === name);
  const all = (blocks: readonly FixtureBlock[]): PlainEntry[] =>
    blocks.flatMap((block) => dataEntries(rawOf(fixture, block))).map(({ key, value }) => split(key, value));
  const ranges = all(named('rocksdb.range_del')).map(({ key, value }) => ({
    from: key,
    to: value,
    version: 0,
  }));
  return { entries: all(named('data')), ranges };
}

function split(key: string, value: Uint8Array): PlainEntry {
  const bytes = Buffer.from(key, 'latin1');
  const at = bytes.length - 8;
  const trailer = new ByteReader(bytes, at).take(8);
  return { key: bytes.subarray(0, at), trailer: fixed32(trailer, 0) + fixed32(trailer, 4) * 2 ** 32, value };
}

function rawOf({ file, dictionary }: Fixture, { offset, length }: FixtureBlock): Uint8Array {
  const type = file[offset + length] as number;
  if (type === 0) return file.slice(offset, offset + length);
  const size = rawLengthOf(heapOf(file), type, offset, length, 1 << 26);
  const both = heapOf(new Uint8Array(length + size));
  both.bytes.set(file.subarray(offset, offset + length));
  decompressBlock(both, type, 0, length, length, size, dictionary);
  return both.bytes.slice(length);
}

/** Scans both ways; and each entry by its key, with keys beside it that are not there. */
function readEverything(
  table: Table,
  entries: readonly PlainEntry[],
): { forward: string[]; backward: string[] } {
  const forward: string[] = [];
  const backward: string[] = [];
  const cursor = table.cursor(undefined);
  try {
    const settled = (move: () => unknown): void => {
      for (let tries = 0; move() === PENDING; tries++) {
        if (tries > 1000) throw new Error('a move stays PENDING for ever');
        cursor.loadSync();
      }
    };
    for (settled(() => cursor.first()); cursor.valid; settled(() => cursor.next())) {
      if (forward.push(showCursor(cursor)) > READS_MAX) throw new Error('a scan has no end');
    }
    for (settled(() => cursor.last()); cursor.valid; settled(() => cursor.prev())) {
      if (backward.push(showCursor(cursor)) > READS_MAX) throw new Error('a scan back has no end');
    }
  } finally {
    cursor.close();
  }
  const step = Math.max(1, Math.floor(entries.length / 50));
  for (let i = 0; i < entries.length; i += step) lookUp(table, entries[i] as PlainEntry);
  return { forward, backward };
}

function lookUp(table: Table, { key, trailer, value }: PlainEntry): void {
  const probe = new Probe();
  const get = (wanted: Uint8Array): void => {
    probe.reset(wanted, 0, wanted.length, MAX_VERSION);
    while (table.get(probe, undefined) === PENDING) table.loadSync(probe);
  };
  get(key);
  const found = latin1(probe.valueBytes.subarray(probe.valueStart, probe.valueStart + probe.valueLength));
  if (!probe.found || probe.type !== trailer) throw new Error(`the key ${hex(key)} is not found as it is`);
  if (trailer === 1 && found !== latin1(value)) throw new Error(`the key ${hex(key)} has another value`);
  get(Buffer.concat([key, Buffer.alloc(1)]));
  if (probe.found) throw new Error(`a key after ${hex(key)} is found and is not there`);
}
