/** SST files made for a test. */

import { readdirSync } from 'node:fs';
import { type SstFile, SstWriter, type SstWriterOptions } from '../../src/index.ts';

/** An undefined value: a tombstone. */
export type Entry = readonly [key: string, value: string | undefined];

/** Writes the entries in key order; of entries with one key the last counts. */
export async function writeSst(
  path: string,
  entries: Iterable<Entry>,
  options: SstWriterOptions = {},
): Promise<SstFile> {
  const byKey = new Map(entries);
  const keys = [...byKey.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const writer = new SstWriter(path, options);
  try {
    for (const key of keys) {
      const value = byKey.get(key);
      if (value === undefined) writer.del(key);
      else writer.put(key, value);
    }
    return await writer.finish();
  } finally {
    writer.abort();
  }
}

/** [prefix + number, value + number] for the numbers of a range, as keys that sort by number. */
export function numbered(from: number, to: number, prefix = 'k', value = 'v'): Entry[] {
  const entries: Entry[] = [];
  for (let n = from; n < to; n++) entries.push([`${prefix}${String(n).padStart(6, '0')}`, `${value}${n}`]);
  return entries;
}

/** Names of the tables of a database directory, sorted. */
export function tableFiles(dir: string): string[] {
  return readdirSync(`${dir}/tables`).sort();
}
