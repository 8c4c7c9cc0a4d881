/** Rows of one lane become records, chunks and runs. */

import type { Version } from '../../mvcc/version.ts';
import { CHUNK_BYTES } from './chunk-pool.ts';
import type { RunEnd } from './messages.ts';
import type { RecordTarget } from './record-target.ts';
import { putRecord, recordBytes, SORT_BYTES } from './records.ts';

export class RecordWriter {
  readonly #target: RecordTarget;
  readonly #runBytes: number;
  /** Empty: none was taken. */
  #chunk: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#chunk.buffer);
  #at = 0;
  #inRun = 0;

  constructor(target: RecordTarget, runBytes: number) {
    this.#target = target;
    this.#runBytes = runBytes;
  }

  /** Larger records cannot be sorted. */
  get recordBytesMax(): number {
    return Math.floor(this.#runBytes / 2);
  }

  /** False: the run has to end before such a record. */
  runTakes(keyLength: number, valueLength: number): boolean {
    return this.#inRun + recordBytes(keyLength, valueLength) + SORT_BYTES <= this.#runBytes;
  }

  /** False: `put` takes another chunk from the target. */
  hasRoom(keyLength: number, valueLength: number): boolean {
    return this.#at + recordBytes(keyLength, valueLength) <= this.#chunk.length;
  }

  put(
    key: Uint8Array,
    keyFrom: number,
    keyTo: number,
    value: Uint8Array,
    valueFrom: number,
    valueTo: number,
    version: Version,
  ): void {
    const bytes = recordBytes(keyTo - keyFrom, valueTo - valueFrom);
    this.#inRun += bytes + SORT_BYTES;
    if (this.#at + bytes > this.#chunk.length) {
      this.flush();
      if (bytes > CHUNK_BYTES) {
        const record = new Uint8Array(bytes);
        const view = new DataView(record.buffer);
        putRecord(record, view, 0, key, keyFrom, keyTo, value, valueFrom, valueTo, version);
        this.#target.giveLarge(record);
        return;
      }
      this.use(this.#target.take());
    }
    this.#at = putRecord(
      this.#chunk,
      this.#view,
      this.#at,
      key,
      keyFrom,
      keyTo,
      value,
      valueFrom,
      valueTo,
      version,
    );
  }

  /** Of one batch of records: what the chunk has room for, or the next one. */
  get chunkBytes(): number {
    const left = this.#chunk.length - this.#at;
    return Math.min(left >= CHUNK_BYTES / 8 ? left : CHUNK_BYTES, this.recordBytesMax);
  }

  /** Of records with SORT_BYTES each. */
  get runBytesLeft(): number {
    return this.#runBytes - this.#inRun;
  }

  /** So many records, as `putRecord` has them, of which the run takes all. REQUIRES: no more than `chunkBytes`. */
  putRecords(bytes: Uint8Array, from: number, to: number, records: number): void {
    const length = to - from;
    this.#inRun += length + records * SORT_BYTES;
    if (this.#at + length > this.#chunk.length) {
      this.flush();
      this.use(this.#target.take());
    }
    this.#chunk.set(bytes.subarray(from, to), this.#at);
    this.#at += length;
  }

  /** The chunk that the target gave. */
  use(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#at = 0;
  }

  flush(): void {
    if (this.#at > 0) {
      this.#target.give(this.#at);
      this.use(new Uint8Array(0));
    }
  }

  endRun(end: RunEnd): void {
    this.flush();
    this.#inRun = 0;
    this.#target.endRun(end);
  }
}
