/**
 * The commit of a transaction with an ingest or a range deletion (docs/ARCHITECTURE.md "Writing"). Everything that takes
 * time has been done before; what is here are two synchronous sections, with one manifest edit between them that is made durable
 * elsewhere: version, level of each file and conflict window; installation. L8: it depends on the number of files only,
 * flushes no memtable and blocks no reader.
 */

import { at } from '../base/assert.ts';
import type { StagedFile } from '../ingest/staging.ts';
import type { CompactionLimits } from '../levels/compaction/pick.ts';
import type { PlacedRange } from '../levels/placement.ts';
import type { Tree } from '../levels/tree.ts';
import type { Manifest } from '../manifest/manifest.ts';
import {
  type Edit,
  type IngestRow,
  type RangeTombstonesRow,
  type TableRow,
  tombstonesOf,
} from '../manifest/rows.ts';
import { joinSpans, type KeySpan } from '../mvcc/range-tombstones.ts';
import { type Version, versionOf } from '../mvcc/version.ts';
import { checkAdmission } from './admission.ts';
import type { Catalog } from './catalog.ts';
import type { CommitIngest, CommitRange, CommitTable, MergedLayer } from './commit-layers.ts';
import type { GenerationChange } from './dataset/generation-change.ts';
import type { CommitGeneration } from './dataset/links.ts';
import type { Change } from './edit-queue.ts';
import type { Engine } from './engine.ts';
import { checkIds, ingestRows, undoneRows } from './ingest-rows.ts';
import { inSlot, ManifestSlot } from './manifest-slot.ts';
import type { Admission } from './overlay.ts';
import type { Publication } from './publication.ts';
import { keyString } from './read-set.ts';
import type { TableWrites } from './table-writes.ts';
import type { ConflictWindow } from './window.ts';

export interface ManifestCommitParts {
  readonly manifest: Manifest;
  readonly catalog: Catalog;
  readonly publication: Publication;
  readonly window: ConflictWindow;
  readonly limits: CompactionLimits;
  readonly nowMs: () => number;
  readonly changeOf: (generation: CommitGeneration) => GenerationChange;
  /** There are ingests that can be undone, or cannot be any more. */
  readonly pinsChanged: () => void;
}

/** What a commit brings. */
export interface CommitContents {
  readonly tables: readonly CommitTable[];
  readonly ranges: readonly CommitRange[];
  readonly ingests: readonly CommitIngest[];
  readonly generations: readonly CommitGeneration[];
  /** How many versions it takes. */
  readonly depth: number;
}

export interface CommittedTables {
  readonly version: Version;
  readonly ingests: readonly IngestRow[];
  /** Resolves when the commit is visible. */
  readonly published: Promise<void>;
}

export interface TablesCommit {
  readonly change: Change;
  readonly committed: CommittedTables;
}

/**
 * The commit as a change of the manifest. REQUIRES: checked against the window in this same turn, at its turn of the edits.
 * @throws SluiceError CONFLICT when another commit has used one of the ingest ids meanwhile; NOT_BOTTOM_LEVEL and
 * IMPACT_EXCEEDED of an ingest that asks for it; those of `GenerationChange`.
 */
export function commitTables(contents: CommitContents, parts: ManifestCommitParts): TablesCommit {
  const changes: GenerationChange[] = [];
  const slot = new ManifestSlot();
  try {
    checkIds(contents.ingests, parts.manifest);
    for (const generation of contents.generations) changes.push(parts.changeOf(generation));
    return commitChecked(contents, changes, slot, parts);
  } catch (error) {
    for (const change of changes) change.abandon();
    // L1: versions that it has taken are holes.
    if (slot.last > 0 && parts.publication.failStop) parts.publication.freeze(error);
    slot.ready = true;
    parts.publication.drain();
    throw error;
  }
}

/** A keyspace's tree from this commit on. @throws SluiceError KEYSPACE_NOT_FOUND */
export type Destination = (keyspace: string) => Tree;

function commitChecked(
  contents: CommitContents,
  changes: readonly GenerationChange[],
  slot: ManifestSlot,
  parts: ManifestCommitParts,
): TablesCommit {
  const { tables, depth } = contents;
  const { manifest, publication } = parts;
  const treeOf: Destination = (keyspace) => {
    const change = changes.find((each) => each.keyspace === keyspace);
    return change?.hidden ?? change?.live ?? parts.catalog.requireNewest(keyspace);
  };
  const trees = tables.map(({ file }) => treeOf(file.keyspace));
  for (const { keyspace } of contents.ranges) treeOf(keyspace);
  const levels = placeTables(tables, trees);
  admitIngests(contents, levels, parts.limits, treeOf);
  const last = publication.take(slot, depth);
  const first = versionOf(last - depth + 1);
  const placed = tables.map((table, i): PlacedTable => {
    const tree = at(trees, i);
    const row = rowOf(table, tree, at(levels, i), versionOf(first + table.offset));
    return { file: table.file, tree, row };
  });
  const rows = placed.map(({ row }) => row);
  const deleted = deletedRanges(contents.ranges, treeOf, first);
  const place = { rows, first, last, nowMs: parts.nowMs() };
  const ingests = ingestRows(contents.ingests, { ...place, treeOf });
  const edits = [
    ...rows.map((table): Edit => ({ kind: 'addTable', table })),
    ...deleted.map(({ row }): Edit => ({ kind: 'putRangeTombstones', row })),
    ...(depth > 1 ? [{ kind: 'addCommitBlock', block: { first, last } } as const] : []),
    ...[...ingests, ...undoneRows(ingests, manifest)].map((ingest): Edit => ({ kind: 'putIngest', ingest })),
    ...changes.flatMap((change) => change.edits(place)),
  ];
  const steps = stepsOf({ placed, deleted, changes, last, pins: ingests.length > 0 }, parts);
  const change = inSlot(slot, publication, { edits, needsLog: true, ...steps });
  return { change, committed: { version: last, ingests, published: slot.done } };
}

/** A table of a commit, with its place. */
interface PlacedTable {
  readonly file: StagedFile;
  readonly tree: Tree;
  readonly row: TableRow;
}

interface Placed {
  readonly placed: readonly PlacedTable[];
  readonly deleted: readonly DeletedRange[];
  readonly changes: readonly GenerationChange[];
  readonly last: Version;
  /** It has ingests, which compaction may have to keep what is needed to undo. */
  readonly pins: boolean;
}

function stepsOf(commit: Placed, parts: ManifestCommitParts): Pick<Change, 'begun' | 'installed' | 'failed'> {
  const { placed, deleted, changes, last } = commit;
  const held: (() => void)[] = [];
  const letGo = (): void => {
    for (const release of held) release();
  };
  return {
    begun: () => {
      // The version was taken in this turn, so entering the window here is entering it with the version.
      enterWindow(commit, parts.window);
      // L3: no compaction may be promised their places before they are installed.
      for (const { tree, row } of placed) if (row.level > 0) held.push(reserve(tree, row));
    },
    installed: () => {
      letGo();
      for (const tree of new Set([...placed, ...deleted].map((each) => each.tree))) {
        const own = placed.filter((each) => each.tree === tree);
        tree.install(
          own.map(({ row, file }) => ({ row, table: file.table })),
          [],
          deleted.flatMap((range) => (range.tree === tree ? tombstonesOf(range.row) : [])),
        );
      }
      for (const change of changes) change.install(last);
      // L4: before it is visible, and what it replaces may be garbage.
      if (commit.pins) parts.pinsChanged();
    },
    failed: () => {
      letGo();
      for (const change of changes) change.abandon();
    },
  };
}

function reserve(tree: Tree, { level, smallest, largest }: TableRow): () => void {
  const owner = `an ingest to level ${level}`;
  const reservation = tree.reservations.reserve(level, smallest, largest, owner);
  return () => tree.reservations.release(reservation);
}

function enterWindow({ placed, deleted, changes }: Placed, window: ConflictWindow): void {
  const isHidden = (keyspace: string): boolean =>
    changes.some((change) => change.keyspace === keyspace && change.hidden !== undefined);
  window.enterTables(placed.flatMap((table) => (isHidden(table.file.keyspace) ? [] : [writesOf(table)])));
  window.enterRanges(
    deleted.flatMap(({ keyspace, row: { version, spans } }) =>
      isHidden(keyspace) ? [] : spans.map((span) => ({ keyspace, version, ...stringSpan(span) })),
    ),
  );
  for (const change of changes) change.enter();
}

function writesOf({ file: { keyspace, smallest, largest, table }, tree, row }: PlacedTable): TableWrites {
  return {
    version: row.maxVersion,
    keyspace,
    smallest: keyString(smallest, 0, smallest.length),
    largest: keyString(largest, 0, largest.length),
    table,
    release: tree.retain(table),
  };
}

interface DeletedRange {
  readonly keyspace: string;
  readonly tree: Tree;
  readonly row: RangeTombstonesRow;
}

/** A row for each tree and version: files of one layer, and statements of one, share theirs. */
function deletedRanges(ranges: readonly CommitRange[], treeOf: Destination, first: number): DeletedRange[] {
  const spans = new Map<string, Map<number, KeySpan[]>>();
  for (const range of ranges) {
    const offsets = spans.get(range.keyspace) ?? new Map<number, KeySpan[]>();
    spans.set(range.keyspace, offsets);
    offsets.set(range.offset, [...(offsets.get(range.offset) ?? []), ...range.spans]);
  }
  return [...spans].flatMap(([keyspace, offsets]) => {
    const tree = treeOf(keyspace);
    return [...offsets].map(([offset, list]): DeletedRange => {
      const row = { tree: tree.id, version: versionOf(first + offset), spans: joinSpans(list) };
      return { keyspace, tree, row };
    });
  });
}

function stringSpan({ from, to }: KeySpan): { lower: string; upper: string | undefined } {
  return {
    lower: keyString(from, 0, from.length),
    upper: to === undefined ? undefined : keyString(to, 0, to.length),
  };
}

/** The level of each table, as far down as the tree and the tables before it let it. */
function placeTables(tables: readonly CommitTable[], trees: readonly Tree[]): number[] {
  const placed = new Map<Tree, PlacedRange[]>();
  return tables.map(({ file: { smallest, largest } }, i) => {
    const tree = at(trees, i);
    const earlier = placed.get(tree) ?? [];
    placed.set(tree, earlier);
    const { level } = tree.place(smallest, largest, earlier);
    earlier.push({ level, smallest, largest });
    return level;
  });
}

function admitIngests(
  { tables, ingests }: CommitContents,
  levels: readonly number[],
  limits: CompactionLimits,
  treeOf: Destination,
): void {
  const placed = tables.map(({ file, ingestId }, i) => ({ file, ingestId, level: at(levels, i) }));
  for (const { layer } of ingests) {
    const { admission, id, keyspace } = layer;
    checkAdmission(admission, {
      tree: treeOf(keyspace),
      all: placed.filter(({ file }) => file.keyspace === keyspace),
      own: placed.filter(({ ingestId }) => ingestId === id),
      limits,
    });
  }
}

/**
 * What `requireBottom` and `maxImpact` of these layers' ingests say of the levels as they are now, where the commit is another's to make.
 * @throws SluiceError NOT_BOTTOM_LEVEL, IMPACT_EXCEEDED
 */
export function checkAdmissions({ catalog, settings }: Engine, layers: readonly MergedLayer[]): void {
  const ingests = layers.flatMap((layer) =>
    layer.kind === 'ingest' && catalog.newest(layer.keyspace) !== undefined ? [{ layer, offset: 0 }] : [],
  );
  const asks = ({ requireBottom, maxImpact }: Admission): boolean => requireBottom || maxImpact !== undefined;
  if (!ingests.some(({ layer }) => asks(layer.admission))) return;
  const tables = ingests.flatMap(({ layer }) =>
    layer.files.map(({ file }) => ({ file, offset: 0, ingestId: layer.id })),
  );
  const treeOf: Destination = (keyspace) => catalog.requireNewest(keyspace);
  const levels = placeTables(
    tables,
    tables.map(({ file }) => treeOf(file.keyspace)),
  );
  const contents = { tables, ingests, ranges: [], generations: [], depth: 0 };
  admitIngests(contents, levels, settings.compaction.limits, treeOf);
}

function rowOf({ file, ingestId }: CommitTable, tree: Tree, level: number, version: Version): TableRow {
  return {
    id: file.id,
    tree: tree.id,
    level,
    bytes: file.bytes,
    entries: file.entries,
    deletes: file.deletes,
    smallest: file.smallest,
    largest: file.largest,
    minVersion: version,
    maxVersion: version,
    globalVersion: version,
    source: ingestId === undefined ? 'commit' : 'ingest',
    ingestId,
    prefix: file.prefix,
  };
}
