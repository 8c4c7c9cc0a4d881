/** Plain rows of delimited text, many at a time, as records: by a kernel, in a heap that the text is copied to. */

import { createHeap } from '../../sst/heap.ts';
import * as D from '../../sst/kernels/js-delimited-records.ts';
import { KERNEL_RESERVED_BYTES } from '../../sst/kernels/wasm-kernels.ts';
import type { ExtractionPlan, Member } from '../columns/extraction-plan.ts';
import type { RecordSink } from './row-reader.ts';

const TEXT_BYTES = 1 << 19;
const KEY_ROOM = 1 << 16;
/** Of one batch. */
const RECORDS_BYTES = 1 << 20;
const SLACK_BYTES = 64;
/** After fewer rows than that in a batch, so many are left to the scanner before it is asked again. */
const FEW_ROWS = 16;
const OTHER_ROWS = 64;

export interface PlainText {
  readonly separator: number;
  readonly quote: number | undefined;
  readonly rowBytesMax: number;
}

/** Of one source; key and value are columns by their places, WHOLE_ROW the row as it stands. */
export interface PlainRows extends PlainText {
  readonly fields: number;
  readonly key: number;
  readonly value: number;
}

/** undefined: key or value are not columns as they stand. */
export function plainRows(
  text: PlainText | undefined,
  { columns, key, value }: ExtractionPlan,
  fields: number,
): PlainRows | undefined {
  const columnOf = ({ slot, type }: Member): number | undefined =>
    type === undefined || type === 'text' ? Number(columns[slot]) : undefined;
  const keyColumn = key.as === 'plain' ? columnOf(key.member) : undefined;
  const valueColumn =
    value.as === 'raw' ? D.WHOLE_ROW : value.as === 'plain' ? columnOf(value.member) : undefined;
  if (text === undefined || keyColumn === undefined || valueColumn === undefined) return undefined;
  return { ...text, fields, key: keyColumn, value: valueColumn };
}

export class DelimitedRecords {
  readonly #heap = createHeap(
    KERNEL_RESERVED_BYTES + D.DELIMITED_WORDS * 4 + KEY_ROOM + TEXT_BYTES + RECORDS_BYTES + 3 * SLACK_BYTES,
  );
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;
  readonly #keyAt: number;
  readonly #textAt: number;
  readonly #outAt: number;
  /** What of the window is in the heap. */
  #from = 0;
  #to = 0;
  /** So many rows are left to the scanner. */
  #others = 0;

  constructor({ separator, quote, rowBytesMax, fields, key, value }: PlainRows) {
    const { buffer, byteOffset } = this.#heap.bytes;
    const at = byteOffset + KERNEL_RESERVED_BYTES;
    this.#words = new Uint32Array(buffer, at, D.DELIMITED_WORDS);
    this.#doubles = new Float64Array(buffer, at, D.DELIMITED_WORDS / 2);
    this.#keyAt = KERNEL_RESERVED_BYTES + D.DELIMITED_WORDS * 4;
    this.#textAt = this.#keyAt + KEY_ROOM;
    this.#outAt = this.#textAt + TEXT_BYTES + SLACK_BYTES;
    const words = this.#words;
    words[D.SEPARATOR] = separator;
    words[D.QUOTE] = quote ?? 256;
    words[D.FIELDS] = fields;
    words[D.KEY_FIELD] = key;
    words[D.VALUE_FIELD] = value;
    words[D.ROW_BYTES_MAX] = rowBytesMax;
  }

  /** The window has moved. */
  forget(): void {
    this.#from = this.#to = 0;
  }

  /** Hands out rows of the window from `at` on, which is before a row; returns how many, and where the next one begins. */
  handOut(window: Uint8Array, at: number, end: number, sink: RecordSink): { rows: number; at: number } {
    if (this.#others > 0) {
      this.#others--;
      return { rows: 0, at };
    }
    let rows = 0;
    let next = at;
    for (;;) {
      const limits = sink.limits();
      if (limits === undefined) break;
      if (next < this.#from || next >= this.#to) this.#copy(window, next, end);
      const words = this.#words;
      words[D.AT] = this.#textAt + next - this.#from;
      words[D.END] = this.#textAt + this.#to - this.#from;
      words[D.OUT] = this.#outAt;
      words[D.OUT_LIMIT] = this.#outAt + Math.min(RECORDS_BYTES, limits.chunkBytes);
      words[D.RUN_ROOM] = limits.runBytes;
      words[D.RECORD_SORT_BYTES] = limits.sortBytes;
      this.#doubles[D.VERSION / 2] = limits.version;
      words[D.DESCENDS] = limits.descends ? 1 : 0;
      words[D.ORDERED] = limits.lastKey === undefined ? 0 : 1;
      words[D.LAST_KEY] = this.#keyAt;
      words[D.LAST_KEY_LENGTH] = limits.lastKeyLength;
      if (limits.lastKey !== undefined) {
        this.#heap.bytes.set(limits.lastKey.subarray(0, limits.lastKeyLength), this.#keyAt);
      }
      const why = this.#heap.kernels.delimitedRecords(KERNEL_RESERVED_BYTES);
      const some = words[D.ROWS] as number;
      next = this.#from + (words[D.AT] as number) - this.#textAt;
      if (some > 0) {
        const [out, key, keyLength] = [words[D.OUT], words[D.LAST_KEY], words[D.LAST_KEY_LENGTH]] as const;
        sink.records(this.#heap.bytes, this.#outAt, out as number, some, key as number, keyLength as number);
      }
      rows += some;
      if (some > 0 && why === D.OUT_FULL) continue;
      // What seems not to be whole may be so in the window.
      if (some > 0 && this.#to < end) this.#copy(window, next, end);
      else break;
    }
    if (rows < FEW_ROWS && next < end) this.#others = OTHER_ROWS;
    return { rows, at: next };
  }

  #copy(window: Uint8Array, from: number, end: number): void {
    this.#from = from;
    this.#to = Math.min(end, from + TEXT_BYTES);
    this.#heap.bytes.set(window.subarray(from, this.#to), this.#textAt);
  }
}
