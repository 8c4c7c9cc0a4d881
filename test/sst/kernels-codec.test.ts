import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Kernels } from '../../src/sst/kernels/kernels.ts';
import { bothHeaps, START } from './kernel-heaps.ts';

const { wasm, js } = bothHeaps(4 << 20);
const SRC = START;
const OUT = START + (1 << 20);
const BACK = START + (3 << 20);
const CANARY_BYTES = 64;

interface Codec {
  compress(kernels: Kernels, length: number, capacity: number): number;
  decompress(kernels: Kernels, src: number, length: number, dst: number, rawLength: number): boolean;
}

const codecs: readonly (readonly [string, Codec])[] = [
  [
    'LZ4',
    {
      compress: (kernels, length, capacity) => kernels.lz4Compress(SRC, length, OUT, capacity),
      decompress: (kernels, src, length, dst, raw) => kernels.lz4Decompress(src, length, dst, raw),
    },
  ],
  [
    'Snappy',
    {
      compress: (kernels, length, capacity) => kernels.snappyCompress(SRC, length, OUT, capacity),
      decompress: (kernels, src, length, dst, raw) => kernels.snappyDecompress(src, length, dst, raw),
    },
  ],
];

/** Runs of random bytes, repeats at every distance, and text-like parts: all kinds of sequences. */
const mixedBytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 90 }).map((bytes) => ({ bytes, times: 1 })),
      fc.record({
        bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }),
        times: fc.integer({ min: 2, max: 300 }),
      }),
      fc.constantFrom(3, 17, 600).map((n) => ({ bytes: Uint8Array.of(n & 255), times: n })),
    ),
    { maxLength: 40 },
  )
  .map((parts) => Buffer.concat(parts.flatMap((part) => Array<Uint8Array>(part.times).fill(part.bytes))));

function load(bytes: Uint8Array): void {
  for (const heap of [wasm, js]) heap.bytes.set(bytes, SRC);
}

describe.each(codecs)('%s', (_, codec) => {
  /** Compresses and decompresses with both; checks that they agree and that nothing outside is touched. */
  function roundTrip(raw: Uint8Array, capacity = raw.length * 2 + 64): number {
    load(raw);
    const length = codec.compress(wasm.kernels, raw.length, capacity);
    expect(codec.compress(js.kernels, raw.length, capacity)).toBe(length);
    if (length === 0) return 0;
    expect(length).toBeLessThanOrEqual(capacity);
    const compressed = Buffer.from(wasm.bytes.subarray(OUT, OUT + length));
    expect(compressed.equals(js.bytes.subarray(OUT, OUT + length))).toBe(true);
    for (const heap of [wasm, js]) {
      heap.bytes.fill(0xa5, BACK - CANARY_BYTES, BACK + raw.length + CANARY_BYTES);
      expect(codec.decompress(heap.kernels, OUT, length, BACK, raw.length)).toBe(true);
      expect(Buffer.compare(heap.bytes.subarray(BACK, BACK + raw.length), raw)).toBe(0);
      expectCanaries(heap.bytes, BACK, raw.length);
    }
    return length;
  }

  function expectCanaries(bytes: Uint8Array, at: number, length: number): void {
    const around = [
      ...bytes.subarray(at - CANARY_BYTES, at),
      ...bytes.subarray(at + length, at + length + CANARY_BYTES),
    ];
    expect(around.every((byte) => byte === 0xa5)).toBe(true);
  }

  test('gives back what was compressed, the same bytes from both implementations', () => {
    fc.assert(
      fc.property(mixedBytes, (raw) => {
        roundTrip(raw);
      }),
      { numRuns: 300 },
    );
  });

  test('handles every short length, where the margins of the format matter', () => {
    for (let length = 0; length < 80; length++) {
      roundTrip(new Uint8Array(length).fill(7));
      roundTrip(Uint8Array.from({ length }, (_, i) => i));
      roundTrip(Uint8Array.from({ length }, (_, i) => i % 5));
    }
  });

  test.each([65_535, 65_536, 65_537, 200_001, 900_000])('handles a block of %i bytes', (length) => {
    let state = 1;
    const raw = Uint8Array.from({ length }, (_, i) => {
      state = (Math.imul(state, 1103515245) + 12345) | 0;
      return i % 100 < 60 ? i / 1000 : state >>> 24;
    });
    const compressed = roundTrip(raw, length);
    expect(compressed).toBeGreaterThan(0);
    expect(compressed).toBeLessThan(length * 0.7);
    expect(roundTrip(new Uint8Array(length), length)).toBeLessThan(length / 15);
  });

  test('says 0 when the output does not fit, and writes nothing after the capacity', () => {
    fc.assert(
      fc.property(mixedBytes, fc.nat(3000), (raw, capacity) => {
        load(raw);
        const lengths = [wasm, js].map((heap) => {
          heap.bytes.fill(0xa5, OUT, OUT + capacity + CANARY_BYTES);
          const length = codec.compress(heap.kernels, raw.length, capacity);
          const after = heap.bytes.subarray(OUT + capacity, OUT + capacity + CANARY_BYTES);
          expect(after.every((byte) => byte === 0xa5)).toBe(true);
          return length;
        });
        expect(lengths[0]).toBe(lengths[1]);
        expect(lengths[0]).toBeLessThanOrEqual(capacity);
      }),
      { numRuns: 200 },
    );
  });

  test('refuses hostile input, or decodes it, without touching a byte outside the output', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(
        mixedBytes,
        edits,
        fc.integer({ min: -40, max: 40 }),
        fc.nat(20),
        (raw, changes, skew, cut) => {
          load(raw);
          const whole = codec.compress(wasm.kernels, raw.length, raw.length * 2 + 64);
          const damaged = Buffer.from(wasm.bytes.subarray(OUT, OUT + whole));
          for (const [at, byte] of changes) damaged[at % damaged.length] = byte;
          expectSameVerdict(
            damaged.subarray(0, Math.max(0, damaged.length - cut)),
            Math.max(0, raw.length + skew),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test('refuses random bytes the same way in both implementations', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(2000), (bytes, rawLength) => {
        expectSameVerdict(bytes, rawLength);
      }),
      { numRuns: 500 },
    );
  });

  test('refuses lengths that go on without end', () => {
    for (const first of [0x00, 0x0f, 0xf0, 0xff, 0xfc, 0xfe]) {
      expect(expectSameVerdict(Uint8Array.of(first, ...Array<number>(70_000).fill(255)), 1000)).toBe(false);
    }
  });

  test('works in the last bytes of the memory', () => {
    const raw = new Uint8Array(3000).map((_, i) => i % 11);
    load(raw);
    const length = codec.compress(wasm.kernels, raw.length, 4000);
    for (const heap of [wasm, js]) {
      const compressed = wasm.bytes.slice(OUT, OUT + length);
      const src = heap.bytes.length - length;
      heap.bytes.set(compressed, src);
      expect(codec.decompress(heap.kernels, src, length, BACK, raw.length)).toBe(true);
      const dst = heap.bytes.length - raw.length;
      heap.bytes.set(compressed, BACK);
      expect(codec.decompress(heap.kernels, BACK, length, dst, raw.length)).toBe(true);
      expect(Buffer.compare(heap.bytes.subarray(dst), raw)).toBe(0);
      heap.bytes.fill(0, dst);
    }
  });

  function expectSameVerdict(compressed: Uint8Array, rawLength: number): boolean {
    const verdicts = [wasm, js].map((heap) => {
      heap.bytes.set(compressed, OUT);
      heap.bytes.fill(0xa5, BACK - CANARY_BYTES, BACK + rawLength + CANARY_BYTES);
      const ok = codec.decompress(heap.kernels, OUT, compressed.length, BACK, rawLength);
      expectCanaries(heap.bytes, BACK, rawLength);
      return ok;
    });
    expect(verdicts[0]).toBe(verdicts[1]);
    if (verdicts[0]) {
      const [a, b] = [wasm, js].map((heap) => heap.bytes.subarray(BACK, BACK + rawLength));
      expect(Buffer.compare(a as Uint8Array, b as Uint8Array)).toBe(0);
    }
    return verdicts[0] as boolean;
  }
});

test('Snappy raw lengths are read, and damaged ones are -1', () => {
  const cases: [number[], number][] = [
    [[0], 0],
    [[127], 127],
    [[0x80, 1], 128],
    [[255, 255, 255, 255, 15], 4_294_967_295],
    [[255, 255, 255, 255, 16], -1],
    [[128, 128, 128, 128, 128, 0], -1],
    [[128], -1],
    [[], -1],
  ];
  for (const heap of [wasm, js]) {
    for (const [bytes, expected] of cases) {
      heap.bytes.set(bytes, SRC);
      expect(heap.kernels.snappyRawLength(SRC, bytes.length)).toBe(expected);
    }
  }
});
