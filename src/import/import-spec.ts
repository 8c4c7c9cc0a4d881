/** What was asked of an import, checked and with its defaults, as plain data: it is kept in the manifest. */

import { checkCallback, checkFlag, checkOptions, checkSignal } from '../base/arguments.ts';
import { type EncodingName, encode } from '../base/encoding.ts';
import { cores } from '../base/env/node-env.ts';
import type {
  Duplicates,
  FormatName,
  ImportIngestOptions,
  ImportOptions,
  ImportPath,
  ImportPublish,
  ImportSource,
} from '../import-options.ts';
import { checkKeyspaceName } from '../txn/catalog.ts';
import { checkDatasetOptions } from '../txn/dataset/dataset.ts';
import type { Engine } from '../txn/engine.ts';
import { checkIngestOptions, keyspaceOf } from '../txn/ingest-options.ts';
import { Keyspace } from '../txn/keyspace.ts';
import { checkedFormat } from './format/check-format.ts';
import type { FormatSpec } from './format/format-spec.ts';
import { formatOf } from './format/make-reader.ts';
import type { SourceSpec } from './source/source-spec.ts';

/** For tests: many runs and passes of few rows. */
export interface InternalImportOptions {
  readonly runBytes?: number;
  readonly fanIn?: number;
}

export interface ImportSpec extends InternalImportOptions {
  readonly into: string;
  /** As given; undefined: a stream or entries. */
  readonly inputs: readonly string[] | undefined;
  readonly format: FormatSpec;
  readonly compression: SourceSpec['compression'];
  readonly keyEncoding: EncodingName;
  readonly valueEncoding: EncodingName;
  readonly presorted: boolean;
  readonly duplicates: Duplicates;
  readonly skipsBadRows: boolean;
  readonly maxBadRows: number | undefined;
  readonly rejectFile: string | undefined;
  readonly memoryLimitBytes: number;
  readonly threads: number;
  readonly tempDir: string | undefined;
  readonly publish: ImportPublish | undefined;
  readonly ingest: ImportIngestOptions;
  readonly path: ImportPath;
}

const MIB = 1 << 20;
const MEMORY_DEFAULT = 512 * MIB;
const MEMORY_MIN = 64 * MIB;
const THREADS_MAX = 32;
const ROW_BYTES_DEFAULT = 64 * MIB;
const FORMATS: readonly FormatName[] = [
  'csv',
  'tsv',
  'text',
  'jsonl',
  'sequencefile',
  'parquet',
  'sst',
  'entries',
];
const DUPLICATES: readonly Duplicates[] = ['last', 'first', 'error', 'skip-and-report'];
const PATHS: readonly ImportPath[] = ['auto', 'ingest', 'put'];

/** @throws TypeError */
export function specOf(
  source: ImportSource,
  options: ImportOptions & InternalImportOptions,
  place: Keyspace<EncodingName, EncodingName>,
  engine: Engine,
): ImportSpec {
  checkOptions(options);
  checkSignal(options.signal);
  checkCallback(options.onProgress, 'options.onProgress');
  checkFlag(options.presorted, 'options.presorted');
  if (options.publish !== undefined && options.into !== undefined) {
    throw new TypeError('options.publish has the dataset that is imported into; leave out options.into');
  }
  const { into } = options;
  if (into !== undefined && !(into instanceof Keyspace)) checkKeyspaceName(into, 'options.into');
  if (options.publish !== undefined) checkPublish(options);
  const keyspace = into instanceof Keyspace ? into : place;
  const inputs = inputsOf(source);
  const ingest = options.ingest ?? {};
  checkIngestOptions(ingest, 0);
  if (options.id !== undefined && (typeof options.id !== 'string' || options.id === '')) {
    throw new TypeError('options.id must be a non-empty string');
  }
  const format = nameOf(inputs, options);
  return {
    into: options.publish?.dataset ?? keyspaceOf(into === undefined ? {} : { into }, engine),
    inputs,
    format: checkedFormat(formatSpec(format, options)),
    compression: oneOf(options.compression, ['auto', 'none', 'gzip', 'zstd'] as const, 'compression', 'auto'),
    keyEncoding: options.publish?.keyEncoding ?? keyspace.keyEncoding,
    valueEncoding: options.publish?.valueEncoding ?? keyspace.valueEncoding,
    presorted: options.presorted ?? false,
    duplicates: oneOf(options.duplicates, DUPLICATES, 'duplicates', 'last'),
    skipsBadRows: oneOf(options.onBadRow, ['fail', 'skip'] as const, 'onBadRow', 'fail') === 'skip',
    maxBadRows: checkedMaxBadRows(options.maxBadRows),
    rejectFile: text(options.rejectFile, 'rejectFile'),
    memoryLimitBytes: integer(
      options.memoryLimitBytes,
      'memoryLimitBytes',
      MEMORY_DEFAULT,
      MEMORY_MIN,
      2 ** 40,
    ),
    threads: integer(options.threads, 'threads', Math.max(2, cores() - 1), 1, THREADS_MAX),
    tempDir: text(options.tempDir, 'tempDir'),
    publish: options.publish,
    ingest: { ...ingest, ...replaced(ingest.replace, keyspace.keyEncoding) },
    path: oneOf(options.path, PATHS, 'path', 'auto'),
    ...given({ runBytes: options.runBytes, fanIn: options.fanIn }),
  };
}

function inputsOf(source: unknown): readonly string[] | undefined {
  if (typeof source === 'string') return [pathOf(source)];
  if (typeof source !== 'object' || source === null) throw wrongSource();
  if (Array.isArray(source) && source.length > 0 && source.every((each) => typeof each === 'string')) {
    return source.map(pathOf);
  }
  if (Symbol.iterator in source || Symbol.asyncIterator in source) return undefined;
  throw wrongSource();
}

function pathOf(path: string): string {
  if (path === '') throw new TypeError('source must be a non-empty path');
  return path;
}

function wrongSource(): TypeError {
  return new TypeError('source must be a path or URL, or some, a stream, or an iterable of [key, value]');
}

function nameOf(inputs: readonly string[] | undefined, { format }: ImportOptions): FormatName {
  if (format !== undefined) {
    const name = oneOf(format, FORMATS, 'format', 'csv');
    if ((name === 'entries') === (inputs !== undefined)) {
      if (name === 'entries') throw new TypeError("options.format 'entries' is of iterables, not of files");
    }
    return name;
  }
  if (inputs === undefined) return 'entries';
  const told = inputs.map(formatOf).find((name) => name !== undefined);
  if (told !== undefined) return told;
  throw new TypeError(`options.format must be given: the name ${inputs[0]} does not tell it`);
}

/** Of inputs without a database. @throws TypeError */
export function formatSpecOf(inputs: readonly string[], options: ImportOptions): FormatSpec {
  return checkedFormat(formatSpec(nameOf(inputs, options), options));
}

function formatSpec(format: FormatName, options: ImportOptions): FormatSpec {
  const {
    key,
    value,
    types,
    separator,
    quote,
    escape: escaping,
    comment,
    skipLines,
    header,
    nullText,
    writables,
  } = options;
  const rowBytesMax = integer(options.rowBytesMax, 'rowBytesMax', ROW_BYTES_DEFAULT, 1, 2 ** 30);
  const extraction = { ...given({ key, value, types, nullText }), rowBytesMax };
  switch (format) {
    case 'csv':
    case 'tsv':
    case 'text':
      return {
        format,
        ...extraction,
        ...given({ separator, quote, escape: escaping, comment, skipLines, header }),
      };
    case 'jsonl':
    case 'parquet':
      return { format, ...extraction };
    case 'sequencefile':
      return { format, rowBytesMax, ...given({ writables: checkedWritables(writables) }) };
    default:
      return { format };
  }
}

function checkedWritables(value: ImportOptions['writables']): ImportOptions['writables'] {
  if (value === undefined) return undefined;
  return oneOf(value, ['text', 'bytes', 'serialized'] as const, 'writables', 'text');
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without what is undefined. */
function given<T extends object>(values: T): Given<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Given<T>;
}

function checkPublish({ publish, ingest }: ImportOptions): void {
  checkOptions(publish, 'options.publish');
  checkKeyspaceName(publish?.dataset, 'options.publish.dataset');
  checkDatasetOptions(publish ?? {});
  const { kind } = publish ?? {};
  if (kind !== undefined && kind !== 'base' && kind !== 'delta') {
    throw new TypeError(`options.publish.kind must be base or delta; got ${String(kind)}`);
  }
  if (ingest !== undefined) throw new TypeError('options.ingest is not of what is published');
}

/** Keys as bytes: they are kept. */
function replaced(
  replace: ImportIngestOptions['replace'],
  keyEncoding: EncodingName,
): Pick<ImportIngestOptions, 'replace'> {
  if (replace === undefined || replace === true) return {};
  const bounds = Object.entries(replace)
    .filter(([, bound]) => bound !== undefined)
    .map(([name, bound]) => [
      name,
      Buffer.from(encode(keyEncoding, bound, `options.ingest.replace.${name}`)),
    ]);
  return { replace: Object.fromEntries(bounds) };
}

function checkedMaxBadRows(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && value >= 0 && (value < 1 || Number.isInteger(value))) return value;
  throw new TypeError(`options.maxBadRows must be a count, or a ratio below 1; got ${String(value)}`);
}

function text(value: unknown, name: string): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value;
  throw new TypeError(`options.${name} must be a non-empty path`);
}

function integer(value: unknown, name: string, byDefault: number, min: number, max: number): number {
  if (value === undefined) return byDefault;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new TypeError(`options.${name} must be an integer from ${min} to ${max}; got ${String(value)}`);
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], name: string, byDefault: T): T {
  if (value === undefined) return byDefault;
  const found = allowed.find((each) => each === value);
  if (found !== undefined) return found;
  throw new TypeError(`options.${name} must be one of ${allowed.join(', ')}; got ${String(value)}`);
}
