/** Where a merge by the kernels has what in its heap. */

import { KEY_BYTES_MAX } from '../../mvcc/internal-key.ts';
import { FEED_BLOCK_BYTES, FEED_BYTES } from '../../sst/block-feed.ts';
import { CURSOR_WORDS, MERGE_WORDS } from '../../sst/kernels/merge-state.ts';
import { KERNEL_RESERVED_BYTES } from '../../sst/kernels/wasm-kernels.ts';

/** Of one user key, a byte more than the longest. */
export const KEY_ROOM = KEY_BYTES_MAX + 1;
/** Stores of the kernels may be this much too long. */
const SLACK_BYTES = 64;

export interface RunPlaces {
  readonly feed: number;
  readonly key: number;
}

export interface MergePlaces {
  readonly state: number;
  readonly cursors: number;
  readonly heap: number;
  readonly readers: number;
  readonly lastKey: number;
  readonly grandparent: number;
  readonly edge: number;
  readonly from: number;
  readonly to: number;
  readonly runs: readonly RunPlaces[];
  /** From here on the rest of the heap is the table builder's. */
  readonly builder: number;
}

export function mergePlaces(runs: number, readers: number): MergePlaces {
  let next = KERNEL_RESERVED_BYTES;
  const take = (bytes: number): number => {
    const at = next;
    next += Math.ceil((bytes + SLACK_BYTES) / 64) * 64;
    return at;
  };
  return {
    state: take(MERGE_WORDS * 4),
    cursors: take(runs * CURSOR_WORDS * 4),
    heap: take(runs * 4),
    readers: take(readers * 8),
    // A key of a block that was found sound is no longer than the block.
    lastKey: take(FEED_BLOCK_BYTES),
    grandparent: take(KEY_ROOM),
    edge: take(KEY_ROOM),
    from: take(KEY_ROOM),
    to: take(KEY_ROOM),
    runs: Array.from({ length: runs }, () => ({ feed: take(FEED_BYTES), key: take(FEED_BLOCK_BYTES) })),
    builder: next,
  };
}
