/** What the manifest says: plain immutable rows, one LMDB row each. `format.ts` codes them. */

import type { PrefixRewrite } from '../mvcc/prefix-rewrite.ts';
import type { KeySpan, RangeTombstone } from '../mvcc/range-tombstones.ts';
import type { Version } from '../mvcc/version.ts';

declare const fileTag: unique symbol;
/** Names `tables/NNNNNN.sst`. Never reused. */
export type FileId = number & { readonly [fileTag]: true };

declare const treeTag: unique symbol;
/** One generation of a keyspace: one LSM tree. Never reused. */
export type TreeId = number & { readonly [treeTag]: true };

/** Levels 0 to 6. Tables of level 0 may overlap; within each other level they do not. */
export const LEVEL_COUNT = 7;

export type TableSource = 'flush' | 'ingest' | 'commit' | 'compaction';

/** A table: an SST file plus what is not in it. Its bytes never change, whoever made them. */
export interface TableRow {
  readonly id: FileId;
  readonly tree: TreeId;
  readonly level: number;
  readonly bytes: number;
  readonly entries: number;
  /** How many of the entries are tombstones. */
  readonly deletes: number;
  /** User keys, both inclusive. */
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
  /** Of the entries, as readers see them: both are the global version when there is one. */
  readonly minVersion: Version;
  readonly maxVersion: Version;
  /** When defined, every entry has this version and those in the file count for nothing. */
  readonly globalVersion: Version | undefined;
  readonly source: TableSource;
  /** The ingest that brought it, for `source: 'ingest'`. */
  readonly ingestId: string | undefined;
  /** A compaction has left out of it all that range tombstones up to this version hide; undefined: nobody looked. */
  readonly clearedThrough?: Version | undefined;
  /** Its keys, and so `smallest` and `largest`, are read under another prefix than the file has them. */
  readonly prefix?: PrefixRewrite | undefined;
}

/** The keyspace's tree from `version` on; null: dropped. */
export interface PointerChange {
  readonly version: Version;
  readonly tree: TreeId | null;
}

export interface KeyspaceRow {
  readonly name: string;
  /** Ascending versions. Never empty. */
  readonly history: readonly PointerChange[];
}

export interface TreeRow {
  readonly id: TreeId;
  readonly keyspace: string;
  /** Log records ≤ this are in tables: replay skips them. Moves in the same edit as the flush. */
  readonly flushedThrough: Version;
  /** Tombstones and range tombstones stay for good, so that an ingest behind them knows what was deleted. */
  readonly keepsTombstones: boolean;
}

/** What one version deletes of a tree by range. */
export interface RangeTombstonesRow {
  readonly tree: TreeId;
  readonly version: Version;
  /** Ascending and apart. */
  readonly spans: readonly KeySpan[];
}

export function tombstonesOf({ version, spans }: RangeTombstonesRow): RangeTombstone[] {
  return spans.map((span) => ({ ...span, version }));
}

export interface IngestedFileRow {
  /** As the caller gave it. */
  readonly source: string;
  readonly table: FileId;
  readonly keyspace: string;
  readonly level: number;
  readonly version: Version;
  /** Attached; of a file of which nothing was, `table` is an id that nothing has and `level` is 0. */
  readonly entries: number;
  /** Not attached, as their keys existed. */
  readonly skipped: number;
  /** Of the file as it was given. */
  readonly bytes: number;
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
  /** Lower-case hex of the whole file, when it was given or asked for. */
  readonly sha256: string | undefined;
  /** What the prefix of its keys became. */
  readonly prefix: PrefixRewrite | undefined;
}

/** What an ingest needs to be undone: readers at the two versions, whose entries compaction therefore keeps. */
export interface UndoPins {
  readonly tree: TreeId;
  /** The version before its first, and its last. */
  readonly before: Version;
  readonly through: Version;
  /** Nothing outside [from, to) was changed by it; an undefined `to` is the end. */
  readonly from: Uint8Array;
  readonly to: Uint8Array | undefined;
}

/** Provenance, and the answer to a retry with the same id. */
export interface IngestRow {
  readonly id: string;
  readonly version: Version;
  readonly timeMs: number;
  readonly files: readonly IngestedFileRow[];
  /** undefined: it cannot be undone, or not any more. */
  readonly undo: UndoPins | undefined;
  readonly undoneAt: Version | undefined;
  /** The ingest that this one undoes. */
  readonly undoes: string | undefined;
}

/** A published version of a dataset: a generation of its own, that nothing is written to. */
export interface DatasetVersionRow {
  /** What users call it by. */
  readonly id: number;
  readonly tree: TreeId;
  /** Of a delta: the version that it was published on. */
  readonly base: number | undefined;
  /** Of the commit that published it. */
  readonly version: Version;
  readonly timeMs: number;
  readonly ingestId: string;
  readonly message: string | undefined;
}

/** From `version` on the keyspace was live with what the dataset's version `id` has. */
export interface ActivationRow {
  readonly version: Version;
  readonly id: number;
}

/** A keyspace with published versions. */
export interface DatasetRow {
  /** The keyspace's. */
  readonly name: string;
  /** The highest id that was ever given. */
  readonly lastId: number;
  /** Those kept, oldest first. */
  readonly versions: readonly DatasetVersionRow[];
  /** The last few, oldest first. */
  readonly activations: readonly ActivationRow[];
}

export type ImportState = 'start' | 'feeding' | 'importing' | 'imported' | 'failed' | 'paused' | 'cancelled';

/** A sorted table of an import that is under way, in its own directory. */
export interface ImportFileRow {
  readonly id: FileId;
  readonly bytes: number;
  readonly entries: number;
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
}

/** What was sorted at a time: tables that do not overlap, in key order. */
export interface ImportRunRow {
  /** Of every entry, in the order of the sources; undefined: each has its own. */
  readonly version: Version | undefined;
  /** The tables are as the database has them: where nothing overlaps them they need no merge. */
  readonly movable: boolean;
  readonly files: readonly ImportFileRow[];
}

/** Sources that are read one after the other, and how far they are in runs. */
export interface ImportLaneRow {
  /** The place goes on in this one: an index into the import's sources. */
  readonly source: number;
  /** As of RowPosition. */
  readonly row: number;
  readonly offset: number;
  readonly state: string | undefined;
  /** Which document the source was, by its server or file system; undefined: nobody says, or no row of it is in a run. */
  readonly document: string | undefined;
  readonly rowsRead: number;
  readonly rowsBad: number;
  /** Of its file of rejected rows. */
  readonly rejectBytes: number;
  readonly runs: number;
  readonly ended: boolean;
}

/** An import that is under way, or was: what a restart needs to go on, and the answer to a retry with the same id. */
export interface ImportRow {
  readonly id: string;
  readonly state: ImportState;
  readonly startedMs: number;
  /** JSON: what was asked for, and where its files are. */
  readonly spec: string;
  readonly lanes: readonly ImportLaneRow[];
  readonly runs: readonly ImportRunRow[];
  readonly rowsDuplicate: number;
  readonly bytesWritten: number;
  /** What ended it, in state 'failed'. */
  readonly error: string | undefined;
  /** JSON, in state 'imported'. */
  readonly result: string | undefined;
}

/** A commit that took more than one version: they became visible together, so nobody reads between them (L1). */
export interface CommitBlockRow {
  readonly first: Version;
  readonly last: Version;
}

/** An import as all nodes of a cluster know it (cluster/imports/). What only the node that runs it needs is in its ImportRow. */
export interface SharedImportRow {
  readonly id: string;
  /** Of the node that runs it: one that takes it over has a higher one. */
  readonly epoch: number;
  readonly node: string;
  /** Of that node's process. */
  readonly session: string;
  readonly state: ImportState;
  /** Of its commit. */
  readonly version: Version | undefined;
  /** JSON, as are the counts in `info`: cluster/imports/import-info.ts. */
  readonly spec: string;
  readonly info: string;
}

/** A commit of a cluster's log that is no put transaction: those have the same in the log, by `~cluster` (cluster/position.ts). */
export interface ReplicaCommitRow {
  /** Its last. */
  readonly version: Version;
  /** Of the log's entry, and which record of it. */
  readonly revision: number;
  readonly index: number;
  /** Rolling digest before the entry. */
  readonly digest: Uint8Array;
}

export interface Counters {
  /** Above every file id that a durable row names. */
  readonly nextFileId: FileId;
  readonly nextTreeId: TreeId;
  /** The highest version that any edit was given; recovery goes on above it. */
  readonly lastVersion: Version;
  /** The newest version known visible when the edit was made: what a readOnly process may show. */
  readonly visibleVersion: Version;
  /**
   * No table of the manifest lacks anything that was visible at this version or later; undefined: software that did not
   * know of it wrote the tables, so all that is known is the newest version.
   */
  readonly oldestReadable?: Version | undefined;
}

export interface DatabaseRow {
  readonly formatVersion: number;
  /** 32 hex digits, made at creation. */
  readonly id: string;
  /** 'leveldb.BytewiseComparator' */
  readonly comparator: string;
  readonly createdMs: number;
}

/** All edits of one `apply` are one LMDB transaction: all durable or none. */
export type Edit =
  | { readonly kind: 'addTable'; readonly table: TableRow }
  | { readonly kind: 'dropTable'; readonly id: FileId }
  | { readonly kind: 'putKeyspace'; readonly keyspace: KeyspaceRow }
  | { readonly kind: 'removeKeyspace'; readonly name: string }
  | { readonly kind: 'putTree'; readonly tree: TreeRow }
  | { readonly kind: 'removeTree'; readonly id: TreeId }
  | { readonly kind: 'putRangeTombstones'; readonly row: RangeTombstonesRow }
  | { readonly kind: 'dropRangeTombstones'; readonly tree: TreeId; readonly version: Version }
  | { readonly kind: 'putIngest'; readonly ingest: IngestRow }
  | { readonly kind: 'putDataset'; readonly dataset: DatasetRow }
  | { readonly kind: 'removeDataset'; readonly name: string }
  | { readonly kind: 'addCommitBlock'; readonly block: CommitBlockRow }
  | { readonly kind: 'dropCommitBlock'; readonly last: Version }
  | { readonly kind: 'addReplicaCommit'; readonly commit: ReplicaCommitRow }
  | { readonly kind: 'dropReplicaCommit'; readonly version: Version }
  | { readonly kind: 'putImport'; readonly row: ImportRow }
  | { readonly kind: 'putSharedImport'; readonly row: SharedImportRow }
  | { readonly kind: 'removeSharedImport'; readonly id: string }
  | { readonly kind: 'counters'; readonly counters: Counters };
