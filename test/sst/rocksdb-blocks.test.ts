import { beforeAll, describe, expect, test } from 'vitest';
import { checksumModifier, checksumType } from '../../src/sst/checksum.ts';
import { compressionName, decompressBlock, rawLengthOf } from '../../src/sst/compression.ts';
import { createHeap, type Heap, heapOf } from '../../src/sst/heap.ts';
import { KERNEL_RESERVED_BYTES } from '../../src/sst/kernels/wasm-kernels.ts';
import { ensureZstd } from '../../src/sst/zstd.ts';
import { dataEntries, entriesBytes, fixtureNames, readFixture } from './fixture-blocks.ts';

const SRC = KERNEL_RESERVED_BYTES;
const DST = KERNEL_RESERVED_BYTES + (1 << 20);
const RAW_BYTES_MAX = 1 << 20;

beforeAll(() => ensureZstd());

function heaps(): Heap[] {
  const wasm = createHeap(KERNEL_RESERVED_BYTES + (2 << 20));
  return [wasm, heapOf(new Uint8Array(wasm.bytes.length))];
}

describe.each(fixtureNames())('%s', (name) => {
  test('every block has the checksum that RocksDB stored', () => {
    const fixture = readFixture(name);
    const type = checksumType(fixture.checksumType);
    for (const heap of heaps()) {
      for (const block of fixture.blocks) {
        const trailer = block.offset + block.length;
        heap.bytes.set(fixture.file.subarray(block.offset, trailer + 5), SRC);
        const stored = new DataView(fixture.file.buffer).getUint32(trailer + 1, true);
        const modifier = checksumModifier(fixture.baseContext, block.offset);
        const computed = (heap.kernels.blockChecksum(type, SRC, block.length) + modifier) >>> 0;
        expect([block.name, block.offset, computed]).toEqual([block.name, block.offset, stored]);
      }
    }
    expect(fixture.blocks.length).toBeGreaterThan(4);
  });
});

// In `separate_kv` values lie apart from keys, and `ops` holds other entries.
const PLAIN = fixtureNames().filter((name) => !name.includes('separate_kv') && !name.includes('ops'));

describe.each(PLAIN)('%s', (name) => {
  test('every data block decompresses to the entries that went in', () => {
    const fixture = readFixture(name);
    for (const heap of heaps()) {
      const parts: Uint8Array[] = [];
      for (const block of fixture.blocks.filter(({ kind }) => kind === 'data')) {
        const trailer = block.offset + block.length;
        const type = fixture.file[trailer] as number;
        heap.bytes.set(fixture.file.subarray(block.offset, trailer), SRC);
        const raw = rawLengthOf(heap, type, SRC, block.length, RAW_BYTES_MAX);
        expect(decompressBlock(heap, type, SRC, block.length, DST, raw, fixture.dictionary)).toBe(raw);
        for (const { key, value } of dataEntries(heap.bytes.slice(DST, DST + raw))) {
          // The user key, without its 8-byte trailer.
          parts.push(Buffer.from(key.slice(0, -8), 'latin1'), value);
        }
      }
      expect(Buffer.concat(parts).equals(entriesBytes())).toBe(true);
    }
  });
});

test('the fixtures cover these checksums and compressions', () => {
  const checksums = new Set<number>();
  const compressions = new Set<string>();
  for (const name of fixtureNames()) {
    const fixture = readFixture(name);
    checksums.add(fixture.checksumType);
    for (const block of fixture.blocks) {
      compressions.add(compressionName(fixture.file[block.offset + block.length] as number));
    }
  }
  expect([...checksums].sort()).toEqual([0, 1, 4]);
  expect([...compressions].sort()).toEqual(['LZ4', 'LZ4HC', 'NoCompression', 'Snappy', 'ZSTD', 'Zlib']);
});

test('an unknown checksum type is refused by number', () => {
  expect(() => checksumType(5)).toThrow('Checksum type 5');
});
