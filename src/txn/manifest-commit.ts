/**
 * The commit of a transaction with an ingest or a range deletion (docs/ARCHITECTURE.md "Writing"). Everything that takes
 * time has been done before; what is here is one synchronous section: version, level of each file, one manifest edit,
 * installation, conflict window. L8: it depends on the number of files only, flushes no memtable and blocks no reader.
 */

import { at } from '../base/assert.ts';
import { SluiceError } from '../base/errors.ts';
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
import type { CommitIngest, CommitRange, CommitTable } from './commit-layers.ts';
import type { GenerationChange } from './dataset/generation-change.ts';
import type { CommitGeneration } from './dataset/links.ts';
import { checkIds, ingestRows, undoneRows } from './ingest-rows.ts';
import type { Publication, Slot } from './publication.ts';
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
  /** One durable edit, made for the slot; the counters go with it. */
  readonly apply: (edits: readonly Edit[], slot: Slot) => void;
  /** Makes log records durable that the edit may depend on. */
  readonly syncLog: () => void;
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

/** A slot whose commit is durable, or has failed, as soon as it is made. */
export class ManifestSlot implements Slot {
  last = 0 as Version;
  ready = false;
  readonly #published: Promise<void>;
  #resolve: () => void = () => undefined;

  constructor() {
    this.#published = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get done(): Promise<void> {
    return this.#published;
  }

  settle(): void {
    // Installation did not wait for the turn: versions hide the tables until now.
  }

  published(): void {
    this.#resolve();
  }
}

/**
 * REQUIRES: checked against the window in this same turn.
 * @throws SluiceError CONFLICT when another commit has used one of the ingest ids meanwhile; NOT_BOTTOM_LEVEL and
 * IMPACT_EXCEEDED of an ingest that asks for it; those of `GenerationChange`; what the manifest throws.
 */
export function commitTables(contents: CommitContents, parts: ManifestCommitParts): CommittedTables {
  const changes: GenerationChange[] = [];
  let committed = false;
  try {
    checkIds(contents.ingests, parts.manifest);
    for (const generation of contents.generations) changes.push(parts.changeOf(generation));
    const done = commitChecked(contents, changes, parts);
    committed = true;
    return done;
  } finally {
    if (!committed) for (const change of changes) change.abandon();
  }
}

/** A keyspace's tree from this commit on. @throws SluiceError KEYSPACE_NOT_FOUND */
export type Destination = (keyspace: string) => Tree;

function commitChecked(
  contents: CommitContents,
  changes: readonly GenerationChange[],
  parts: ManifestCommitParts,
): CommittedTables {
  const { tables, depth } = contents;
  const { manifest, publication, window } = parts;
  const treeOf: Destination = (keyspace) => {
    const change = changes.find((each) => each.keyspace === keyspace);
    return change?.hidden ?? change?.live ?? parts.catalog.requireNewest(keyspace);
  };
  const isHidden = (keyspace: string): boolean =>
    changes.some((change) => change.keyspace === keyspace && change.hidden !== undefined);
  const trees = tables.map(({ file }) => treeOf(file.keyspace));
  for (const { keyspace } of contents.ranges) treeOf(keyspace);
  const levels = placeTables(tables, trees);
  admitIngests(contents, levels, parts.limits, treeOf);
  parts.syncLog();
  const slot = new ManifestSlot();
  const last = publication.take(slot, depth);
  const first = versionOf(last - depth + 1);
  const placed = new Map<Tree, TableRow[]>();
  const rows = tables.map((table, i) => {
    const tree = at(trees, i);
    const row = rowOf(table, tree, at(levels, i), versionOf(first + table.offset));
    placed.set(tree, [...(placed.get(tree) ?? []), row]);
    return row;
  });
  const deleted = deletedRanges(contents.ranges, treeOf, first);
  const place = { rows, first, last, nowMs: parts.nowMs() };
  const ingests = ingestRows(contents.ingests, { ...place, treeOf });
  try {
    const edits = [
      ...rows.map((table): Edit => ({ kind: 'addTable', table })),
      ...deleted.map(({ row }): Edit => ({ kind: 'putRangeTombstones', row })),
      ...(depth > 1 ? [{ kind: 'addCommitBlock', block: { first, last } } as const] : []),
      ...[...ingests, ...undoneRows(ingests, manifest)].map(
        (ingest): Edit => ({ kind: 'putIngest', ingest }),
      ),
      ...changes.flatMap((change) => change.edits(place)),
    ];
    parts.apply(edits, slot);
    // Nothing has run since the version was taken, so entering the window here is entering it with the version.
    window.enterTables(
      tables.flatMap(({ file }, i) =>
        isHidden(file.keyspace) ? [] : [writesOf(file, at(rows, i), at(trees, i))],
      ),
    );
    window.enterRanges(
      deleted.flatMap(({ keyspace, row: { version, spans } }) =>
        isHidden(keyspace) ? [] : spans.map((span) => ({ keyspace, version, ...stringSpan(span) })),
      ),
    );
    for (const tree of new Set([...placed.keys(), ...deleted.map((range) => range.tree)])) {
      const added = placed.get(tree) ?? [];
      tree.install(
        added.map((row) => ({ row, table: tableOf(row, tables) })),
        [],
        deleted.flatMap((range) => (range.tree === tree ? tombstonesOf(range.row) : [])),
      );
    }
    for (const change of changes) change.install(last);
  } finally {
    // On failure the versions are holes (L1).
    slot.ready = true;
    publication.drain();
  }
  return { version: last, ingests, published: slot.done };
}

function writesOf(
  { keyspace, smallest, largest, table }: StagedFile,
  row: TableRow,
  tree: Tree,
): TableWrites {
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

function tableOf(row: TableRow, tables: readonly CommitTable[]): CommitTable['file']['table'] {
  for (const { file } of tables) if (file.id === row.id) return file.table;
  throw new SluiceError('CORRUPTION', `The table ${row.id} is not of this commit`);
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
