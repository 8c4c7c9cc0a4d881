/**
 * Where the entries that a caller puts are gathered as records, many of them for one hand-over: nothing is allocated
 * for an entry, nor called but two copies.
 *
 *   room for the last key of what was handed over | records (sst/kernels/js-encode-blocks.ts)
 */

import { compareRanges, copyInto } from '../base/bytes.ts';
import { type EntryType, putTrailer, TRAILER_BYTES } from '../mvcc/internal-key.ts';
import { NO_VERSION } from '../mvcc/version.ts';
import type { StagedRecords } from '../sst/built-blocks.ts';
import { notSorted } from '../sst/entry-order.ts';
import { createHeap, type Heap } from '../sst/heap.ts';
import { RECORD_HEAD_BYTES } from '../sst/kernels/js-encode-blocks.ts';
import * as S from '../sst/kernels/js-stage-batch.ts';
import { KERNEL_RESERVED_BYTES } from '../sst/kernels/wasm-kernels.ts';
import { BATCH_STAGER_BYTES, BatchStager, type KeyRange } from './batch-stager.ts';
import type { Entries } from './entry-batches.ts';

const RECORDS_AT = 65_536;
/** Fits the second-level cache of a core beside what it comes from. */
export const STAGE_BYTES = 256 << 10;

/** Where batches become records before there is an encoder for them: of this thread, a call at a time. */
class SharedStager {
  readonly #recordsAt = KERNEL_RESERVED_BYTES + BATCH_STAGER_BYTES;
  readonly #heap: Heap = createHeap(this.#recordsAt + STAGE_BYTES + S.COPY_SLACK_BYTES);
  readonly #stager = new BatchStager(this.#heap, KERNEL_RESERVED_BYTES);

  /** As BatchStager.stage, at most `room` bytes: `records` has them until the next call. */
  stage(batch: Entries, from: number, last: KeyRange, room: number): number {
    const to = this.#recordsAt;
    return this.#stager.stage(batch, from, last, to, to + Math.min(room, STAGE_BYTES));
  }

  get records(): Uint8Array {
    return this.#heap.bytes.subarray(this.#recordsAt, this.#stager.end);
  }

  /** The last user key, in `records`. */
  get lastAt(): number {
    return this.#stager.lastAt - this.#recordsAt;
  }

  get lastLength(): number {
    return this.#stager.lastLength;
  }
}

let shared: SharedStager | undefined;

/** Takes entries of batches past the stage. */
export interface BatchTaker {
  /** As RecordStage.addBatch; `last`: the user key before. */
  addBatch(batch: Entries, from: number, last: KeyRange): number;
}

export class RecordStage {
  readonly #path: string;
  readonly #bytes = new Uint8Array(RECORDS_AT + STAGE_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #records = this.#bytes.subarray(RECORDS_AT);
  #end = RECORDS_AT;
  #staged = 0;
  #entries = 0;
  /** The user key added last; no key has length 0. */
  #lastAt = 0;
  #lastLength = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Entries so far, handed over or not. */
  get entries(): number {
    return this.#entries;
  }

  /** @throws SluiceError NOT_SORTED unless `key` comes after the last one. */
  checkOrder(key: Uint8Array): void {
    const { length } = key;
    if (compareRanges(key, 0, length, this.#bytes, this.#lastAt, this.#lastLength) > 0) return;
    const last = { bytes: this.#bytes, start: this.#lastAt, length: this.#lastLength };
    throw notSorted(this.#path, { bytes: key, start: 0, length }, last, NO_VERSION, true);
  }

  /** Whether there is room for such an entry now. */
  hasRoom(keyLength: number, valueLength: number): boolean {
    return this.#end + recordBytes(keyLength, valueLength) <= RECORDS_AT + STAGE_BYTES;
  }

  /** REQUIRES: its order was checked, and it has room. */
  add(key: Uint8Array, type: EntryType, value: Uint8Array): void {
    const bytes = this.#bytes;
    const view = this.#view;
    const keyLength = key.length;
    const valueLength = value.length;
    const at = this.#end;
    const keyAt = at + RECORD_HEAD_BYTES;
    const trailer = keyAt + keyLength;
    view.setUint32(at, keyLength + TRAILER_BYTES, true);
    view.setUint32(at + 4, valueLength, true);
    bytes.set(key, keyAt);
    // Version 0 and the type.
    view.setUint32(trailer, type, true);
    view.setUint32(trailer + 4, 0, true);
    bytes.set(value, trailer + TRAILER_BYTES);
    this.#end = trailer + TRAILER_BYTES + valueLength;
    this.#lastAt = keyAt;
    this.#lastLength = keyLength;
    this.#staged++;
    this.#entries++;
  }

  /**
   * Adds entries of a batch from `from` on, as values, as long as they are right and there is room. Returns the number of the first
   * that is not added.
   */
  addBatch(batch: Entries, from: number): number {
    shared ??= new SharedStager();
    const bytes = this.#bytes;
    let next = from;
    while (next < batch.count) {
      const last = { bytes, start: this.#lastAt, length: this.#lastLength };
      const added = shared.stage(batch, next, last, bytes.length - this.#end);
      if (added === 0) break;
      const { records, lastAt, lastLength } = shared;
      bytes.set(records, this.#end);
      this.#lastAt = this.#end + lastAt;
      this.#lastLength = lastLength;
      this.#end += records.length;
      this.#staged += added;
      this.#entries += added;
      next += added;
    }
    return next;
  }

  /** As `addBatch`, but `taker` gets them. REQUIRES: nothing is staged. */
  passBatch(batch: Entries, from: number, taker: BatchTaker): number {
    const bytes = this.#bytes;
    const next = taker.addBatch(batch, from, { bytes, start: this.#lastAt, length: this.#lastLength });
    if (next === from) return next;
    const { keys, step } = batch;
    const place = step * (next - 1);
    const keyAt = keys.offsets[place] as number;
    this.#lastLength = (keys.offsets[place + 1] as number) - keyAt;
    this.#lastAt = 0;
    copyInto(keys.bytes, keyAt, this.#lastLength, bytes, 0);
    this.#entries += next - from;
    return next;
  }

  /** What is staged, to be used at once: there is room again. Undefined when nothing is. */
  take(): StagedRecords | undefined {
    const entries = this.#staged;
    if (entries === 0) return undefined;
    const records = {
      bytes: this.#records,
      length: this.#end - RECORDS_AT,
      entries,
      lastAt: this.#lastAt - RECORDS_AT,
      lastLength: this.#lastLength + TRAILER_BYTES,
    };
    this.#bytes.copyWithin(0, this.#lastAt, this.#lastAt + this.#lastLength);
    this.#lastAt = 0;
    this.#end = RECORDS_AT;
    this.#staged = 0;
    return records;
  }

  /** An entry that never has room, in `target`, which has `recordBytes`. REQUIRES: its order was checked, nothing is staged. */
  addLarge(key: Uint8Array, type: EntryType, value: Uint8Array, target: Uint8Array): StagedRecords {
    const view = new DataView(target.buffer, target.byteOffset, target.length);
    const lastLength = key.length + TRAILER_BYTES;
    view.setUint32(0, lastLength, true);
    view.setUint32(4, value.length, true);
    target.set(key, RECORD_HEAD_BYTES);
    putTrailer(target, RECORD_HEAD_BYTES + key.length, NO_VERSION, type);
    target.set(value, RECORD_HEAD_BYTES + lastLength);
    this.#bytes.set(key, 0);
    this.#lastAt = 0;
    this.#lastLength = key.length;
    this.#entries++;
    return { bytes: target, length: target.length, entries: 1, lastAt: RECORD_HEAD_BYTES, lastLength };
  }
}

export function recordBytes(keyLength: number, valueLength: number): number {
  return RECORD_HEAD_BYTES + keyLength + TRAILER_BYTES + valueLength;
}
