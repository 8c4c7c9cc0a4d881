/**
 * Finds every block of a real RocksDB file by walking footer, metaindex and index, independently of the reader under
 * test elsewhere: this only knows what is needed to reach each block's bytes.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { ByteReader, fixed32 } from '../../src/base/codec.ts';
import { decompressBlock, rawLengthOf } from '../../src/sst/compression.ts';
import { createHeap, heapOf } from '../../src/sst/heap.ts';
import { KERNEL_RESERVED_BYTES } from '../../src/sst/kernels/wasm-kernels.ts';

const FIXTURES = new URL('../fixtures/rocksdb/', import.meta.url);
const TRAILER_BYTES = 5;

export interface FixtureBlock {
  readonly offset: number;
  readonly length: number;
  readonly kind: 'meta' | 'index' | 'data';
  readonly name: string;
}

export interface Fixture {
  readonly file: Uint8Array;
  readonly checksumType: number;
  readonly baseContext: number;
  readonly dictionary: Uint8Array | undefined;
  readonly blocks: readonly FixtureBlock[];
}

type Handle = readonly [offset: number, length: number];

export function fixtureNames(): string[] {
  return ['v7.8', 'v11.8'].flatMap((version) =>
    readdirSync(new URL(version, FIXTURES))
      .sort()
      .map((name) => `${version}/${name}`),
  );
}

export function entriesBytes(): Uint8Array {
  return readFileSync(new URL('entries.bin', FIXTURES));
}

export function readFixture(name: string): Fixture {
  return fixtureOf(new Uint8Array(readFileSync(new URL(name, FIXTURES))), name);
}

/** Of any table file. Throws, of whatever kind, where it cannot be followed. */
export function fixtureOf(file: Uint8Array, name: string): Fixture {
  const footer = file.length - 53;
  const version = fixed32(file, file.length - 12);
  const blocks: FixtureBlock[] = [];
  const meta = new Map<string, Handle>();
  let metaindex: Handle;
  let index: Handle | undefined;
  if (version >= 6) {
    const size = fixed32(file, footer + 13);
    metaindex = [footer - TRAILER_BYTES - size, size];
  } else {
    const handles = new ByteReader(file, footer + 1);
    metaindex = [handles.varint(), handles.varint()];
    index = [handles.varint(), handles.varint()];
  }
  blocks.push({ offset: metaindex[0], length: metaindex[1], kind: 'meta', name: 'metaindex' });
  for (const entry of entries(raw(file, metaindex))) {
    if (!entry.key.includes('.')) continue;
    const value = new ByteReader(entry.value);
    meta.set(entry.key, [value.varint(), value.varint()]);
  }
  for (const [key, [offset, length]] of meta) {
    if (key === 'rocksdb.index' && version >= 6) index = [offset, length];
    else blocks.push({ offset, length, kind: 'meta', name: key });
  }
  if (index === undefined) throw new Error(`${name}: no index`);
  blocks.push({ offset: index[0], length: index[1], kind: 'index', name: 'index' });

  const properties = new Map(
    entries(raw(file, meta.get('rocksdb.properties') ?? [0, 0])).map((e) => [e.key, e.value]),
  );
  const dictionaryAt = meta.get('rocksdb.compression_dict');
  const type = fixed32(properties.get('rocksdb.block.based.table.index.type') ?? new Uint8Array(4), 0);
  const delta = (properties.get('rocksdb.index.value.is.delta.encoded')?.[0] ?? 0) !== 0;
  const top = indexHandles(raw(file, index), delta, type === 3);
  const data = type !== 2 ? top : top.flatMap((handle) => indexHandles(raw(file, handle), delta, false));
  if (type === 2) {
    for (const [offset, length] of top) blocks.push({ offset, length, kind: 'index', name: 'partition' });
  }
  for (const [offset, length] of data) blocks.push({ offset, length, kind: 'data', name: 'data' });
  return {
    file,
    checksumType: file[footer] as number,
    baseContext: version >= 6 ? fixed32(file, footer + 9) : 0,
    dictionary: dictionaryAt === undefined ? undefined : raw(file, dictionaryAt).slice(),
    blocks,
  };
}

/** A block's bytes, decompressed without a dictionary. */
function raw(file: Uint8Array, [offset, length]: Handle): Uint8Array {
  const source = heapOf(file);
  const type = file[offset + length] as number;
  const size = rawLengthOf(source, type, offset, length, 1 << 24);
  const heap = createHeap(KERNEL_RESERVED_BYTES + length + size);
  heap.bytes.set(file.subarray(offset, offset + length), KERNEL_RESERVED_BYTES);
  const dst = KERNEL_RESERVED_BYTES + length;
  decompressBlock(heap, type, KERNEL_RESERVED_BYTES, length, dst, size);
  return heap.bytes.slice(dst, dst + size);
}

function entriesEnd(block: Uint8Array): number {
  return block.length - 4 - 4 * (fixed32(block, block.length - 4) & 0x0fffffff);
}

function entries(block: Uint8Array): { key: string; value: Uint8Array }[] {
  const reader = new ByteReader(block, 0, entriesEnd(block));
  const list: { key: string; value: Uint8Array }[] = [];
  let key = '';
  while (!reader.done) {
    const shared = reader.varint();
    const unshared = reader.varint();
    const valueLength = reader.varint();
    key = key.slice(0, shared) + Buffer.from(reader.take(unshared)).toString('latin1');
    list.push({ key, value: reader.take(valueLength) });
  }
  return list;
}

function indexHandles(block: Uint8Array, delta: boolean, firstKeys: boolean): Handle[] {
  const reader = new ByteReader(block, 0, entriesEnd(block));
  const handles: Handle[] = [];
  while (!reader.done) {
    const shared = reader.varint();
    const unshared = reader.varint();
    // With delta-coded values no value length is stored.
    if (!delta) reader.varint();
    reader.skip(unshared);
    const before = handles.at(-1);
    if (delta && shared !== 0 && before !== undefined) {
      const zigzag = reader.varint();
      const change = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
      handles.push([before[0] + before[1] + TRAILER_BYTES, before[1] + change]);
    } else {
      handles.push([reader.varint(), reader.varint()]);
    }
    if (firstKeys) reader.skip(reader.varint());
  }
  return handles;
}

/** The entries of a data block, with or without a hash index. */
export function dataEntries(block: Uint8Array): { key: string; value: Uint8Array }[] {
  const footer = fixed32(block, block.length - 4);
  let end = block.length - 4;
  if (footer >>> 31 !== 0) {
    // A hash index lies between the restarts and the footer: u8[buckets] | u16 buckets.
    const buckets = (block[end - 2] as number) | ((block[end - 1] as number) << 8);
    end -= 2 + buckets;
  }
  const trimmed = new Uint8Array(end + 4);
  trimmed.set(block.subarray(0, end));
  new DataView(trimmed.buffer).setUint32(end, footer & 0x0fffffff, true);
  return entries(trimmed);
}
