/**
 * Making and dropping keyspaces: pointer writes, each a commit of its own in the order of versions (docs/ARCHITECTURE.md
 * "Data model").
 *
 * A dropped generation stays, and is flushed, until neither a snapshot nor the history that is kept can see it; then its
 * tables go whole.
 */

import { isSluiceError, SluiceError } from '../base/errors.ts';
import type { Tree } from '../levels/tree.ts';
import type { DatasetVersionRow, Edit, KeyspaceRow, TreeId } from '../manifest/rows.ts';
import { NO_VERSION, type Version } from '../mvcc/version.ts';
import { liveAt } from './dataset/rows.ts';
import type { Change } from './edit-queue.ts';
import type { Engine } from './engine.ts';
import { inSlot, ManifestSlot } from './manifest-slot.ts';
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
  /** Of those, whose removal is on its way. */
  readonly #removing = new Set<Tree>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Synchronous and durable. Does nothing when the keyspace exists.
   * @throws SluiceError INGEST_BEHIND_NOT_ALLOWED when it does, and does not keep its tombstones as is asked
   */
  ensure(name: string, allowIngestBehind = false): void {
    const { proposer } = this.#engine;
    if (proposer === undefined) this.make(name, allowIngestBehind);
    else proposer.ensure(name, allowIngestBehind);
  }

  /** `ensure`, here and now. */
  make(name: string, allowIngestBehind: boolean): void {
    const newest = this.#engine.catalog.newest(name);
    if (newest !== undefined) {
      if (allowIngestBehind) this.requireTombstones(newest);
      return;
    }
    this.#engine.checkWritable();
    this.#engine.edits.submitSync(() => {
      // A drop that was under way is done now.
      if (this.#engine.catalog.newest(name) !== undefined) return undefined;
      const id = this.#engine.newTreeId();
      const tree = { id, keyspace: name, flushedThrough: NO_VERSION, keepsTombstones: allowIngestBehind };
      const slot = new ManifestSlot();
      const keyspace = this.#withPointer(name, this.#engine.publication.take(slot, 1), id);
      return inSlot(slot, this.#engine.publication, {
        edits: [
          { kind: 'putKeyspace', keyspace },
          { kind: 'putTree', tree },
        ],
        needsLog: true,
        // Before it the keyspace reads as empty, and after it too: no reader is in conflict.
        installed: () => {
          this.#engine.catalog.addTree(this.#engine.newTree(id, NO_VERSION, []));
          this.#engine.catalog.setHistory(keyspace);
        },
      });
    });
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
    await (this.#engine.proposer?.drop(name) ?? this.dropNow(name));
  }

  /** `drop`, here and now. */
  async dropNow(name: string): Promise<void> {
    const slot = new ManifestSlot();
    await this.#engine.edits.submit(() => this.#dropOf(name, slot));
    await slot.done;
    await this.collect();
  }

  #dropOf(name: string, slot: ManifestSlot): Change {
    const { catalog, publication, window } = this.#engine;
    const tree = catalog.requireNewest(name);
    const versions = catalog.dataset(name)?.versions;
    const version = publication.take(slot, 1);
    const before = catalog.historyOf(name) ?? [];
    const keyspace = this.#withPointer(name, version, null);
    const edits: Edit[] = [{ kind: 'putKeyspace', keyspace }];
    if (versions !== undefined) edits.push({ kind: 'removeDataset', name });
    return inSlot(slot, publication, {
      edits,
      needsLog: true,
      begun: () => {
        // A put that comes now has a later version: it finds no keyspace. Readers see the pointer from its version on.
        catalog.setHistory(keyspace);
        window.enterSwap(name, version, false);
      },
      installed: () => {
        this.#dropped.push({ tree, keyspace: name, version });
        catalog.removeDataset(name);
        this.#dropVersions(name, versions ?? [], version);
      },
      failed: () => catalog.setHistory({ name, history: before }),
    });
  }

  /**
   * Versions of a dataset are kept no longer; those that are not there are passed over. Resolves when that is visible, with
   * the commit's version; undefined where none was there.
   * @throws SluiceError DATASET_VERSION_LIVE
   */
  async dropVersions(name: string, ids: readonly number[]): Promise<Version | undefined> {
    this.#engine.checkWritable();
    return this.#engine.proposer?.dropVersions(name, ids) ?? this.dropVersionsNow(name, ids);
  }

  /** `dropVersions`, here and now. */
  async dropVersionsNow(name: string, ids: readonly number[]): Promise<Version | undefined> {
    const slot = new ManifestSlot();
    let gone: readonly DatasetVersionRow[] = [];
    await this.#engine.edits.submit(() => {
      const { catalog, publication } = this.#engine;
      const row = catalog.dataset(name);
      gone = row?.versions.filter(({ id }) => ids.includes(id)) ?? [];
      if (row === undefined || gone.length === 0) return undefined;
      const live = liveAt(row);
      if (gone.some(({ id }) => id === live)) {
        const message = `The version ${live} of the dataset ${JSON.stringify(name)} is live; make another one live first`;
        throw new SluiceError('DATASET_VERSION_LIVE', message);
      }
      const dataset = { ...row, versions: row.versions.filter((version) => !gone.includes(version)) };
      const version = publication.take(slot, 1);
      return inSlot(slot, publication, {
        edits: [{ kind: 'putDataset', dataset }],
        // Commits before it are not lost while it stays.
        needsLog: true,
        installed: () => {
          catalog.setDataset(dataset);
          this.#dropVersions(name, gone, version);
        },
      });
    });
    if (gone.length === 0) return undefined;
    await slot.done;
    await this.collect();
    return slot.last;
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

  /** Removes dropped generations that no snapshot sees any more; resolves when that is done, or has failed. */
  async collect(): Promise<void> {
    const ready = this.#dropped.filter(
      ({ tree, version }) => !this.#removing.has(tree) && this.#isUnseen(version),
    );
    await Promise.all(ready.map((dropped) => this.#remove(dropped)));
  }

  async #remove(dropped: DroppedTree): Promise<void> {
    this.#removing.add(dropped.tree);
    try {
      await this.#engine.edits.submit(() =>
        this.#isUnseen(dropped.version) ? this.#removalOf(dropped) : undefined,
      );
    } catch (error) {
      // Whoever happened to publish or to close a snapshot has not failed; the next call, or open, tries again.
      if (!isSluiceError(error)) throw error;
      this.#engine.logger?.warn({ err: error }, 'a dropped keyspace could not be removed yet');
    } finally {
      this.#removing.delete(dropped.tree);
    }
  }

  #isUnseen(version: Version): boolean {
    const { snapshots, horizon } = this.#engine;
    return version <= (snapshots.oldest ?? horizon) && version <= horizon;
  }

  #removalOf({ tree, keyspace, version }: DroppedTree): Change {
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
    const removed: Edit[] = [
      ...rows.map((row): Edit => ({ kind: 'dropTable', id: row.id })),
      ...ranges.map(({ version }): Edit => ({ kind: 'dropRangeTombstones', tree: tree.id, version })),
      { kind: 'removeTree', id: tree.id },
    ];
    const installed = (): void => {
      this.#dropped = this.#dropped.filter((other) => other.tree !== tree);
      catalog.removeTree(tree.id);
      if (isKeyspaces) {
        if (history.length === 0) catalog.removeKeyspace(keyspace);
        else catalog.setHistory({ name: keyspace, history });
      }
      remover.whenUnread(() => tree.destroy());
      this.#engine.flusher.trimLog();
    };
    return { edits: isKeyspaces ? [...removed, ...edits] : removed, installed };
  }

  /** With the change that comes with this version. */
  #withPointer(name: string, version: Version, tree: TreeId | null): KeyspaceRow {
    return { name, history: [...(this.#engine.catalog.historyOf(name) ?? []), { version, tree }] };
  }
}
