/** What the manifest says, in memory. */

import { assert, unreachable } from '../base/assert.ts';
import { NO_VERSION, type Version } from '../mvcc/version.ts';
import type {
  CommitBlockRow,
  Counters,
  DatabaseRow,
  DatasetRow,
  Edit,
  FileId,
  ImportRow,
  IngestRow,
  KeyspaceRow,
  RangeTombstonesRow,
  ReplicaCommitRow,
  SharedImportRow,
  TableRow,
  TreeId,
  TreeRow,
} from './rows.ts';

export interface ManifestState {
  readonly database: DatabaseRow;
  readonly counters: Counters;
  readonly tables: ReadonlyMap<FileId, TableRow>;
  readonly keyspaces: ReadonlyMap<string, KeyspaceRow>;
  readonly trees: ReadonlyMap<TreeId, TreeRow>;
  readonly ingests: ReadonlyMap<string, IngestRow>;
  readonly datasets: ReadonlyMap<string, DatasetRow>;
  readonly imports: ReadonlyMap<string, ImportRow>;
  readonly sharedImports: ReadonlyMap<string, SharedImportRow>;
  /** By `rangeKey`. */
  readonly ranges: ReadonlyMap<string, RangeTombstonesRow>;
  /** By last version, ascending. */
  readonly commitBlocks: ReadonlyMap<Version, CommitBlockRow>;
  /** By version, ascending. */
  readonly replicaCommits: ReadonlyMap<Version, ReplicaCommitRow>;
}

export function rangeKey(tree: TreeId, version: Version): string {
  return `${tree}/${version}`;
}

export const FIRST_COUNTERS: Counters = {
  nextFileId: 1 as FileId,
  nextTreeId: 1 as TreeId,
  lastVersion: NO_VERSION,
  visibleVersion: NO_VERSION,
  oldestReadable: NO_VERSION,
};

/** The state that the manifest itself moves on, edit by edit. */
export class MutableState implements ManifestState {
  readonly database: DatabaseRow;
  counters: Counters;
  readonly tables = new Map<FileId, TableRow>();
  readonly keyspaces = new Map<string, KeyspaceRow>();
  readonly trees = new Map<TreeId, TreeRow>();
  readonly ingests = new Map<string, IngestRow>();
  readonly datasets = new Map<string, DatasetRow>();
  readonly imports = new Map<string, ImportRow>();
  readonly sharedImports = new Map<string, SharedImportRow>();
  readonly ranges = new Map<string, RangeTombstonesRow>();
  readonly commitBlocks = new Map<Version, CommitBlockRow>();
  readonly replicaCommits = new Map<Version, ReplicaCommitRow>();

  constructor(database: DatabaseRow, counters: Counters) {
    this.database = database;
    this.counters = counters;
  }

  apply(edit: Edit): void {
    switch (edit.kind) {
      case 'addTable':
        this.tables.set(edit.table.id, edit.table);
        return;
      case 'dropTable':
        this.tables.delete(edit.id);
        return;
      case 'putKeyspace':
        this.keyspaces.set(edit.keyspace.name, edit.keyspace);
        return;
      case 'removeKeyspace':
        this.keyspaces.delete(edit.name);
        return;
      case 'putTree':
        this.trees.set(edit.tree.id, edit.tree);
        return;
      case 'removeTree':
        this.trees.delete(edit.id);
        return;
      case 'putRangeTombstones':
        this.ranges.set(rangeKey(edit.row.tree, edit.row.version), edit.row);
        return;
      case 'dropRangeTombstones':
        this.ranges.delete(rangeKey(edit.tree, edit.version));
        return;
      case 'putIngest':
        this.ingests.set(edit.ingest.id, edit.ingest);
        return;
      case 'putDataset':
        this.datasets.set(edit.dataset.name, edit.dataset);
        return;
      case 'removeDataset':
        this.datasets.delete(edit.name);
        return;
      case 'addCommitBlock':
        this.commitBlocks.set(edit.block.last, edit.block);
        return;
      case 'dropCommitBlock':
        this.commitBlocks.delete(edit.last);
        return;
      case 'addReplicaCommit':
        this.replicaCommits.set(edit.commit.version, edit.commit);
        return;
      case 'dropReplicaCommit':
        this.replicaCommits.delete(edit.version);
        return;
      case 'putImport':
        this.imports.set(edit.row.id, edit.row);
        return;
      case 'putSharedImport':
        this.sharedImports.set(edit.row.id, edit.row);
        return;
      case 'removeSharedImport':
        this.sharedImports.delete(edit.id);
        return;
      case 'counters':
        this.counters = edit.counters;
        return;
      default:
        unreachable(edit);
    }
  }
}

/**
 * The counters after these edits: those of the last counters edit, raised above every id and version that the edits
 * name, so that no caller can make one be given out twice.
 */
export function countersAfter(before: Counters, edits: readonly Edit[]): Counters {
  let { nextFileId, nextTreeId, lastVersion, visibleVersion, oldestReadable } = before;
  for (const edit of edits) {
    if (edit.kind === 'counters') {
      const next = edit.counters;
      assert(next.nextFileId >= nextFileId && next.nextTreeId >= nextTreeId, 'ids are never given out again');
      assert(next.lastVersion >= lastVersion && next.visibleVersion >= visibleVersion, 'versions only grow');
      assert((next.oldestReadable ?? 0) >= (oldestReadable ?? 0), 'what was given up stays so');
      ({ nextFileId, nextTreeId, lastVersion, visibleVersion, oldestReadable } = next);
    } else if (edit.kind === 'addTable') {
      if (edit.table.id >= nextFileId) nextFileId = (edit.table.id + 1) as FileId;
      if (edit.table.maxVersion > lastVersion) lastVersion = edit.table.maxVersion;
    } else if (edit.kind === 'putRangeTombstones') {
      if (edit.row.version > lastVersion) lastVersion = edit.row.version;
    } else if (edit.kind === 'addCommitBlock') {
      if (edit.block.last > lastVersion) lastVersion = edit.block.last;
    } else if (edit.kind === 'addReplicaCommit') {
      if (edit.commit.version > lastVersion) lastVersion = edit.commit.version;
    } else if (edit.kind === 'putTree') {
      if (edit.tree.id >= nextTreeId) nextTreeId = (edit.tree.id + 1) as TreeId;
    } else if (edit.kind === 'putKeyspace') {
      for (const { version } of edit.keyspace.history) if (version > lastVersion) lastVersion = version;
    }
  }
  return { nextFileId, nextTreeId, lastVersion, visibleVersion, oldestReadable };
}

/** How many rows there will be, database and counters not counted. */
export function rowsAfter(state: ManifestState, edits: readonly Edit[]): number {
  const there = new Map<string, boolean>();
  let rows = state.tables.size + state.keyspaces.size + state.trees.size + state.ingests.size;
  rows += state.ranges.size + state.datasets.size + state.commitBlocks.size + state.imports.size;
  rows += state.replicaCommits.size + state.sharedImports.size;
  const set = (key: string, before: boolean, after: boolean): void => {
    rows += Number(after) - Number(there.get(key) ?? before);
    there.set(key, after);
  };
  for (const edit of edits) {
    if (edit.kind === 'addTable') set(`F${edit.table.id}`, state.tables.has(edit.table.id), true);
    else if (edit.kind === 'dropTable') set(`F${edit.id}`, state.tables.has(edit.id), false);
    else if (edit.kind === 'putTree') set(`T${edit.tree.id}`, state.trees.has(edit.tree.id), true);
    else if (edit.kind === 'removeTree') set(`T${edit.id}`, state.trees.has(edit.id), false);
    else if (edit.kind === 'putRangeTombstones') {
      const key = rangeKey(edit.row.tree, edit.row.version);
      set(`R${key}`, state.ranges.has(key), true);
    } else if (edit.kind === 'dropRangeTombstones') {
      const key = rangeKey(edit.tree, edit.version);
      set(`R${key}`, state.ranges.has(key), false);
    } else if (edit.kind === 'putIngest') set(`I${edit.ingest.id}`, state.ingests.has(edit.ingest.id), true);
    else if (edit.kind === 'putDataset') {
      set(`S${edit.dataset.name}`, state.datasets.has(edit.dataset.name), true);
    } else if (edit.kind === 'removeDataset') set(`S${edit.name}`, state.datasets.has(edit.name), false);
    else if (edit.kind === 'addCommitBlock') {
      set(`V${edit.block.last}`, state.commitBlocks.has(edit.block.last), true);
    } else if (edit.kind === 'dropCommitBlock') {
      set(`V${edit.last}`, state.commitBlocks.has(edit.last), false);
    } else if (edit.kind === 'addReplicaCommit') {
      set(`A${edit.commit.version}`, state.replicaCommits.has(edit.commit.version), true);
    } else if (edit.kind === 'dropReplicaCommit') {
      set(`A${edit.version}`, state.replicaCommits.has(edit.version), false);
    } else if (edit.kind === 'putImport') set(`M${edit.row.id}`, state.imports.has(edit.row.id), true);
    else if (edit.kind === 'putSharedImport') {
      set(`N${edit.row.id}`, state.sharedImports.has(edit.row.id), true);
    } else if (edit.kind === 'removeSharedImport') {
      set(`N${edit.id}`, state.sharedImports.has(edit.id), false);
    } else if (edit.kind === 'putKeyspace') {
      set(`K${edit.keyspace.name}`, state.keyspaces.has(edit.keyspace.name), true);
    } else if (edit.kind === 'removeKeyspace') set(`K${edit.name}`, state.keyspaces.has(edit.name), false);
  }
  return rows;
}
