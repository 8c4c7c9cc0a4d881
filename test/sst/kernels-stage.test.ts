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
const VALUE_OFFSETS_AT = OFFSETS_AT + 1024;
const BYTES_AT = VALUE_OFFSETS_AT + 1024;
const TO = BYTES_AT + BYTES + S.COPY_SLACK_BYTES;
const HEAP_BYTES = TO + 2 * BYTES;

interface Column {
  readonly base: number;
  readonly length: number;
  readonly offsets: readonly number[];
}

interface Batch {
  readonly bytes: Uint8Array;
  readonly keys: Column;
  /** Undefined: keys and values lie one behind the other. */
  readonly values: Column | undefined;
  readonly last: Uint8Array;
  readonly room: number;
}

function staged(heap: Heap, { bytes, keys, values, last, room }: Batch) {
  heap.bytes.fill(0xaa, STATE_AT);
  heap.bytes.set(bytes, BYTES_AT);
  heap.bytes.set(last, LAST_AT);
  const { buffer } = heap.bytes;
  new Uint32Array(buffer, OFFSETS_AT, keys.offsets.length).set(keys.offsets);
  new Uint32Array(buffer, VALUE_OFFSETS_AT, values?.offsets.length ?? 0).set(values?.offsets ?? []);
  const state = new Uint32Array(buffer, STATE_AT, S.STAGE_BATCH_WORDS);
  const least = Math.min(keys.offsets.length, values?.offsets.length ?? Number.POSITIVE_INFINITY);
  state[S.KEY_OFFSETS_AT] = OFFSETS_AT;
  state[S.VALUE_OFFSETS_AT] = values === undefined ? OFFSETS_AT + 4 : VALUE_OFFSETS_AT;
  state[S.STEP] = values === undefined ? 2 : 1;
  state[S.COUNT] = values === undefined ? (least - 1) >>> 1 : least - 1;
  const [valuesAt, valueColumn] = values === undefined ? [BYTES_AT, keys] : [BYTES_AT + BYTES / 2, values];
  state[S.KEYS_AT] = BYTES_AT;
  state[S.KEYS_BASE] = keys.base;
  state[S.KEYS_LENGTH] = keys.length;
  state[S.VALUES_AT] = valuesAt;
  state[S.VALUES_BASE] = valueColumn.base;
  state[S.VALUES_LENGTH] = Math.min(valueColumn.length, BYTES_AT + BYTES - valuesAt);
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

const columnArbitrary: fc.Arbitrary<Column> = fc
  .record({
    steps: fc.array(
      fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: 16, max: 40 }) },
        { weight: 1, arbitrary: fc.nat(40) },
      ),
      { minLength: 1, maxLength: 80, size: 'max' },
    ),
    base: fc.nat(1000),
    wrong: fc.option(fc.tuple(fc.nat(80), fc.oneof(fc.nat(5000), fc.nat(0xffffffff))), { nil: undefined }),
    length: fc.oneof(fc.constant(BYTES), fc.nat(BYTES)),
  })
  .map(({ steps, base, wrong, length }) => {
    const offsets = [base, ...steps.map((_, i) => base + steps.slice(0, i + 1).reduce((a, b) => a + b, 0))];
    if (wrong !== undefined) offsets[wrong[0] % offsets.length] = wrong[1];
    return { base, length, offsets };
  });

const batchArbitrary: fc.Arbitrary<Batch> = fc
  .record({
    keys: columnArbitrary,
    values: fc.option(columnArbitrary, { nil: undefined }),
    bytes: fc.uint8Array({ minLength: BYTES, maxLength: BYTES }),
    // Bytes that rise make keys that do.
    isRising: fc.boolean(),
    last: fc.uint8Array({ maxLength: 20 }),
    room: fc.oneof(fc.constant(BYTES), fc.nat(BYTES)),
  })
  .map(({ bytes, isRising, ...rest }) => ({
    ...rest,
    bytes: isRising ? bytes.map((_, i) => Math.floor(i / 16)) : bytes,
    last: isRising ? new Uint8Array(0) : rest.last,
  }));

test('WebAssembly and TypeScript make the same records', () => {
  const [wasm, js] = [createHeap(HEAP_BYTES), heapOf(new Uint8Array(HEAP_BYTES))];
  /** Entries of a batch, and of columns. */
  const most = [0, 0];
  fc.assert(
    fc.property(batchArbitrary, (batch) => {
      const made = staged(js, batch);
      expect(staged(wasm, batch)).toEqual(made);
      const form = batch.values === undefined ? 0 : 1;
      most[form] = Math.max(most[form] ?? 0, made.count);
    }),
    { numRuns: 500 },
  );
  expect(Math.min(...most)).toBeGreaterThan(5);
});
