/**
 * The memory that compactions work in, kept from one to the next: making heaps costs more than a small compaction.
 *
 * A merge by cursors has a cache of its own for each input run, so that none pushes out what another has read ahead.
 */

import { at } from '../../base/assert.ts';
import { BlockCache } from '../../sst/block-cache.ts';
import { createHeap, type Heap } from '../../sst/heap.ts';
import { builderHeapBytes, type TableHeap } from '../../sst/table-builder.ts';
import { type MergePlaces, mergePlaces } from './merge-places.ts';

/** What a cache keeps of a scan is a few chunks, which have to hold the blocks read ahead when they are decompressed. */
const CACHE_BYTES = 1 << 20;
/** More than this are not kept, nor a heap of more. */
const CACHES_MAX = 16;
const HEAP_BYTES_MAX = 64 << 20;
/** Pages that are not used are not there; heaps that became too small one after the other would be, until they are collected. */
const HEAP_BYTES_MIN = 8 << 20;

export class Workspace {
  readonly #makeHeap: (bytes: number) => Heap;
  #caches: BlockCache[] = [];
  #heap: Heap | undefined;

  constructor(makeHeap: (bytes: number) => Heap = createHeap) {
    this.#makeHeap = makeHeap;
  }

  /** To open tables by. */
  get cache(): BlockCache {
    return at(this.caches(1), 0);
  }

  /** So many, free of tables. */
  caches(count: number): readonly BlockCache[] {
    while (this.#caches.length < count) this.#caches.push(new BlockCache(CACHE_BYTES));
    const caches = this.#caches.slice(0, count);
    if (this.#caches.length > CACHES_MAX) this.#caches = this.#caches.slice(0, CACHES_MAX);
    return caches;
  }

  /** For one table builder at a time. */
  builderHeap(blockBytes: number | undefined): Heap {
    return this.#heapOf(builderHeapBytes(blockBytes));
  }

  /** For a merge of so many runs, and a builder beside it. */
  mergeHeap(
    runs: number,
    readers: number,
    blockBytes: number | undefined,
  ): Required<TableHeap> & { readonly places: MergePlaces } {
    const places = mergePlaces(runs, readers);
    const heap = this.#heapOf(builderHeapBytes(blockBytes, places.builder));
    return { heap, heapAt: places.builder, places };
  }

  #heapOf(bytes: number): Heap {
    if (this.#heap !== undefined && this.#heap.bytes.length >= bytes) return this.#heap;
    const heap = this.#makeHeap(Math.max(bytes, HEAP_BYTES_MIN));
    if (bytes <= HEAP_BYTES_MAX) this.#heap = heap;
    return heap;
  }
}
