/** The WebAssembly kernels over data blocks judge and find as their TypeScript twins do, whatever the bytes. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSluiceError } from '../../src/base/errors.ts';
import { type EntryType, putTrailer, TRAILER_BYTES } from '../../src/mvcc/internal-key.ts';
import { BlockBuilder } from '../../src/sst/block-builder.ts';
import {
  BlockShape,
  FOUND,
  FoundEntry,
  findInBlock,
  lastValidatedKey,
  validateDataBlock,
} from '../../src/sst/data-block.ts';
import { createHeap } from '../../src/sst/heap.ts';
import { ENTRY_RULES, EXTERNAL_RULES, UNKNOWN } from '../../src/sst/kernels/kernels.ts';
import { KERNEL_RESERVED_BYTES, LAST_KEY } from '../../src/sst/kernels/wasm-kernels.ts';
import { compareEntries, type Entry } from '../mvcc/entries.ts';

const heap = createHeap(KERNEL_RESERVED_BYTES + (1 << 20));
const place = { path: 'a.sst', offset: 0 };
/** Odd, and with room before it. */
const START = KERNEL_RESERVED_BYTES + 1001;
const GUARD_BYTES = 64;

/** Keys that share long prefixes, are prefixes of each other, and look like trailers. */
const keyArbitrary = fc.oneof(
  fc.array(fc.constantFrom(0, 1, 97, 98, 255), { minLength: 1, maxLength: 6 }),
  fc
    .tuple(fc.constantFrom('user', 'a-prefix-of-over-a-dozen-bytes:'), fc.nat(100_000))
    .map(([prefix, n]) => [...Buffer.from(`${prefix}${String(n).padStart(8, '0')}`)]),
);
const entryArbitrary = fc.record({
  key: keyArbitrary.map((bytes) => Uint8Array.from(bytes)),
  version: fc.oneof(fc.nat(3), fc.constantFrom(255, 256, 2 ** 32, 2 ** 52 + 1)) as fc.Arbitrary<
    Entry['version']
  >,
  type: fc.constantFrom<EntryType>(0, 1),
  value: fc.integer({ min: 0, max: 200 }).map((length) => new Uint8Array(length).fill(7)),
});
const blockArbitrary = fc.record({
  entries: fc
    .uniqueArray(entryArbitrary, {
      minLength: 1,
      maxLength: 60,
      selector: ({ key, version }) => `${Buffer.from(key).toString('hex')} ${version}`,
    })
    .map((entries) => [...entries].sort(compareEntries)),
  restartInterval: fc.constantFrom(1, 2, 16),
});

function internalKey({ key, version, type }: Entry): Uint8Array {
  const bytes = new Uint8Array(key.length + TRAILER_BYTES);
  bytes.set(key);
  putTrailer(bytes, key.length, version, type);
  return bytes;
}

function build({ entries, restartInterval }: { entries: Entry[]; restartInterval: number }): Uint8Array {
  const builder = new BlockBuilder(restartInterval);
  for (const entry of entries) builder.add(internalKey(entry), entry.value);
  return builder.finish();
}

function put(block: Uint8Array): void {
  heap.bytes.fill(0xee, START - GUARD_BYTES, START + block.length + 2048);
  heap.bytes.set(block, START);
}

/** Undefined: refused. */
function byTwin(block: Uint8Array): BlockShape | undefined {
  const shape = new BlockShape();
  try {
    validateDataBlock(heap.bytes, START, block.length, shape, place);
    return shape;
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    return undefined;
  }
}

function byKernel(block: Uint8Array, headsBytes = 0): BlockShape | undefined {
  const shape = new BlockShape();
  return heap.kernels.checkDataBlock(START, block.length, headsBytes, shape, 0, undefined)
    ? shape
    : undefined;
}

function untouched(from: number, to: number): boolean {
  return heap.bytes.subarray(from, to).every((byte) => byte === 0xee);
}

test('sound blocks are found sound, with the same shape', () => {
  fc.assert(
    fc.property(blockArbitrary, (made) => {
      const block = build(made);
      put(block);
      const twin = byTwin(block);
      expect(twin).toBeDefined();
      expect(byKernel(block)).toEqual(twin);
      const last = heap.bytes.subarray(LAST_KEY, LAST_KEY + (twin?.lastKeyLength ?? 0));
      expect(last).toEqual(lastValidatedKey().subarray(0, twin?.lastKeyLength));
    }),
    { numRuns: 500 },
  );
});

test('of damaged blocks, the same are found sound, and nothing else is touched', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 3,
  });
  let sound = 0;
  let unsound = 0;
  fc.assert(
    fc.property(blockArbitrary, damage, fc.nat(8), (made, changes, cut) => {
      const whole = build(made);
      const block = whole.slice(0, whole.length - cut);
      for (const [at, byte] of changes) block[at % block.length] = byte;
      put(block);
      const twin = byTwin(block);
      const kernel = byKernel(block, 1024);
      expect(kernel === undefined ? undefined : { ...kernel, headsBytes: 0 }).toEqual(
        twin === undefined ? undefined : { ...twin },
      );
      if (twin === undefined) unsound++;
      else sound++;
      const end = START + block.length + 1024;
      expect(untouched(START - GUARD_BYTES, START) && untouched(end, end + GUARD_BYTES)).toBe(true);
      expect(heap.bytes.subarray(START, START + block.length)).toEqual(block);
    }),
    { numRuns: 1500 },
  );
  expect(Math.min(sound, unsound)).toBeGreaterThan(100);
});

test('random bytes are judged alike', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(5), (random, restarts) => {
      const block = Uint8Array.from([...random, ...new Uint8Array(4 * restarts), restarts, 0, 0, 0]);
      put(block);
      expect(byKernel(block) !== undefined).toBe(byTwin(block) !== undefined);
    }),
    { numRuns: 1000 },
  );
});

test('lookups find the same, with heads and without', () => {
  let withHeads = 0;
  fc.assert(
    fc.property(
      blockArbitrary,
      fc.array(keyArbitrary, { maxLength: 20 }),
      fc.boolean(),
      (made, others, heads) => {
        const block = build(made);
        put(block);
        const shape = byKernel(block, heads ? 1024 : 0);
        if (shape === undefined) throw new Error('refused');
        if (shape.headsBytes > 0) withHeads++;
        const headsAt = shape.headsBytes > 0 ? START + block.length : 0;
        const { restartsAt, restartCount } = shape;
        const keys = [
          ...made.entries.map(({ key }) => key),
          ...others.map((bytes) => Uint8Array.from(bytes)),
        ];
        for (const key of keys) {
          for (const bound of [0, 1, 3, 256, 2 ** 53, Number.POSITIVE_INFINITY]) {
            const expected = new FoundEntry();
            const outcome = findInBlock(
              heap.bytes,
              START,
              restartsAt,
              restartCount,
              key,
              0,
              key.length,
              bound,
              expected,
            );
            const { kernels } = heap;
            expect(kernels.setKey(key, 0, key.length)).toBe(true);
            const byHeads = (found: FoundEntry): number =>
              headsAt === 0 ? UNKNOWN : kernels.findByHeads(START, headsAt, bound, found);
            const byRestarts = (found: FoundEntry): number =>
              kernels.findInBlock(START, restartsAt, restartCount, bound, found);
            for (const find of [byHeads, byRestarts]) {
              const found = new FoundEntry();
              const got = find(found);
              if (got === UNKNOWN) continue;
              expect(got).toBe(outcome);
              if (got === FOUND) expect(found).toEqual(expected);
            }
          }
        }
      },
    ),
    { numRuns: 400 },
  );
  expect(withHeads).toBeGreaterThan(50);
});

test('the kernel answers itself, but for keys whose prefix takes in a trailer', () => {
  const entries = Array.from({ length: 40 }, (_, i) => ({
    key: Buffer.from(`user${String(i * 7919).padStart(12, '0')}`),
    version: 1 as Entry['version'],
    type: 1 as EntryType,
    value: new Uint8Array(100),
  }));
  const block = build({ entries, restartInterval: 16 });
  put(block);
  const shape = byKernel(block, 1024);
  expect(shape?.headsBytes).toBe(16 + 40 * 6);
  for (const { key } of entries) {
    heap.kernels.setKey(key, 0, key.length);
    const { restartsAt = 0, restartCount = 0 } = shape ?? {};
    const { kernels } = heap;
    expect(kernels.findByHeads(START, START + block.length, 1, new FoundEntry())).toBe(FOUND);
    expect(kernels.findInBlock(START, restartsAt, restartCount, 1, new FoundEntry())).toBe(FOUND);
  }
});

test('rules: key and value sizes, versions and repeated keys of external files', () => {
  const entry = {
    key: Buffer.from('a'),
    version: 0 as Entry['version'],
    type: 1 as EntryType,
    value: Buffer.from('v'),
  };
  const judge = (entries: Entry[], rules: number): boolean => {
    const block = build({ entries, restartInterval: 16 });
    put(block);
    return heap.kernels.checkDataBlock(START, block.length, 0, new BlockShape(), rules, undefined);
  };
  const external = ENTRY_RULES | EXTERNAL_RULES;
  expect(judge([entry], external)).toBe(true);
  expect(judge([{ ...entry, key: Buffer.alloc(0) }], ENTRY_RULES)).toBe(false);
  expect(judge([{ ...entry, key: Buffer.alloc(65_535) }], ENTRY_RULES)).toBe(true);
  expect(judge([{ ...entry, key: Buffer.alloc(65_536) }], ENTRY_RULES)).toBe(false);
  const versioned = { ...entry, version: 1 as Entry['version'] };
  expect(judge([versioned], ENTRY_RULES)).toBe(true);
  expect(judge([versioned], external)).toBe(false);
  expect(judge([versioned, entry], ENTRY_RULES)).toBe(true);
  expect(judge([versioned, entry], external)).toBe(false);
});
