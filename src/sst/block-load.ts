/** Brings data blocks from a table's file into the cache: one, or with readahead a run of them in one read. */

import { SluiceError } from '../base/errors.ts';
import { type BlockCache, type OwnBlock, readOwnBlock } from './block-cache.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import type { TableState } from './table-state.ts';

/** The last block of the run to read with `block`: contiguous, not cached yet, and at most `readaheadBytes`. */
function runEnd(cache: BlockCache, state: TableState, block: number, readaheadBytes: number): number {
  const { offsets, sizes, blocks } = state.index;
  const most = Math.min(readaheadBytes, cache.scratchBytes);
  const from = offsets[block] as number;
  let last = block;
  for (let next = block + 1; next < blocks; next++) {
    const end = (offsets[next] as number) + (sizes[next] as number) + BLOCK_TRAILER_BYTES;
    if (end - from > most || state.slots[next] !== 0) break;
    last = next;
  }
  return last;
}

function runBytes(state: TableState, block: number, last: number): number {
  const { offsets, sizes } = state.index;
  return (
    (offsets[last] as number) + (sizes[last] as number) + BLOCK_TRAILER_BYTES - (offsets[block] as number)
  );
}

function shortRead(state: TableState, block: number, got: number): SluiceError {
  return new SluiceError(
    'CORRUPTION',
    `${state.path}: the file ends within the block at offset ${state.index.offsets[block]} (${got} bytes read)`,
  );
}

/**
 * Loads a block, and those after it within the readahead, into the cache. Returns the block itself when it cannot be
 * cached.
 */
export function loadBlockSync(
  cache: BlockCache,
  state: TableState,
  block: number,
  readaheadBytes: number,
  cold: boolean,
): OwnBlock | undefined {
  const offset = state.index.offsets[block] as number;
  const length = state.index.sizes[block] as number;
  cache.misses++;
  if (length + BLOCK_TRAILER_BYTES > cache.scratchBytes) {
    const disk = new Uint8Array(length + BLOCK_TRAILER_BYTES);
    const got = state.file.readSync(disk, 0, disk.length, offset);
    if (got !== disk.length) throw shortRead(state, block, got);
    cache.readBytes += got;
    return readOwnBlock(disk, length, state, offset);
  }
  const last = readaheadBytes > 0 ? runEnd(cache, state, block, readaheadBytes) : block;
  const bytes = runBytes(state, block, last);
  const got = state.file.readSync(cache.heap.bytes, cache.scratchAt, bytes, offset);
  if (got !== bytes) throw shortRead(state, block, got);
  return admitRun(cache, state, block, last, cold);
}

/**
 * As `loadBlockSync`; the state must be retained over the call. `keep` runs in the same step as the load, so that the
 * block can be pinned before anything else evicts it.
 */
export async function loadBlock(
  cache: BlockCache,
  state: TableState,
  block: number,
  readaheadBytes: number,
  cold: boolean,
  keep: (own: OwnBlock | undefined) => void,
): Promise<void> {
  const offset = state.index.offsets[block] as number;
  const length = state.index.sizes[block] as number;
  cache.misses++;
  const last = readaheadBytes > 0 ? runEnd(cache, state, block, readaheadBytes) : block;
  const bytes = runBytes(state, block, last);
  // Not into the scratch room: others use it before the read is done.
  const disk = new Uint8Array(bytes);
  const got = await state.file.read(disk, 0, bytes, offset);
  if (got !== bytes) throw shortRead(state, block, got);
  if (state.slots[block] !== 0) return keep(undefined);
  if (length + BLOCK_TRAILER_BYTES > cache.scratchBytes) {
    cache.readBytes += got;
    return keep(readOwnBlock(disk, length, state, offset));
  }
  cache.heap.bytes.set(disk, cache.scratchAt);
  keep(admitRun(cache, state, block, last, cold));
}

/** Admits what was read to the scratch room. Only the block asked for may fail; the others are tried again when needed. */
function admitRun(
  cache: BlockCache,
  state: TableState,
  block: number,
  last: number,
  cold: boolean,
): OwnBlock | undefined {
  const { offsets, sizes } = state.index;
  const base = cache.scratchAt - (offsets[block] as number);
  cache.readBytes += runBytes(state, block, last);
  let own: OwnBlock | undefined;
  let first = 0;
  for (let b = block; b <= last; b++) {
    if (state.slots[b] !== 0) continue;
    const offset = offsets[b] as number;
    const length = sizes[b] as number;
    try {
      const frame = cache.admit(
        state,
        offset,
        base + offset,
        length,
        state.owner,
        b,
        cold,
        !cold && last === block,
      );
      if (b === block) {
        first = frame;
        // Making room for the blocks after it must not take it away again.
        if (frame !== 0) cache.arena.pin(frame);
        else {
          const at = base + offset;
          own = readOwnBlock(
            cache.heap.bytes.slice(at, at + length + BLOCK_TRAILER_BYTES),
            length,
            state,
            offset,
          );
        }
      } else if (frame === 0) break;
    } catch (error) {
      if (b === block) throw error;
      break;
    }
  }
  if (first !== 0) cache.arena.unpin(first);
  return own;
}
