/**
 * One LSM tree: one generation of a keyspace. Knows neither log nor transactions.
 *
 * Whatever changes what the tree holds swaps the view in one step. Readers hold the view that they began with: a scan
 * until it is released, a lookup while it waits for a block. Files of tables that were dropped go when no view and
 * nobody else that retains the table is left (L2). So does the memory of memtables: the next memtables take it.
 */

import { assert } from '../base/assert.ts';
import type { Env } from '../base/env/env.ts';
import { Levels } from '../manifest/levels.ts';
import type { FileId, TableRow, TreeId } from '../manifest/rows.ts';
import type { ArenaPool } from '../mvcc/arena-pool.ts';
import { Coverage } from '../mvcc/coverage.ts';
import { type Cursor, PENDING, READY, type Status } from '../mvcc/cursor.ts';
import type { EntryType } from '../mvcc/internal-key.ts';
import { Memtable } from '../mvcc/memtable.ts';
import type { Probe } from '../mvcc/probe.ts';
import { type RangeTombstone, RangeTombstones } from '../mvcc/range-tombstones.ts';
import { MAX_VERSION, type Version } from '../mvcc/version.ts';
import type { OpenTable, Table } from '../sst/table.ts';
import type { TableBuilderOptions } from '../sst/table-builder.ts';
import { type FlushJob, flushMemtable } from './flush.ts';
import { type PlacedRange, type Placement, placeTable } from './placement.ts';
import { Reservations } from './reservations.ts';
import { RetiredMemtables } from './retired-memtables.ts';
import { type TreeStats, treeStats } from './tree-stats.ts';
import { SEARCHED, View } from './view.ts';

export interface TreeOptions {
  readonly id: TreeId;
  readonly env: Env;
  /** Every version up to this is in tables. */
  readonly flushedThrough: Version;
  /** A memtable of this size is sealed. */
  readonly memtableBytes: number;
  /** Where memtables have their memory from. */
  readonly arenas: ArenaPool;
  readonly builder: TableBuilderOptions;
  readonly tablesDir: string;
  readonly tablePath: (id: FileId) => string;
  readonly openTable: OpenTable;
  /** Of what nothing durable names any more, whenever it suits. */
  readonly removeFile: (path: string) => void;
}

export interface InstalledTable {
  readonly row: TableRow;
  readonly table: Table;
}

export type FlushRunner = (memtable: Memtable, job: FlushJob) => Promise<TableRow>;

/** A table file that nothing durable names yet. */
export interface FlushedTable extends InstalledTable {
  /** Removes the file: the edit was not made. */
  discard(): void;
}

/** Cursors over all that may matter to a scan; `release` after they are closed. */
export interface TreeScan {
  readonly cursors: readonly Cursor[];
  /** What range tombstones hide of it; undefined: nothing. */
  readonly coverage: Coverage | undefined;
  release(): void;
}

/** A lookup that waits for a block of the table at `place`. */
class PendingLookup {
  readonly tree: Tree;
  readonly view: View;
  readonly place: number;
  pinned = false;

  constructor(tree: Tree, view: View, place: number) {
    this.tree = tree;
    this.view = view;
    this.place = place;
  }
}

export class Tree {
  readonly id: TreeId;
  readonly reservations = new Reservations();
  readonly #options: TreeOptions;
  readonly #tables = new Map<FileId, Table>();
  readonly #pinned = new Set<View>();
  readonly #retained = new Map<Table, number>();
  /** Of `#tables`, those to be closed and unlinked when nobody reads them. */
  readonly #doomed = new Set<FileId>();
  readonly #retired = new RetiredMemtables(this.#pinned);
  #view: View;
  #flushedThrough: Version;

  constructor(options: TreeOptions, rows: readonly TableRow[], tombstones: readonly RangeTombstone[] = []) {
    this.id = options.id;
    this.#options = options;
    this.#flushedThrough = options.flushedThrough;
    for (const { id, prefix } of rows) this.#tables.set(id, options.openTable(options.tablePath(id), prefix));
    const levels = Levels.of(rows).withTombstones(RangeTombstones.of(tombstones));
    this.#view = new View(new Memtable(options.memtableBytes, options.arenas), [], levels, this.#tables);
    this.#view.keepTopOpen(true);
  }

  get view(): View {
    return this.#view;
  }

  get flushedThrough(): Version {
    return this.#flushedThrough;
  }

  rows(): TableRow[] {
    return [...this.#view.levels];
  }

  /* Writing. */

  /** Makes sure that the next `entries` inserts, of `dataBytes` of keys and values together, go to one memtable. */
  reserve(entries: number, dataBytes: number): void {
    if (this.#view.memtable.hasRoomFor(entries, dataBytes)) return;
    const needed = Memtable.bytesForBatch(entries, dataBytes);
    this.#rotate(Math.max(this.#options.memtableBytes, needed));
  }

  insert(
    key: Uint8Array,
    keyStart: number,
    keyLength: number,
    version: Version,
    type: EntryType,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): void {
    const { memtable } = this.#view;
    if (memtable.insert(key, keyStart, keyLength, version, type, value, valueStart, valueLength)) return;
    const needed = Memtable.bytesNeeded(keyLength, valueLength);
    this.#rotate(Math.max(this.#options.memtableBytes, needed));
    const fresh = this.#view.memtable;
    const taken = fresh.insert(key, keyStart, keyLength, version, type, value, valueStart, valueLength);
    assert(taken, 'a new memtable has no room for one entry');
  }

  /** Makes the active memtable wait for its flush, unless it is empty. */
  seal(): void {
    if (this.#view.memtable.entries > 0) this.#rotate(this.#options.memtableBytes);
  }

  #rotate(capacityBytes: number): void {
    const { memtable, sealed, levels } = this.#view;
    const waiting = memtable.entries === 0 ? sealed : [memtable, ...sealed];
    this.#swap(new View(new Memtable(capacityBytes, this.#options.arenas), waiting, levels, this.#tables));
    if (memtable.entries === 0) this.#retired.add([memtable]);
  }

  /* Reading. */

  /**
   * Gives the probe the newest version of its key in its snapshot. PENDING: `load` or `loadSync` the probe, and repeat.
   * Between the two the key must not change.
   */
  get(probe: Probe): Status {
    const pending = probe.pending;
    let view = this.#view;
    let place = 0;
    const resumed = pending instanceof PendingLookup && pending.tree === this && pending.pinned;
    if (resumed) {
      view = pending.view;
      place = pending.place;
    } else {
      view.searchMemtables(probe);
    }
    probe.pending = undefined;
    try {
      const reached = view.searchTables(probe, place);
      if (reached === SEARCHED) return READY;
      const next = new PendingLookup(this, view, reached);
      // The same view goes on being held: the tables before this place were asked in it.
      if (resumed) this.#pinLookup(next);
      probe.pending = next;
      return PENDING;
    } finally {
      if (pending instanceof PendingLookup) pending.tree.#unpinLookup(pending);
    }
  }

  async load(probe: Probe): Promise<void> {
    const { pending, table } = this.#beginLoad(probe);
    try {
      await table.load(probe);
    } catch (error) {
      this.#unpinLookup(pending);
      throw error;
    }
  }

  loadSync(probe: Probe): void {
    const { pending, table } = this.#beginLoad(probe);
    try {
      table.loadSync(probe);
    } catch (error) {
      this.#unpinLookup(pending);
      throw error;
    }
  }

  #beginLoad(probe: Probe): { pending: PendingLookup; table: Table } {
    const pending = probe.pending;
    assert(
      pending instanceof PendingLookup && pending.tree === this,
      'load() of a lookup that is not pending',
    );
    // A load may push out the block of what is found.
    probe.own();
    this.#pinLookup(pending);
    return { pending, table: pending.view.tableAt(pending.place, probe) };
  }

  #pinLookup(pending: PendingLookup): void {
    if (pending.pinned) return;
    pending.pinned = true;
    this.#pin(pending.view);
  }

  #unpinLookup(pending: PendingLookup): void {
    if (!pending.pinned) return;
    pending.pinned = false;
    this.#unpin(pending.view);
  }

  /** Cursors for keys in [lower, upper). `own`: range tombstones of the reader itself, newer than all of the tree. */
  scan(
    lower?: Uint8Array,
    upper?: Uint8Array,
    snapshot: Version = MAX_VERSION,
    own?: RangeTombstones,
  ): TreeScan {
    const view = this.#view;
    const coverage = Coverage.of(view.levels.tombstones, snapshot, own, lower, upper);
    const cursors = view.cursors(lower, upper, snapshot, coverage);
    this.#pin(view);
    let held = true;
    const release = (): void => {
      if (held) this.#unpin(view);
      held = false;
    };
    return { cursors, coverage, release };
  }

  #pin(view: View): void {
    view.pins++;
    this.#pinned.add(view);
  }

  #unpin(view: View): void {
    view.pins--;
    if (view.pins > 0) return;
    this.#pinned.delete(view);
    this.#bury();
    this.#retired.free();
  }

  /* Tables. */

  /** Where a table goes that covers [smallest, largest]; `earlier`: placed in the same commit, not yet installed. */
  place(smallest: Uint8Array, largest: Uint8Array, earlier: readonly PlacedRange[] = []): Placement {
    return placeTable(this.#view.levels, this.reservations, smallest, largest, earlier);
  }

  /**
   * The manifest names the added tables and range tombstones, and no longer the dropped tables; `removeFiles` of those
   * is for later.
   */
  install(
    added: readonly InstalledTable[],
    dropped: readonly FileId[] = [],
    tombstones: readonly RangeTombstone[] = [],
  ): void {
    for (const { row, table } of added) this.#tables.set(row.id, table);
    const { memtable, sealed, levels } = this.#view;
    let next = levels.drop(dropped).add(added.map(({ row }) => row));
    if (tombstones.length > 0) {
      next = next.withTombstones(RangeTombstones.of([...(levels.tombstones?.list ?? []), ...tombstones]));
    }
    this.#swap(new View(memtable, sealed, next, this.#tables));
  }

  /** The manifest has these range tombstones of the tree, and no others. */
  replaceTombstones(tombstones: readonly RangeTombstone[]): void {
    const { memtable, sealed, levels } = this.#view;
    const next = levels.withTombstones(RangeTombstones.of(tombstones));
    this.#swap(new View(memtable, sealed, next, this.#tables));
  }

  #swap(view: View): void {
    this.#view.keepTopOpen(false);
    view.keepTopOpen(true);
    this.#view = view;
  }

  /** Keeps the table usable and its file in place until the returned function is called. */
  retain(table: Table): () => void {
    this.#retained.set(table, (this.#retained.get(table) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.#retained.get(table) ?? 0) - 1;
      if (left > 0) this.#retained.set(table, left);
      else this.#retained.delete(table);
      this.#bury();
    };
  }

  /**
   * Closes and unlinks tables that are dropped, each as soon as nobody here reads it. REQUIRES: no other process does,
   * and the edit that dropped them is durable.
   */
  removeFiles(ids: Iterable<FileId>): void {
    for (const id of ids) {
      assert(
        this.#tables.has(id) && !this.#view.hasTable(id),
        `table ${id} is removed while it is in the tree`,
      );
      this.#doomed.add(id);
    }
    this.#bury();
  }

  #bury(): void {
    for (const id of this.#doomed) {
      const table = this.#tables.get(id);
      assert(table !== undefined, `table ${id} waits to be removed and is gone`);
      if (this.#retained.has(table)) continue;
      // A held view opens tables as its cursors come to them, so they stay in `#tables` until then.
      if ([...this.#pinned].some((view) => view.hasTable(id))) continue;
      this.#doomed.delete(id);
      this.#tables.delete(id);
      table.dispose();
      this.#options.removeFile(table.path);
    }
  }

  /* Flushing. */

  get sealedCount(): number {
    return this.#view.sealed.length;
  }

  /** The next one to flush: memtables of a tree install oldest first. */
  get oldestSealed(): Memtable | undefined {
    return this.#view.sealed.at(-1);
  }

  /** `run`: where it is done; here, in slices, when absent. */
  async flush(memtable: Memtable, id: FileId, run?: FlushRunner): Promise<FlushedTable> {
    const { env, tablePath, tablesDir, builder, openTable, removeFile } = this.#options;
    const path = tablePath(id);
    const flush = run ?? ((sealed, job) => flushMemtable(sealed, job, env));
    const job = { tree: this.id, id, path, directory: tablesDir, builder };
    const row = await this.#retired.during(memtable, () => flush(memtable, job));
    return { row, table: openTable(path, undefined), discard: () => removeFile(path) };
  }

  /** REQUIRES: `memtable` is the oldest sealed one, and the manifest has the table and the new `flushedThrough`. */
  installFlush(memtable: Memtable, flushed: InstalledTable): void {
    assert(memtable === this.oldestSealed, 'memtables are installed oldest first');
    const { memtable: active, sealed, levels } = this.#view;
    this.#tables.set(flushed.row.id, flushed.table);
    this.#flushedThrough = memtable.maxVersion;
    this.#swap(new View(active, sealed.slice(0, -1), levels.add([flushed.row]), this.#tables));
    this.#retired.add([memtable]);
  }

  /* Ends. */

  /** The tree's generation is dropped: its files go, as with `removeFiles`. */
  destroy(): void {
    const ids = this.rows().map(({ id }) => id);
    this.freeMemtables(Levels.EMPTY);
    this.removeFiles(ids);
  }

  /** Nobody reads or writes the tree any more, but for those who hold a view. */
  freeMemtables(levels = this.#view.levels): void {
    const { memtable, sealed } = this.#view;
    this.#swap(new View(new Memtable(0), [], levels, this.#tables));
    this.#retired.add([memtable, ...sealed]);
  }

  /** Gives back descriptors and cached blocks. The files stay. */
  close(): void {
    for (const table of this.#tables.values()) table.dispose();
  }

  stats(): TreeStats {
    return treeStats(this.#view, this.#doomed.size);
  }
}
