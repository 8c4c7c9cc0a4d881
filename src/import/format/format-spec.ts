/**
 * What a thread needs to know of a format, as plain data: it goes to the thread that reads, and is kept in the manifest
 * for an import that goes on after a restart.
 */

/** A column by its name in the header, or by its place from 0; of JSON Lines a path: `user.id`, `tags.0`. */
export type ColumnName = string | number;

/** What the text of a column is read as. 'decimal' stays text, checked, so that no digit is lost. */
export type ColumnType = 'text' | 'int' | 'float' | 'decimal' | 'date' | 'bool' | 'hex' | 'base64';

/** One column as it stands; several in an encoding that keeps their order, column by column; text with columns in braces: `{country}/{id}`. */
export type KeySpec = ColumnName | readonly ColumnName[] | { readonly template: string };

/** One column as it stands; several (all, where none are named) as one object; the row as it stands in the source. */
export type ValueSpec =
  | ColumnName
  | { readonly as: 'json' | 'msgpack'; readonly columns?: readonly ColumnName[] }
  | { readonly as: 'raw' };

interface ExtractionSpec {
  /** The first column when absent; of formats with keys of their own that key. */
  readonly key?: KeySpec;
  /** When absent: the second column of two; all others as JSON of more; of formats with values of their own that value. */
  readonly value?: ValueSpec;
  /** Of columns that are not text. Keys of a typed column are encoded in the type's order. */
  readonly types?: Readonly<Record<string, ColumnType>>;
  /** Text that stands for null, besides an empty field that is not quoted. */
  readonly nullText?: string;
  /** A longer row is a bad one. */
  readonly rowBytesMax?: number;
}

export interface DelimitedSpec extends ExtractionSpec {
  readonly format: 'csv' | 'tsv' | 'text';
  /** One character or more; ',' of CSV, a tab otherwise. */
  readonly separator?: string;
  /** '"' of CSV; of the others nothing is quoted. */
  readonly quote?: string;
  /** True: the first row has the names. Or the names. By default true of CSV and TSV, false of plain text. */
  readonly header?: boolean | readonly string[];
}

export interface JsonLinesSpec extends ExtractionSpec {
  readonly format: 'jsonl';
}

export interface SequenceFileSpec {
  readonly format: 'sequencefile';
}

export interface ParquetSpec extends ExtractionSpec {
  readonly format: 'parquet';
}

export interface SstSpec {
  readonly format: 'sst';
}

/** Entries as they come from the program itself. */
export interface EntriesSpec {
  readonly format: 'entries';
}

export type FormatSpec =
  | DelimitedSpec
  | JsonLinesSpec
  | SequenceFileSpec
  | ParquetSpec
  | SstSpec
  | EntriesSpec;

export type FormatName = FormatSpec['format'];
