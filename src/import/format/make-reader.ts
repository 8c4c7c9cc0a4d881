/** From the description of a format to its reader, in the thread that reads. Each format is loaded when it is asked for. */

import { unreachable } from '../../base/assert.ts';
import { SluiceError } from '../../base/errors.ts';
import type { FormatName } from '../../import-options.ts';
import type { FormatSpec } from './format-spec.ts';
import type { RowReader } from './row-reader.ts';

export async function makeReader(spec: FormatSpec): Promise<RowReader> {
  switch (spec.format) {
    case 'csv':
    case 'tsv':
    case 'text':
      return new (await import('./delimited-reader.ts')).DelimitedReader(spec);
    case 'jsonl':
      return new (await import('./json-lines-reader.ts')).JsonLinesReader(spec);
    case 'entries':
      throw new SluiceError('UNSUPPORTED_FORMAT', `Rows of the format ${spec.format} cannot be read yet`);
    case 'sequencefile':
      return new (await import('./sequencefile/sequence-file-reader.ts')).SequenceFileReader(spec);
    case 'parquet':
      return new (await import('./parquet/parquet-reader.ts')).ParquetReader(spec);
    case 'sst':
      return new (await import('./sst-reader.ts')).SstReader();
    default:
      return unreachable(spec);
  }
}

const EXTENSIONS: ReadonlyMap<string, FormatName> = new Map([
  ['csv', 'csv'],
  ['tsv', 'tsv'],
  ['tab', 'tsv'],
  ['txt', 'text'],
  ['jsonl', 'jsonl'],
  ['ndjson', 'jsonl'],
  ['seq', 'sequencefile'],
  ['sequencefile', 'sequencefile'],
  ['parquet', 'parquet'],
  ['sst', 'sst'],
]);

/** By the name of a source, that of a compressed one included; undefined: it tells nothing. */
export function formatOf(name: string): FormatName | undefined {
  // In a path both are characters like others, or those of a pattern.
  const path = /^https?:/i.test(name) ? name.replace(/[?#].*$/, '') : name;
  const plain = path.replace(/\.(gz|zst)$/i, '');
  const extension = /\.([^./]+)$/.exec(plain)?.[1];
  return extension === undefined ? undefined : EXTENSIONS.get(extension.toLowerCase());
}
