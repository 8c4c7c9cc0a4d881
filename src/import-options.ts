/** Imports as callers see them: options, progress, result, task. What does the work is in import/, above the database. */

import type { EncodingName } from './base/encoding.ts';
import type { IngestOptions } from './txn/ingest-options.ts';
import type { Keyspace } from './txn/keyspace.ts';

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

export type FormatName = 'csv' | 'tsv' | 'text' | 'jsonl' | 'sequencefile' | 'parquet' | 'sst' | 'entries';

/** 'auto': by the first bytes. */
export type SourceCompression = 'auto' | 'none' | 'gzip' | 'zstd';

/** Bytes of one source, in the format given. */
export type ByteStream = AsyncIterable<Uint8Array | string>;
/** Keys and values in the encodings of the keyspace that is imported into. */
export type EntryIterable =
  | Iterable<readonly [unknown, unknown]>
  | AsyncIterable<readonly [unknown, unknown]>;

/** Paths, globs, directories, http(s) URLs, '-' for standard input; a stream of bytes; entries of the program itself. */
export type ImportSource = string | readonly string[] | ByteStream | EntryIterable;

/**
 * Of rows with the same key in the order of the sources, and of rows within one: the last or the first is loaded; the
 * import fails with KEY_EXISTS; or the first is loaded, and the others are told in the reject file.
 */
export type Duplicates = 'last' | 'first' | 'error' | 'skip-and-report';

/** What an import may say of its ingest. */
export type ImportIngestOptions = Pick<
  IngestOptions,
  'create' | 'ifExists' | 'behind' | 'replace' | 'undoable' | 'requireBottom' | 'maxImpact'
>;

export interface ImportPublish {
  /** A new version of this dataset is published in place of an ingest into a keyspace. */
  readonly dataset: string;
  /** 'base' by default, as for `dataset.publish`. */
  readonly kind?: 'base' | 'delta';
  readonly version?: number;
  readonly message?: string;
  readonly activate?: boolean;
  /** As of `db.dataset`. */
  readonly keepVersions?: number;
  /** Of entries of the program itself; the database's by default. */
  readonly keyEncoding?: EncodingName;
  readonly valueEncoding?: EncodingName;
}

export type ImportPath = 'auto' | 'ingest' | 'put';

export interface ImportOptions {
  /** As for `db.ingest`. */
  readonly into?: string | Keyspace<EncodingName, EncodingName>;
  /** By the extension of the first source when absent; 'entries' is told from the source itself. */
  readonly format?: FormatName;
  readonly compression?: SourceCompression;
  readonly key?: KeySpec;
  readonly value?: ValueSpec;
  readonly types?: Readonly<Record<string, ColumnType>>;
  /** Of csv, tsv and text. One character or more; ',' of CSV, a tab otherwise. */
  readonly separator?: string;
  /** '"' of CSV; of the others nothing is quoted. '' for none. */
  readonly quote?: string;
  /** Of csv, tsv and text: what makes a quote, or itself, data within quotes, besides a doubled quote. */
  readonly escape?: string;
  /** Of csv, tsv and text: lines that begin with it are left out. */
  readonly comment?: string;
  /** Of csv, tsv and text: so many lines are left out, before the header. */
  readonly skipLines?: number;
  /** True: the first row has the names. Or the names. By default true of CSV and TSV, false of plain text. */
  readonly header?: boolean | readonly string[];
  readonly nullText?: string;
  /**
   * Of SequenceFiles: of keys and values that are numbers their digits (default), or the bytes that Hadoop writes; 'serialized':
   * of any class all that is in the file, lengths included.
   */
  readonly writables?: 'text' | 'bytes' | 'serialized';
  /** A longer row is a bad one; 64 MiB. */
  readonly rowBytesMax?: number;
  /** The sources are in key order, one after the other: nothing is sorted, and a row out of order fails the import with NOT_SORTED. */
  readonly presorted?: boolean;
  /** 'last'. */
  readonly duplicates?: Duplicates;
  /** 'fail' (default): the first bad row ends the import with BAD_INPUT. 'skip': bad rows are left out and told of. */
  readonly onBadRow?: 'fail' | 'skip';
  /** With `onBadRow: 'skip'`: so many at most; below 1, so large a share of the rows read. */
  readonly maxBadRows?: number;
  /** Where rejected rows are told, one JSON object a line; there must be none of that name. */
  readonly rejectFile?: string;
  /** For sorting, runs and merging together; 512 MiB, at least 64 MiB. */
  readonly memoryLimitBytes?: number;
  /** That read, sort and merge; as many as leave a core to the event loop, at least 2. */
  readonly threads?: number;
  /** Where runs are spilled, by default within the database's directory; it may be on another file system. */
  readonly tempDir?: string;
  readonly publish?: ImportPublish;
  readonly ingest?: ImportIngestOptions;
  /** 'auto': small inputs are put, in one transaction that is as atomic; the others are ingested. */
  readonly path?: ImportPath;
  /** The same id again does nothing and answers with the first one's result; a new one by default. */
  readonly id?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ImportProgress) => void;
}

export type ImportState = 'start' | 'feeding' | 'importing' | 'imported' | 'failed' | 'paused' | 'cancelled';

/** What is being done. */
export type ImportPhase = 'read' | 'merge' | 'commit' | 'done';

/** rowsRead = rowsLoaded + rowsDuplicate + rowsBad, once the import is done. */
export interface ImportProgress {
  readonly id: string;
  readonly state: ImportState;
  readonly phase: ImportPhase;
  /** Of the sources as they are stored; the total is undefined where a source does not tell. */
  readonly bytesRead: number;
  readonly bytesTotal: number | undefined;
  readonly rowsRead: number;
  readonly rowsBad: number;
  readonly rowsDuplicate: number;
  /** In finished runs. */
  readonly rowsSorted: number;
  /** In finished tables. */
  readonly rowsWritten: number;
  /** Committed. */
  readonly rowsLoaded: number;
  /** Of runs and tables. */
  readonly bytesWritten: number;
  readonly elapsedMs: number;
  /** Of what the phase goes through. */
  readonly rowsPerSecond: number;
  /** Until the commit, as far as it can be told. */
  readonly etaMs: number | undefined;
}

export interface ImportResult {
  readonly id: string;
  /** An earlier import already had this id: nothing was read now. */
  readonly replayed: boolean;
  /** Of the commit; where no row was loaded, the version that was visible. */
  readonly version: number;
  readonly path: 'ingest' | 'put';
  readonly rowsRead: number;
  readonly rowsLoaded: number;
  readonly rowsDuplicate: number;
  readonly rowsBad: number;
  /** The tables' files; 0 of what was put. */
  readonly tables: number;
  readonly bytesWritten: number;
  readonly elapsedMs: number;
  readonly rejectFile: string | undefined;
  /** Of `publish`. */
  readonly datasetVersion: number | undefined;
}

/** What `db.tasks()` tells of an import. */
export interface ImportTaskInfo {
  readonly id: string;
  readonly state: ImportState;
  /** Of a cluster: the node that runs it, or has run it. */
  readonly node: string | undefined;
  /** False where nobody is at it: unless it is imported or cancelled, `resumeImport` goes on with it. */
  readonly running: boolean;
  readonly into: string;
  readonly dataset: string | undefined;
  readonly format: FormatName;
  readonly sources: readonly string[];
  readonly started: Date;
  /** As far as it is durable: what a resume does not read again. */
  readonly rowsRead: number;
  readonly rowsBad: number;
  readonly rowsDuplicate: number;
  readonly rowsSorted: number;
  /** Runs that are finished. */
  readonly runs: number;
  readonly bytesWritten: number;
  /** What ended it, in state 'failed'. */
  readonly error: string | undefined;
  /** In state 'imported'. */
  readonly result: ImportResult | undefined;
}

/** What `db.import` and `db.resumeImport` return. */
export interface ImportTask {
  readonly id: string;
  readonly state: ImportState;
  /** Resolves when it is committed; rejects with what failed it, and with ABORTED when it is cancelled. */
  readonly done: Promise<ImportResult>;
  progress(): ImportProgress;
  /** Resolves when nothing runs any more; it stays paused through a restart. */
  pause(): Promise<void>;
  resume(): void;
  /** Resolves when nothing is left of it. After the commit has begun it is too late: then it resolves when that has ended. */
  cancel(): Promise<void>;
  on(listener: (progress: ImportProgress) => void): () => void;
}

/** What does the work of `db.import`; it sits above the database, which is given one when it is opened (import/open.ts). */
export interface Importer {
  start(source: ImportSource, options: ImportOptions): ImportTask;
  resume(id: string, options: ResumeOptions): ImportTask;
  tasks(): ImportTaskInfo[];
  /** What runs is stopped where it stands, to be gone on with later. */
  close(): Promise<void>;
}

export interface ResumeOptions {
  /** The same as before, of an import from a stream or from entries: what is durable of it is passed over. */
  readonly source?: ImportSource;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ImportProgress) => void;
}
