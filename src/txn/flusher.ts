/**
 * Background flushes: sealed memtables become tables of level 0, oldest first for each tree; then log segments that no
 * tree needs are unlinked.
 *
 * Two logs, one contract (docs/ARCHITECTURE.md "Writing"): the tree's `flushedThrough` moves in the same manifest edit
 * as the table enters, so replay never sees a record whose table is there (garbage collection may have used it already).
 */

import { isSluiceError } from '../base/errors.ts';
import type { FlushedTable, Tree } from '../levels/tree.ts';
import type { TreeId } from '../manifest/rows.ts';
import type { Memtable } from '../mvcc/memtable.ts';
import type { Version } from '../mvcc/version.ts';
import type { Change } from './edit-queue.ts';
import type { Engine } from './engine.ts';

/** Sealed memtables of one tree above which writers wait. */
const SEALED_MAX = 3;
const RETRY_MS = 500;
/** Log segments above which memtables are flushed to let go of the oldest. */
const LOG_SEGMENTS_MAX = 4;

export class Flusher {
  readonly #engine: Engine;
  readonly #running = new Map<TreeId, Promise<void>>();
  /** For each log segment, the newest version that each tree has in it. */
  readonly #segments = new Map<number, Map<TreeId, Version>>();
  #waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  #closed = false;
  /** A tree has more sealed memtables than it should; as `poke` found it. */
  #full = false;
  #cancelRetry: (() => void) | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The tree has a record of `version` in the segment. */
  note(segmentId: number, tree: TreeId, version: Version): void {
    let trees = this.#segments.get(segmentId);
    if (trees === undefined) {
      trees = new Map();
      this.#segments.set(segmentId, trees);
    }
    trees.set(tree, version);
  }

  /** Starts flushing whatever is sealed, and looks whether there is room for more. */
  poke(): void {
    this.#full = false;
    for (const tree of this.#engine.catalog.trees()) {
      if (tree.sealedCount === 0) continue;
      if (tree.sealedCount > SEALED_MAX) this.#full = true;
      if (!this.#closed && !this.#running.has(tree.id)) this.#start(tree);
    }
  }

  /** undefined when there is room for more writes; else resolves when there may be, or rejects when flushing fails. */
  room(): Promise<void> | undefined {
    if (!this.#full) return undefined;
    const room = new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#engine.compactor.writersWait(true);
    // The timer of a retry keeps no process alive; somebody who waits for it must.
    if (this.#cancelRetry !== undefined) void this.#engine.env.clock.sleep(RETRY_MS);
    return room;
  }

  /** Flushes all that is in memtables now. */
  async flushAll(): Promise<void> {
    const trees = [...this.#engine.catalog.trees()];
    for (const tree of trees) tree.seal();
    for (const tree of trees) {
      while (tree.sealedCount > 0 && !this.#isRemoved(tree)) {
        if (!this.#running.has(tree.id)) this.#start(tree);
        await this.#running.get(tree.id);
      }
    }
  }

  /** Unlinks log segments, oldest first, as far as every tree in them has flushed them. A removed tree has. */
  trimLog(): void {
    const { wal, catalog } = this.#engine;
    let through = 0;
    for (const { id } of wal.segments()) {
      if (id >= wal.segmentId) break;
      const trees = this.#segments.get(id);
      if (trees !== undefined) {
        const needed = [...trees].some(
          ([tree, version]) => (catalog.tree(tree)?.flushedThrough ?? version) < version,
        );
        if (needed) break;
      }
      through = id;
    }
    if (through === 0) return;
    for (const id of this.#segments.keys()) if (id <= through) this.#segments.delete(id);
    this.#engine.remover.whenUnread(() => wal.unlinkThrough(through));
  }

  /** Seals the memtables for whose sake alone a long log is kept: a keyspace that is hardly written to pins it else. */
  limitLog(): void {
    const { wal, catalog } = this.#engine;
    const segments = wal.segments();
    const oldest = segments[0];
    if (segments.length <= LOG_SEGMENTS_MAX || oldest === undefined) return;
    for (const [id, version] of this.#segments.get(oldest.id) ?? []) {
      const tree = catalog.tree(id);
      if (tree !== undefined && tree.flushedThrough < version && tree.sealedCount === 0) tree.seal();
    }
    this.poke();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry?.();
    await Promise.allSettled(this.#running.values());
    this.#wake(undefined);
  }

  /** A dropped generation is flushed until then: the history that is kept may read it after a crash too. */
  #isRemoved(tree: Tree): boolean {
    return this.#engine.catalog.tree(tree.id) === undefined;
  }

  #start(tree: Tree): void {
    const run = this.#flushTree(tree).finally(() => this.#running.delete(tree.id));
    this.#running.set(tree.id, run);
    run.then(
      () => {
        this.poke();
        this.#wake(undefined);
      },
      (error: unknown) => this.#failed(error),
    );
  }

  async #flushTree(tree: Tree): Promise<void> {
    const engine = this.#engine;
    const memtable = tree.oldestSealed;
    if (memtable === undefined) return;
    const flushed = await tree.flush(memtable, engine.newFileId(), engine.runFlush);
    // A commit may be in two trees of which only one is flushed: without its log record it would be torn.
    await engine.wal.sync();
    try {
      await engine.edits.submit(() => this.#installation(tree, memtable, flushed));
    } catch (error) {
      // An edit of unknown outcome may name the file: recovery decides.
      if (!isSluiceError(error, 'OUTCOME_UNKNOWN')) flushed.discard();
      throw error;
    }
  }

  #installation(tree: Tree, memtable: Memtable, flushed: FlushedTable): Change | undefined {
    const engine = this.#engine;
    if (this.#isRemoved(tree)) {
      flushed.discard();
      return undefined;
    }
    const row = { ...engine.treeRow(tree.id), flushedThrough: memtable.maxVersion };
    return {
      edits: [
        { kind: 'addTable', table: flushed.row },
        { kind: 'putTree', tree: row },
      ],
      installed: () => {
        tree.installFlush(memtable, flushed);
        engine.onFlushed(flushed.row);
        this.trimLog();
      },
    };
  }

  /** A flush that failed for want of space is tried again; writers that wait are told. */
  #failed(error: unknown): void {
    this.#engine.logger?.error({ err: error }, 'a memtable could not be flushed');
    this.#wake(error);
    if (this.#closed || this.#cancelRetry !== undefined) return;
    this.#cancelRetry = this.#engine.env.clock.after(RETRY_MS, () => {
      this.#cancelRetry = undefined;
      this.poke();
    });
  }

  #wake(error: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#engine.compactor.writersWait(false);
    for (const { resolve, reject } of waiting) {
      if (error === undefined) resolve();
      else reject(error);
    }
  }
}
