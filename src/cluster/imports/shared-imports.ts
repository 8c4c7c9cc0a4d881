/**
 * Imports as all nodes know them: rows of the manifest that records of the log write, so they are the same on every replica, and none is lost with
 * the node that runs it.
 *
 * An import is the node's that claimed it last. Each claim raises the row's epoch, and the record that commits the import names the
 * epoch of its claim: of a node that was away, and whose import another has taken over or ended meanwhile, it is refused everywhere.
 * The same edit that commits it says so in the row, so it is committed once.
 */

import { SluiceError } from '../../base/errors.ts';
import { isOver } from '../../import/import-state.ts';
import type { Edit, SharedImportRow } from '../../manifest/rows.ts';
import type { Version } from '../../mvcc/version.ts';
import type { Engine } from '../../txn/engine.ts';
import type { ImportClaim } from '../../txn/proposer.ts';
import type { RecordBody } from '../record/log-record.ts';

/** At so many that are done or cancelled the oldest go, so that as many are kept as the second says. */
const ENDED_MAX = 1100;
const ENDED_KEPT = 1000;

/** @throws SluiceError CONFLICT, on every replica, when the row is not as the record expects it */
export async function applyImport(
  engine: Engine,
  { expects, row }: Extract<RecordBody, { kind: 'import' }>,
): Promise<void> {
  const known = engine.manifest.state.sharedImports.get(row.id);
  if ((known?.epoch ?? 0) !== expects) throw takenOver(row.id, known);
  const spec = row.spec === '' ? (known?.spec ?? '') : row.spec;
  // What was committed stays so, whatever the node that committed it says of it later.
  const { state, version } = known?.version === undefined ? row : known;
  await engine.edits.submit(() => ({
    edits: withoutOldest(engine, { ...row, spec, state, version }),
    installed: () => undefined,
  }));
}

/** @throws SluiceError CONFLICT, on every replica, when another node has it, or it is committed */
export function checkClaim({ manifest }: Engine, { id, epoch }: ImportClaim): void {
  const known = manifest.state.sharedImports.get(id);
  if (known?.epoch !== epoch || known.version !== undefined) throw takenOver(id, known);
}

/** What the edit of its commit has beside. REQUIRES: checked. */
export function committedImport(engine: Engine, { id, info }: ImportClaim, version: Version): Edit[] {
  const row = engine.manifest.state.sharedImports.get(id);
  if (row === undefined) return [];
  return withoutOldest(engine, { ...row, state: 'imported', version, info });
}

/** With what is told no more for it: the same on every replica, for all have the same rows. One that may be resumed stays. */
function withoutOldest({ manifest }: Engine, row: SharedImportRow): Edit[] {
  const put: Edit = { kind: 'putSharedImport', row };
  if (!isOver(row.state)) return [put];
  const ended = [...manifest.state.sharedImports.values()].filter(
    ({ id, state }) => id !== row.id && isOver(state),
  );
  if (ended.length < ENDED_MAX) return [put];
  const oldest = ended
    .map(({ id, info }) => ({ id, startedMs: startedMsOf(info) }))
    .sort((a, b) => a.startedMs - b.startedMs || (a.id < b.id ? -1 : 1))
    .slice(0, ended.length + 1 - ENDED_KEPT);
  return [put, ...oldest.map(({ id }): Edit => ({ kind: 'removeSharedImport', id }))];
}

function startedMsOf(info: string): number {
  const { startedMs } = JSON.parse(info) as { readonly startedMs: number };
  return startedMs;
}

/** Running the same again would not help. */
function takenOver(id: string, known: SharedImportRow | undefined): SluiceError {
  const what =
    known === undefined
      ? 'is not known'
      : known.version !== undefined
        ? `was committed at version ${known.version}`
        : `is the node ${known.node}'s now`;
  return new SluiceError('CONFLICT', `The import ${id} ${what}`, { retryable: false });
}
