/**
 * Opening what is on disk: the manifest's trees, then the log on top of them.
 *
 * Versions and file ids go on above everything durable in both. Recovery makes durable what it replays before it
 * serves it (L9; `Wal.open`), and sweeps files that nothing durable names (L2).
 */

import type { Env } from '../base/env/env.ts';
import { SluiceError } from '../base/errors.ts';
import { databasePaths, tableIdOf, tableName } from '../manifest/directory.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { type FileId, type TableRow, type TreeId, tombstonesOf } from '../manifest/rows.ts';
import type { RangeTombstone } from '../mvcc/range-tombstones.ts';
import { NO_VERSION, type Version } from '../mvcc/version.ts';
import type { Engine } from './engine.ts';
import { DEFAULT_KEYSPACE, RECORD_VISIBLE, readRecord } from './record.ts';
import { readSegments } from './wal/recovery.ts';
import { Wal } from './wal/wal.ts';

export interface RecoveryOptions {
  readonly env: Env;
  readonly dir: string;
  readonly manifest: Manifest;
  readonly engine: Engine;
  readonly walSegmentBytes: number | undefined;
}

/** For the one writing process. Throws CORRUPTION where a table is gone or the log is damaged. */
export function recover(options: RecoveryOptions): void {
  const { env, dir, manifest, engine } = options;
  const paths = databasePaths(dir);
  for (const path of [paths.tables, paths.staging]) if (!env.fs.existsSync(path)) env.fs.mkdirSync(path);
  env.fs.syncDirectorySync(dir);
  const nextFileId = sweep(env, dir, manifest);
  loadTrees(engine, manifest);
  let last = manifest.state.counters.lastVersion;
  const walOptions = { env, dir: paths.wal, databaseId: manifest.state.database.id };
  const segment = options.walSegmentBytes === undefined ? {} : { segmentBytes: options.walSegmentBytes };
  const wal = Wal.open({ ...walOptions, ...segment }, (bytes, start, end, segmentId) => {
    engine.applier.segment(segmentId);
    const head = readRecord(bytes, start, end, engine.applier);
    if (head.version > last) last = head.version;
  });
  engine.start(wal, last, nextFileId);
  engine.keyspaces.ensure(DEFAULT_KEYSPACE);
  adoptDropped(engine, manifest);
  void engine.keyspaces.collect();
  engine.flusher.poke();
  engine.onLevelsChanged();
}

/**
 * For a process beside the writer (docs/ARCHITECTURE.md "Recovery"): the snapshot is the newest *visible* version
 * recorded.
 *
 * The log's marks are read before the manifest, and its records after it. A mark says v only when every manifest
 * commit ≤ v is durable, so the manifest read later has them all; and from then on the manifest's read transaction pins
 * the segments that it needs. In the other order a mark could speak of an ingest that the manifest read does not have.
 */
export function readBeside(options: RecoveryOptions, takeManifest: () => void): Version {
  const { env, dir, manifest, engine } = options;
  const { wal } = databasePaths(dir);
  const { id } = manifest.state.database;
  let marked = NO_VERSION;
  readSegments(env.fs, wal, id, (bytes, start, end) => {
    const head = readRecord(bytes, start, end, undefined);
    if (head.kind === RECORD_VISIBLE && head.version > marked) marked = head.version;
  });
  takeManifest();
  loadTrees(engine, manifest);
  readSegments(env.fs, wal, id, (bytes, start, end, segmentId) => {
    engine.applier.segment(segmentId);
    readRecord(bytes, start, end, engine.applier);
  });
  const recorded = manifest.state.counters.visibleVersion;
  return recorded > marked ? recorded : marked;
}

function loadTrees(engine: Engine, manifest: Manifest): void {
  const rows = new Map<TreeId, TableRow[]>();
  for (const row of manifest.state.tables.values()) {
    const list = rows.get(row.tree);
    if (list === undefined) rows.set(row.tree, [row]);
    else list.push(row);
  }
  const tombstones = new Map<TreeId, RangeTombstone[]>();
  for (const row of manifest.state.ranges.values()) {
    tombstones.set(row.tree, [...(tombstones.get(row.tree) ?? []), ...tombstonesOf(row)]);
  }
  for (const { id, flushedThrough } of manifest.state.trees.values()) {
    const deleted = tombstones.get(id) ?? [];
    engine.catalog.addTree(engine.newTree(id, flushedThrough, rows.get(id) ?? [], deleted));
  }
  for (const row of manifest.state.keyspaces.values()) engine.catalog.setHistory(row);
  for (const row of manifest.state.datasets.values()) engine.catalog.setDataset(row);
}

/** Generations and versions of datasets that were dropped, or swapped for another, before their removal was done. No snapshot outlives a process. */
function adoptDropped(engine: Engine, manifest: Manifest): void {
  for (const { name, history } of manifest.state.keyspaces.values()) {
    for (const [i, { tree: id }] of history.entries()) {
      const next = history[i + 1];
      const tree = id === null || next === undefined ? undefined : engine.catalog.tree(id);
      if (tree !== undefined && next !== undefined) {
        engine.keyspaces.adoptDropped({ tree, keyspace: name, version: next.version });
      }
    }
  }
  const { keyspaces, datasets } = manifest.state;
  const named = new Set([
    ...[...keyspaces.values()].flatMap(({ history }) => history.map(({ tree }) => tree)),
    ...[...datasets.values()].flatMap(({ versions }) => versions.map(({ tree }) => tree)),
  ]);
  for (const tree of engine.catalog.trees()) {
    if (named.has(tree.id)) continue;
    engine.keyspaces.adoptDropped({ tree, keyspace: engine.keyspaceOf(tree.id), version: NO_VERSION });
  }
}

/** Removes files that nothing durable names; returns an id above all that were ever there. */
function sweep(env: Env, dir: string, manifest: Manifest): number {
  const { tables, staging } = databasePaths(dir);
  const names = new Set(env.fs.readdirSync(tables));
  for (const id of manifest.state.tables.keys()) {
    if (names.has(tableName(id))) continue;
    const message = `The table ${tables}/${tableName(id)} is missing, and the manifest needs it; restore it from a backup`;
    throw new SluiceError('CORRUPTION', message);
  }
  let next: number = manifest.state.counters.nextFileId;
  for (const name of names) {
    const id: FileId | undefined = tableIdOf(name);
    if (id === undefined) continue;
    next = Math.max(next, id + 1);
    // L2: another process may still read by an older manifest; what it pins is swept by a later open.
    const pinned = manifest.oldestReaderCommitId() !== undefined && id < manifest.state.counters.nextFileId;
    if (!manifest.state.tables.has(id) && !pinned) env.fs.unlinkSync(`${tables}/${name}`);
  }
  for (const name of env.fs.readdirSync(staging)) env.fs.unlinkSync(`${staging}/${name}`);
  return next;
}
