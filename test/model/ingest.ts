/** What an ingest does, as puts, deletes and range deletions do it. */

import type { IngestOptions, Transaction } from '../../src/index.ts';
import { type Entry, writeSst } from '../base/sst-files.ts';
import { BEHIND, type IngestStatement, KEYS, type KeyedEntry, type Span } from './history.ts';
import { isWithin, type State } from './oracle.ts';

export function optionsOf(ingest: IngestStatement): IngestOptions {
  const { keyspace, mode, replace, ifExists, behind, undoable, prefix } = ingest;
  return {
    into: keyspace,
    mode,
    ...(replace !== undefined && { replace }),
    ...(ifExists !== undefined && { ifExists }),
    ...(behind !== undefined && { behind }),
    ...(undoable !== undefined && { undoable }),
    ...(prefix !== undefined && { prefix }),
  };
}

/** What its files hold, by the keys that they have there. */
export function filesOf({ files, prefix }: Pick<IngestStatement, 'files' | 'prefix'>): Entry[][] {
  const { from, to } = prefix ?? { from: '', to: '' };
  return files.map((entries) => entries.map(([key, value]): Entry => [from + key.slice(to.length), value]));
}

/** Its files, at paths that are new each time. */
export async function writeFiles(ingest: IngestStatement, newPath: () => string): Promise<string[]> {
  const paths: string[] = [];
  for (const entries of filesOf(ingest)) {
    const { path } = await writeSst(newPath(), entries, { blockBytes: 64 });
    paths.push(path);
  }
  return paths;
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
    if (state.wasSwapped(keyspace)) return 'BUSY';
    return all.filter(({ key }) => !state.wasTouched(keyspace, key));
  }
  if (ifExists === undefined) return all;
  if (state.wasSwapped(keyspace)) return 'BUSY';
  const absent = all.filter(({ key }) => state.get(keyspace, key) === undefined);
  return ifExists === 'keep' || absent.length === all.length ? absent : 'KEY_EXISTS';
}

export function afterIngest(state: State, ingest: IngestStatement): State {
  const replaced = replacedBy(ingest);
  const entries = entriesOf(state, ingest);
  const before = replaced === undefined ? state : state.deleteRange(replaced);
  return typeof entries === 'string' ? before : before.write(entries);
}

/** An ingest that may be undone. */
export interface Undoable {
  readonly id: string;
  readonly ingest: IngestStatement;
  readonly before: State;
  readonly after: State;
  gone: boolean;
}

/** What undoing it writes; the error's code where it fails. */
export function undoingOf(state: State, { ingest, before, after, gone }: Undoable): KeyedEntry[] | string {
  const { keyspace } = ingest;
  if (gone || state.generation(keyspace) !== after.generation(keyspace)) return 'UNDO_IMPOSSIBLE';
  const entries = entriesOf(before, ingest);
  const own = new Set(typeof entries === 'string' ? [] : entries.map(({ key }) => key));
  const replaced = replacedBy(ingest);
  const deleted = (key: string): boolean =>
    replaced !== undefined && isWithin(key, replaced) && before.get(keyspace, key) !== undefined;
  const keys = KEYS.filter((key) => own.has(key) || deleted(key));
  if (keys.some((key) => state.writes(keyspace, key) !== after.writes(keyspace, key))) return 'UNDO_CONFLICT';
  return keys
    .filter((key) => (before.get(keyspace, key) ?? after.get(keyspace, key)) !== undefined)
    .map((key) => ({ keyspace, key, value: before.get(keyspace, key) }));
}

/* In a transaction. */

export function put(txn: Transaction<'utf8', 'utf8'>, { keyspace, key, value }: KeyedEntry): void {
  const target = txn.keyspace(keyspace);
  if (value === undefined) target.del(key);
  else target.put(key, value);
}

export function deleteSpan(txn: Transaction<'utf8', 'utf8'>, { keyspace, ...bounds }: Span): void {
  txn.keyspace(keyspace).deleteRange(bounds);
}

export function putAll(txn: Transaction<'utf8', 'utf8'>, state: State, ingest: IngestStatement): void {
  const replaced = replacedBy(ingest);
  if (replaced !== undefined) deleteSpan(txn, replaced);
  const entries = entriesOf(state, ingest);
  if (typeof entries !== 'string') for (const entry of entries) put(txn, entry);
}

/** Without policies: what is replaced as a range deletion, what may be there already as puts of the keys that are absent. */
export async function ingestPlainly(
  txn: Transaction<'utf8', 'utf8'>,
  state: State,
  ingest: IngestStatement,
  newPath: () => string,
): Promise<void> {
  const { replace: _, ifExists, behind, ...plain } = ingest;
  if (ifExists !== undefined || behind !== undefined) return putAll(txn, state, ingest);
  const replaced = replacedBy(ingest);
  if (replaced !== undefined) deleteSpan(txn, replaced);
  await txn.ingest(await writeFiles(plain, newPath), optionsOf(plain));
}
