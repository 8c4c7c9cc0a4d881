/** How the memory of an import is shared out: a hard limit over arenas, what is on its way to them, and merges. */

import { FEED_BLOCK_BYTES, FEED_BYTES } from '../sst/block-feed.ts';
import { builderHeapBytes } from '../sst/table-builder.ts';
import type { ImportSpec } from './import-spec.ts';
import { CHUNK_BYTES } from './thread/chunk-pool.ts';
import { arenaRoom } from './thread/sorter.ts';

const MIB = 1 << 20;
/** Of tables' indexes, filters and what else comes with them. */
const BESIDES_BYTES = 6 * MIB;
const ARENA_BYTES_MAX = 1024 * MIB;
/** Of presorted rows a run is a table or two: they need not gather. */
const PRESORTED_ARENA_BYTES_MAX = 64 * MIB;
/** Of an arena: what is read while it is sorted and written. */
const AHEAD = 0.75;
const SORTERS_MAX = 2;

export interface FeedingPlan {
  /** Lanes at a time, each in a thread that reads. */
  readonly lanes: number;
  /** Threads that sort, of each lane; 0: the one that reads does it. */
  readonly sorters: number;
  readonly arenaBytes: number;
  readonly poolBytes: number;
  /** What a run may have of records. */
  readonly runBytes: number;
}

type PlannedImport = Pick<ImportSpec, 'memoryLimitBytes' | 'threads' | 'presorted' | 'runBytes'>;

export function planFeeding(
  { memoryLimitBytes, threads, presorted, runBytes }: PlannedImport,
  lanesLeft: number,
  blockBytes: number | undefined,
): FeedingPlan {
  const lanes = Math.max(1, Math.min(lanesLeft, Math.floor(threads / 2)));
  const most = presorted ? 1 : SORTERS_MAX;
  const sorters = threads === 1 ? 0 : Math.max(1, Math.min(most, Math.floor(threads / lanes) - 1));
  const bytes = (memoryLimitBytes - BESIDES_BYTES) / lanes;
  const share = sorters === 0 ? bytes - CHUNK_BYTES : bytes / (sorters + AHEAD);
  const arenaMost = presorted ? PRESORTED_ARENA_BYTES_MAX : ARENA_BYTES_MAX;
  const arenaBytes = Math.floor(Math.min(share, arenaMost));
  const poolBytes = Math.floor(arenaBytes * AHEAD);
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
