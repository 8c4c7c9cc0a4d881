/** The flags of `sluice import`, and the options that they stand for. */

import type {
  ColumnType,
  ImportIngestOptions,
  ImportOptions,
  KeySpec,
  ValueSpec,
} from '../import-options.ts';
import { type Arguments, type Flag, UsageError } from './command.ts';

const FORMATS = ['csv', 'tsv', 'text', 'jsonl', 'sequencefile', 'parquet', 'sst'] as const;
const TYPES: readonly ColumnType[] = ['text', 'int', 'float', 'decimal', 'date', 'bool', 'hex', 'base64'];

export const IMPORT_FLAGS: Readonly<Record<string, Flag>> = {
  format: { type: 'string', value: FORMATS.join('|'), about: 'by the ending of the first file when absent' },
  key: { type: 'string', value: 'COLUMN[,…]', about: 'the first when absent; several keep their order' },
  'key-template': { type: 'string', value: 'TEXT', about: 'as {country}/{id}, in place of --key' },
  value: { type: 'string', value: 'COLUMN', about: 'a column as it is' },
  'value-json': { type: 'string', value: 'COLUMN[,…]', about: 'columns as a JSON object; * for all' },
  'value-msgpack': { type: 'string', value: 'COLUMN[,…]', about: 'the same in MessagePack' },
  'value-raw': { type: 'boolean', about: 'the row as it stands' },
  type: {
    type: 'string',
    value: 'COLUMN=TYPE',
    multiple: true,
    about: `${TYPES.join(', ')}; keys then have the order of the type`,
  },
  separator: { type: 'string', value: 'TEXT', about: 'between columns: , of CSV, a tab otherwise' },
  quote: { type: 'string', value: 'CHAR', about: 'around fields: " of CSV' },
  escape: { type: 'string', value: 'CHAR', about: 'makes a quote data within quotes, besides a doubled one' },
  comment: { type: 'string', value: 'TEXT', about: 'lines that begin with it are left out' },
  'skip-lines': { type: 'string', value: 'N', about: 'so many lines at the beginning are left out' },
  header: { type: 'string', value: 'NAME[,…]', about: 'names of the columns, where no row has them' },
  'no-header': { type: 'boolean', about: 'the first row is data; columns are 0, 1, …' },
  null: { type: 'string', value: 'TEXT', about: 'stands for null' },
  writables: {
    type: 'string',
    value: 'text|bytes|serialized',
    about: 'how numbers of SequenceFiles are loaded; text when absent',
  },
  into: { type: 'string', value: 'KEYSPACE', about: 'where the rows go; `default` when absent' },
  replace: { type: 'boolean', about: 'what the keyspace holds is deleted in the same commit' },
  'if-exists': { type: 'string', value: 'overwrite|keep|fail', about: 'what becomes of keys that exist' },
  undoable: { type: 'boolean', about: 'keep what `sluice ingests undo` needs' },
  dataset: { type: 'string', value: 'NAME', about: 'publish a version of this dataset instead' },
  base: { type: 'boolean', about: 'the rows are all that the version has (default)' },
  delta: { type: 'boolean', about: 'over the live version' },
  message: { type: 'string', short: 'm', about: 'what the version is' },
  duplicates: {
    type: 'string',
    value: 'last|first|error|skip-and-report',
    about: 'of rows with one key; last when absent',
  },
  reject: {
    type: 'string',
    value: 'FILE',
    about: 'leave bad rows out, and tell them there, a JSON object a line',
  },
  'max-bad-rows': {
    type: 'string',
    value: 'N|P%',
    about: 'leave out so many bad rows; one more ends the import',
  },
  presorted: { type: 'boolean', about: 'the files are in key order: nothing is sorted' },
  memory: { type: 'string', value: 'SIZE', about: 'as 256M or 2G; 512M when absent' },
  threads: { type: 'string', value: 'N', about: 'that read, sort and merge' },
  temp: { type: 'string', value: 'DIR', about: 'where rows are spilled; in DB when absent' },
  id: { type: 'string', value: 'ID', about: 'makes a retry safe: the same import again changes nothing' },
};

export function importOptions(args: Arguments): ImportOptions {
  const rejectFile = args.text('reject');
  const maxBadRows = badRows(args.text('max-bad-rows'));
  const skips = rejectFile !== undefined || maxBadRows !== undefined;
  return defined({
    separator: args.text('separator'),
    quote: args.text('quote'),
    escape: args.text('escape'),
    comment: args.text('comment'),
    skipLines: args.count('skip-lines'),
    nullText: args.text('null'),
    into: args.text('into'),
    id: args.text('id'),
    rejectFile,
    tempDir: args.text('temp'),
    format: args.choice('format', FORMATS),
    key: keySpecOf(args),
    value: valueSpecOf(args),
    types: typesOf(args),
    header: headerOf(args),
    writables: args.choice('writables', ['text', 'bytes', 'serialized']),
    duplicates: args.choice('duplicates', ['last', 'first', 'error', 'skip-and-report']),
    presorted: args.flag('presorted') ? true : undefined,
    onBadRow: skips ? ('skip' as const) : undefined,
    // All of them is no limit.
    maxBadRows: maxBadRows === 'all' ? undefined : maxBadRows,
    memoryLimitBytes: sizeOf(args.text('memory')),
    threads: args.count('threads'),
    publish: publishOf(args),
    ingest: ingestOf(args),
  });
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;
}

function columnsOf(list: string, flag: string): string[] {
  const columns = list.split(',').map((column) => column.trim());
  if (columns.includes(''))
    throw new UsageError(`--${flag} has a column without a name: ${JSON.stringify(list)}`);
  return columns;
}

function keySpecOf(args: Arguments): KeySpec | undefined {
  const [key, template] = [args.text('key'), args.text('key-template')];
  if (template !== undefined) {
    if (key !== undefined) throw new UsageError('--key and --key-template exclude each other');
    return { template };
  }
  if (key === undefined) return undefined;
  const columns = columnsOf(key, 'key');
  return columns.length === 1 ? columns[0] : columns;
}

function valueSpecOf(args: Arguments): ValueSpec | undefined {
  const given = ['value', 'value-json', 'value-msgpack'].filter((name) => args.text(name) !== undefined);
  if (args.flag('value-raw')) given.push('value-raw');
  if (given.length > 1)
    throw new UsageError(`${given.map((name) => `--${name}`).join(' and ')} exclude each other`);
  if (args.flag('value-raw')) return { as: 'raw' };
  for (const as of ['json', 'msgpack'] as const) {
    const list = args.text(`value-${as}`);
    if (list !== undefined) return list === '*' ? { as } : { as, columns: columnsOf(list, `value-${as}`) };
  }
  return args.text('value');
}

function typesOf(args: Arguments): Record<string, ColumnType> | undefined {
  const types: Record<string, ColumnType> = {};
  for (const given of args.list('type')) {
    const [, column, type] = /^(.+)=(.*)$/.exec(given) ?? [];
    const known = TYPES.find((one) => one === type);
    if (column === undefined || known === undefined)
      throw new UsageError(`--type must be COLUMN=${TYPES.join('|')}; got ${JSON.stringify(given)}`);
    types[column] = known;
  }
  return Object.keys(types).length === 0 ? undefined : types;
}

function headerOf(args: Arguments): boolean | readonly string[] | undefined {
  const names = args.text('header');
  if (args.flag('no-header')) {
    if (names !== undefined) throw new UsageError('--header and --no-header exclude each other');
    return false;
  }
  return names === undefined ? undefined : columnsOf(names, 'header');
}

/** A count, a share below 1, or all. */
function badRows(text: string | undefined): number | 'all' | undefined {
  if (text === undefined) return undefined;
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  if (percent !== undefined) return Number(percent) >= 100 ? 'all' : Number(percent) / 100;
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new UsageError(`--max-bad-rows must be a count or a share as 0.1%; got ${JSON.stringify(text)}`);
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

function sizeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)([KMG]?)(?:i?B)?$/i.exec(text) ?? [];
  const size = Math.floor(Number(digits) * (UNITS[unit.toUpperCase()] ?? 1));
  if (digits !== '' && Number.isSafeInteger(size)) return size;
  throw new UsageError(`--memory must be a size as 256M or 2G; got ${JSON.stringify(text)}`);
}

function publishOf(args: Arguments): ImportOptions['publish'] {
  const dataset = args.text('dataset');
  const [base, delta, message] = [args.flag('base'), args.flag('delta'), args.text('message')];
  if (dataset === undefined) {
    if (base || delta || message !== undefined)
      throw new UsageError('--base, --delta and --message are of a version of a --dataset');
    return undefined;
  }
  if (base && delta) throw new UsageError('--base and --delta exclude each other');
  if (args.text('into') !== undefined) throw new UsageError('--into and --dataset exclude each other');
  return { dataset, kind: delta ? 'delta' : 'base', ...(message !== undefined && { message }) };
}

function ingestOf(args: Arguments): ImportIngestOptions | undefined {
  const ifExists = args.choice('if-exists', ['overwrite', 'keep', 'fail']);
  const options: ImportIngestOptions = {
    ...(ifExists !== undefined && { ifExists }),
    ...(args.flag('replace') && { replace: true as const }),
    ...(args.flag('undoable') && { undoable: true }),
  };
  if (Object.keys(options).length === 0) return undefined;
  if (args.text('dataset') !== undefined)
    throw new UsageError('--replace, --if-exists and --undoable are not of a --dataset');
  return options;
}
