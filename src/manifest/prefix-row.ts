/** How a prefix that keys are read under is coded: [prefix in the file, prefix read] | null. */

import type { PrefixRewrite } from '../mvcc/prefix-rewrite.ts';
import { Fields } from './fields.ts';

export function prefixValues(prefix: PrefixRewrite | undefined): Uint8Array[] | null {
  return prefix === undefined ? null : [prefix.from, prefix.to];
}

/** The row's next element, which rows of older formats do not have. */
export function prefixOf(what: string, row: Fields): PrefixRewrite | undefined {
  const values = row.done ? null : row.listOrNull();
  if (values === null) return undefined;
  const f = new Fields(what, values);
  return { from: f.bytes(), to: f.bytes() };
}
