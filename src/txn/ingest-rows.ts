/** The manifest rows of a commit's ingests: provenance, and what undoing them needs or has done. */

import { EMPTY_BYTES, successor } from '../base/bytes.ts';
import { SluiceError } from '../base/errors.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { IngestedFileRow, IngestRow, TableRow, TreeId, UndoPins } from '../manifest/rows.ts';
import { joinSpans } from '../mvcc/range-tombstones.ts';
import { type Version, versionOf } from '../mvcc/version.ts';
import type { CommitIngest } from './commit-layers.ts';
import type { IngestLayer } from './overlay.ts';

/** @throws SluiceError CONFLICT when another commit has meanwhile used an id, or undone what is undone here */
export function checkIds(ingests: readonly CommitIngest[], { state }: Manifest): void {
  for (const { layer } of ingests) {
    const { id, undoes } = layer;
    if (state.ingests.has(id)) {
      throw new SluiceError(
        'CONFLICT',
        `Another transaction has just committed the ingest ${id}; retry to get its result`,
      );
    }
    if (undoes !== undefined && state.ingests.get(undoes)?.undo === undefined) {
      throw new SluiceError('CONFLICT', `The ingest ${undoes} has just been undone or released by another`);
    }
  }
}

interface CommitPlace {
  readonly rows: readonly TableRow[];
  /** Where the keyspace's entries go. */
  readonly treeOf: (keyspace: string) => { readonly id: TreeId };
  /** Of the commit's versions. */
  readonly first: number;
  readonly last: Version;
  readonly nowMs: number;
}

export function ingestRows(ingests: readonly CommitIngest[], place: CommitPlace): IngestRow[] {
  const byId = new Map(place.rows.map((row) => [row.id, row]));
  return ingests.map(({ layer, offset }): IngestRow => {
    const { id, sources, undoes, keyspace, depths } = layer;
    const before = place.first + offset - 1;
    const pins = (): UndoPins => ({
      tree: place.treeOf(keyspace).id,
      before: versionOf(before),
      through: versionOf(before + depths),
      ...hullOf(layer),
    });
    return {
      id,
      version: place.last,
      timeMs: place.nowMs,
      files: sources.map((source) => fileRow(source, byId, place.last)),
      undo: layer.undoable ? pins() : undefined,
      undoneAt: undefined,
      undoes,
    };
  });
}

function fileRow(
  { file, attached }: IngestLayer['sources'][number],
  rows: ReadonlyMap<TableRow['id'], TableRow>,
  version: Version,
): IngestedFileRow {
  const row = attached && rows.get(attached.id);
  const { source, keyspace, bytes, smallest, largest, sha256, prefix } = file;
  const entries = row?.entries ?? 0;
  return {
    source,
    table: row?.id ?? file.id,
    keyspace,
    level: row?.level ?? 0,
    version: row?.maxVersion ?? version,
    entries,
    skipped: file.entries - entries,
    bytes,
    smallest,
    largest,
    sha256,
    prefix,
  };
}

/** One span that has all keys which the ingest may have changed. */
function hullOf({ files, replaced }: IngestLayer): Pick<UndoPins, 'from' | 'to'> {
  const spans = files.map(({ file }) => ({ from: file.smallest, to: successor(file.largest) }));
  const all = joinSpans(replaced === undefined ? spans : [...spans, replaced]);
  const [first] = all;
  return { from: first?.from ?? EMPTY_BYTES, to: first === undefined ? EMPTY_BYTES : all.at(-1)?.to };
}

/** Of ingests that these undo: they cannot be undone again, and pin nothing any more. */
export function undoneRows(ingests: readonly IngestRow[], { state }: Manifest): IngestRow[] {
  return ingests.flatMap(({ undoes, version }) => {
    const row = undoes === undefined ? undefined : state.ingests.get(undoes);
    return row === undefined ? [] : [{ ...row, undo: undefined, undoneAt: version }];
  });
}
