/** Tables come out the same to the byte, whichever kernels encode them and however the entries fall into batches. */

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { RecordStage, recordBytes } from '../../src/ingest/record-stage.ts';
import { type EntryType, TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { NO_VERSION } from '../../src/mvcc/version.ts';
import { BlockEncoder } from '../../src/sst/block-encoder.ts';
import type { CompressionKind } from '../../src/sst/compression.ts';
import { createHeap, type Heap, heapOf } from '../../src/sst/heap.ts';
import { builderHeapBytes, TableBuilder, type TableBuilderOptions } from '../../src/sst/table-builder.ts';
import { ensureZstd } from '../../src/sst/zstd.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { compareEntries, type Entry } from '../mvcc/entries.ts';
import { writeTable } from './written-table.ts';

function tableBytes(path: string, entries: readonly Entry[], options: TableBuilderOptions): Buffer {
  writeTable(path, entries, options);
  return readFileSync(path);
}

type Pair = readonly [key: Uint8Array, value: Uint8Array];

interface HalvesOptions extends Omit<TableBuilderOptions, 'heap' | 'external'> {
  readonly front: Heap;
  readonly back: Heap;
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

/** Blocks are built by one heap's kernels and stored by another's; which of them compresses them changes from batch to batch. */
function bytesByHalves(path: string, pairs: readonly Pair[], size: number, options: HalvesOptions): Buffer {
  const { front, back, ...rest } = options;
  let batches = 0;
  const give = (stage: RecordStage): void => {
    const records = stage.take();
    if (records !== undefined) encoder.add(records);
    encoder.encodeStaged(batches++ % 3 === 0);
  };
  const file = nodeEnv.fs.openSync(path, 'create');
  const builder = new TableBuilder(file, { ...rest, external: true, heap: back });
  const encoder = new BlockEncoder({ ...rest, external: true, heap: front }, builder);
  const stage = new RecordStage(path);
  for (const [i, [key, value]] of pairs.entries()) {
    if (i % size === 0 || !stage.hasRoom(key.length, value.length)) give(stage);
    if (stage.hasRoom(key.length, value.length)) stage.add(key, TYPE_VALUE, value);
    else {
      const room = new Uint8Array(recordBytes(key.length, value.length));
      encoder.add(stage.addLarge(key, TYPE_VALUE, value, room));
    }
  }
  give(stage);
  builder.finish(encoder.finish());
  file.closeSync();
  const bytes = readFileSync(path);
  rmSync(path);
  return bytes;
}

test('blocks that one heap builds and another stores are those that one alone makes', () => {
  const path = join(temporaryDirectory(), 'a.sst');
  const pairsArbitrary = fc.uniqueArray(
    entryArbitrary.map(({ key, value }): Pair => [key, value]),
    { minLength: 1, maxLength: 200, selector: ([key]) => Buffer.from(key).toString('hex') },
  );
  fc.assert(
    fc.property(
      pairsArbitrary,
      fc.constantFrom(64, 300, 4096, 100_000),
      fc.constantFrom(0, 10),
      fc.constantFrom<CompressionKind>('none', 'lz4', 'snappy'),
      fc.integer({ min: 1, max: 100 }),
      (pairs, blockBytes, filterBitsPerKey, compression, size) => {
        const sorted = [...pairs].sort(([a], [b]) => Buffer.compare(a, b));
        const options = { blockBytes, filterBitsPerKey, compression };
        const heapBytes = builderHeapBytes(blockBytes);
        const [wasm, js] = [() => createHeap(heapBytes), () => heapOf(new Uint8Array(heapBytes))];
        const alone = tableBytes(
          path,
          sorted.map(([key, value]) => ({ key, value, version: NO_VERSION, type: TYPE_VALUE })),
          { ...options, external: true, heap: wasm() },
        );
        rmSync(path);
        for (const [front, back] of [
          [wasm(), js()],
          [js(), wasm()],
        ] as const) {
          expect(bytesByHalves(path, sorted, size, { ...options, front, back }).equals(alone)).toBe(true);
        }
      },
    ),
    { numRuns: 60 },
  );
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
