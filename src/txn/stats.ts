/** `db.stats()`: what the database holds and does, as a plain object. */
import type { LevelStats } from '../levels/tree-stats.ts';
import type { SnapshotRegistry } from '../mvcc/snapshots.ts';
import type { BlockCache, BlockCacheStats } from '../sst/block-cache.ts';
import type { TableCache } from '../sst/table-cache.ts';
import { RESERVED_KEYSPACE } from './catalog.ts';
import type { CompactionStats } from './compactor.ts';
import type { Engine } from './engine.ts';
import type { StallStats } from './throttle.ts';

export interface KeyspaceStats {
  readonly name: string;
  readonly memtableBytes: number;
  /** Memory of the memtables: with what is left of their room. */
  readonly memtableRoomBytes: number;
  /** Puts and deletes in memory, versions counted one by one. */
  readonly memtableEntries: number;
  /** Full memtables that wait to be written to tables; writers wait when there are too many. */
  readonly sealedMemtables: number;
  /** Tables that were dropped and are kept for a snapshot, an iterator or a transaction. */
  readonly doomedTables: number;
  /** Range deletions that something older than them may still lie under. */
  readonly rangeTombstones: number;
  /** Level 0 first. */
  readonly levels: readonly LevelStats[];
}

/** What a cluster's replica keeps of its place in the shared log: beside its keyspaces, and in none of them. */
export interface ReplicaStats {
  /** Memory of the memtables: with what is left of their room. */
  readonly memtableRoomBytes: number;
  readonly tables: number;
  readonly bytes: number;
}

/** A keyspace's content, or a dataset's version, that was dropped or replaced and is still read. */
export interface DroppedGenerationStats {
  readonly keyspace: string;
  /** Of the commit that ended it: who reads below it may see it. */
  readonly version: number;
  readonly tables: number;
  readonly bytes: number;
  /** Open snapshots, views, iterators and transactions that keep it; `snapshots` says how old the oldest is. */
  readonly holders: number;
}

export interface DatabaseStats {
  /** The version that reads see now. */
  readonly version: number;
  /** From this version on `snapshot({ at })` reads every one. */
  readonly oldestReadableVersion: number;
  readonly keyspaces: readonly KeyspaceStats[];
  /** undefined: this is no replica, and never was one. */
  readonly replica: ReplicaStats | undefined;
  readonly log: { readonly segments: number; readonly bytes: number };
  /** Since open. `hitRatio`: hits of all lookups, 0 to 1; undefined before the first. */
  readonly blockCache: BlockCacheStats & { readonly hitRatio: number | undefined };
  /** Tables with their indexes and filters in memory; `opens` since open. Many opens for few tables: raise `maxOpenTables`. */
  readonly tableCache: { readonly open: number; readonly max: number; readonly opens: number };
  readonly transactions: {
    readonly active: number;
    /** What is kept of recent commits for conflict checks. */
    readonly windowBytes: number;
    /** Commits refused with CONFLICT or TOO_OLD since open, retried ones included. */
    readonly conflicts: number;
  };
  readonly snapshots: {
    readonly open: number;
    readonly oldestVersion: number | undefined;
    readonly oldestAgeMs: number;
  };
  readonly droppedGenerations: readonly DroppedGenerationStats[];
  readonly compaction: CompactionStats;
  /** Whether writers wait for compaction. */
  readonly stall: StallStats;
  /** Removals of files that wait for a process that reads them, or are under way. */
  readonly removalsWaiting: number;
  /** Why nothing more is written; undefined while all is well. */
  readonly poisoned: string | undefined;
}

/** `registries`: the engine's, and those of a read-only database before its refreshes. */
export function gatherStats(
  engine: Engine,
  cache: BlockCache,
  tables: TableCache,
  registries: readonly SnapshotRegistry[],
): DatabaseStats {
  const { catalog, publication } = engine;
  const keyspaces = catalog.names(publication.visible).map((name): KeyspaceStats => {
    const stats = catalog.treeAt(name, publication.visible)?.stats();
    return {
      name,
      memtableBytes: stats?.memtableBytes ?? 0,
      memtableRoomBytes: stats?.memtableRoomBytes ?? 0,
      memtableEntries: stats?.memtableEntries ?? 0,
      sealedMemtables: stats?.sealedMemtables ?? 0,
      doomedTables: stats?.doomedTables ?? 0,
      rangeTombstones: stats?.rangeTombstones ?? 0,
      levels: stats?.levels ?? [],
    };
  });
  const blocks = cache.stats();
  const lookups = blocks.hits + blocks.misses;
  return {
    version: publication.visible,
    oldestReadableVersion: engine.history.oldestReadable,
    keyspaces,
    replica: replicaStats(engine),
    log: engine.readOnly
      ? { segments: 0, bytes: 0 }
      : { segments: engine.wal.segments().length, bytes: engine.wal.bytesOnDisk },
    blockCache: { ...blocks, hitRatio: lookups === 0 ? undefined : blocks.hits / lookups },
    tableCache: { open: tables.openCount, max: tables.maxOpen, opens: tables.opens },
    transactions: {
      active: engine.active.count,
      windowBytes: engine.window.bytes,
      conflicts: engine.committer.conflicts,
    },
    snapshots: snapshotStats(registries),
    droppedGenerations: droppedStats(engine),
    compaction: engine.compactor.stats,
    stall: engine.throttle.stats,
    removalsWaiting: engine.remover.waiting,
    poisoned: engine.poisoned === undefined ? undefined : String(engine.poisoned),
  };
}

function replicaStats({ catalog }: Engine): ReplicaStats | undefined {
  const tree = catalog.newest(RESERVED_KEYSPACE);
  if (tree === undefined) return undefined;
  const { memtableRoomBytes, levels } = tree.stats();
  const tables = levels.reduce((sum, level) => sum + level.tables, 0);
  return { memtableRoomBytes, tables, bytes: levels.reduce((sum, level) => sum + level.bytes, 0) };
}

function droppedStats({ keyspaces, snapshots }: Engine): DroppedGenerationStats[] {
  return keyspaces.dropped.map(({ keyspace, version, tree }) => {
    const rows = tree.rows();
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    return { keyspace, version, tables: rows.length, bytes, holders: snapshots.countBelow(version) };
  });
}

function snapshotStats(registries: readonly SnapshotRegistry[]): DatabaseStats['snapshots'] {
  const versions = registries.flatMap(({ oldest }) => (oldest === undefined ? [] : [oldest]));
  return {
    open: registries.reduce((sum, { count }) => sum + count, 0),
    oldestVersion: versions.length === 0 ? undefined : Math.min(...versions),
    oldestAgeMs: Math.max(0, ...registries.map(({ oldestAgeMs }) => oldestAgeMs)),
  };
}
