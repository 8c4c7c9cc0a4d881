/** JSON Lines: a JSON value on each line; lines of nothing but spaces are no rows. */

import { throwIfAborted } from '../../base/errors.ts';
import { Cells } from '../columns/cells.ts';
import { planExtraction } from '../columns/extraction-plan.ts';
import { JsonScanner } from '../columns/json-scanner.ts';
import { RowExtractor } from '../columns/row-extractor.ts';
import type { Source } from '../source/source.ts';
import type { JsonLinesSpec } from './format-spec.ts';
import type { RowPosition, RowReader, RowSink } from './row-reader.ts';
import { checkedRowBytes, RowWindow, tooLong } from './row-window.ts';
import { MARK_BYTES, markLength } from './text-mark.ts';

const LF = 10;

export class JsonLinesReader implements RowReader {
  readonly #rowBytesMax: number;
  readonly #cells: Cells;
  readonly #scanner: JsonScanner;
  readonly #extractor: RowExtractor;
  readonly #window = new RowWindow();
  /** In the window: where the line begins, and how far no end of it was found. */
  #from = 0;
  #searched = 0;
  /** The first bytes of a line that is too long; they stand for it. */
  #head: Uint8Array | undefined;
  #row = 0;
  #offset = 0;

  /** @throws TypeError naming the option that is wrong */
  constructor(spec: JsonLinesSpec) {
    const plan = planExtraction(spec, { names: undefined, source: 'JSON Lines' });
    this.#rowBytesMax = checkedRowBytes(spec.rowBytesMax);
    this.#cells = new Cells(plan.columns.length);
    this.#scanner = new JsonScanner(plan.columns, this.#cells);
    this.#extractor = new RowExtractor(plan);
  }

  position(): RowPosition {
    return { row: this.#row, offset: this.#offset };
  }

  async read(
    source: Source,
    sink: RowSink,
    from: RowPosition | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const offset = from?.offset ?? 0;
    this.#row = from?.row ?? 0;
    this.#offset = offset;
    this.#window.reset(offset);
    this.#from = 0;
    this.#searched = 0;
    this.#head = undefined;
    let begun = offset > 0;
    for await (const chunk of source.read(offset, signal)) {
      throwIfAborted(signal);
      this.#take(chunk);
      if (!begun && this.#window.end < MARK_BYTES) continue;
      if (!begun) this.#from = markLength(this.#window.bytes, this.#window.end, source.name);
      begun = true;
      this.#rows(sink, false);
    }
    if (!begun) this.#from = markLength(this.#window.bytes, this.#window.end, source.name);
    this.#rows(sink, true);
    this.#offset = this.#window.offset + this.#window.end;
  }

  /** Adds a chunk behind the line that has begun, unless that is too long to be kept. */
  #take(chunk: Uint8Array): void {
    const keepFrom = this.#head === undefined ? this.#from : this.#window.end;
    this.#window.add(keepFrom, chunk);
    this.#from -= keepFrom;
    this.#searched = Math.max(0, this.#searched - keepFrom);
  }

  #rows(sink: RowSink, last: boolean): void {
    const { end } = this.#window;
    const bytes = this.#window.bytes.subarray(0, end);
    for (;;) {
      let to = bytes.indexOf(LF, Math.max(this.#searched, this.#from));
      if (to === -1) {
        this.#searched = end;
        if (!last) break;
        to = end;
      }
      this.#line(bytes, to, sink);
      this.#head = undefined;
      this.#from = to + 1;
      this.#searched = to + 1;
      if (to === end) return;
    }
    if (this.#head === undefined && end - this.#from > this.#rowBytesMax)
      this.#head = this.#window.reported(this.#from, end);
  }

  #line(bytes: Uint8Array, lineEnd: number, sink: RowSink): void {
    const from = this.#from;
    const to = lineEnd > from && bytes[lineEnd - 1] === 13 ? lineEnd - 1 : lineEnd;
    if (this.#head === undefined && isBlank(bytes, from, to)) return;
    this.#offset = this.#window.offset + from;
    const refusal =
      this.#head !== undefined || to - from > this.#rowBytesMax
        ? tooLong(to - from, this.#rowBytesMax)
        : (this.#scanner.scan(bytes, from, to) ?? this.#extractor.extract(this.#cells, bytes, from, to));
    if (refusal === undefined) {
      const { key, keyFrom, keyTo, value, valueFrom, valueTo } = this.#extractor;
      sink.row(key, keyFrom, keyTo, value, valueFrom, valueTo);
    } else sink.bad(refusal, this.#head ?? this.#window.reported(from, to));
    this.#row++;
  }
}

function isBlank(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const byte = bytes[i];
    if (byte !== 32 && byte !== 9 && byte !== 13) return false;
  }
  return true;
}
