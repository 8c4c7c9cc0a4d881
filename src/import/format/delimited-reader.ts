/** CSV, TSV and plain text with a separator: header, columns and rows of what the scanner finds. */

import { assert } from '../../base/assert.ts';
import { SluiceError, throwIfAborted } from '../../base/errors.ts';
import { Cells, NULL, TEXT } from '../columns/cells.ts';
import { planExtraction } from '../columns/extraction-plan.ts';
import { RowExtractor } from '../columns/row-extractor.ts';
import type { Source } from '../source/source.ts';
import { DelimitedRecords, type PlainRows, plainRows } from './delimited-records.ts';
import { type DelimitedScanner, ESCAPED } from './delimited-scanner.ts';
import { DelimitedSettings } from './delimited-settings.ts';
import type { DelimitedSpec } from './format-spec.ts';
import type { RowPosition, RowReader, RowSink } from './row-reader.ts';
import { RowWindow, tooLong } from './row-window.ts';
import { MARK_BYTES, markLength } from './text-mark.ts';

/** What is known of the columns once the first row was seen. */
interface Columns {
  readonly names: readonly string[];
  /** Of each cell, the field. */
  readonly fields: readonly number[];
  readonly cells: Cells;
  readonly extractor: RowExtractor;
  /** Rows that can be handed out many at a time. */
  readonly plain: PlainRows | undefined;
}

export class DelimitedReader implements RowReader {
  readonly #settings: DelimitedSettings;
  readonly #window = new RowWindow();
  #scanner: DelimitedScanner;
  #columns: Columns | undefined;
  #batches: DelimitedRecords | undefined;
  #linesToSkip = 0;
  #row = 0;
  #offset = 0;
  /** The first bytes of a row that is too long; they stand for it. */
  #head: Uint8Array | undefined;
  /** Unescaped fields, one for each cell. */
  #unescaped: Uint8Array[] = [];

  constructor(spec: DelimitedSpec) {
    this.#settings = new DelimitedSettings(spec);
    this.#scanner = this.#settings.scanner();
  }

  position(): RowPosition {
    const names = this.#columns?.names;
    const place = { row: this.#row, offset: this.#offset };
    return names === undefined ? place : { ...place, state: JSON.stringify(names) };
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
    this.#scanner = this.#settings.scanner();
    this.#head = undefined;
    this.#columns = undefined;
    this.#linesToSkip = offset === 0 ? this.#settings.skipLines : 0;
    const { header } = this.#settings;
    const names = from?.state === undefined ? header : namesOf(from.state);
    if (Array.isArray(names)) this.#useColumns(names, source);
    else if (this.#settings.lastTakesRest && names === false) this.#scanner.fieldsMax = 2;
    let begun = offset > 0;
    for await (const chunk of source.read(offset, signal)) {
      throwIfAborted(signal);
      this.#take(chunk);
      if (!begun) {
        if (this.#window.end < MARK_BYTES) continue;
        this.#begin(source);
        begun = true;
      }
      this.#rows(source, sink, false);
    }
    if (!begun) this.#begin(source);
    this.#rows(source, sink, true);
    this.#offset = this.#window.offset + this.#scanner.at;
  }

  /** Adds a chunk behind what is still needed: the row that has begun, unless it is too long to be kept. */
  #take(chunk: Uint8Array): void {
    const scanner = this.#scanner;
    const window = this.#window;
    const keepFrom = scanner.inRow && this.#head === undefined ? scanner.rowFrom : scanner.at;
    window.add(keepFrom, chunk);
    this.#batches?.forget();
    scanner.shift(keepFrom);
  }

  /** The mark of UTF-8 at the beginning is none of the text. */
  #begin(source: Source): void {
    this.#scanner.at = markLength(this.#window.bytes, this.#window.end, source.name);
  }

  #rows(source: Source, sink: RowSink, last: boolean): void {
    const scanner = this.#scanner;
    const window = this.#window;
    while (this.#linesToSkip > 0) {
      const lineEnd = window.bytes.subarray(0, window.end).indexOf(10, scanner.at);
      scanner.at = lineEnd === -1 ? window.end : lineEnd + 1;
      if (lineEnd === -1) return;
      this.#linesToSkip--;
    }
    for (;;) {
      this.#handOutPlain(sink);
      if (!scanner.next(window.bytes, window.end, last)) break;
      this.#offset = window.offset + scanner.rowFrom;
      if (this.#columns === undefined && this.#tellsColumns() && this.#firstRow(source)) continue;
      this.#handOut(sink);
      this.#head = undefined;
      this.#row++;
    }
    const long = scanner.inRow && window.end - scanner.rowFrom > this.#settings.rowBytesMax;
    if (long && this.#head === undefined) this.#head = window.reported(scanner.rowFrom, window.end);
  }

  /** As many rows as need no scanner. */
  #handOutPlain(sink: RowSink): void {
    const scanner = this.#scanner;
    const plain = this.#columns?.plain;
    if (plain === undefined || sink.batches === undefined || scanner.inRow) return;
    this.#batches ??= new DelimitedRecords(plain);
    const { bytes, end } = this.#window;
    const { rows, at } = this.#batches.handOut(bytes, scanner.at, end, sink.batches);
    this.#row += rows;
    scanner.at = at;
  }

  /** A row that is broken does not say how many columns there are. */
  #tellsColumns(): boolean {
    return this.#settings.header === true || this.#rowRefusal() === undefined;
  }

  #handOut(sink: RowSink): void {
    const { rowFrom, rowTo } = this.#scanner;
    const broken = this.#rowRefusal();
    if (broken !== undefined) {
      sink.bad(broken, this.#head ?? this.#window.reported(rowFrom, rowTo));
      return;
    }
    const columns = this.#columns;
    assert(columns !== undefined, 'a row before its columns');
    const refusal = this.#extract(columns);
    if (refusal === undefined) {
      const { key, keyFrom, keyTo, value, valueFrom, valueTo } = columns.extractor;
      sink.row(key, keyFrom, keyTo, value, valueFrom, valueTo);
    } else sink.bad(refusal, this.#window.reported(rowFrom, rowTo));
  }

  /** What is wrong with the row whatever its columns hold. */
  #rowRefusal(): string | undefined {
    const scanner = this.#scanner;
    if (scanner.defect === 'open-quote') {
      return `the quote at byte ${this.#window.offset + scanner.quoteFrom} is not closed before the source ends`;
    }
    const bytes = scanner.rowTo - scanner.rowFrom;
    if (this.#head !== undefined || bytes > this.#settings.rowBytesMax)
      return tooLong(bytes, this.#settings.rowBytesMax);
    if (scanner.defect === 'text-after-quote') {
      return `text follows the quoted field that begins at byte ${this.#window.offset + scanner.quoteFrom}`;
    }
    const expected = this.#columns?.names.length ?? scanner.fields;
    if (scanner.fields === expected) return undefined;
    return `it has ${scanner.fields} columns, not ${expected}`;
  }

  #extract(columns: Columns): string | undefined {
    const scanner = this.#scanner;
    const { bytes } = this.#window;
    const { cells, fields } = columns;
    for (let slot = 0; slot < fields.length; slot++) this.#setCell(cells, slot, fields[slot] as number);
    return columns.extractor.extract(cells, bytes, scanner.rowFrom, scanner.rowTo);
  }

  #setCell(cells: Cells, slot: number, field: number): void {
    const scanner = this.#scanner;
    const { bytes } = this.#window;
    const from = scanner.from[field] as number;
    const to = scanner.to[field] as number;
    const marks = scanner.marks[field] as number;
    if ((marks & ESCAPED) !== 0) {
      const length = to - from;
      let target = this.#unescaped[slot] ?? new Uint8Array(0);
      if (target.length < length) target = new Uint8Array(length * 2);
      this.#unescaped[slot] = target;
      cells.set(slot, TEXT, target, 0, this.#settings.unescape(bytes, from, to, target));
      return;
    }
    const isNull = (from === to && marks === 0) || this.#settings.isNull(bytes, from, to, marks);
    cells.set(slot, isNull ? NULL : TEXT, bytes, from, to);
  }

  /** True: it was the header. */
  #firstRow(source: Source): boolean {
    const scanner = this.#scanner;
    if (scanner.fields > scanner.from.length) {
      throw new SluiceError(
        'BAD_INPUT',
        `${source.name} has ${scanner.fields} columns, more than ${scanner.from.length}; is the separator right?`,
      );
    }
    const isHeader = this.#settings.header === true;
    const broken = this.#rowRefusal();
    if (broken !== undefined) throw new SluiceError('BAD_INPUT', `The header of ${source.name}: ${broken}`);
    const names: string[] = [];
    for (let field = 0; field < scanner.fields; field++) {
      names.push(isHeader ? this.#fieldText(field) : `column${field}`);
    }
    this.#useColumns(names, source);
    return isHeader;
  }

  #fieldText(field: number): string {
    const from = this.#scanner.from[field] as number;
    const to = this.#scanner.to[field] as number;
    const raw = this.#window.bytes.subarray(from, to);
    if (((this.#scanner.marks[field] as number) & ESCAPED) === 0) return raw.toString('utf8');
    const target = Buffer.alloc(raw.length);
    return target.toString('utf8', 0, this.#settings.unescape(raw, 0, raw.length, target));
  }

  #useColumns(names: readonly string[], source: Source): void {
    const plan = planExtraction(this.#settings.extraction, { names, source: source.name });
    const fields = plan.columns.map(Number);
    this.#columns = {
      names,
      fields,
      cells: new Cells(fields.length),
      extractor: new RowExtractor(plan),
      plain: plainRows(this.#settings.plainText, plan, names.length),
    };
    this.#unescaped = [];
    this.#batches = undefined;
    if (this.#settings.lastTakesRest) this.#scanner.fieldsMax = names.length;
  }
}

function namesOf(state: string): string[] {
  const names: unknown = JSON.parse(state);
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string'))
    throw new SluiceError('CORRUPTION', 'The state of a reader of delimited text is no list of columns');
  return names;
}
