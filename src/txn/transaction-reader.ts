/**
 * Reads of a transaction: its own statements over its snapshot. What is read of the *database* enters the read set;
 * what the transaction itself wrote does not depend on anybody.
 *
 * L5: points found and points missed; ranges up to where each scan really stopped.
 */

import { Coverage } from '../mvcc/coverage.ts';
import { PENDING } from '../mvcc/cursor.ts';
import { mergeCursors } from '../mvcc/merge.ts';
import { Probe } from '../mvcc/probe.ts';
import { MAX_VERSION, OVERLAY_FLOOR, type Version } from '../mvcc/version.ts';
import { VisibleCursor } from '../mvcc/visible.ts';
import type { Overlay } from './overlay.ts';
import type { ReadRange, ReadSet } from './read-set.ts';
import type { Bounds, ReadSource, Scan } from './read-source.ts';
import type { Snapshot } from './snapshot.ts';
import type { StoreReader, StoreState } from './store-reader.ts';

export interface TransactionReads {
  readonly state: StoreState;
  readonly store: StoreReader;
  readonly snapshot: Snapshot;
  readonly overlay: Overlay;
  /** undefined: read-only, nothing is recorded. */
  readonly reads: ReadSet | undefined;
}

export class TransactionReader implements ReadSource {
  readonly #reads: TransactionReads;
  readonly #probe = new Probe();

  constructor(reads: TransactionReads) {
    this.#reads = reads;
  }

  lookup(keyspace: string, key: Uint8Array): Probe | undefined {
    const { overlay, store, snapshot } = this.#reads;
    if (!overlay.isEmpty) {
      this.#probe.reset(key, 0, key.length, MAX_VERSION);
      if (overlay.get(keyspace, this.#probe) === PENDING) return undefined;
      if (this.#probe.found) return this.#probe;
    }
    return this.#base(keyspace, key, store).lookup(keyspace, key, snapshot);
  }

  lookupSync(keyspace: string, key: Uint8Array): Probe {
    const { overlay, store, snapshot } = this.#reads;
    if (!overlay.isEmpty) {
      this.#probe.reset(key, 0, key.length, MAX_VERSION);
      while (overlay.get(keyspace, this.#probe) === PENDING) overlay.loadSync(this.#probe);
      if (this.#probe.found) return this.#probe;
    }
    return this.#base(keyspace, key, store).lookupSync(keyspace, key, snapshot);
  }

  async lookupLater(keyspace: string, key: Uint8Array): Promise<Probe> {
    const { overlay, store, snapshot } = this.#reads;
    if (!overlay.isEmpty) {
      const probe = new Probe();
      probe.reset(key, 0, key.length, MAX_VERSION);
      while (overlay.get(keyspace, probe) === PENDING) await overlay.load(probe);
      if (probe.found) {
        // As of the store's: the caller goes on in a later turn.
        probe.own();
        return probe;
      }
    }
    return this.#base(keyspace, key, store).lookupLater(keyspace, key, snapshot);
  }

  /** Sees the transaction's own statements up to this call. */
  scan(keyspace: string, bounds: Bounds): Scan {
    const { state, snapshot, overlay } = this.#reads;
    const held = state.snapshots.acquire(snapshot.version);
    const { lower, upper } = bounds;
    const own = overlay.tombstones(keyspace);
    const swapped = overlay.swapOf(keyspace)?.tree;
    const tree = swapped ?? state.catalog.treeAt(keyspace, snapshot.version);
    const pinned = tree?.scan(lower, upper, snapshot.version, own);
    const coverage = pinned?.coverage ?? Coverage.of(undefined, snapshot.version, own, lower, upper);
    const cursors = [...overlay.cursors(keyspace, coverage), ...(pinned?.cursors ?? [])];
    const cursor = new VisibleCursor(
      mergeCursors(cursors),
      {
        snapshot: snapshot.version,
        overlayFloor: OVERLAY_FLOOR,
        overlayThrough: (OVERLAY_FLOOR + overlay.statements) as Version,
        coverage,
      },
      { gte: lower, lt: upper },
    );
    const close = (): void => {
      cursor.close();
      pinned?.release();
      state.snapshots.release(held);
    };
    return { cursor, onRead: swapped === undefined ? this.#rangeRecorder(keyspace) : undefined, close };
  }

  /** What is under the own statements: the database, which is recorded, or a version that they swapped it for. */
  #base(keyspace: string, key: Uint8Array, store: StoreReader): StoreReader {
    const swapped = this.#reads.overlay.swapOf(keyspace);
    if (swapped !== undefined) return store.ofTree(swapped.tree);
    this.#reads.reads?.addPoint(keyspace, key);
    return store;
  }

  /** Stretches that touch, as those of one iterator do, are one range. */
  #rangeRecorder(keyspace: string): Scan['onRead'] {
    const { reads } = this.#reads;
    if (reads === undefined) return undefined;
    let range: ReadRange | undefined;
    return (from, to) => {
      // Between bounds that meet, or behind one, nothing can be: not even the keyspace was read.
      if (to !== undefined && to <= from) return;
      if (range !== undefined && range.upper === from) range.upper = to;
      else if (range !== undefined && to !== undefined && range.lower === to) range.lower = from;
      else if (range === undefined || range.lower !== from || range.upper !== to) {
        range = reads.addRange(keyspace, from);
        range.upper = to;
      }
    };
  }
}
