/** All that a replica has, with versions: every entry that is not collected, range deletions, pointers, datasets and ingests. */

import { expect } from 'vitest';
import { PENDING } from '../../src/mvcc/cursor.ts';
import { mergeCursors } from '../../src/mvcc/merge.ts';
import type { Engine } from '../../src/txn/engine.ts';
import type { TextNode } from './nodes.ts';

/** Of a node, whatever its encodings. */
export type Replica = Pick<
  TextNode,
  'caughtUp' | 'version' | 'contentDigest' | 'ingests' | 'status' | 'close'
>;

export function engineOf(db: Replica): Engine {
  return (db as unknown as { engine(): Engine }).engine();
}

/** Alike on all replicas with ALL_KEPT. Ids of trees and tables are a node's own, and how it knows what it has applied. */
export async function everythingOf(db: Replica): Promise<unknown> {
  const engine = engineOf(db);
  const { catalog, manifest } = engine;
  const keyspaces: Record<string, unknown> = {};
  for (const name of catalog.names(engine.visible)) {
    const tree = catalog.newest(name);
    if (tree === undefined) continue;
    const entries: string[] = [];
    // What it holds stays while it is read, flushed or not.
    const held = tree.scan(undefined, undefined, engine.visible);
    for (const unused of held.cursors) unused.close();
    const cursor = mergeCursors(tree.view.cursors(undefined, undefined, engine.visible));
    while (cursor.first() === PENDING) await cursor.load();
    while (cursor.valid) {
      const { keyBytes, keyStart, keyLength, version, type, valueBytes, valueStart, valueLength } = cursor;
      const key = Buffer.from(keyBytes).toString('hex', keyStart, keyStart + keyLength);
      const value = Buffer.from(valueBytes).toString('hex', valueStart, valueStart + valueLength);
      entries.push(`${key}@${version}${type === 0 ? ' deleted' : `=${value}`}`);
      while (cursor.next() === PENDING) await cursor.load();
    }
    cursor.close();
    held.release();
    const ranges = [...manifest.state.ranges.values()].filter((row) => row.tree === tree.id);
    keyspaces[name] = { entries, ranges: ranges.map(({ version, spans }) => ({ version, spans })) };
  }
  return {
    version: db.version,
    keyspaces,
    ingests: db.ingests().map(({ files, ...ingest }) => ({
      ...ingest,
      files: files.map(({ table: _, level: __, ...file }) => file),
    })),
    datasets: [...catalog.datasets()].map(({ versions, ...row }) => ({
      ...row,
      versions: versions.map(({ tree: _, ...version }) => version),
    })),
  };
}

/** All replicas have applied the same, and have the same. */
export async function sameOnAll(nodes: readonly Replica[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.caughtUp()));
  const [first, ...others] = await Promise.all(nodes.map(everythingOf));
  for (const other of others) expect(other).toEqual(first);
}

/** As far as reads tell: garbage is collected by each node for itself. */
export async function sameContent(nodes: readonly Replica[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.caughtUp()));
  const all = await Promise.all(
    nodes.map(async (node) => ({ version: node.version, digest: await node.contentDigest() })),
  );
  for (const each of all) expect(each).toEqual(all[0]);
}
