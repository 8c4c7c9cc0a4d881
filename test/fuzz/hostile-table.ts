/**
 * Tables put together by a writer that may lie about anything, and sign it: every checksum is right for what it covers.
 * This knows the format by itself, apart from the builder in src/.
 */

import { deflateRawSync } from 'node:zlib';
import { putFixed32, putFixed64, putVarint, varintLength } from '../../src/base/codec.ts';
import { checksumModifier } from '../../src/sst/checksum.ts';
import { FilterBuilder } from '../../src/sst/filter.ts';
import { heapOf } from '../../src/sst/heap.ts';
import { hashKey } from '../../src/sst/kernels/js-xxh3.ts';
import type { Dice } from './dice.ts';

export interface HostileEntry {
  key: Uint8Array;
  version: number;
  type: number;
  value: Uint8Array;
}

export interface HostileRange {
  from: Uint8Array;
  to: Uint8Array;
  version: number;
}

/** A place in the making of a file at which it may be made to lie. Each changes what it is given in place, or hands on another. */
export interface Lies {
  entries(list: HostileEntry[], dice: Dice): void;
  dataBlock(bytes: Uint8Array, dice: Dice): Uint8Array;
  index(list: IndexEntry[], dice: Dice): void;
  indexBlock(bytes: Uint8Array, dice: Dice): Uint8Array;
  filter(bytes: Uint8Array, dice: Dice): Uint8Array;
  ranges(list: HostileRange[], dice: Dice): void;
  properties(map: Map<string, Uint8Array>, dice: Dice): void;
  metaindex(map: Map<string, Uint8Array>, dice: Dice): void;
  /** Type byte and stored bytes of any block. */
  stored(block: StoredBlock, dice: Dice): void;
  footer(footer: HostileFooter, dice: Dice): void;
  file(bytes: Uint8Array, dice: Dice): Uint8Array;
}

export interface IndexEntry {
  separator: Uint8Array;
  version: number;
  offset: number;
  bytes: number;
}

export interface StoredBlock {
  readonly name: string;
  bytes: Uint8Array;
  type: number;
}

export interface HostileFooter {
  formatVersion: number;
  checksumType: number;
  metaindex: [offset: number, bytes: number];
  index: [offset: number, bytes: number];
}

export interface HostileTable {
  readonly entries: readonly HostileEntry[];
  readonly ranges: readonly HostileRange[];
}

export function varint(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.reduce((sum, value) => sum + varintLength(value), 0));
  let at = 0;
  for (const value of values) at = putVarint(bytes, at, value);
  return bytes;
}

/** Prefix-compressed entries and their restarts. `whole`: no two keys share anything. */
function blockOf(
  entries: readonly (readonly [key: Uint8Array, value: Uint8Array])[],
  interval: number,
): Uint8Array {
  const parts: Uint8Array[] = [];
  const restarts: number[] = [];
  let [length, last] = [0, new Uint8Array(0)];
  for (const [i, [key, value]] of entries.entries()) {
    let shared = 0;
    if (i % interval === 0) restarts.push(length);
    else while (shared < Math.min(key.length, last.length) && key[shared] === last[shared]) shared++;
    const part = Buffer.concat([
      varint(shared, key.length - shared, value.length),
      key.subarray(shared),
      value,
    ]);
    parts.push(part);
    length += part.length;
    last = new Uint8Array(key);
  }
  if (restarts.length === 0) restarts.push(0);
  const tail = new Uint8Array(4 * restarts.length + 4);
  for (const [i, at] of restarts.entries()) putFixed32(tail, 4 * i, at);
  putFixed32(tail, 4 * restarts.length, restarts.length);
  return Buffer.concat([...parts, tail]);
}

export function internalKey(key: Uint8Array, version: number, type: number): Uint8Array {
  const bytes = new Uint8Array(key.length + 8);
  bytes.set(key);
  putFixed64(bytes, key.length, version % 2 ** 45);
  bytes.copyWithin(key.length + 1, key.length, key.length + 7);
  bytes[key.length] = type;
  return bytes;
}

class Writer {
  readonly #parts: Uint8Array[] = [];
  readonly #dice: Dice;
  readonly #lies: Partial<Lies>;
  readonly #checksumType: number;
  readonly #compressed: boolean;
  at = 0;

  constructor(dice: Dice, lies: Partial<Lies>, checksumType: number, compressed: boolean) {
    this.#dice = dice;
    this.#lies = lies;
    this.#checksumType = checksumType;
    this.#compressed = compressed;
  }

  block(name: string, raw: Uint8Array): [offset: number, bytes: number] {
    const block: StoredBlock = { name, bytes: raw, type: 0 };
    if (this.#compressed && (name === 'data' || name === 'index')) {
      block.bytes = Buffer.concat([varint(raw.length), deflateRawSync(raw)]);
      block.type = 2;
    }
    this.#lies.stored?.(block, this.#dice);
    const signed = Buffer.concat([block.bytes, Uint8Array.of(block.type, 0, 0, 0, 0)]);
    sign(signed, 0, block.bytes.length, this.#checksumType, 0, this.at);
    const handle: [number, number] = [this.at, block.bytes.length];
    this.append(signed);
    return handle;
  }

  append(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.at += bytes.length;
  }

  finish(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts));
  }
}

/** Puts the right checksum behind the block of `length` bytes and its type byte at `at`. `offset`: where it is in the file. */
export function sign(
  bytes: Uint8Array,
  at: number,
  length: number,
  checksumType: number,
  baseContext: number,
  offset: number,
): void {
  if (checksumType < 1 || checksumType > 4) return;
  const sum = heapOf(bytes).kernels.blockChecksum(checksumType, at, length);
  putFixed32(bytes, at + length + 1, (sum + checksumModifier(baseContext, offset)) >>> 0);
}

/** The file that a table becomes, with lies at some places of its making. */
export function writeHostile(table: HostileTable, lies: Partial<Lies>, dice: Dice): Uint8Array {
  const checksumType = dice.below(5);
  const userKeys = dice.chance(0.5);
  const writer = new Writer(dice, lies, checksumType, dice.chance(0.25));
  const entries = table.entries.map((entry) => ({ ...entry }));
  const ranges = table.ranges.map((range) => ({ ...range }));
  const honest = dice.chance(0.7);
  if (!honest) lies.entries?.(entries, dice);
  const counts = countsOf(entries, ranges);
  if (honest) lies.entries?.(entries, dice);
  lies.ranges?.(ranges, dice);
  const index = writeData(writer, entries, lies, dice);
  const metaindex = new Map<string, Uint8Array>();
  if (dice.chance(0.6)) {
    const filter = filterOf(table.entries);
    if (filter !== undefined) {
      const handle = writer.block('filter', lies.filter?.(filter, dice) ?? filter);
      metaindex.set('fullfilter.rocksdb.BuiltinBloomFilter', varint(...handle));
    }
  }
  lies.index?.(index, dice);
  const indexRaw = blockOf(
    index.map(({ separator, version, offset, bytes }) => [
      userKeys ? separator : internalKey(separator, version, 1),
      varint(offset, bytes),
    ]),
    dice.pick([1, 1, 4]),
  );
  const indexAt = writer.block('index', lies.indexBlock?.(indexRaw, dice) ?? indexRaw);
  if (ranges.length > 0) {
    const raw = blockOf(
      ranges.map(({ from, to, version }) => [internalKey(from, version, 15), to]),
      1,
    );
    metaindex.set('rocksdb.range_del', varint(...writer.block('ranges', raw)));
  }
  const properties = propertiesOf(counts, userKeys);
  lies.properties?.(properties, dice);
  metaindex.set('rocksdb.properties', varint(...writer.block('properties', mapBlock(properties))));
  lies.metaindex?.(metaindex, dice);
  const footer: HostileFooter = {
    formatVersion: dice.pick([2, 3, 4, 5]),
    checksumType,
    metaindex: writer.block('metaindex', mapBlock(metaindex)),
    index: indexAt,
  };
  lies.footer?.(footer, dice);
  writer.append(footerOf(footer));
  const file = writer.finish();
  return lies.file?.(file, dice) ?? file;
}

function writeData(
  writer: Writer,
  entries: readonly HostileEntry[],
  lies: Partial<Lies>,
  dice: Dice,
): IndexEntry[] {
  const index: IndexEntry[] = [];
  const perBlock = dice.pick([1, 3, 8, 40]);
  const interval = dice.pick([1, 2, 16]);
  for (let i = 0; i < entries.length; i += perBlock) {
    const some = entries.slice(i, i + perBlock);
    const raw = blockOf(
      some.map(({ key, version, type, value }) => [internalKey(key, version, type), value]),
      interval,
    );
    const [offset, bytes] = writer.block('data', lies.dataBlock?.(raw, dice) ?? raw);
    const last = some.at(-1) as HostileEntry;
    index.push({ separator: last.key, version: last.version, offset, bytes });
  }
  return index;
}

function countsOf(entries: readonly HostileEntry[], ranges: readonly HostileRange[]): Map<string, number> {
  const deletes = entries.filter(({ type }) => type === 0).length;
  return new Map([
    ['rocksdb.num.entries', entries.length + ranges.length],
    ['rocksdb.deleted.keys', deletes + ranges.length],
    ['rocksdb.num.range-deletions', ranges.length],
  ]);
}

function propertiesOf(counts: ReadonlyMap<string, number>, userKeys: boolean): Map<string, Uint8Array> {
  const properties = new Map<string, Uint8Array>([
    ['rocksdb.comparator', Buffer.from('leveldb.BytewiseComparator')],
    ['rocksdb.external_sst_file.version', Uint8Array.of(2, 0, 0, 0)],
    ['rocksdb.external_sst_file.global_seqno', new Uint8Array(8)],
    ['rocksdb.index.key.is.user.key', varint(userKeys ? 1 : 0)],
    ['rocksdb.index.value.is.delta.encoded', varint(0)],
    ['rocksdb.block.based.table.index.type', new Uint8Array(4)],
  ]);
  for (const [name, count] of counts) properties.set(name, varint(count));
  return properties;
}

function mapBlock(map: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const sorted = [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return blockOf(
    sorted.map(([name, value]) => [Buffer.from(name, 'latin1'), value]),
    1,
  );
}

const filterHeap = heapOf(new Uint8Array(1 << 20));

function filterOf(entries: readonly HostileEntry[]): Uint8Array | undefined {
  const builder = new FilterBuilder(10);
  const hash = { hashLow: 0, hashHigh: 0 };
  for (const { key } of entries) {
    hashKey(key, 0, key.length, hash);
    builder.addAll(Uint32Array.of(hash.hashLow, hash.hashHigh));
  }
  const block = builder.finish({ heap: filterHeap, start: 0, limit: filterHeap.bytes.length });
  return block?.heap.bytes.slice(block.start, block.start + block.length);
}

function footerOf({ formatVersion, checksumType, metaindex, index }: HostileFooter): Uint8Array {
  const bytes = new Uint8Array(53);
  bytes[0] = checksumType;
  const handles = varint(...metaindex, ...index);
  bytes.set(handles.subarray(0, 40), 1);
  putFixed32(bytes, 41, formatVersion);
  putFixed32(bytes, 45, 0x85f4cff7);
  putFixed32(bytes, 49, 0x88e241b7);
  return bytes;
}
