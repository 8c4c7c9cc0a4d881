/** The gathering kernel copies the same entries as its TypeScript twin, out of any block that is sound. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type EntryType, putTrailer, TRAILER_BYTES } from '../../src/mvcc/internal-key.ts';
import { BlockBuilder } from '../../src/sst/block-builder.ts';
import { BlockShape } from '../../src/sst/data-block.ts';
import type { Heap } from '../../src/sst/heap.ts';
import * as state from '../../src/sst/kernels/js-gather-entries.ts';
import { KEY, LAST_KEY } from '../../src/sst/kernels/wasm-kernels.ts';
import { compareEntries, type Entry } from '../mvcc/entries.ts';
import { bothHeaps, START } from './kernel-heaps.ts';

const BLOCK = START + 1001;
const BLOCK_BYTES_MAX = 100_000;
const PREFIX = START + 500;
const ENDS = START + (1 << 17);
const OUT = ENDS + 4096;
const OUT_BYTES = 1 << 16;
const GUARD_BYTES = 32;
const heaps = bothHeaps((1 << 17) + 4096 + OUT_BYTES + GUARD_BYTES);

/** Keys that share prefixes, are prefixes of each other, and look like trailers; some are long. */
const keyArbitrary = fc
  .oneof(
    { weight: 9, arbitrary: fc.array(fc.constantFrom(0, 1, 97, 255), { minLength: 1, maxLength: 5 }) },
    { weight: 9, arbitrary: fc.nat(300).map((n) => [...Buffer.from(`a-longer-prefix:${n}`)]) },
    { weight: 1, arbitrary: fc.nat(9).map((n) => new Array<number>(5000).fill(97 + n)) },
  )
  .map((bytes) => Uint8Array.from(bytes));
const entryArbitrary = fc.record({
  key: keyArbitrary,
  version: fc.oneof(fc.nat(4), fc.constantFrom(255, 256, 2 ** 32, 2 ** 52 + 1)) as fc.Arbitrary<
    Entry['version']
  >,
  type: fc.constantFrom<EntryType>(0, 1, 1),
  value: fc
    .oneof({ weight: 9, arbitrary: fc.nat(40) }, { weight: 1, arbitrary: fc.constantFrom(127, 128, 20_000) })
    .map((length) => new Uint8Array(length).map((_, i) => i * 7)),
});
const blockArbitrary = fc
  .tuple(
    fc.uniqueArray(entryArbitrary, {
      minLength: 1,
      maxLength: 40,
      size: 'max',
      selector: ({ key, version }) => `${Buffer.from(key).toString('hex')} ${version}`,
    }),
    fc.constantFrom(1, 3, 16),
  )
  .map(([entries, restartInterval]) => {
    const builder = new BlockBuilder(restartInterval);
    for (const { key, version, type, value } of [...entries].sort(compareEntries)) {
      const internal = new Uint8Array(key.length + TRAILER_BYTES);
      internal.set(key);
      putTrailer(internal, key.length, version, type);
      builder.add(internal, value);
    }
    return builder.finish();
  })
  .filter((block) => block.length < BLOCK_BYTES_MAX);
const wishArbitrary = fc.record({
  bound: fc.constantFrom(-1, 0, 2, 255, 2 ** 40, 2 ** 53, Number.POSITIVE_INFINITY),
  before: fc.option(keyArbitrary.filter((key) => key.length < 4000)),
  room: fc.constantFrom(0, 1, 3, 200, 200),
  outBytes: fc.constantFrom(0, 300, OUT_BYTES, OUT_BYTES),
  withValues: fc.boolean(),
  decided: fc.boolean(),
  prefix: fc.constantFrom('', '', 'p', 'a prefix of more than sixteen bytes', 'x'.repeat(400)),
  cut: fc.constantFrom(0, 0, 0, 1, 1, 9, 400),
});

type Wish = typeof wishArbitrary extends fc.Arbitrary<infer T> ? T : never;

/** To compare: `toEqual` of large arrays takes seconds. */
function hex(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.subarray(start, end)).toString('hex');
}

/** All that the caller may look at; undefined when the block is not sound. */
function gathered({ bytes, kernels }: Heap, block: Uint8Array, wish: Wish): object | undefined {
  bytes.fill(0xee, BLOCK, BLOCK + block.length);
  bytes.fill(0xee, OUT + OUT_BYTES);
  bytes.set(block, BLOCK);
  const shape = new BlockShape();
  const { wasm } = heaps;
  wasm.bytes.set(block, BLOCK);
  if (!wasm.kernels.checkDataBlock(BLOCK, block.length, 0, shape, 0, undefined)) return undefined;
  const words = new Uint32Array(bytes.buffer, state.GATHER, state.GATHER_WORDS);
  words.fill(0);
  new Float64Array(bytes.buffer, state.GATHER + state.BOUND * 4, 1)[0] = wish.bound;
  if (wish.before !== null) bytes.set(wish.before, KEY);
  bytes.set(Buffer.from(wish.prefix), PREFIX);
  words[state.PREFIX_AT] = PREFIX;
  words[state.PREFIX_LENGTH] = wish.prefix.length;
  words[state.CUT] = wish.cut;
  words[state.AT] = BLOCK;
  words[state.LIMIT] = shape.restartsAt;
  words[state.DECIDED] = wish.decided ? 1 : 0;
  words[state.BEFORE_LENGTH] = wish.before?.length ?? state.NO_KEY;
  words[state.OUT] = OUT;
  words[state.OUT_END] = OUT + wish.outBytes;
  words[state.OUT_BASE] = OUT - 100;
  words[state.ENDS] = ENDS;
  words[state.ROOM] = wish.room;
  words[state.WITH_VALUES] = wish.withValues ? 1 : 0;
  const ended: boolean[] = [];
  // Again from where it stopped, with a little more room, as for a batch that was emptied.
  for (let run = 0; run < 3; run++) {
    ended.push(kernels.gatherEntries());
    words[state.ROOM] = (words[state.ROOM] as number) + 2;
    words[state.OUT_END] = Math.min(OUT + OUT_BYTES, (words[state.OUT_END] as number) + 600);
  }
  const out = words[state.OUT] as number;
  expect(out).toBeLessThanOrEqual(OUT + OUT_BYTES);
  expect(bytes.subarray(OUT + OUT_BYTES).every((byte) => byte === 0xee)).toBe(true);
  expect(Buffer.compare(bytes.subarray(BLOCK, BLOCK + block.length), block)).toBe(0);
  return {
    ended,
    words: [...words],
    ends: hex(bytes, ENDS, words[state.ENDS] as number),
    out: hex(bytes, OUT, out),
    lastKey: hex(bytes, LAST_KEY, LAST_KEY + (words[state.KEY_LENGTH] as number)),
  };
}

test('both gather the same of sound blocks, under any wish', () => {
  let entries = 0;
  fc.assert(
    fc.property(blockArbitrary, wishArbitrary, (block, wish) => {
      const wasm = gathered(heaps.wasm, block, wish);
      expect(wasm).toBeDefined();
      expect(gathered(heaps.js, block, wish)).toEqual(wasm);
      entries += (wasm as { ends: string }).ends.length / 16;
    }),
    { numRuns: 600 },
  );
  expect(entries).toBeGreaterThan(600);
});

test('of damaged blocks that are sound all the same, too', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 3,
  });
  let sound = 0;
  fc.assert(
    fc.property(blockArbitrary, wishArbitrary, damage, (whole, wish, changes) => {
      const block = whole.slice();
      for (const [at, byte] of changes) block[at % block.length] = byte;
      const wasm = gathered(heaps.wasm, block, wish);
      if (wasm === undefined) return;
      sound++;
      expect(gathered(heaps.js, block, wish)).toEqual(wasm);
    }),
    { numRuns: 600 },
  );
  expect(sound).toBeGreaterThan(50);
});

test('keys that are too long for it are left to the caller', () => {
  const builder = new BlockBuilder(16);
  const key = new Uint8Array(state.GATHER_KEY_BYTES_MAX + 1).fill(97);
  putTrailer(key, key.length - TRAILER_BYTES, 1 as Entry['version'], 1);
  builder.add(key, new Uint8Array(3));
  const block = builder.finish();
  for (const { bytes, kernels } of [heaps.wasm, heaps.js]) {
    bytes.set(block, BLOCK);
    const words = new Uint32Array(bytes.buffer, state.GATHER, state.GATHER_WORDS);
    words.fill(0);
    words.set([BLOCK, BLOCK + block.length - 8]);
    words[state.BEFORE_LENGTH] = state.NO_KEY;
    words[state.OUT] = OUT;
    words[state.OUT_END] = OUT + OUT_BYTES * 4;
    words[state.ENDS] = ENDS;
    words[state.ROOM] = 9;
    expect(kernels.gatherEntries()).toBe(false);
    expect([words[state.AT], words[state.ENTRY_AT], words[state.ROOM]]).toEqual([BLOCK, 0, 9]);
  }
});
