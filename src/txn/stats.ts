/** `db.stats()`: what the database holds and does, as a plain object. */

import type { LevelStats } from '../levels/tree.ts';
import type { BlockCache, BlockCacheStats } from '../sst/block-cache.ts';
import type { TableCache } from '../sst/table-cache.ts';
import type { Engine } from './engine.ts';

export interface KeyspaceStats {
  readonly name: string;
  readonly memtableBytes: number;
  readonly sealedMemtables: number;
  /** Level 0 first. */
  readonly levels: readonly LevelStats[];
}

export interface DatabaseStats {
  /** The version that reads see now. */
  readonly version: number;
  readonly keyspaces: readonly KeyspaceStats[];
  readonly log: { readonly segments: number; readonly bytes: number };
  readonly blockCache: BlockCacheStats;
  readonly openTables: number;
  readonly transactions: { readonly active: number; readonly windowBytes: number };
  readonly snapshots: {
    readonly open: number;
    readonly oldestVersion: number | undefined;
    readonly oldestAgeMs: number;
  };
  /** Files that wait for a reading process before they can be removed. */
  readonly removalsWaiting: number;
  /** Why nothing more is written; undefined while all is well. */
  readonly poisoned: string | undefined;
}

export function gatherStats(engine: Engine, cache: BlockCache, tables: TableCache): DatabaseStats {
  const { catalog, publication, snapshots } = engine;
  const keyspaces = catalog.names(publication.visible).map((name): KeyspaceStats => {
    const stats = catalog.treeAt(name, publication.visible)?.stats();
    return {
      name,
      memtableBytes: stats?.memtableBytes ?? 0,
      sealedMemtables: stats?.sealedMemtables ?? 0,
      levels: stats?.levels ?? [],
    };
  });
  return {
    version: publication.visible,
    keyspaces,
    log: engine.logStats(),
    blockCache: cache.stats(),
    openTables: tables.openCount,
    transactions: { active: engine.active.count, windowBytes: engine.window.bytes },
    snapshots: { open: snapshots.count, oldestVersion: snapshots.oldest, oldestAgeMs: snapshots.oldestAgeMs },
    removalsWaiting: engine.remover.waiting,
    poisoned: engine.poisoned === undefined ? undefined : String(engine.poisoned),
  };
}
