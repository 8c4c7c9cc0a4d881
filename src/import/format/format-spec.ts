/**
 * What a thread needs to know of a format, as plain data: it goes to the thread that reads, and is kept in the manifest
 * for an import that goes on after a restart.
 */

import type { ColumnType, KeySpec, ValueSpec } from '../../import-options.ts';

export interface ExtractionSpec {
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
  /** One character; '"' of CSV; of the others nothing is quoted. '' for none. */
  readonly quote?: string;
  /** What makes a quote, or itself, data within quotes, besides a doubled quote. */
  readonly escape?: string;
  /** Lines that begin with it are left out. */
  readonly comment?: string;
  /** So many lines at the beginning are left out, before the header. */
  readonly skipLines?: number;
  /** True: the first row has the names. Or the names. By default true of CSV and TSV, false of plain text. */
  readonly header?: boolean | readonly string[];
}

export interface JsonLinesSpec extends ExtractionSpec {
  readonly format: 'jsonl';
}

export interface SequenceFileSpec {
  readonly format: 'sequencefile';
  /**
   * What of a key or value that is a number is loaded: its digits (default), or the bytes that Hadoop writes. 'serialized':
   * of keys and values of any class all that is in the file, lengths included.
   */
  readonly writables?: 'text' | 'bytes' | 'serialized';
  /** A longer row is a bad one; a block may have eight times as much. */
  readonly rowBytesMax?: number;
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
