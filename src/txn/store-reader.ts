/** Reads of the database as it is now, or as of a snapshot. */

import type { Tree } from '../levels/tree.ts';
import { PENDING } from '../mvcc/cursor.ts';
import { mergeCursors } from '../mvcc/merge.ts';
import { Probe } from '../mvcc/probe.ts';
import type { SnapshotRegistry } from '../mvcc/snapshots.ts';
import type { Version } from '../mvcc/version.ts';
import { VisibleCursor } from '../mvcc/visible.ts';
import type { Catalog } from './catalog.ts';
import type { Bounds, ReadSource, Scan } from './read-source.ts';
import { Snapshot } from './snapshot.ts';

export interface StoreState {
  readonly catalog: Pick<Catalog, 'treeAt'>;
  readonly snapshots: SnapshotRegistry;
  readonly visible: Version;
}

export class StoreReader implements ReadSource {
  readonly #state: StoreState;
  readonly #owner: object;
  /** One lookup at a time is synchronous, so one probe serves them all. */
  readonly #probe = new Probe();

  /** `owner`: what public snapshots must belong to. */
  constructor(state: StoreState, owner: object) {
    this.#state = state;
    this.#owner = owner;
  }

  /** Reads of one generation, whatever the keyspace means. REQUIRES: it stays as long as it is read. */
  ofTree(tree: Tree): StoreReader {
    const state = this.#state;
    const generation: StoreState = {
      catalog: { treeAt: () => tree },
      snapshots: state.snapshots,
      get visible() {
        return state.visible;
      },
    };
    return new StoreReader(generation, this.#owner);
  }

  lookup(keyspace: string, key: Uint8Array, at: Snapshot | undefined): Probe | undefined {
    const version = this.#versionOf(at);
    const probe = this.#probe;
    probe.reset(key, 0, key.length, version);
    const tree = this.#state.catalog.treeAt(keyspace, version);
    if (tree !== undefined && tree.get(probe) === PENDING) return undefined;
    return probe;
  }

  lookupSync(keyspace: string, key: Uint8Array, at: Snapshot | undefined): Probe {
    const version = this.#versionOf(at);
    const probe = this.#probe;
    probe.reset(key, 0, key.length, version);
    probe.blocking = true;
    const tree = this.#state.catalog.treeAt(keyspace, version);
    while (tree?.get(probe) === PENDING) tree.loadSync(probe);
    return probe;
  }

  async lookupLater(keyspace: string, key: Uint8Array, at: Snapshot | undefined): Promise<Probe> {
    const version = this.#versionOf(at);
    const probe = new Probe();
    probe.reset(key, 0, key.length, version);
    const tree = this.#state.catalog.treeAt(keyspace, version);
    if (tree === undefined) return probe;
    // The version must outlive the awaits, whatever is flushed, compacted or dropped meanwhile.
    const snapshot = this.#state.snapshots.acquire(version);
    try {
      while (tree.get(probe) === PENDING) await tree.load(probe);
      // The caller goes on in a later turn, when a block or a memtable may have taken the place of what was found.
      probe.own();
      return probe;
    } finally {
      this.#state.snapshots.release(snapshot);
    }
  }

  scan(keyspace: string, bounds: Bounds, at: Snapshot | undefined): Scan {
    const version = this.#versionOf(at);
    const snapshot = this.#state.snapshots.acquire(version);
    const tree = this.#state.catalog.treeAt(keyspace, version);
    const pinned = tree?.scan(bounds.lower, bounds.upper, version);
    const visibleBounds = { gte: bounds.lower, lt: bounds.upper };
    const cursor = new VisibleCursor(
      mergeCursors(pinned?.cursors ?? []),
      { snapshot: version, coverage: pinned?.coverage },
      visibleBounds,
    );
    const close = (): void => {
      cursor.close();
      pinned?.release();
      this.#state.snapshots.release(snapshot);
    };
    return { cursor, onRead: undefined, close };
  }

  #versionOf(at: Snapshot | undefined): Version {
    if (at === undefined) return this.#state.visible;
    Snapshot.check(at, this.#owner);
    return at.version;
  }
}
