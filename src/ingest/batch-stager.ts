/**
 * Makes records of the entries of batches by a kernel, in a part of a heap:
 *
 *   state | the key before | offsets | bytes
 */

import { copyInto } from '../base/bytes.ts';
import { KEY_BYTES_MAX } from '../mvcc/internal-key.ts';
import type { Heap } from '../sst/heap.ts';
import * as S from '../sst/kernels/js-stage-batch.ts';
import type { EntryBatch } from './record-stage.ts';

/** Of one call of the kernel: what is copied in and out fits a core's caches. */
const BYTES_MAX = 64 << 10;
const ENTRIES_MAX = 2048;

const LAST_AT = Math.ceil((S.STAGE_BATCH_WORDS * 4) / 8) * 8;
const OFFSETS_AT = Math.ceil((LAST_AT + KEY_BYTES_MAX + S.COPY_SLACK_BYTES) / 8) * 8;
const BYTES_AT = OFFSETS_AT + (2 * ENTRIES_MAX + 1) * 4;
/** How much of a heap a stager takes. */
export const BATCH_STAGER_BYTES = Math.ceil((BYTES_AT + BYTES_MAX + S.COPY_SLACK_BYTES) / 8) * 8;

/** A user key, in any memory. */
export interface KeyRange {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

export class BatchStager {
  readonly #heap: Heap;
  readonly #at: number;
  readonly #state: Uint32Array;
  readonly #offsets: Uint32Array;

  /** From `at`, a multiple of 8, on it has BATCH_STAGER_BYTES of the heap. */
  constructor(heap: Heap, at: number) {
    this.#heap = heap;
    this.#at = at;
    const { buffer, byteOffset } = heap.bytes;
    this.#state = new Uint32Array(buffer, byteOffset + at, S.STAGE_BATCH_WORDS);
    this.#offsets = new Uint32Array(buffer, byteOffset + at + OFFSETS_AT, 2 * ENTRIES_MAX + 1);
  }

  /**
   * Makes records of entries from `from` on, which come after `last`, in [to, limit) of the heap, behind which there is room for
   * COPY_SLACK_BYTES; returns how many. Zero: the next one is wrong, has no room, or is large.
   */
  stage(
    { bytes, offsets, count }: EntryBatch,
    from: number,
    last: KeyRange,
    to: number,
    limit: number,
  ): number {
    const base = offsets[2 * from] as number;
    let n = Math.min(count - from, ENTRIES_MAX);
    while (n > 0 && !isWithin((offsets[2 * (from + n)] as number) - base)) n >>= 1;
    const length = Math.min((offsets[2 * (from + n)] as number) - base, bytes.length - base);
    if (n === 0 || length < 0) return 0;
    const heap = this.#heap;
    const at = this.#at;
    heap.bytes.set(bytes.subarray(base, base + length), at + BYTES_AT);
    this.#offsets.set(offsets.subarray(2 * from, 2 * (from + n) + 1));
    copyInto(last.bytes, last.start, last.length, heap.bytes, at + LAST_AT);
    const state = this.#state;
    state[S.OFFSETS_AT] = at + OFFSETS_AT;
    state[S.COUNT] = n;
    state[S.BYTES_AT] = at + BYTES_AT;
    state[S.BASE] = base;
    state[S.LENGTH] = length;
    state[S.TO] = to;
    state[S.TO_END] = limit;
    state[S.LAST_AT] = at + LAST_AT;
    state[S.LAST_LENGTH] = last.length;
    return heap.kernels.stageBatch(at);
  }

  /** Where the records of the last call end. */
  get end(): number {
    return this.#state[S.TO] as number;
  }

  /** The last user key, in the heap. */
  get lastAt(): number {
    return this.#state[S.LAST_AT] as number;
  }

  get lastLength(): number {
    return this.#state[S.LAST_LENGTH] as number;
  }
}

function isWithin(length: number): boolean {
  return length <= BYTES_MAX;
}
