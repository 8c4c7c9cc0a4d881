/**
 * Rows of a Parquet file: of each row group the columns that are asked for, in parts that fit into memory.
 *
 * An import goes on at a row: what its row group has before is not decoded but where it shares a page.
 */

import { throwIfAborted } from '../../../base/errors.ts';
import { ABSENT, Cells, NULL } from '../../columns/cells.ts';
import { planExtraction } from '../../columns/extraction-plan.ts';
import { RowExtractor } from '../../columns/row-extractor.ts';
import type { Source } from '../../source/source.ts';
import type { ParquetSpec } from '../format-spec.ts';
import type { RowPosition, RowReader, RowSink } from '../row-reader.ts';
import { ColumnValue } from './column-value.ts';
import { type ParquetColumn, ParquetFile } from './parquet-file.ts';
import { RandomAccess } from './random-access.ts';

const ROW_BYTES_MAX = 64 << 20;
const NO_BYTES = new Uint8Array(0);

export class ParquetReader implements RowReader {
  readonly #spec: ParquetSpec;
  readonly #rowBytesMax: number;
  #row = 0;
  #offset = 0;

  constructor(spec: ParquetSpec) {
    this.#spec = spec;
    this.#rowBytesMax = spec.rowBytesMax ?? ROW_BYTES_MAX;
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
    this.#row = from?.row ?? 0;
    this.#offset = from?.offset ?? 0;
    const access = await RandomAccess.open(source, signal);
    try {
      const file = await ParquetFile.open(access, source.name);
      await this.#readFile(file, sink, source, signal);
      this.#offset = access.byteLength;
      source.takenBytes = access.byteLength;
    } finally {
      access.close();
    }
  }

  async #readFile(file: ParquetFile, sink: RowSink, source: Source, signal: AbortSignal): Promise<void> {
    const names = file.columns.map((column) => column.name);
    const plan = planExtraction(this.#spec, { names, source: source.name });
    const columns = plan.columns.flatMap((place) => file.columns[Number(place)] ?? []);
    const extractor = new RowExtractor(plan);
    const cells = new Cells(columns.length);
    const values = columns.map(({ element }, slot) => new ColumnValue(slot, element));
    for (const part of file.parts(columns, this.#row)) {
      throwIfAborted(signal);
      this.#offset = part.offset;
      source.takenBytes = part.offset;
      const arrays: ArrayLike<unknown>[] = [];
      for (const column of columns) arrays.push(await file.read(column, part));
      for (let i = 0; i < part.to - part.from; i++) {
        for (let slot = 0; slot < arrays.length; slot++) values[slot]?.put(cells, arrays[slot]?.[i]);
        const refusal = extractor.extract(cells, NO_BYTES, 0, 0) ?? this.#tooLong(extractor);
        if (refusal === undefined) {
          const { key, keyFrom, keyTo, value, valueFrom, valueTo } = extractor;
          sink.row(key, keyFrom, keyTo, value, valueFrom, valueTo);
        } else sink.bad(refusal, told(cells, columns));
        this.#row++;
      }
    }
  }

  #tooLong({ keyFrom, keyTo, valueFrom, valueTo }: RowExtractor): string | undefined {
    const bytes = keyTo - keyFrom + valueTo - valueFrom;
    return bytes > this.#rowBytesMax
      ? `the row has ${bytes} bytes, over the limit of ${this.#rowBytesMax}`
      : undefined;
  }
}

/** A row that cannot be loaded, by the beginnings of its columns. */
function told(cells: Cells, columns: readonly ParquetColumn[]): Uint8Array {
  const members = columns.map(({ name }, slot) => {
    const kind = cells.kind(slot);
    const text = kind === NULL || kind === ABSENT ? 'null' : cells.text(slot);
    return `${JSON.stringify(name)}:${text}`;
  });
  return Buffer.from(`{${members.join(',')}}`).subarray(0, 65536);
}
