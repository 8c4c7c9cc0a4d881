/** What is learned of rows that are read and not loaded: how many, from where to where, and a sample. */

import { compareRanges } from '../base/bytes.ts';
import { keyFault } from '../import/bad-rows.ts';
import type { RowReader, RowSink } from '../import/format/row-reader.ts';
import { KEY_BYTES_MAX } from '../mvcc/internal-key.ts';

const SAMPLE_ROWS = 20_000;
const SAMPLE_BYTES = 64 << 20;
const BAD_ROWS_SHOWN = 10;

export interface BadRow {
  readonly source: string;
  readonly row: number;
  readonly reason: string;
}

/** Bytes of their own. */
export type SampledRow = readonly [key: Buffer, value: Buffer];

export class ImportSurvey implements RowSink {
  /** Bad ones aside. */
  rows = 0;
  rowsBad = 0;
  /** Of keys and values. */
  bytes = 0;
  inOrder = true;
  smallest: Buffer | undefined;
  largest: Buffer | undefined;
  /** The first ones. */
  readonly badRows: BadRow[] = [];
  #sample: SampledRow[] = [];
  #sampleBytes = 0;
  /** Every so many rows are in the sample. */
  #stride = 1;
  readonly #last = Buffer.alloc(KEY_BYTES_MAX);
  #lastLength = 0;
  #source = '';
  #reader: RowReader | undefined;

  /** The rows that follow are of this source. */
  enter(source: string, reader: RowReader): void {
    this.#source = source;
    this.#reader = reader;
  }

  row(
    key: Uint8Array,
    keyFrom: number,
    keyTo: number,
    value: Uint8Array,
    valueFrom: number,
    valueTo: number,
  ): void {
    const keyLength = keyTo - keyFrom;
    const fault = keyFault(keyLength);
    if (fault !== undefined) {
      this.bad(fault);
      return;
    }
    this.#order(key, keyFrom, keyLength);
    this.bytes += keyLength + valueTo - valueFrom;
    if (this.rows++ % this.#stride !== 0) return;
    this.#sample.push([
      Buffer.from(key.subarray(keyFrom, keyTo)),
      Buffer.from(value.subarray(valueFrom, valueTo)),
    ]);
    this.#sampleBytes += keyLength + valueTo - valueFrom;
    while (this.#sample.length > SAMPLE_ROWS || this.#sampleBytes > SAMPLE_BYTES) this.#thinOut();
  }

  bad(reason: string): void {
    this.rowsBad++;
    if (this.badRows.length >= BAD_ROWS_SHOWN) return;
    const row = (this.#reader?.position().row ?? 0) + 1;
    this.badRows.push({ source: this.#source, row, reason });
  }

  /** The sample in key order, each key once, with the smallest and the largest key of all rows. */
  sorted(): SampledRow[] {
    const ends = [this.smallest, this.largest].flatMap((key): SampledRow[] =>
      key === undefined ? [] : [[key, Buffer.alloc(0)]],
    );
    const byKey = new Map([...ends, ...this.#sample].map((row) => [row[0].toString('latin1'), row]));
    return [...byKey.values()].sort(([a], [b]) => Buffer.compare(a, b));
  }

  /** Against the key before; only where the order turns can a key be smaller, or larger, than all. */
  #order(key: Uint8Array, from: number, length: number): void {
    const order = compareRanges(this.#last, 0, this.#lastLength, key, from, length);
    if (order > 0 && this.rows > 0) this.inOrder = false;
    const { smallest, largest } = this;
    if (
      smallest === undefined ||
      (order > 0 && compareRanges(key, from, length, smallest, 0, smallest.length) < 0)
    )
      this.smallest = Buffer.from(key.subarray(from, from + length));
    if (
      largest === undefined ||
      (order < 0 && compareRanges(key, from, length, largest, 0, largest.length) > 0)
    )
      this.largest = Buffer.from(key.subarray(from, from + length));
    this.#last.set(key.subarray(from, from + length));
    this.#lastLength = length;
  }

  #thinOut(): void {
    this.#stride *= 2;
    this.#sample = this.#sample.filter((_, i) => i % 2 === 0);
    this.#sampleBytes = this.#sample.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    // A row of its own may be over the limit.
    if (this.#sample.length === 1) this.#sampleBytes = 0;
  }
}
