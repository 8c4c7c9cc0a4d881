/**
 * Makes records of the entries of batches by a kernel. One memory serves all writers of a thread, a call at a time:
 *
 *   kernels' own | state | the key before | offsets | bytes | records
 */

import { copyInto } from '../base/bytes.ts';
import { KEY_BYTES_MAX } from '../mvcc/internal-key.ts';
import { createHeap } from '../sst/heap.ts';
import * as S from '../sst/kernels/js-stage-batch.ts';
import { KERNEL_RESERVED_BYTES } from '../sst/kernels/wasm-kernels.ts';
import type { EntryBatch } from './record-stage.ts';

/** Of one call of the kernel: what is copied in and out fits a core's caches. */
const BYTES_MAX = 64 << 10;
const ENTRIES_MAX = 2048;

const STATE_AT = KERNEL_RESERVED_BYTES;
const LAST_AT = STATE_AT + Math.ceil((S.STAGE_BATCH_WORDS * 4) / 8) * 8;
const OFFSETS_AT = Math.ceil((LAST_AT + KEY_BYTES_MAX + S.COPY_SLACK_BYTES) / 8) * 8;
const BYTES_AT = OFFSETS_AT + (2 * ENTRIES_MAX + 1) * 4;
const RECORDS_AT = BYTES_AT + BYTES_MAX + S.COPY_SLACK_BYTES;

export class BatchStager {
  readonly #heap;
  readonly #state: Uint32Array;
  readonly #offsets: Uint32Array;
  readonly #recordsBytes: number;

  /** For records of so many bytes at most. */
  constructor(recordsBytes: number) {
    this.#heap = createHeap(RECORDS_AT + recordsBytes + S.COPY_SLACK_BYTES);
    const { buffer, byteOffset } = this.#heap.bytes;
    this.#state = new Uint32Array(buffer, byteOffset + STATE_AT, S.STAGE_BATCH_WORDS);
    this.#offsets = new Uint32Array(buffer, byteOffset + OFFSETS_AT, 2 * ENTRIES_MAX + 1);
    this.#recordsBytes = recordsBytes;
  }

  /**
   * Makes records of entries from `from` on; returns how many. Zero: the next one is wrong, has no room, or is large. Where a key
   * comes before them it is to be given, and at most `room` bytes of records are made. `records` has them, and the last key, until the next call.
   */
  stage(
    { bytes, offsets, count }: EntryBatch,
    from: number,
    last: { readonly bytes: Uint8Array; readonly start: number; readonly length: number },
    room: number,
  ): number {
    const base = offsets[2 * from] as number;
    let n = Math.min(count - from, ENTRIES_MAX);
    while (n > 0 && !isWithin((offsets[2 * (from + n)] as number) - base)) n >>= 1;
    const length = Math.min((offsets[2 * (from + n)] as number) - base, bytes.length - base);
    if (n === 0 || length < 0) return 0;
    const heap = this.#heap;
    heap.bytes.set(bytes.subarray(base, base + length), BYTES_AT);
    this.#offsets.set(offsets.subarray(2 * from, 2 * (from + n) + 1));
    copyInto(last.bytes, last.start, last.length, heap.bytes, LAST_AT);
    const state = this.#state;
    state[S.OFFSETS_AT] = OFFSETS_AT;
    state[S.COUNT] = n;
    state[S.BYTES_AT] = BYTES_AT;
    state[S.BASE] = base;
    state[S.LENGTH] = length;
    state[S.TO] = RECORDS_AT;
    state[S.TO_END] = RECORDS_AT + Math.min(room, this.#recordsBytes);
    state[S.LAST_AT] = LAST_AT;
    state[S.LAST_LENGTH] = last.length;
    return heap.kernels.stageBatch(STATE_AT);
  }

  get records(): Uint8Array {
    return this.#heap.bytes.subarray(RECORDS_AT, this.#state[S.TO]);
  }

  /** The last user key, in `records`. */
  get lastAt(): number {
    return (this.#state[S.LAST_AT] as number) - RECORDS_AT;
  }

  get lastLength(): number {
    return this.#state[S.LAST_LENGTH] as number;
  }
}

function isWithin(length: number): boolean {
  return length <= BYTES_MAX;
}
