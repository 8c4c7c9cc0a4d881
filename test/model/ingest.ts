/** What an ingest does, as puts, deletes and range deletions do it. */

import type { IngestOptions } from '../../src/index.ts';
import type { IngestStatement, KeyedEntry, Span } from './history.ts';
import type { State } from './oracle.ts';

export function optionsOf({ keyspace, mode, replace, ifExists }: IngestStatement): IngestOptions {
  return { into: keyspace, mode, ...(replace !== undefined && { replace }), ...(ifExists && { ifExists }) };
}

/** What it deletes before its files. */
export function replacedBy({ keyspace, replace }: IngestStatement): Span | undefined {
  if (replace === undefined) return undefined;
  return replace === true ? { keyspace } : { keyspace, ...replace };
}

/** In the order in which they count, file after file; undefined where it fails. */
export function entriesOf(state: State, ingest: IngestStatement): KeyedEntry[] | undefined {
  const { keyspace, files, ifExists } = ingest;
  const all = files.flatMap((entries) => entries.map(([key, value]) => ({ keyspace, key, value })));
  if (ifExists === undefined) return all;
  const absent = all.filter(({ key }) => state.get(keyspace, key) === undefined);
  return ifExists === 'keep' || absent.length === all.length ? absent : undefined;
}

export function afterIngest(state: State, ingest: IngestStatement): State {
  const replaced = replacedBy(ingest);
  const entries = entriesOf(state, ingest) ?? [];
  return (replaced === undefined ? state : state.deleteRange(replaced)).write(entries);
}
