/** Tables come out the same to the byte, whichever kernels encode them and however the entries fall into batches. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EntryType } from '../../src/mvcc/internal-key.ts';
import type { CompressionKind } from '../../src/sst/compression.ts';
import { createHeap, heapOf } from '../../src/sst/heap.ts';
import { builderHeapBytes, type TableBuilderOptions } from '../../src/sst/table-builder.ts';
import { ensureZstd } from '../../src/sst/zstd.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { compareEntries, type Entry } from '../mvcc/entries.ts';
import { writeTable } from './written-table.ts';

function tableBytes(path: string, entries: readonly Entry[], options: TableBuilderOptions): Buffer {
  writeTable(path, entries, options);
  return readFileSync(path);
}

const entryArbitrary = fc.record({
  key: fc
    .oneof(
      fc.array(fc.constantFrom(0, 1, 255), { minLength: 1, maxLength: 4 }),
      fc.nat(500).map((n) => [...Buffer.from(`a/longer/key/${n}`.repeat(n % 7 === 0 ? 20 : 1))]),
    )
    .map((bytes) => Uint8Array.from(bytes)),
  version: fc.oneof(fc.nat(3), fc.constantFrom(2 ** 40, 2 ** 52)) as fc.Arbitrary<Entry['version']>,
  type: fc.constantFrom<EntryType>(0, 1),
  // The last but one fills a batch by itself, the last one exceeds any block.
  value: fc
    .oneof(
      { weight: 20, arbitrary: fc.nat(300) },
      { weight: 1, arbitrary: fc.constantFrom(5000, 100_000, 262_000, 300_000) },
    )
    .map((length) => new Uint8Array(length).map((_, i) => (i * i) >>> 3)),
});

test('WebAssembly and TypeScript encode the same files', async () => {
  await ensureZstd();
  const path = join(temporaryDirectory(), 'a.sst');
  fc.assert(
    fc.property(
      fc.uniqueArray(entryArbitrary, {
        minLength: 1,
        maxLength: 300,
        selector: ({ key, version }) => `${Buffer.from(key).toString('hex')} ${version}`,
      }),
      fc.constantFrom(64, 300, 4096, 100_000),
      fc.constantFrom(0, 10),
      fc.constantFrom<CompressionKind>('none', 'lz4', 'snappy', 'zstd'),
      (entries, blockBytes, filterBitsPerKey, compression) => {
        const sorted = [...entries].sort(compareEntries);
        const heapBytes = builderHeapBytes(blockBytes);
        const options = { blockBytes, filterBitsPerKey, compression, external: false };
        const wasm = tableBytes(path, sorted, { ...options, heap: createHeap(heapBytes) });
        const js = tableBytes(path, sorted, { ...options, heap: heapOf(new Uint8Array(heapBytes)) });
        expect(wasm.equals(js)).toBe(true);
      },
    ),
    { numRuns: 100 },
  );
});
