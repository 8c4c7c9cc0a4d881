/**
 * Memtables that a tree has no more, each until nobody reads it: then its memory is the next memtable's.
 *
 * The next one overwrites it, so nobody may look at it again. Who could: a cursor, which is closed before its scan releases
 * the view; a flush, which goes on although the tree has been destroyed meanwhile; a lookup between its search of the
 * memtables and its caller's copy of the value: both in one turn, or `own`ed by the probe before it waits. A pending lookup
 * that goes on asks tables only.
 */

import type { Memtable } from '../mvcc/memtable.ts';
import type { View } from './view.ts';

export class RetiredMemtables {
  readonly #retired = new Set<Memtable>();
  /** Those that are being written to tables, if need be by another thread. */
  readonly #flushing = new Set<Memtable>();
  readonly #pinned: ReadonlySet<View>;

  /** `pinned`: the views that readers hold. */
  constructor(pinned: ReadonlySet<View>) {
    this.#pinned = pinned;
  }

  /** REQUIRES: the current view has them no more. */
  add(memtables: readonly Memtable[]): void {
    for (const memtable of memtables) this.#retired.add(memtable);
    this.free();
  }

  /** Keeps the memtable while `flush` reads it. */
  async during<T>(memtable: Memtable, flush: () => Promise<T>): Promise<T> {
    this.#flushing.add(memtable);
    try {
      return await flush();
    } finally {
      this.#flushing.delete(memtable);
      this.free();
    }
  }

  /** Those that nobody reads. */
  free(): void {
    for (const memtable of this.#retired) {
      if (this.#flushing.has(memtable)) continue;
      if ([...this.#pinned].some((view) => view.memtable === memtable || view.sealed.includes(memtable)))
        continue;
      this.#retired.delete(memtable);
      memtable.free();
    }
  }
}
