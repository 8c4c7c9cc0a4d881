/** What an ingest does, as puts, deletes and range deletions do it. */

import type { IngestOptions } from '../../src/index.ts';
import { BEHIND, type IngestStatement, type KeyedEntry, type Span } from './history.ts';
import type { State } from './oracle.ts';

export function optionsOf({ keyspace, mode, replace, ifExists, behind }: IngestStatement): IngestOptions {
  return {
    into: keyspace,
    mode,
    ...(replace !== undefined && { replace }),
    ...(ifExists !== undefined && { ifExists }),
    ...(behind !== undefined && { behind }),
  };
}

/** What it deletes before its files. */
export function replacedBy({ keyspace, replace }: IngestStatement): Span | undefined {
  if (replace === undefined) return undefined;
  return replace === true ? { keyspace } : { keyspace, ...replace };
}

/** In the order in which they count, file after file; the error's code where it fails. */
export function entriesOf(state: State, ingest: IngestStatement): KeyedEntry[] | string {
  const { keyspace, files, ifExists, behind } = ingest;
  const all = files.flatMap((entries) => entries.map(([key, value]) => ({ keyspace, key, value })));
  if (behind === true) {
    if (keyspace !== BEHIND) return 'INGEST_BEHIND_NOT_ALLOWED';
    return all.filter(({ key }) => !state.wasTouched(keyspace, key));
  }
  if (ifExists === undefined) return all;
  const absent = all.filter(({ key }) => state.get(keyspace, key) === undefined);
  return ifExists === 'keep' || absent.length === all.length ? absent : 'KEY_EXISTS';
}

export function afterIngest(state: State, ingest: IngestStatement): State {
  const replaced = replacedBy(ingest);
  const entries = entriesOf(state, ingest);
  const before = replaced === undefined ? state : state.deleteRange(replaced);
  return typeof entries === 'string' ? before : before.write(entries);
}
