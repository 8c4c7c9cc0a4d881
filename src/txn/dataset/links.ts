/**
 * Generations that share their tables: each has names of its own for the files, as hard links, so that each is compacted,
 * dropped, swept and copied as if it were alone, and a file's bytes stay as long as one of them has them (docs/adr/0002).
 */

import type { Env } from '../../base/env/env.ts';
import { tryLink } from '../../ingest/adopt-file.ts';
import type { Tree } from '../../levels/tree.ts';
import type { FileId, RangeTombstonesRow, TableRow } from '../../manifest/rows.ts';
import type { Engine } from '../engine.ts';
import type { IngestLayer } from '../overlay.ts';
import type { SwapLayer } from './swap-layer.ts';

/** What a tree had, with its tables under new ids. */
export interface LinkedTables {
  readonly rows: readonly TableRow[];
  readonly ranges: readonly RangeTombstonesRow[];
}

/** A keyspace's new generation, or a dataset's new version, as a commit brings it. */
export interface CommitGeneration {
  readonly keyspace: string;
  /** Of its first version among the commit's. */
  readonly offset: number;
  readonly source: SwapLayer | IngestLayer;
  /** What it begins with. */
  readonly linked: LinkedTables;
  /** Of an ingest: its files' ids, and those under which the version has them. */
  readonly links: ReadonlyMap<FileId, FileId>;
}

/** Links between two turns of the event loop. */
const LINKS_PER_TURN = 64;
const NOTHING: LinkedTables = { rows: [], ranges: [] };

/**
 * L2: the caller syncs the directory, and removes `paths` if no commit names them.
 * @param paths is given every path that is made, before it is
 */
export async function linkGeneration(
  engine: Engine,
  source: SwapLayer | IngestLayer,
  offset: number,
  paths: string[],
): Promise<CommitGeneration> {
  const { keyspace } = source;
  if (source.kind === 'swap') {
    const linked = await linkTree(engine, source.tree, paths);
    return { keyspace, offset, source, linked, links: new Map() };
  }
  const on = source.publishes?.on;
  const linked = on === undefined ? NOTHING : await linkTree(engine, on.tree, paths);
  const links = new Map<FileId, FileId>();
  // One that is not made live has the files themselves.
  if (source.publishes?.activate === false) return { keyspace, offset, source, linked, links };
  for (const { file } of source.files) {
    const id = engine.newFileId();
    await linkFile(engine.env, file.path, engine.tablePath(id), paths);
    links.set(file.id, id);
  }
  return { keyspace, offset, source, linked, links };
}

async function linkTree(engine: Engine, tree: Tree, paths: string[]): Promise<LinkedTables> {
  // Compaction may take the tables meanwhile; what the tree has stays the same, so those of now are as good.
  const release = engine.remover.hold();
  try {
    const ranges = [...engine.manifest.state.ranges.values()].filter((row) => row.tree === tree.id);
    const rows: TableRow[] = [];
    for (const row of tree.rows()) {
      const id = engine.newFileId();
      await linkFile(engine.env, engine.tablePath(row.id), engine.tablePath(id), paths);
      rows.push({ ...row, id });
      if (rows.length % LINKS_PER_TURN === 0) await engine.env.clock.turn();
    }
    return { rows, ranges };
  } finally {
    release();
  }
}

/** The file's bytes are durable already; those of a copy, where links cannot be had, are when this resolves. */
async function linkFile(env: Env, from: string, to: string, paths: string[]): Promise<void> {
  paths.push(to);
  if (tryLink(env.fs, from, to)) return;
  await env.fs.copy(from, to);
  const file = await env.fs.open(to, 'read');
  try {
    await file.datasync();
  } finally {
    file.closeSync();
  }
}
