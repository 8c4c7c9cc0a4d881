import { deflateRawSync } from 'node:zlib';
import { compressUsingDict, createCCtx } from '@bokuweb/zstd-wasm';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { putVarint, varintLength } from '../../src/base/codec.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import {
  COMPRESSION_LZ4,
  COMPRESSION_NONE,
  COMPRESSION_SNAPPY,
  COMPRESSION_ZLIB,
  COMPRESSION_ZSTD,
  type CompressionKind,
  compressBlock,
  compressionType,
  decompressBlock,
  rawLengthOf,
} from '../../src/sst/compression.ts';
import type { Heap } from '../../src/sst/heap.ts';
import { ensureZstd, zstdReady } from '../../src/sst/zstd.ts';
import { bothHeaps, START } from './kernel-heaps.ts';

const { wasm, js } = bothHeaps(4 << 20);
const SRC = START;
const OUT = START + (1 << 20);
const BACK = START + (2 << 20);
const CANARY_BYTES = 64;

beforeAll(() => ensureZstd());

test('ZSTD is ready after ensureZstd, which may be called again', async () => {
  await Promise.all([ensureZstd(), ensureZstd()]);
  expect(zstdReady()).toBe(true);
});

/** Compressible to about a half. */
function sampleBytes(length: number): Uint8Array {
  let state = 7;
  return Uint8Array.from({ length }, (_, i) => {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    return i % 2 === 0 ? i / 1000 : (state >>> 24) & 15;
  });
}

function noise(length: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >>> 24;
  });
}

function withPrefix(raw: number, stream: Uint8Array): Uint8Array {
  const block = new Uint8Array(varintLength(raw) + stream.length);
  block.set(stream, putVarint(block, 0, raw));
  return block;
}

function decompress(
  heap: Heap,
  type: number,
  block: Uint8Array,
  capacity: number,
  dictionary?: Uint8Array,
): Buffer {
  heap.bytes.set(block, OUT);
  heap.bytes.fill(0xa5, BACK - CANARY_BYTES, BACK + capacity + CANARY_BYTES);
  try {
    const raw = decompressBlock(heap, type, OUT, block.length, BACK, capacity, dictionary);
    expect(raw).toBeLessThanOrEqual(capacity);
    return Buffer.from(heap.bytes.slice(BACK, BACK + raw));
  } finally {
    const before = heap.bytes.subarray(BACK - CANARY_BYTES, BACK);
    const after = heap.bytes.subarray(BACK + capacity, BACK + capacity + CANARY_BYTES);
    expect([...before, ...after].every((byte) => byte === 0xa5)).toBe(true);
  }
}

function errorCode(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (isSluiceError(error)) return error.code;
    throw error;
  }
  return 'none';
}

describe.each<CompressionKind>(['snappy', 'lz4', 'zstd'])('%s', (kind) => {
  test('gives blocks back, at least an eighth smaller', () => {
    for (const length of [40, 1000, 4096, 16_384, 70_000, 500_000]) {
      const raw = sampleBytes(length);
      for (const heap of [wasm, js]) {
        heap.bytes.set(raw, SRC);
        const written = compressBlock(heap, kind, SRC, length, OUT, length);
        if (length >= 1000) expect(written).toBeGreaterThan(0);
        if (written === 0) continue;
        expect(written).toBeLessThan(length - Math.floor(length / 8));
        expect(rawLengthOf(heap, compressionType(kind), OUT, written, length)).toBe(length);
        const block = heap.bytes.slice(OUT, OUT + written);
        expect(Buffer.compare(decompress(heap, compressionType(kind), block, length + 10), raw)).toBe(0);
      }
    }
  });

  test('says 0 for what would not shrink by an eighth, or does not fit', () => {
    const raw = sampleBytes(4096);
    wasm.bytes.set(raw, SRC);
    const written = compressBlock(wasm, kind, SRC, 4096, OUT, 4096);
    expect(compressBlock(wasm, kind, SRC, 4096, OUT, written - 1)).toBe(0);
    wasm.bytes.set(noise(4096), SRC);
    expect(compressBlock(wasm, kind, SRC, 4096, OUT, 4096)).toBe(0);
    // Just under and just over: 3,700 bytes of noise and the rest zeros, against a limit of 3,584 for 4,096.
    wasm.bytes.fill(0, SRC + 3700, SRC + 4096);
    expect(compressBlock(wasm, kind, SRC, 4096, OUT, 4096)).toBe(0);
    wasm.bytes.fill(0, SRC + 3400, SRC + 4096);
    expect(compressBlock(wasm, kind, SRC, 4096, OUT, 4096)).toBeGreaterThan(3390);
    for (const length of [0, 1, 2, 7]) expect(compressBlock(wasm, kind, SRC, length, OUT, 100)).toBe(0);
  });

  test('of a damaged block is CORRUPTION or other bytes, and never anything worse', () => {
    const raw = sampleBytes(2000);
    wasm.bytes.set(raw, SRC);
    const block = wasm.bytes.slice(OUT, OUT + compressBlock(wasm, kind, SRC, raw.length, OUT, raw.length));
    const edits = fc.array(fc.tuple(fc.nat(block.length - 1), fc.nat(255)), { maxLength: 5 });
    fc.assert(
      fc.property(edits, fc.nat(block.length), fc.boolean(), (changes, cut, cutting) => {
        const damaged = block.slice(0, cutting ? cut : block.length);
        for (const [at, byte] of changes) if (at < damaged.length) damaged[at] = byte;
        for (const heap of [wasm, js]) {
          const code = errorCode(() => decompress(heap, compressionType(kind), damaged, 5000));
          expect(['none', 'CORRUPTION']).toContain(code);
        }
      }),
      { numRuns: 300 },
    );
    expect(Buffer.compare(decompress(wasm, compressionType(kind), block, 2000), raw)).toBe(0);
  });

  test('of a block that claims more than the limit is CORRUPTION before anything is written', () => {
    const raw = new Uint8Array(300_000);
    wasm.bytes.set(raw, SRC);
    const block = wasm.bytes.slice(OUT, OUT + compressBlock(wasm, kind, SRC, raw.length, OUT, raw.length));
    const type = compressionType(kind);
    expect(errorCode(() => decompress(wasm, type, block, raw.length - 1))).toBe('CORRUPTION');
    expect(errorCode(() => rawLengthOf(wasm, type, OUT, block.length, 299_999))).toBe('CORRUPTION');
    // The prefix understates what the stream holds.
    if (kind !== 'snappy') {
      const stream = block.subarray(varintLength(raw.length));
      expect(errorCode(() => decompress(wasm, type, withPrefix(1000, stream), 1000))).toBe('CORRUPTION');
      expect(errorCode(() => decompress(wasm, type, withPrefix(300_001, stream), 400_000))).toBe(
        'CORRUPTION',
      );
    }
  });
});

describe('zlib', () => {
  const raw = sampleBytes(9000);

  test('is read, with a dictionary too', () => {
    const dictionary = raw.subarray(1000, 5000);
    const plain = withPrefix(raw.length, deflateRawSync(raw));
    const primed = withPrefix(raw.length, deflateRawSync(raw, { dictionary }));
    expect(primed.length).toBeLessThan(plain.length);
    expect(Buffer.compare(decompress(wasm, COMPRESSION_ZLIB, plain, 9000), raw)).toBe(0);
    expect(Buffer.compare(decompress(wasm, COMPRESSION_ZLIB, primed, 9000, dictionary), raw)).toBe(0);
  });

  test('of a wrong length, cut short or not deflate at all is CORRUPTION', () => {
    const stream = deflateRawSync(raw);
    const bad = [
      withPrefix(8999, stream),
      withPrefix(9001, stream),
      withPrefix(9000, stream.subarray(0, stream.length - 9)),
      withPrefix(9000, noise(50)),
      withPrefix(0, stream),
      withPrefix(5_000_000, deflateRawSync(new Uint8Array(50_000_000))),
      Uint8Array.of(),
      Uint8Array.of(255, 255, 255, 255, 255, 255),
    ];
    for (const block of bad) {
      expect(errorCode(() => decompress(wasm, COMPRESSION_ZLIB, block, 1 << 20))).toBe('CORRUPTION');
    }
  });
});

test('LZ4 matches reach into a dictionary, and no further', () => {
  const dictionary = Buffer.from('the quick brown fox jumps');
  // literal "X", then 25 bytes from 26 back (all of the dictionary), then literals
  const block = Uint8Array.from([32, 0x1f, 0x58, 26, 0, 6, 0x60, ...Buffer.from('over t')]);
  for (const heap of [wasm, js]) {
    expect(decompress(heap, COMPRESSION_LZ4, block, 100, dictionary).toString()).toBe(
      'Xthe quick brown fox jumpsover t',
    );
    expect(errorCode(() => decompress(heap, COMPRESSION_LZ4, block, 100))).toBe('CORRUPTION');
    expect(errorCode(() => decompress(heap, COMPRESSION_LZ4, block, 100, dictionary.subarray(1)))).toBe(
      'CORRUPTION',
    );
  }
});

test('ZSTD takes a raw dictionary, and without it fails', () => {
  const raw = noise(3000);
  const dictionary = raw.subarray(500, 2500);
  const block = withPrefix(3000, compressUsingDict(createCCtx(), raw, dictionary, 3));
  expect(block.length).toBeLessThan(1500);
  expect(Buffer.compare(decompress(wasm, COMPRESSION_ZSTD, block, 3000, dictionary), raw)).toBe(0);
  expect(errorCode(() => decompress(wasm, COMPRESSION_ZSTD, block, 3000))).toBe('CORRUPTION');
});

test('a raw block is copied', () => {
  const raw = noise(500);
  expect(Buffer.compare(decompress(wasm, COMPRESSION_NONE, raw, 500), raw)).toBe(0);
  expect(errorCode(() => decompress(wasm, COMPRESSION_NONE, raw, 499))).toBe('CORRUPTION');
  expect(compressBlock(wasm, 'none', SRC, 500, OUT, 500)).toBe(0);
});

test('an empty block cannot be a stream', () => {
  for (const type of [COMPRESSION_SNAPPY, COMPRESSION_ZLIB, COMPRESSION_LZ4, COMPRESSION_ZSTD]) {
    expect(errorCode(() => decompress(wasm, type, new Uint8Array(0), 10))).toBe('CORRUPTION');
  }
});

test('a compression that we cannot read is named', () => {
  for (const [type, name] of [
    [3, 'BZip2'],
    [6, 'Xpress'],
    [8, 'compression type 8'],
    [255, 'compression type 255'],
  ] as const) {
    expect(() => decompressBlock(wasm, type, SRC, 10, OUT, 10)).toThrow(name);
    expect(errorCode(() => decompressBlock(wasm, type, SRC, 10, OUT, 10))).toBe('UNSUPPORTED_FORMAT');
  }
});
