/**
 * The index of a table in memory: for each data block its place and its separator, a key that is not before any key of
 * the block and before all keys of the next one.
 *
 * Files code it in half a dozen ways (delta-coded handles, restart intervals, two levels, first keys); all are re-coded
 * into these arrays when the table is opened, so there is one search. Its hot part is one array of six key bytes a
 * block: a search over 60,000 blocks reads whole separators only where those tie. Where it begins and ends is told by a
 * table of where the blocks' heads are on the way from the least to the greatest: a few steps are left of sixteen where keys are
 * spread evenly, and no more than there were where they are not.
 */

import { ByteReader } from '../base/codec.ts';
import { SluiceError } from '../base/errors.ts';
import { keyHead } from '../base/key-head.ts';
import { KEY_BYTES_MAX, trailerVersion } from '../mvcc/internal-key.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import { type BlockPlace, BlockShape, readShape } from './data-block.ts';
import { INDEX_FIRST_KEY } from './format.ts';
import {
  type DecodeRoom,
  type Decoding,
  decodeIndex,
  freeIndexArrays,
  type IndexArrays,
  newIndexArrays,
  separatorBytesMax,
} from './index-decoder.ts';

/** How the index of a file is coded. */
export interface IndexForm {
  /** INDEX_… of format.ts. */
  readonly type: number;
  /** Handles as differences from the block before (format_version 4 and up). */
  readonly deltaEncoded: boolean;
  /** Separators without the 8-byte trailer. */
  readonly userKeys: boolean;
}

export interface RawBlock extends BlockPlace {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

/** `key[keyStart … keyStart + keyLength)` as coded, trailer included if there is one; it may be overwritten after. */
type IndexVisitor = (
  key: Uint8Array,
  keyStart: number,
  keyLength: number,
  offset: number,
  bytes: number,
) => void;

/** So many blocks there are to a step of the way from the least head to the greatest. */
const BLOCKS_A_STEP = 4;

export class TableIndex implements Omit<IndexArrays, 'heads' | 'scratch'> {
  readonly blocks: number;
  readonly offsets: Float64Array;
  readonly sizes: Uint32Array;
  /** Bytes held. */
  readonly bytes: number;
  readonly keys: Uint8Array;
  readonly keyEnds: Uint32Array;
  readonly versions: Float64Array | undefined;
  readonly #heads: Float64Array;
  readonly #common: number;
  readonly #arrays: IndexArrays;
  /** For each step the first block whose head is in it or beyond; `blocks` at the end. */
  readonly #steps: Uint32Array;
  readonly #leastHead: number;
  /** Steps for each unit of a head. */
  readonly #stepScale: number;

  constructor(arrays: IndexArrays) {
    const { offsets, sizes, keys, keyEnds, versions } = arrays;
    this.#arrays = arrays;
    const blocks = offsets.length;
    this.blocks = blocks;
    this.offsets = offsets;
    this.sizes = sizes;
    this.keys = keys;
    this.keyEnds = keyEnds;
    this.versions = versions;
    const heads = arrays.heads;
    this.#heads = heads;
    this.#common = this.#commonPrefix();
    for (let b = 0; b < blocks; b++) {
      heads[b] = keyHead(this.keys, this.keyStart(b) + this.#common, this.#end(b));
    }
    const steps = Math.ceil(blocks / BLOCKS_A_STEP);
    this.#steps = new Uint32Array(steps + 1);
    this.#leastHead = blocks === 0 ? 0 : (heads[0] as number);
    const span = blocks === 0 ? 0 : (heads[blocks - 1] as number) - this.#leastHead;
    this.#stepScale = steps / (span + 1);
    this.#noteSteps();
    this.bytes = keys.length + blocks * (versions === undefined ? 24 : 32) + this.#steps.byteLength;
  }

  #noteSteps(): void {
    const steps = this.#steps;
    let next = 0;
    for (let b = 0; b < this.blocks; b++) {
      const step = this.#stepOf(this.#heads[b] as number);
      while (next <= step) steps[next++] = b;
    }
    steps.fill(this.blocks, next);
  }

  /** Of a head from the least to the greatest. It never descends as heads ascend, rounded as it is. */
  #stepOf(head: number): number {
    return Math.floor((head - this.#leastHead) * this.#stepScale);
  }

  /** The end of separator `block`, whose start is `keyStart(block)`. */
  #end(block: number): number {
    return this.keyEnds[block] as number;
  }

  /** Gives scratch memory back. REQUIRES: nobody uses the index any more; once. */
  free(): void {
    freeIndexArrays(this.#arrays);
  }

  /** Where the last data block ends. */
  get dataBytes(): number {
    const last = this.blocks - 1;
    return last < 0 ? 0 : (this.offsets[last] as number) + (this.sizes[last] as number) + BLOCK_TRAILER_BYTES;
  }

  keyStart(block: number): number {
    return block === 0 ? 0 : (this.keyEnds[block - 1] as number);
  }

  /** Sorted keys all share what the first and the last share. */
  #commonPrefix(): number {
    if (this.blocks === 0) return 0;
    const last = this.keyStart(this.blocks - 1);
    const n = Math.min(this.#end(0), this.#end(this.blocks - 1) - last);
    let i = 0;
    while (i < n && this.keys[i] === this.keys[last + i]) i++;
    return i;
  }

  /**
   * The first block that can hold an entry at or after (key, bound), `blocks` when none can. Entries before it are all
   * in earlier blocks or in this one.
   */
  search(key: Uint8Array, keyStart: number, keyLength: number, bound: number): number {
    const keys = this.keys;
    const common = this.#common;
    const n = common < keyLength ? common : keyLength;
    for (let i = 0; i < n; i++) {
      const d = (key[keyStart + i] as number) - (keys[i] as number);
      if (d !== 0) return d < 0 ? 0 : this.blocks;
    }
    if (keyLength < common) return 0;
    const heads = this.#heads;
    const head = keyHead(key, keyStart + common, keyStart + keyLength);
    if (head < this.#leastHead) return 0;
    const step = this.#stepOf(head);
    if (step >= this.#steps.length - 1) return this.blocks;
    let low = this.#steps[step] as number;
    let high = this.#steps[step + 1] as number;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const h = heads[middle] as number;
      if (h > head) high = middle;
      else if (h < head || this.#separatorBefore(middle, key, keyStart, keyLength, bound)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #separatorBefore(
    block: number,
    key: Uint8Array,
    keyStart: number,
    keyLength: number,
    bound: number,
  ): boolean {
    const d = this.compareSeparator(block, key, keyStart, keyLength);
    if (d !== 0 || this.versions === undefined) return d < 0;
    return (this.versions[block] as number) > bound;
  }

  /** Negative, zero or positive as the user key of the separator is before, equal to or after `key`. */
  compareSeparator(block: number, key: Uint8Array, keyStart: number, keyLength: number): number {
    const keys = this.keys;
    const start = this.keyStart(block);
    const length = this.#end(block) - start;
    const n = length < keyLength ? length : keyLength;
    for (let i = 0; i < n; i++) {
      const d = (keys[start + i] as number) - (key[keyStart + i] as number);
      if (d !== 0) return d;
    }
    return length - keyLength;
  }
}

/** Reads one index block, checked. */
export function forEachIndexEntry(block: RawBlock, form: IndexForm, visit: IndexVisitor): void {
  const shape = new BlockShape();
  readShape(block.bytes, block.start, block.length, shape, block);
  const reader = new IndexReader(block.bytes, block.start, shape.restartsAt);
  let key = new Uint8Array(256);
  let keyLength = 0;
  /** Where the last key is, when it is not in `key`. */
  let keyAt = -1;
  let offset = 0;
  let bytes = 0;
  while (!reader.done) {
    const shared = reader.number();
    const unshared = reader.number();
    const valueEnd = form.deltaEncoded ? -1 : reader.number();
    if (shared > keyLength) throw indexDamaged(block, 'a key is cut off');
    const from = reader.skip(unshared);
    keyLength = shared + unshared;
    if (shared > 0) {
      if (keyLength > key.length) {
        const grown = new Uint8Array(keyLength * 2);
        grown.set(key);
        key = grown;
      }
      if (keyAt >= 0) key.set(block.bytes.subarray(keyAt, keyAt + shared));
      for (let i = 0; i < unshared; i++) key[shared + i] = block.bytes[from + i] as number;
    }
    keyAt = shared > 0 ? -1 : from;
    if (!form.userKeys && keyLength < 8) throw indexDamaged(block, 'a key has no trailer');
    const valueAt = reader.at;
    if (form.deltaEncoded && shared > 0) {
      const zigzag = reader.number();
      offset += bytes + BLOCK_TRAILER_BYTES;
      bytes += zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    } else {
      offset = reader.number();
      bytes = reader.number();
    }
    if (form.type === INDEX_FIRST_KEY) reader.skip(reader.number());
    if (valueEnd >= 0 && reader.at !== valueAt + valueEnd) throw indexDamaged(block, 'a handle is damaged');
    visit(keyAt < 0 ? key : block.bytes, keyAt < 0 ? 0 : keyAt, keyLength, offset, bytes);
  }
}

/** A ByteReader whose common case, numbers below 2^28, is integer arithmetic. */
class IndexReader extends ByteReader {
  number(): number {
    const { bytes, at } = this;
    if (at + 4 > this.end) return this.varint();
    let byte = bytes[at] as number;
    let value = byte & 127;
    for (let i = 1; byte >= 128; i++) {
      if (i === 4) return this.varint();
      byte = bytes[at + i] as number;
      value |= (byte & 127) << (i * 7);
      if (byte < 128) {
        this.at = at + i + 1;
        return value;
      }
    }
    this.at = at + 1;
    return value;
  }
}

function indexDamaged(block: BlockPlace, what: string): SluiceError {
  return new SluiceError('CORRUPTION', `${block.path}: index block at offset ${block.offset}: ${what}`);
}

/** Re-codes index blocks, in order, after checking that their blocks lie in order below `limit`. */
export function buildIndex(
  blocks: readonly RawBlock[],
  form: IndexForm,
  limit: number,
  room: DecodeRoom,
  decoding: Decoding = {},
): TableIndex {
  const steps = buildIndexInSteps(blocks, form, limit, room, decoding);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** As `buildIndex`: between two steps others may run, but for such as use the room's heap. */
export function* buildIndexInSteps(
  blocks: readonly RawBlock[],
  form: IndexForm,
  limit: number,
  room: DecodeRoom,
  decoding: Decoding,
): Generator<'turn', TableIndex, undefined> {
  const arrays = yield* decodeIndex(blocks, form, limit, room, decoding);
  yield 'turn';
  return new TableIndex(arrays ?? decodeEach(blocks, form, limit));
}

/** Entry by entry: what the kernel's twin does, and the one that tells what is wrong. */
function decodeEach(blocks: readonly RawBlock[], form: IndexForm, limit: number): IndexArrays {
  let count = 0;
  let keyBytes = 0;
  let end = 0;
  let last = new Uint8Array(256);
  let lastLength = 0;
  const trailers = !form.userKeys;
  for (const block of blocks) {
    forEachIndexEntry(block, form, (key, start, keyLength, offset, bytes) => {
      if (offset < end || bytes < 0 || bytes > 0xffffffff || offset + bytes + BLOCK_TRAILER_BYTES > limit) {
        throw indexDamaged(block, `data block ${count} is said to be ${bytes} bytes at ${offset}`);
      }
      end = offset + bytes + BLOCK_TRAILER_BYTES;
      const user = trailers ? keyLength - 8 : keyLength;
      if (count > 0 && outOfOrder(last, lastLength, key, start, keyLength, user)) {
        throw indexDamaged(block, `separators do not ascend at data block ${count}`);
      }
      if (last.length < keyLength) last = new Uint8Array(keyLength * 2);
      for (let i = 0; i < keyLength; i++) last[i] = key[start + i] as number;
      lastLength = keyLength;
      keyBytes += user;
      if (user > KEY_BYTES_MAX || keyBytes > separatorBytesMax(limit)) {
        throw indexDamaged(block, `its separators are too long: ${keyBytes} bytes up to data block ${count}`);
      }
      count++;
    });
  }
  const arrays = newIndexArrays(count, keyBytes, trailers, false);
  const { offsets, sizes, keys, keyEnds, versions } = arrays;
  let at = 0;
  let i = 0;
  for (const block of blocks) {
    forEachIndexEntry(block, form, (key, start, keyLength, offset, bytes) => {
      const user = trailers ? keyLength - 8 : keyLength;
      for (let j = 0; j < user; j++) keys[at + j] = key[start + j] as number;
      at += user;
      offsets[i] = offset;
      sizes[i] = bytes;
      keyEnds[i] = at;
      if (versions !== undefined) versions[i] = trailerVersion(key, start + user);
      i++;
    });
  }
  return arrays;
}

/** Whether a separator is not after the last one. `user`: its length without a trailer, if it has one. */
function outOfOrder(
  last: Uint8Array,
  lastLength: number,
  key: Uint8Array,
  start: number,
  keyLength: number,
  user: number,
): boolean {
  const lastUser = lastLength - (keyLength - user);
  const n = user < lastUser ? user : lastUser;
  for (let i = 0; i < n; i++) {
    const d = (key[start + i] as number) - (last[i] as number);
    if (d !== 0) return d < 0;
  }
  if (user !== lastUser) return user < lastUser;
  if (user === keyLength) return true;
  for (let j = 7; j >= 0; j--) {
    const d = (key[start + user + j] as number) - (last[user + j] as number);
    if (d !== 0) return d > 0;
  }
  return true;
}
