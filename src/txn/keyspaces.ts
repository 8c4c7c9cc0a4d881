/**
 * Making and dropping keyspaces: pointer writes, each a commit of its own in the order of versions (docs/ARCHITECTURE.md
 * "Data model").
 *
 * A dropped generation stays, and is flushed, until neither a snapshot nor the history that is kept can see it; then its
 * tables go whole.
 */

import { isSluiceError, SluiceError } from '../base/errors.ts';
import type { Tree } from '../levels/tree.ts';
import type { DatasetVersionRow, Edit, KeyspaceRow, PointerChange, TreeId } from '../manifest/rows.ts';
import { NO_VERSION, type Version } from '../mvcc/version.ts';
import { liveAt } from './dataset/rows.ts';
import type { Engine } from './engine.ts';
import { ManifestSlot } from './manifest-commit.ts';
import { DEFAULT_KEYSPACE } from './record.ts';

/** A generation that nobody sees from `version` on. */
export interface DroppedTree {
  readonly tree: Tree;
  readonly keyspace: string;
  readonly version: Version;
}

export class Keyspaces {
  readonly #engine: Engine;
  #dropped: DroppedTree[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Synchronous and durable. Does nothing when the keyspace exists.
   * @throws SluiceError INGEST_BEHIND_NOT_ALLOWED when it does, and does not keep its tombstones as is asked
   */
  ensure(name: string, allowIngestBehind = false): void {
    const newest = this.#engine.catalog.newest(name);
    if (newest !== undefined) {
      if (allowIngestBehind) this.requireTombstones(newest);
      return;
    }
    this.#engine.checkWritable();
    const id = this.#engine.newTreeId();
    const tree = { id, keyspace: name, flushedThrough: NO_VERSION, keepsTombstones: allowIngestBehind };
    this.#writePointer(name, id, [{ kind: 'putTree', tree }]);
  }

  /** @throws SluiceError INGEST_BEHIND_NOT_ALLOWED unless the tree keeps its tombstones. */
  requireTombstones(tree: Tree): void {
    const { keyspace, keepsTombstones } = this.#engine.treeRow(tree.id);
    if (keepsTombstones) return;
    throw new SluiceError(
      'INGEST_BEHIND_NOT_ALLOWED',
      `The keyspace ${JSON.stringify(keyspace)} was made without allowIngestBehind, so it does not know all that was deleted. ` +
        'Make another with it, or ingest with ifExists: keep',
    );
  }

  /** Resolves when the drop is visible. @throws SluiceError KEYSPACE_NOT_FOUND */
  async drop(name: string): Promise<void> {
    if (name === DEFAULT_KEYSPACE) throw new TypeError('the default keyspace cannot be dropped');
    this.#engine.checkWritable();
    const tree = this.#engine.catalog.requireNewest(name);
    const versions = this.#engine.catalog.dataset(name)?.versions;
    const slot = this.#writePointer(
      name,
      null,
      versions === undefined ? [] : [{ kind: 'removeDataset', name }],
    );
    this.#dropped.push({ tree, keyspace: name, version: slot.last });
    this.#engine.catalog.removeDataset(name);
    this.#dropVersions(name, versions ?? [], slot.last);
    await slot.done;
    this.collect();
  }

  /**
   * Versions of a dataset are kept no longer; those that are not there are passed over. Resolves when that is visible.
   * @throws SluiceError DATASET_VERSION_LIVE
   */
  async dropVersions(name: string, ids: readonly number[]): Promise<void> {
    const { catalog, publication } = this.#engine;
    this.#engine.checkWritable();
    const row = catalog.dataset(name);
    const gone = row?.versions.filter(({ id }) => ids.includes(id)) ?? [];
    if (row === undefined || gone.length === 0) return;
    const live = liveAt(row);
    if (gone.some(({ id }) => id === live)) {
      const message = `The version ${live} of the dataset ${JSON.stringify(name)} is live; make another one live first`;
      throw new SluiceError('DATASET_VERSION_LIVE', message);
    }
    const dataset = { ...row, versions: row.versions.filter((version) => !gone.includes(version)) };
    const slot = new ManifestSlot();
    publication.take(slot, 1);
    try {
      this.#engine.apply([{ kind: 'putDataset', dataset }], slot);
      catalog.setDataset(dataset);
      this.#dropVersions(name, gone, slot.last);
    } finally {
      slot.ready = true;
      publication.drain();
    }
    await slot.done;
    this.collect();
  }

  #dropVersions(keyspace: string, gone: readonly DatasetVersionRow[], version: Version): void {
    for (const { tree: id } of gone) {
      const tree = this.#engine.catalog.tree(id);
      if (tree !== undefined) this.#dropped.push({ tree, keyspace, version });
    }
  }

  /** Generations that somebody may still read. */
  get dropped(): readonly DroppedTree[] {
    return this.#dropped;
  }

  /** Nothing is written to it any more. */
  isDropped(id: TreeId): boolean {
    return this.#dropped.some(({ tree }) => tree.id === id) || this.#engine.catalog.tree(id) === undefined;
  }

  /** A generation that a commit has just ended, or that a crash left between drop and removal. */
  adoptDropped(dropped: DroppedTree): void {
    this.#dropped.push(dropped);
  }

  /** Removes dropped generations that no snapshot sees any more. */
  collect(): void {
    if (this.#dropped.length === 0) return;
    const { snapshots, horizon } = this.#engine;
    const oldest = snapshots.oldest ?? horizon;
    const ready = this.#dropped.filter(({ version }) => version <= oldest && version <= horizon);
    for (const dropped of ready) {
      try {
        this.#remove(dropped);
      } catch (error) {
        // Whoever happened to publish or to close a snapshot has not failed; the next call, or open, tries again.
        if (!isSluiceError(error)) throw error;
        this.#engine.logger?.warn({ err: error }, 'a dropped keyspace could not be removed yet');
        return;
      }
    }
  }

  #remove({ tree, keyspace, version }: DroppedTree): void {
    const { catalog, history: kept, horizon, manifest, remover } = this.#engine;
    kept.giveUp(horizon);
    const rows = tree.rows();
    const ranges = [...manifest.state.ranges.values()].filter((row) => row.tree === tree.id);
    const before = catalog.historyOf(keyspace) ?? [];
    // Of a generation that was swapped for another, the change to that one stays.
    const history = before.filter((change, i) => {
      const next = before[i + 1];
      return change.tree === null ? change.version > version : next === undefined || next.version > version;
    });
    const edits: Edit[] =
      history.length === 0
        ? [{ kind: 'removeKeyspace', name: keyspace }]
        : [{ kind: 'putKeyspace', keyspace: { name: keyspace, history } }];
    const isKeyspaces = before.some((change) => change.tree === tree.id);
    this.#engine.apply([
      ...rows.map((row): Edit => ({ kind: 'dropTable', id: row.id })),
      ...ranges.map(({ version }): Edit => ({ kind: 'dropRangeTombstones', tree: tree.id, version })),
      { kind: 'removeTree', id: tree.id },
      ...(isKeyspaces ? edits : []),
    ]);
    this.#dropped = this.#dropped.filter((other) => other.tree !== tree);
    catalog.removeTree(tree.id);
    if (isKeyspaces) {
      if (history.length === 0) catalog.removeKeyspace(keyspace);
      else catalog.setHistory({ name: keyspace, history });
    }
    remover.whenUnread(() => tree.destroy());
    this.#engine.flusher.trimLog();
  }

  #writePointer(name: string, tree: TreeId | null, edits: readonly Edit[]): ManifestSlot {
    const { publication, catalog, window } = this.#engine;
    this.#engine.syncLog();
    const slot = new ManifestSlot();
    const version = publication.take(slot, 1);
    const change: PointerChange = { version, tree };
    const keyspace: KeyspaceRow = { name, history: [...(catalog.historyOf(name) ?? []), change] };
    try {
      this.#engine.apply([{ kind: 'putKeyspace', keyspace }, ...edits], slot);
      if (tree !== null) catalog.addTree(this.#engine.newTree(tree, NO_VERSION, []));
      catalog.setHistory(keyspace);
      // Only an end changes what a reader saw: before a creation the keyspace reads as empty, and after it too.
      if (tree === null) window.enterSwap(name, version, false);
    } finally {
      slot.ready = true;
      publication.drain();
    }
    return slot;
  }
}
