/** Whether replicas have the same. */

import { expect } from 'vitest';
import { everythingOf } from './everything.ts';
import type { TextNode } from './nodes.ts';

/** Of a node, whatever its encodings. */
export type Replica = Pick<
  TextNode,
  'caughtUp' | 'version' | 'snapshot' | 'contentDigest' | 'ingests' | 'status' | 'close'
>;

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
