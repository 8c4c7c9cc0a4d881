/** What the rows of datasets say, and what is said where they do not. */

import { SluiceError } from '../../base/errors.ts';
import type { DatasetRow, DatasetVersionRow } from '../../manifest/rows.ts';
import { MAX_VERSION, type Version } from '../../mvcc/version.ts';

export const NO_VERSIONS: Omit<DatasetRow, 'name'> = { lastId: 0, versions: [], activations: [] };

/** The id of the version that is live at `version`; by default of the newest commit's, visible or not. */
export function liveAt(row: DatasetRow | undefined, version: Version = MAX_VERSION): number | undefined {
  return row?.activations.findLast((activation) => activation.version <= version)?.id;
}

/** @throws SluiceError DATASET_VERSION_NOT_FOUND unless it is kept, and visible at `version` */
export function requireVersion(
  row: DatasetRow | undefined,
  name: string,
  id: number,
  version: Version = MAX_VERSION,
): DatasetVersionRow {
  const kept = (row?.versions ?? []).filter((each) => each.version <= version);
  const found = kept.find((each) => each.id === id);
  if (found !== undefined) return found;
  throw notKept(kept, name, id);
}

export function notKept(kept: readonly DatasetVersionRow[], name: string, id: number): SluiceError {
  const ids = kept.map((each) => each.id).join(', ');
  const there = ids === '' ? 'it has none' : `it keeps ${ids}`;
  return new SluiceError(
    'DATASET_VERSION_NOT_FOUND',
    `The dataset ${JSON.stringify(name)} has no version ${id}; ${there}`,
  );
}

/** The one published before the live one. @throws SluiceError DATASET_VERSION_NOT_FOUND */
export function previousOf(row: DatasetRow | undefined, name: string, live: number | undefined): number {
  const versions = row?.versions ?? [];
  if (live === undefined) {
    const message = `The dataset ${JSON.stringify(name)} has no version that is live: there is nothing to roll back from`;
    throw new SluiceError('DATASET_VERSION_NOT_FOUND', message);
  }
  const index = versions.findIndex(({ id }) => id === live);
  const previous = versions[index - 1];
  if (previous !== undefined) return previous.id;
  throw new SluiceError(
    'DATASET_VERSION_NOT_FOUND',
    `The dataset ${JSON.stringify(name)} keeps no version before ${live}: there is nothing to roll back to`,
  );
}

export function checkVersionId(id: unknown, argument: string): asserts id is number {
  if (typeof id === 'number' && Number.isSafeInteger(id) && id > 0) return;
  throw new TypeError(`${argument} must be a positive integer; got ${String(id)}`);
}

export function checkKeepVersions(count: unknown, argument: string): asserts count is number {
  if (typeof count === 'number' && Number.isSafeInteger(count) && count > 0) return;
  throw new TypeError(`${argument} must be a positive integer; got ${String(count)}`);
}
