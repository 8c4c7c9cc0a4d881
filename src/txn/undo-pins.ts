/**
 * The versions that ingests which can be undone keep readable, durably: for compaction they are as open snapshots of their
 * trees.
 */

import type { Manifest } from '../manifest/manifest.ts';
import type { TreeId } from '../manifest/rows.ts';
import type { Version } from '../mvcc/version.ts';

const NONE: readonly Version[] = [];

export class PinnedVersions {
  readonly #manifest: Manifest;
  #byTree: ReadonlyMap<TreeId, readonly Version[]> | undefined;

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
  }

  /** Ascending. */
  of(tree: TreeId): readonly Version[] {
    this.#byTree ??= this.#gather();
    return this.#byTree.get(tree) ?? NONE;
  }

  /** Rows of ingests have changed. */
  changed(): void {
    this.#byTree = undefined;
  }

  #gather(): Map<TreeId, readonly Version[]> {
    const byTree = new Map<TreeId, Version[]>();
    for (const { undo } of this.#manifest.state.ingests.values()) {
      if (undo === undefined) continue;
      byTree.set(undo.tree, [...(byTree.get(undo.tree) ?? []), undo.before, undo.through]);
    }
    for (const versions of byTree.values()) versions.sort((a, b) => a - b);
    return byTree;
  }
}
