/** Entries of batches become the same records, and stop at the same entry, whichever kernels make them, whatever the offsets are. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createHeap, type Heap, heapOf } from '../../src/sst/heap.ts';
import * as S from '../../src/sst/kernels/js-stage-batch.ts';
import { KERNEL_RESERVED_BYTES } from '../../src/sst/kernels/wasm-kernels.ts';

const BYTES = 4096;
const STATE_AT = KERNEL_RESERVED_BYTES;
const LAST_AT = STATE_AT + 64;
const OFFSETS_AT = LAST_AT + 64;
const BYTES_AT = OFFSETS_AT + 1024;
const TO = BYTES_AT + BYTES + S.COPY_SLACK_BYTES;
const HEAP_BYTES = TO + 2 * BYTES;

interface Batch {
  readonly bytes: Uint8Array;
  readonly base: number;
  readonly length: number;
  readonly last: Uint8Array;
  readonly offsets: readonly number[];
  readonly room: number;
}

function staged(heap: Heap, { bytes, base, length, last, offsets, room }: Batch) {
  heap.bytes.fill(0xaa, STATE_AT);
  heap.bytes.set(bytes, BYTES_AT);
  heap.bytes.set(last, LAST_AT);
  new Uint32Array(heap.bytes.buffer, OFFSETS_AT, offsets.length).set(offsets);
  const state = new Uint32Array(heap.bytes.buffer, STATE_AT, S.STAGE_BATCH_WORDS);
  state[S.OFFSETS_AT] = OFFSETS_AT;
  state[S.COUNT] = (offsets.length - 1) / 2;
  state[S.BYTES_AT] = BYTES_AT;
  state[S.BASE] = base;
  state[S.LENGTH] = length;
  state[S.TO] = TO;
  state[S.TO_END] = TO + room;
  state[S.LAST_AT] = LAST_AT;
  state[S.LAST_LENGTH] = last.length;
  const count = heap.kernels.stageBatch(STATE_AT);
  const end = state[S.TO] ?? 0;
  const behind = heap.bytes.subarray(TO + room + S.COPY_SLACK_BYTES, HEAP_BYTES);
  expect(behind.every((byte) => byte === 0xaa)).toBe(true);
  return { count, state: [...state], records: Buffer.from(heap.bytes.subarray(TO, end)) };
}

const rising = fc
  .tuple(fc.array(fc.nat(40), { minLength: 2, maxLength: 80 }), fc.nat(1000))
  .map(([steps, base]) => {
    const even = steps.slice(0, steps.length & ~1);
    const ends = even.map((_, i) => base + even.slice(0, i + 1).reduce((sum, step) => sum + step, 0));
    return { offsets: [base, ...ends], base };
  });

const batchArbitrary: fc.Arbitrary<Batch> = fc
  .record({
    rising,
    wrong: fc.option(fc.tuple(fc.nat(80), fc.oneof(fc.nat(5000), fc.nat(0xffffffff))), { nil: undefined }),
    bytes: fc.uint8Array({ minLength: BYTES, maxLength: BYTES }),
    // Bytes that rise make keys that do.
    isRising: fc.boolean(),
    length: fc.oneof(fc.constant(BYTES), fc.nat(BYTES)),
    last: fc.uint8Array({ maxLength: 20 }),
    room: fc.oneof(fc.constant(BYTES), fc.nat(BYTES)),
  })
  .map(({ rising: { offsets, base }, wrong, bytes, isRising, ...rest }) => ({
    ...rest,
    base,
    offsets: wrong === undefined ? offsets : offsets.with(wrong[0] % offsets.length, wrong[1]),
    bytes: isRising ? bytes.map((_, i) => Math.floor(i / 16)) : bytes,
    last: isRising ? new Uint8Array(0) : rest.last,
  }));

test('WebAssembly and TypeScript make the same records', () => {
  const [wasm, js] = [createHeap(HEAP_BYTES), heapOf(new Uint8Array(HEAP_BYTES))];
  let most = 0;
  fc.assert(
    fc.property(batchArbitrary, (batch) => {
      const made = staged(js, batch);
      expect(staged(wasm, batch)).toEqual(made);
      most = Math.max(most, made.count);
    }),
    { numRuns: 500 },
  );
  expect(most).toBeGreaterThan(5);
});
