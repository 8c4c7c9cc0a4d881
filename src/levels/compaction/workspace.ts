/**
 * The memory that a compaction works in, kept from one to the next: making heaps costs more than a small compaction.
 *
 * Each input run has a cache of its own, so that none pushes out what another has read ahead.
 */

import { BlockCache } from '../../sst/block-cache.ts';
import { createHeap, type Heap } from '../../sst/heap.ts';
import { builderHeapBytes } from '../../sst/table-builder.ts';

/** What a cache keeps of a scan is a few chunks, which have to hold the blocks read ahead when they are decompressed. */
const CACHE_BYTES = 1 << 20;
/** More than this are not kept. */
const CACHES_MAX = 16;

export class Workspace {
  #caches: BlockCache[] = [];
  #heap: Heap | undefined;

  /** One for each of so many runs, free of tables. */
  caches(count: number): readonly BlockCache[] {
    while (this.#caches.length < count) this.#caches.push(new BlockCache(CACHE_BYTES));
    const caches = this.#caches.slice(0, count);
    if (this.#caches.length > CACHES_MAX) this.#caches = this.#caches.slice(0, CACHES_MAX);
    return caches;
  }

  /** For one table builder at a time. */
  builderHeap(blockBytes: number | undefined): Heap {
    const bytes = builderHeapBytes(blockBytes);
    if (this.#heap === undefined || this.#heap.bytes.length < bytes) this.#heap = createHeap(bytes);
    return this.#heap;
  }
}
