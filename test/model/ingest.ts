/** What an ingest does, as puts, deletes and range deletions do it. */

import type { IngestOptions } from '../../src/index.ts';
import type { IngestStatement, KeyedEntry, Span } from './history.ts';
import type { State } from './oracle.ts';

export function optionsOf({ keyspace, mode, replace }: IngestStatement): IngestOptions {
  return { into: keyspace, mode, ...(replace !== undefined && { replace }) };
}

/** What it deletes before its files. */
export function replacedBy({ keyspace, replace }: IngestStatement): Span | undefined {
  if (replace === undefined) return undefined;
  return replace === true ? { keyspace } : { keyspace, ...replace };
}

/** In the order in which they count: file after file. */
export function entriesOf({ keyspace, files }: IngestStatement): KeyedEntry[] {
  return files.flatMap((entries) => entries.map(([key, value]) => ({ keyspace, key, value })));
}

export function afterIngest(state: State, ingest: IngestStatement): State {
  const replaced = replacedBy(ingest);
  return (replaced === undefined ? state : state.deleteRange(replaced)).write(entriesOf(ingest));
}
