/** How the memory of an import is shared out: a hard limit over arenas, what is on its way to them, and merges. */

import { FEED_BLOCK_BYTES, FEED_BYTES } from '../sst/block-feed.ts';
import { builderHeapBytes } from '../sst/table-builder.ts';
import type { ImportSpec } from './import-spec.ts';
import { arenaRoom } from './thread/sorter.ts';

const MIB = 1 << 20;
/** Of tables' indexes, filters and what else comes with them. */
const BESIDES_BYTES = 6 * MIB;
/** Larger ones are slower: memory that is touched for the first time, and caches that are missed, cost more than a wider merge. */
const ARENA_BYTES_MAX = 64 * MIB;
/** Where all rows have room in one arena, they need no merge; but no two threads work at them. */
const ONLY_ARENA_BYTES_MAX = 96 * MIB;
const ONLY_ARENA_OF_ONE_THREAD_BYTES_MAX = 1024 * MIB;
/** Of one lane. */
const SORTERS_MAX = 3;
/** Of a row in an arena, by its bytes in a source. */
const ARENA_SHARE = 1.6;
const SMALL_BYTES = 8 * MIB;
export interface FeedingPlan {
  /** Lanes at a time, each in a thread that reads. */
  readonly lanes: number;
  /** Threads that only sort, of each lane. */
  readonly sorters: number;
  readonly arenaBytes: number;
  /** Of records between threads: about a run for each that sorts, so that it has one to go on with. */
  readonly poolBytes: number;
  /** What a run may have of records. */
  readonly runBytes: number;
}

type PlannedImport = Pick<ImportSpec, 'memoryLimitBytes' | 'threads' | 'presorted' | 'runBytes' | 'format'>;

export function planFeeding(
  { memoryLimitBytes, threads, presorted, runBytes, format }: PlannedImport,
  lanesLeft: number,
  /** Of all sources, without compression, where that is known. */
  bytesTotal: number | undefined,
  blockBytes: number | undefined,
): FeedingPlan {
  const lanes = Math.max(1, Math.min(lanesLeft, Math.floor(threads / 2)));
  // Entries of the program are read by the main thread, which does not sort.
  const reads = format.format === 'entries' ? 0 : 1;
  const sorters = Math.min(SORTERS_MAX, Math.max(1 - reads, Math.floor(threads / lanes) - reads));
  const bytes = (memoryLimitBytes - BESIDES_BYTES) / lanes;
  const share = bytes / (sorters + reads + sorters);
  const needed = bytesTotal === undefined ? Number.POSITIVE_INFINITY : bytesTotal * ARENA_SHARE + SMALL_BYTES;
  const onlyMost = threads === 1 ? ONLY_ARENA_OF_ONE_THREAD_BYTES_MAX : ONLY_ARENA_BYTES_MAX;
  const isOne = lanesLeft === 1 && !presorted && needed <= Math.min(share, onlyMost);
  const arenaBytes = Math.floor(isOne ? needed : Math.min(share, ARENA_BYTES_MAX));
  const poolBytes = isOne ? Math.min(arenaBytes, ARENA_BYTES_MAX) : arenaBytes * sorters;
  const room = arenaRoom(arenaBytes, blockBytes);
  return { lanes, sorters, arenaBytes, poolBytes, runBytes: Math.min(room, runBytes ?? room) };
}

/** Into how many lanes sources are divided, for good. */
export function lanesOf(sources: number, threads: number, presorted: boolean): number {
  return presorted ? 1 : Math.max(1, Math.min(sources, Math.floor(threads / 2)));
}

/** How many runs one merge can take, in so many parts beside each other. */
export function fanIn(memoryLimitBytes: number, parts: number, blockBytes: number | undefined): number {
  const part = memoryLimitBytes / parts - builderHeapBytes(blockBytes) - BESIDES_BYTES / 2;
  return Math.max(2, Math.floor(part / (FEED_BYTES + FEED_BLOCK_BYTES + 64 * 1024)));
}
