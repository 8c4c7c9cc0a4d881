/** Opening a database directory: the wiring of the parts behind the public `Db`, for writing and for reading beside. */

import { isMainThread } from 'node:worker_threads';
import { acquireLock, type Lock } from './base/env/lock.ts';
import { makeDirectories } from './base/env/make-directories.ts';
import { nodeEnv } from './base/env/node-env.ts';
import type { Settings } from './db-options.ts';
import { InlineRunner, ThreadRunner } from './levels/compaction/runner.ts';
import { checkDirectory, databasePaths } from './manifest/directory.ts';
import { Manifest } from './manifest/manifest.ts';
import { ArenaPool } from './mvcc/arena-pool.ts';
import { BlockCache } from './sst/block-cache.ts';
import { checkThreads } from './sst/check-threads.ts';
import { Table } from './sst/table.ts';
import { TableCache } from './sst/table-cache.ts';
import { Engine } from './txn/engine.ts';
import { readBeside, recover } from './txn/recovery.ts';

/** What the engines of an open database, one after the other, have their memory from. */
export interface Caches {
  readonly cache: BlockCache;
  readonly tableCache: TableCache;
  readonly arenas: ArenaPool;
}

/** What an open database holds besides its engine. A cluster's replica that is made anew gets another of each. */
export interface Home {
  engine: Engine;
  /** Read-only: engines before the last refresh whose snapshots, iterators or transactions are still open. */
  retired: Set<Engine>;
  manifest: Manifest;
  caches: Caches;
  lock: Lock | undefined;
  /** What writes to the engine by itself ends before it does. */
  beforeClose?: () => Promise<void>;
  /** What may only be let go of when nothing of it is open any more. */
  afterClose?: () => void;
}

export function closeTrees(engine: Engine): void {
  for (const tree of engine.catalog.trees()) tree.close();
}

export function openWriter(settings: Settings): Home {
  const { dir, env } = settings;
  const missing = checkDirectory(env.fs, dir, settings) === 'create';
  // L2: a commit may not be lost with the directory that it is in.
  if (missing) makeDirectories(env.fs, dir);
  const lock = acquireLock(databasePaths(dir).lock);
  let manifest: Manifest | undefined;
  try {
    // A thread's own threads are stopped with it at any moment, which LMDB does not survive amid a transaction.
    manifest = Manifest.open({ ...settings, env, dir, inThread: isMainThread && !isInline(settings) });
    const caches = newCaches(settings);
    const engine = newEngine(settings, manifest, caches);
    recover({ env, dir, manifest, engine, walSegmentBytes: settings.walSegmentBytes });
    return { engine, manifest, caches, lock, retired: new Set() };
  } catch (error) {
    void manifest?.close();
    lock.release();
    throw error;
  }
}

export function openReader(settings: Settings): Home {
  const { dir, env } = settings;
  checkDirectory(env.fs, dir, settings);
  const manifest = Manifest.open({ ...settings, env, dir });
  try {
    const caches = newCaches(settings);
    const engine = readerEngine(settings, manifest, caches, () => manifest.refresh());
    return { engine, manifest, caches, lock: undefined, retired: new Set() };
  } catch (error) {
    void manifest.close();
    throw error;
  }
}

export function readerEngine(
  settings: Settings,
  manifest: Manifest,
  caches: Caches,
  takeManifest: () => void,
): Engine {
  const engine = newEngine(settings, manifest, caches);
  const { env, dir, walSegmentBytes } = settings;
  engine.showVersion(readBeside({ env, dir, manifest, engine, walSegmentBytes }, takeManifest));
  return engine;
}

/** Other threads have the real file system only. */
function isInline({ env, compactionInline }: Settings): boolean {
  return compactionInline || env.fs !== nodeEnv.fs;
}

function newCaches(settings: Settings): Caches {
  const cache = new BlockCache(settings.blockCacheBytes);
  const tableCache = new TableCache(cache, settings.maxOpenTables);
  return { cache, tableCache, arenas: new ArenaPool() };
}

function newEngine(settings: Settings, manifest: Manifest, { cache, tableCache, arenas }: Caches): Engine {
  const { env } = settings;
  return new Engine({
    env,
    manifest,
    backgroundRunner: isInline(settings) ? new InlineRunner(env) : new ThreadRunner(),
    checkThreads: env.fs === nodeEnv.fs ? checkThreads : undefined,
    openTable: (path, prefix) => new Table({ path, fs: env.fs, cache, tableCache, prefix }),
    settings: {
      sync: settings.durability === 'fsync',
      memtableBytes: settings.memtableBytes,
      arenas,
      conflictWindowBytes: settings.conflictWindowBytes,
      builder: {
        compression: settings.compression,
        blockBytes: settings.blockBytes,
        filterBitsPerKey: settings.filterBitsPerKey,
        external: false,
      },
      compaction: settings.compaction,
      logger: settings.logger,
      tablesDir: databasePaths(settings.dir).tables,
    },
  });
}
