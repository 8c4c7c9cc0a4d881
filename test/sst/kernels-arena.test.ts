/** Both kernels note the records of an arena alike, and stage the same ones of them. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { putFixed32 } from '../../src/base/codec.ts';
import { putTrailer, TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { versionOf } from '../../src/mvcc/version.ts';
import type { Heap } from '../../src/sst/heap.ts';
import * as A from '../../src/sst/kernels/js-arena.ts';
import { bothHeaps, START } from './kernel-heaps.ts';

const HEAP_BYTES = 1 << 20;
const { wasm, js } = bothHeaps(HEAP_BYTES);
const OFFSETS_AT = START + HEAP_BYTES;
const STAGE_AT = START + 1024;
const STAGE_BYTES = 4096;
const ARENA_AT = START + 16_384;

interface ArenaRow {
  readonly key: string;
  readonly value: string;
}

interface Rules {
  readonly takesFirst: boolean;
  readonly asks: boolean;
  readonly keepsVersions: boolean;
  readonly recordMax: number;
  readonly stageBytes: number;
}

/** Puts records into the arena; returns where they end. */
function fill(heap: Heap, rows: readonly ArenaRow[]): number {
  let at = ARENA_AT;
  for (const [i, { key, value }] of rows.entries()) {
    putFixed32(heap.bytes, at, key.length);
    putFixed32(heap.bytes, at + 4, value.length);
    heap.bytes.set(Buffer.from(key, 'latin1'), at + 8);
    putTrailer(heap.bytes, at + 8 + key.length, versionOf(i + 1), TYPE_VALUE);
    heap.bytes.set(Buffer.from(value, 'latin1'), at + 16 + key.length);
    at += 16 + key.length + value.length;
  }
  return at;
}

/** All that the kernels say, and all that they stage, in the order of the rows. */
function staged(heap: Heap, rows: readonly ArenaRow[], rules: Rules): unknown[] {
  const noted = heap.kernels.noteRecords(ARENA_AT, fill(heap, rows), OFFSETS_AT, 0, 1);
  const told: unknown[] = [noted];
  const words = new Uint32Array(heap.bytes.buffer, heap.bytes.byteOffset + START, A.ARENA_WORDS);
  words.fill(0);
  words[A.NEXT] = OFFSETS_AT - rows.length * 4;
  words[A.OFFSETS_END] = OFFSETS_AT;
  words[A.TAKES_FIRST] = Number(rules.takesFirst);
  words[A.ASKS] = Number(rules.asks);
  words[A.KEEPS_VERSIONS] = Number(rules.keepsVersions);
  words[A.RECORD_MAX] = rules.recordMax;
  for (;;) {
    words[A.STAGED] = STAGE_AT;
    words[A.STAGE_END] = STAGE_AT + rules.stageBytes;
    words[A.STAGED_ENTRIES] = 0;
    const why = heap.kernels.stageSorted(START);
    const some = heap.bytes.subarray(STAGE_AT, words[A.STAGED]);
    told.push([...words], Buffer.from(some).toString('latin1'), why);
    if (why === A.ALL_STAGED) return told;
    // What does not fit an empty stage is the caller's, as what it is asked about.
    if (why !== A.ARENA_STAGE_FULL || some.length === 0) words[A.NEXT] = words[A.GROUP_END] as number;
  }
}

const row = fc.record({
  key: fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\u00ff'), minLength: 1, maxLength: 20 }),
  value: fc.oneof(
    fc.string({ unit: fc.constantFrom('v', 'w'), maxLength: 40 }),
    fc.integer({ min: 500, max: 900 }).map((length) => 'x'.repeat(length)),
  ),
});
const rules = fc.record({
  takesFirst: fc.boolean(),
  asks: fc.boolean(),
  keepsVersions: fc.boolean(),
  recordMax: fc.constantFrom(60, 700, STAGE_BYTES),
  stageBytes: fc.constantFrom(50, 300, STAGE_BYTES),
});

test('in any order, with repeats, and whatever has room', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 40 }), rules, (rows, how) => {
      const told = staged(js, rows, how);
      expect(staged(wasm, rows, how)).toEqual(told);
      const inOrder = rows.every(({ key }, i) => i === 0 || key >= (rows[i - 1]?.key ?? ''));
      expect(told[0]).toBe(rows.length * 2 + Number(inOrder));
    }),
    { numRuns: 300 },
  );
});

test('of neighbours with one key one is staged, without a version; a record comes once the stage has room', () => {
  // The offsets of arenas begin with the last record: so it is the last that comes first.
  const rows = [{ key: 'c', value: '3' }, ...['1', '2', '3'].map((value) => ({ key: 'a', value }))];
  const how = { asks: false, keepsVersions: false, recordMax: 100, stageBytes: 19 };
  const record = (key: string, value: string): string =>
    `\x09\0\0\0\x01\0\0\0${key}\x01\0\0\0\0\0\0\0${value}`;
  for (const heap of [wasm, js]) {
    const last = staged(heap, rows, { ...how, takesFirst: true });
    expect(last.filter((each) => typeof each === 'string')).toEqual([record('a', '3'), record('c', '3')]);
    const first = staged(heap, rows, { ...how, takesFirst: false });
    expect(first.filter((each) => typeof each === 'string')).toEqual([record('a', '1'), record('c', '3')]);
    expect((first.at(-3) as readonly number[])[A.LEFT_OUT]).toBe(2);
  }
});
