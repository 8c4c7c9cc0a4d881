/**
 * The headers of a column's pages, checked before hyparquet reads the pages: it allocates what they claim, and goes round for
 * ever where a length is missing.
 */

import type { ColumnMetaData, SchemaElement } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { checkRuns, type PageShape, type PageShapes } from './page-runs.ts';

const PAGE_BYTES_MAX = 256 << 20;
const PAGE_VALUES_MAX = 1 << 24;

/** Of each page `shapes` knows from then on. @throws Error saying what is wrong with which column */
export function checkPages(
  buffer: ArrayBuffer,
  meta: ColumnMetaData,
  path: readonly SchemaElement[],
  shapes: PageShapes,
): void {
  const reader = { view: new DataView(buffer), offset: 0 };
  const refuse = (what: string): Error =>
    new Error(`a page of column ${meta.path_in_schema.join('.')} claims ${what}`);
  const repetition = path.filter((element) => element.repetition_type === 'REPEATED').length;
  const definition = path.filter((element) => element.repetition_type !== 'REQUIRED').length;
  let values = 0;
  while (reader.offset < buffer.byteLength - 1) {
    const header = parquetHeader(reader);
    const { type, compressed_page_size: stored, uncompressed_page_size: raw } = header;
    if (!isCount(stored, buffer.byteLength - reader.offset)) throw refuse(`${stored} bytes`);
    if (!isCount(raw, PAGE_BYTES_MAX)) throw refuse(`${raw} bytes decompressed`);
    const {
      data_page_header: first,
      data_page_header_v2: second,
      dictionary_page_header: dictionary,
    } = header;
    const page =
      type === 'DATA_PAGE'
        ? first
        : type === 'DATA_PAGE_V2'
          ? second
          : type === 'DICTIONARY_PAGE'
            ? dictionary
            : undefined;
    // Another kind of page is hyparquet's to refuse; without its own header none can be read.
    if (page === undefined) throw refuse(`to be a ${type}, and is none`);
    const { num_values: count, encoding } = page;
    if (!isCount(count, PAGE_VALUES_MAX)) throw refuse(`${count} values`);
    if (typeof encoding !== 'string') throw refuse('an encoding that is not known');
    let levelsBytes = 0;
    let nulls: number | undefined;
    if (page === second) {
      const { num_nulls, num_rows: rows } = second;
      const { definition_levels_byte_length: defined, repetition_levels_byte_length: repeated } = second;
      if (!isCount(num_nulls, count) || !isCount(rows, count))
        throw refuse(`${num_nulls} nulls in ${rows} rows of ${count} values`);
      if (!isCount(defined, stored) || !isCount(repeated, stored - defined))
        throw refuse(`levels of ${defined} and ${repeated} bytes in ${stored}`);
      const { view, offset } = reader;
      const split = offset + repeated;
      const right =
        runsFit(view, offset, split, repetition, count) &&
        runsFit(view, split, split + defined, definition, count);
      if (!right) throw refuse(`levels that are not those of ${count} values`);
      levelsBytes = repeated + defined;
      nulls = num_nulls;
    }
    const shape: PageShape | undefined =
      page === dictionary
        ? undefined
        : { values: count, nulls, repetition, definition, encoding, isBoolean: meta.type === 'BOOLEAN' };
    const start = reader.offset + levelsBytes;
    const isStored = meta.codec === 'UNCOMPRESSED' || second?.is_compressed === false;
    if (!isStored) shapes.add(start, stored - levelsBytes, raw - levelsBytes, shape);
    else if (shape !== undefined) checkRuns(new Uint8Array(buffer, start, stored - levelsBytes), shape);
    if (page !== dictionary) values += count;
    reader.offset += stored;
  }
  if (values === Number(meta.num_values)) return;
  const what = meta.path_in_schema.join('.');
  throw new Error(`column ${what} has ${values} values in its pages, and claims ${meta.num_values}`);
}

/**
 * Whether the runs of levels are within [from, to) and of `count` values; hyparquet writes out a run of any length.
 * A run is a varint and a value (even), or 8 values for each unit of the varint (odd), of the bits that `most` takes.
 */
function runsFit(view: DataView, from: number, to: number, most: number, count: number): boolean {
  if (most === 0) return true;
  const bits = 32 - Math.clz32(most);
  let at = from;
  for (let seen = 0; seen < count; ) {
    let head = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= to || scale > 2 ** 28) return false;
      const byte = view.getUint8(at++);
      head += (byte & 127) * scale;
      if (byte < 128) break;
    }
    const units = Math.floor(head / 2);
    const isPacked = head % 2 === 1;
    at += isPacked ? units * bits : (bits + 7) >> 3;
    seen += isPacked ? units * 8 : units;
    // The last of packed runs may be filled up.
    if (at > to || (!isPacked && seen > count)) return false;
  }
  return true;
}

/** hyparquet's types have numbers where a damaged header has nothing. */
function isCount(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}
