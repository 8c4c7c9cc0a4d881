/** Reads of a table that is being opened, as steps that the synchronous and the asynchronous way take alike. */

import { type BlockCache, type BlockSource, readOwnRaw } from './block-cache.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import type { BlockHandle } from './format.ts';
import { giveScratchBack, takeScratch } from './scratch-memory.ts';
import type { RawBlock } from './table-index.ts';

export interface Read {
  readonly target: Uint8Array;
  readonly position: number;
}

/** `zstd`: that library must be there before the next step, which may decompress with it. `turn`: others may run first. */
export type Steps<T> = Generator<Read | 'zstd' | 'turn', T, undefined>;

/** Most tables have their metaindex, properties and small indexes in the last 16 KiB: one read brings them … */
const TAIL_BYTES = 16384;
/** … and the filter too, of a table of at most 2 MiB. */
const TAIL_BYTES_MAX = 65536;

/** How much is read first of a table that is opened. */
export function tailBytes(fileBytes: number): number {
  const share = Math.ceil(fileBytes / 32);
  return Math.min(fileBytes, share <= TAIL_BYTES_MAX ? Math.max(TAIL_BYTES, share) : TAIL_BYTES);
}

export class TailReader {
  readonly path: string;
  readonly #cache: BlockCache;
  readonly #tail: Uint8Array;
  readonly #tailAt: number;

  constructor(cache: BlockCache, path: string, tail: Uint8Array, tailAt: number) {
    this.#cache = cache;
    this.path = path;
    this.#tail = tail;
    this.#tailAt = tailAt;
  }

  /** The block and its trailer, to be read for a moment: it may be a part of what more was read at once. */
  *disk(handle: BlockHandle): Steps<Uint8Array> {
    const length = handle.bytes + BLOCK_TRAILER_BYTES;
    const from = handle.offset - this.#tailAt;
    if (from >= 0) return this.#tail.subarray(from, from + length);
    const target = new Uint8Array(length);
    yield { target, position: handle.offset };
    return target;
  }

  /** As `raw`, for a moment: `use` keeps nothing of it. An opening that fails leaves its memory to the garbage collector. */
  *borrowed<T>(handle: BlockHandle, source: BlockSource, use: (block: RawBlock) => Steps<T>): Steps<T> {
    const length = handle.bytes + BLOCK_TRAILER_BYTES;
    if (handle.offset >= this.#tailAt) return yield* use(yield* this.raw(handle, source));
    const scratch = takeScratch(length);
    const disk = new Uint8Array(scratch, 0, length);
    yield { target: disk, position: handle.offset };
    const used = yield* use(this.#decoded(disk, handle, source));
    giveScratchBack(scratch);
    return used;
  }

  *raw(handle: BlockHandle, source: BlockSource): Steps<RawBlock> {
    return this.#decoded(yield* this.disk(handle), handle, source);
  }

  #decoded(disk: Uint8Array, handle: BlockHandle, source: BlockSource): RawBlock {
    const verified = this.#cache.verifyOutside(disk, handle.bytes, source, handle.offset);
    const raw = readOwnRaw(disk, handle.bytes, source, handle.offset, verified);
    return { path: this.path, offset: handle.offset, ...raw };
  }
}
