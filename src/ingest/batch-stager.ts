/**
 * Makes records of the entries of batches by a kernel, in a part of a heap:
 *
 *   state | the key before | offsets of keys | of values | bytes of keys | of values
 */

import { copyInto } from '../base/bytes.ts';
import { KEY_BYTES_MAX } from '../mvcc/internal-key.ts';
import type { Heap } from '../sst/heap.ts';
import * as S from '../sst/kernels/js-stage-batch.ts';
import type { BytesColumn, Entries } from './entry-batches.ts';

/** Of one call of the kernel: what is copied in and out fits a core's caches. */
const BYTES_MAX = 64 << 10;
const ENTRIES_MAX = 2048;

const LAST_AT = Math.ceil((S.STAGE_BATCH_WORDS * 4) / 8) * 8;
const OFFSETS_AT = Math.ceil((LAST_AT + KEY_BYTES_MAX + S.COPY_SLACK_BYTES) / 8) * 8;
/** Of two columns, or of one batch, both alternating. */
const OFFSETS_MAX = 2 * ENTRIES_MAX + 2;
const BYTES_AT = OFFSETS_AT + OFFSETS_MAX * 4;
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
    this.#offsets = new Uint32Array(buffer, byteOffset + at + OFFSETS_AT, OFFSETS_MAX);
  }

  /**
   * Makes records of entries from `from` on, which come after `last`, in [to, limit) of the heap, behind which there is room for
   * COPY_SLACK_BYTES; returns how many. Zero: the next one is wrong, has no room, or is large.
   */
  stage(entries: Entries, from: number, last: KeyRange, to: number, limit: number): number {
    const { keys, values, step, shift, count } = entries;
    const first = step * from;
    const isOne = step === 2;
    let n = Math.min(count - from, ENTRIES_MAX);
    while (n > 0 && bytesOf(keys, first, step * n) + (isOne ? 0 : bytesOf(values, first, n)) > BYTES_MAX)
      n >>= 1;
    const keysBase = keys.offsets[first] as number;
    const valuesBase = isOne ? keysBase : (values.offsets[first] as number);
    const keysLength = Math.min(bytesOf(keys, first, step * n), keys.bytes.length - keysBase);
    const valuesLength = isOne
      ? keysLength
      : Math.min(bytesOf(values, first, n), values.bytes.length - valuesBase);
    if (n === 0 || keysLength < 0 || valuesLength < 0) return 0;

    const { bytes, kernels } = this.#heap;
    const at = this.#at;
    const keysAt = at + BYTES_AT;
    const valuesAt = isOne ? keysAt : keysAt + keysLength;
    const offsetCount = step * n + 1;
    const valueOffsets = isOne ? shift : offsetCount;
    bytes.set(keys.bytes.subarray(keysBase, keysBase + keysLength), keysAt);
    this.#offsets.set(keys.offsets.subarray(first, first + offsetCount));
    if (!isOne) {
      bytes.set(values.bytes.subarray(valuesBase, valuesBase + valuesLength), valuesAt);
      this.#offsets.set(values.offsets.subarray(first, first + offsetCount), offsetCount);
    }
    copyInto(last.bytes, last.start, last.length, bytes, at + LAST_AT);
    const state = this.#state;
    state[S.KEY_OFFSETS_AT] = at + OFFSETS_AT;
    state[S.VALUE_OFFSETS_AT] = at + OFFSETS_AT + valueOffsets * 4;
    state[S.STEP] = step;
    state[S.COUNT] = n;
    state[S.KEYS_AT] = keysAt;
    state[S.KEYS_BASE] = keysBase;
    state[S.KEYS_LENGTH] = keysLength;
    state[S.VALUES_AT] = valuesAt;
    state[S.VALUES_BASE] = valuesBase;
    state[S.VALUES_LENGTH] = valuesLength;
    state[S.TO] = to;
    state[S.TO_END] = limit;
    state[S.LAST_AT] = at + LAST_AT;
    state[S.LAST_LENGTH] = last.length;
    return kernels.stageBatch(at);
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

/** Of so many strings of a column from `first` on; anything, where offsets are wrong. */
function bytesOf({ offsets }: BytesColumn, first: number, strings: number): number {
  return (offsets[first + strings] as number) - (offsets[first] as number);
}
