/**
 * A Parquet file, as hyparquet reads it: column by column, for some rows of one row group at a time.
 *
 * Files are not trusted: page headers are gone through before hyparquet sees them (page-headers.ts). What it throws besides is
 * BAD_INPUT, as it is the file's fault.
 */

import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import {
  type ColumnMetaData,
  type DecodedArray,
  type FileMetaData,
  type ParquetParsers,
  type ParquetScan,
  parquetMetadataAsync,
  parquetScan,
  parquetSchema,
  type RowGroup,
  type SchemaElement,
  type SchemaTree,
} from 'hyparquet';
import { type ErrorCode, isSluiceError, SluiceError } from '../../../base/errors.ts';
import { ensureZstd, zstdDecompressFrames } from '../../../sst/zstd.ts';
import { unlz4, unsnapped } from '../raw-blocks.ts';
import { isoDate, isoTimestamp } from './column-value.ts';
import { checkPages } from './page-headers.ts';
import { type Decompress, PageShapes } from './page-runs.ts';
import type { RandomAccess } from './random-access.ts';

/** Of the columns that are read of one row group, as stored. */
const GROUP_BYTES_MAX = 512 << 20;

/** So much of a row group is decoded at a time: more of it is read in parts. */
const PART_BYTES = 32 << 20;
const PART_ROWS_MIN = 1024;
/** What a value takes in memory besides its bytes. */
const NUMBER_BYTES = 16;
const ARRAY_BYTES = 128;
const NESTED_BYTES = 512;

export interface ParquetColumn {
  readonly name: string;
  /** Undefined: there are columns within it, or it repeats. */
  readonly element: SchemaElement | undefined;
}

/** Rows [from, to) of the file, all of one row group, whose first byte is at `offset`. */
export interface RowPart {
  readonly from: number;
  readonly to: number;
  readonly offset: number;
}

const COMPRESSORS: Readonly<Record<string, Decompress>> = {
  SNAPPY: unsnapped,
  LZ4_RAW: unlz4,
  GZIP: (input: Uint8Array, bytes: number) => gunzipSync(input, { maxOutputLength: Math.max(1, bytes) }),
  BROTLI: (input: Uint8Array, bytes: number) =>
    brotliDecompressSync(input, { maxOutputLength: Math.max(1, bytes) }),
  ZSTD: zstdDecompressFrames,
};

/** Timestamps within others as they are outside; of columns without others in them nothing is parsed but INT96. */
const NESTED_PARSERS: Partial<ParquetParsers> = {
  timestampFromMilliseconds: (millis) => isoTimestamp(millis, 1000n, true) ?? millis,
  timestampFromMicroseconds: (micros) => isoTimestamp(micros, 1_000_000n, true) ?? micros,
  timestampFromNanoseconds: (nanos) => isoTimestamp(nanos, 1_000_000_000n, true) ?? nanos,
  dateFromDays: (days) => isoDate(days) ?? days,
};
const FLAT_PARSERS: Partial<ParquetParsers> = { timestampFromNanoseconds: (nanos) => nanos };

export class ParquetFile {
  readonly columns: readonly ParquetColumn[];
  readonly rows: number;
  readonly #name: string;
  readonly #access: RandomAccess;
  readonly #metadata: FileMetaData;
  readonly #schema: SchemaTree;
  readonly #flat: ParquetScan;
  readonly #nested: ParquetScan;
  readonly #shapes: PageShapes;

  private constructor(
    name: string,
    access: RandomAccess,
    metadata: FileMetaData,
    columns: readonly ParquetColumn[],
    flat: ParquetScan,
    nested: ParquetScan,
    shapes: PageShapes,
  ) {
    this.#name = name;
    this.#access = access;
    this.#metadata = metadata;
    this.#schema = parquetSchema(metadata);
    this.columns = columns;
    this.rows = metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
    this.#flat = flat;
    this.#nested = nested;
    this.#shapes = shapes;
  }

  static async open(access: RandomAccess, name: string): Promise<ParquetFile> {
    await ensureZstd();
    return damageAsInput(name, async () => {
      if (access.byteLength < 12) throw new Error('it is too short for a Parquet file');
      const metadata = await parquetMetadataAsync(access, { geoparquet: false });
      for (const group of metadata.row_groups) checkRows(group);
      const columns = parquetSchema(metadata).children.map(({ element, children }) => {
        const flat = children.length === 0 && element.repetition_type !== 'REPEATED';
        return { name: element.name, element: flat ? element : undefined };
      });
      const shapes = new PageShapes();
      const compressors = Object.fromEntries(
        Object.entries(COMPRESSORS).map(([codec, decompress]) => [codec, shapes.checked(decompress)]),
      );
      const shared = {
        file: access,
        compressors,
        utf8: false,
        geoparquet: false,
        useOffsetIndex: false,
      };
      const flat = await parquetScan({
        ...shared,
        metadata: physical(metadata, columns),
        parsers: FLAT_PARSERS,
      });
      const nested = await parquetScan({ ...shared, metadata, parsers: NESTED_PARSERS });
      return new ParquetFile(name, access, metadata, columns, flat, nested, shapes);
    });
  }

  /** The rows from the number on, in parts that fit into memory if these columns of them are read. */
  *parts(columns: readonly ParquetColumn[], fromRow: number): Generator<RowPart, void, undefined> {
    let groupFrom = 0;
    for (const group of this.#metadata.row_groups) {
      const groupTo = groupFrom + Number(group.num_rows);
      const chunks = this.#chunksOf(group, columns);
      const offset = Math.min(...chunks.map(({ meta }) => startOf(meta)), this.#access.byteLength);
      const rows = rowsAtATime(chunks, groupTo - groupFrom);
      for (let from = Math.max(groupFrom, fromRow); from < groupTo; from += rows)
        yield { from, to: Math.min(from + rows, groupTo), offset };
      groupFrom = groupTo;
      this.#access.forget();
    }
  }

  async read(column: ParquetColumn, part: RowPart): Promise<DecodedArray> {
    const { from: rowStart, to: rowEnd } = part;
    return damageAsInput(this.#name, async () => {
      await this.#checkPages(column, part);
      const scan = column.element === undefined ? this.#nested : this.#flat;
      const values = await scan.readColumn({ column: column.name, rowStart, rowEnd });
      if (values.length === rowEnd - rowStart) return values;
      throw new Error(`column ${column.name} has ${values.length} of the rows ${rowStart} to ${rowEnd}`);
    });
  }

  #chunksOf(group: RowGroup, columns: readonly ParquetColumn[]): Chunk[] {
    return group.columns.flatMap(({ meta_data: meta }) => {
      const column = columns.find(({ name }) => name === meta?.path_in_schema[0]);
      return meta === undefined || column === undefined ? [] : [{ meta, column }];
    });
  }

  /** So that nothing that a page claims is more than the file and our memory can have. */
  async #checkPages(column: ParquetColumn, { from }: RowPart): Promise<void> {
    let groupFrom = 0;
    const group = this.#metadata.row_groups.find(({ num_rows: rows }) => {
      groupFrom += Number(rows);
      return from < groupFrom;
    });
    if (group === undefined) return;
    this.#shapes.clear();
    for (const { meta } of this.#chunksOf(group, [column])) {
      const start = startOf(meta);
      const bytes = Number(meta.total_compressed_size);
      if (bytes > GROUP_BYTES_MAX)
        throw new Error(`column ${column.name} has ${bytes} bytes in one row group`);
      if (column.element === undefined) checkNested(meta, this.#schema);
      else if (meta.num_values !== group.num_rows)
        throw new Error(`column ${column.name} claims ${meta.num_values} values for ${group.num_rows} rows`);
      const path = pathOf(meta, this.#schema);
      checkPages(await this.#access.slice(start, start + bytes), meta, path, this.#shapes);
    }
  }
}

interface Chunk {
  readonly meta: ColumnMetaData;
  readonly column: ParquetColumn;
}

function startOf(meta: ColumnMetaData): number {
  // As hyparquet has it: 0 where there is no dictionary.
  return Number(meta.dictionary_page_offset || meta.data_page_offset);
}

function rowsAtATime(chunks: readonly Chunk[], rows: number): number {
  let bytes = 1;
  for (const { meta, column } of chunks) {
    const isArray = meta.type === 'BYTE_ARRAY' || meta.type === 'FIXED_LEN_BYTE_ARRAY';
    const each = column.element === undefined ? NESTED_BYTES : isArray ? ARRAY_BYTES : NUMBER_BYTES;
    bytes += Number(meta.total_uncompressed_size) + each * Number(meta.num_values);
  }
  const fit = Math.floor(rows * Math.min(1, PART_BYTES / bytes));
  // Sizes that the file lacks make it NaN.
  return fit > PART_ROWS_MIN ? fit : PART_ROWS_MIN;
}

function checkRows(group: RowGroup): void {
  const rows = Number(group.num_rows);
  if (!Number.isSafeInteger(rows) || rows < 0) throw new Error(`a row group claims ${rows} rows`);
}

/** The schema without what says how values are to be read, for columns without others in them. */
function physical(metadata: FileMetaData, columns: readonly ParquetColumn[]): FileMetaData {
  const flat = new Map(columns.map(({ name, element }) => [name, element]));
  const elements = new Set(flat.values());
  const schema = metadata.schema.map((element) => {
    if (!elements.has(element)) return element;
    const { converted_type: _converted, logical_type: _logical, ...rest } = element;
    return rest;
  });
  const groups = metadata.row_groups.map((group) => ({
    ...group,
    columns: group.columns.map((chunk) => {
      const { meta_data: meta } = chunk;
      const element = meta?.path_in_schema.length === 1 ? flat.get(meta.path_in_schema[0] ?? '') : undefined;
      return meta === undefined || !isUnsigned32(element) ? chunk : { ...chunk, meta_data: asWide(meta) };
    }),
  }));
  return { ...metadata, schema, row_groups: groups };
}

function isUnsigned32(element: SchemaElement | undefined): boolean {
  if (element?.type !== 'INT32') return false;
  const { converted_type: converted, logical_type: logical } = element;
  return (
    converted === 'UINT_32' || (logical?.type === 'INTEGER' && logical.bitWidth === 32 && !logical.isSigned)
  );
}

const DELTA = 'DELTA_BINARY_PACKED';
const LEVELS: readonly string[] = ['RLE', 'BIT_PACKED'];

/**
 * hyparquet 1.31.5 reads 32 bits of the first value of a page of deltas of INT32. DuckDB writes 33 of an unsigned one of
 * 2^31 or more, and then all values of the page come out wrong. As INT64 they are read right, if there is nothing else.
 */
function asWide(meta: ColumnMetaData): ColumnMetaData {
  if (!meta.encodings.includes(DELTA)) return meta;
  if (meta.encodings.every((encoding) => encoding === DELTA || LEVELS.includes(encoding)))
    return { ...meta, type: 'INT64' };
  throw new Error(
    `column ${meta.path_in_schema.join('.')} has unsigned integers both as deltas and otherwise`,
  );
}

/** From the column down to what has values. */
function pathOf(meta: ColumnMetaData, tree: SchemaTree): SchemaElement[] {
  const path: SchemaElement[] = [];
  let node: SchemaTree | undefined = tree;
  for (const name of meta.path_in_schema) {
    node = node?.children.find(({ element }) => element.name === name);
    if (node === undefined) throw new Error(`there is no column ${meta.path_in_schema.join('.')}`);
    path.push(node.element);
  }
  return path;
}

/** Within others they cannot be read as INT64: they are refused. */
function checkNested(meta: ColumnMetaData, tree: SchemaTree): void {
  if (!isUnsigned32(pathOf(meta, tree).at(-1)) || !meta.encodings.includes(DELTA)) return;
  throw new SluiceError(
    'UNSUPPORTED_FORMAT',
    `unsigned 32-bit integers in deltas within another column, ${meta.path_in_schema.join('.')}, cannot be read`,
  );
}

/** Of errors that are about what is in the file. */
const INPUT_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BAD_INPUT',
  'CORRUPTION',
  'UNSUPPORTED_FORMAT',
]);

async function damageAsInput<T>(name: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    const known = isSluiceError(cause);
    if (known && !INPUT_CODES.has(cause.code)) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    const code = known && cause.code === 'UNSUPPORTED_FORMAT' ? cause.code : 'BAD_INPUT';
    throw new SluiceError(code, `${name}: ${message}`, { cause });
  }
}
