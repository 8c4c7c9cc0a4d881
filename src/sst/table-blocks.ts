/** A table block by block, for tools that show what is in a file; entries of any type, and past the cache. */

import { SluiceError } from '../base/errors.ts';
import { readOwnRaw } from './block-cache.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import { BlockShape, type EntryVisitor, validateDataBlock } from './data-block.ts';

import type { TableState } from './table-state.ts';

export interface TableBlock {
  readonly kind: 'data' | 'index' | 'meta';
  /** Of a meta block, as in the metaindex. */
  readonly name: string;
  readonly offset: number;
  /** On disk, without the trailer. */
  readonly bytes: number;
}

/** Data blocks in key order, then index, metaindex and meta blocks. */
export function* tableBlocks(state: TableState): Generator<TableBlock, void, undefined> {
  const { index, footer, metaBlocks } = state;
  for (let b = 0; b < index.blocks; b++) {
    yield { kind: 'data', name: '', offset: index.offsets[b] as number, bytes: index.sizes[b] as number };
  }
  if (footer.index !== undefined) yield { kind: 'index', name: 'index', ...footer.index };
  for (const [name, handle] of metaBlocks) yield { kind: 'meta', name, ...handle };
  yield { kind: 'meta', name: 'metaindex', ...footer.metaindex };
}

/** Shows every entry of data block `block`, merge operands and the like included; `visit` is given the values' array. */
export function readEntries(
  state: TableState,
  block: number,
  visit: (bytes: Uint8Array) => EntryVisitor,
): void {
  const offset = state.index.offsets[block] as number;
  const length = state.index.sizes[block] as number;
  const disk = new Uint8Array(length + BLOCK_TRAILER_BYTES);
  if (state.file.readSync(disk, 0, disk.length, offset) !== disk.length) {
    throw new SluiceError('CORRUPTION', `${state.path}: the file ends within the block at offset ${offset}`);
  }
  const raw = readOwnRaw(disk, length, state, offset);
  const place = { path: state.path, offset };
  validateDataBlock(raw.bytes, raw.start, raw.length, new BlockShape(), place, visit(raw.bytes), true);
}
