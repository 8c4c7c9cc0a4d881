/** All that a replica has, with versions: every entry that is not collected, range deletions that hide something, pointers, datasets and ingests. */

import type { KeySpan } from '../../src/mvcc/range-tombstones.ts';
import type { Version } from '../../src/mvcc/version.ts';
import type { TextNode } from './nodes.ts';
import { engineOf, entriesOf } from './tree-entries.ts';

/** Alike on all replicas with ALL_KEPT. Ids of trees and tables are a node's own, and how it knows what it has applied. */
export async function everythingOf(db: Pick<TextNode, 'version' | 'ingests'>): Promise<unknown> {
  const engine = engineOf(db);
  const { catalog, manifest } = engine;
  const keyspaces: Record<string, unknown> = {};
  for (const name of catalog.names(engine.visible)) {
    const tree = catalog.newest(name);
    if (tree === undefined) continue;
    const entries: string[] = [];
    const found: { readonly key: Uint8Array; readonly version: number }[] = [];
    for await (const { key, version, value } of entriesOf(engine, tree)) {
      const what = value === undefined ? ' deleted' : `=${value.toString('hex')}`;
      found.push({ key, version });
      entries.push(`${key.toString('hex')}@${version}${what}`);
    }
    // One that hides nothing is collected in spite of all, when a node comes to it.
    const hides = ({ from, to }: KeySpan, at: Version): boolean =>
      found.some(
        ({ key, version }) =>
          version < at && Buffer.compare(from, key) <= 0 && (to === undefined || Buffer.compare(key, to) < 0),
      );
    const ranges = [...manifest.state.ranges.values()]
      .filter((row) => row.tree === tree.id)
      .map(({ version, spans }) => ({ version, spans: spans.filter((span) => hides(span, version)) }))
      .filter(({ spans }) => spans.length > 0);
    keyspaces[name] = { entries, ranges };
  }
  return {
    version: db.version,
    keyspaces,
    imports: [...manifest.state.sharedImports.values()],
    ingests: db.ingests().map(({ files, ...ingest }) => ({
      ...ingest,
      files: files.map(({ table: _, level: __, ...file }) => file),
    })),
    datasets: [...catalog.datasets()]
      .map(({ versions, ...row }) => ({
        ...row,
        versions: versions.map(({ tree: _, ...version }) => version),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}
