/** Index blocks re-coded by a kernel, a piece at a time through a few rooms of a heap: see kernels/assembly/decode-index.ts. */

import { BlockShape, readShape } from './data-block.ts';
import { INDEX_FIRST_KEY } from './format.ts';
import type { Heap } from './heap.ts';
import type { IndexForm, RawBlock } from './table-index.ts';

/** What an index holds of its data blocks, in their order. */
export interface IndexArrays {
  /** Of each block, without its trailer. */
  readonly offsets: Float64Array;
  readonly sizes: Uint32Array;
  /** The separators' user keys, one behind the other. */
  readonly keys: Uint8Array;
  /** Where each separator ends in `keys`. */
  readonly keyEnds: Uint32Array;
  /** Versions of the separators, when they are internal keys. */
  readonly versions: Float64Array | undefined;
}

/** Of the heap, for the length of a call. */
export interface DecodeRoom {
  readonly heap: Heap;
  /** A multiple of 8. */
  readonly at: number;
}

const ENTRIES = 1024;
const KEYS_BYTES = 32 << 10;
const INPUT_BYTES = 64 << 10;
const STATE_BYTES = 64;
const OUT_BYTES = ENTRIES * 24;
/** What there must be from `at` on. */
export const DECODE_ROOM_BYTES = STATE_BYTES + OUT_BYTES + KEYS_BYTES + INPUT_BYTES;

/** Of the state, in words of four bytes. */
const LIMIT = 8;
const FORM = 10;
const DECODED = 11;
const KEY_BYTES = 12;
const IN_BLOCK = 13;

const DELTA_CODED = 1;
const USER_KEYS = 2;
const FIRST_KEYS = 4;
const REFUSED = 0xffffffff;

/**
 * Most that the separators of a file may take, whole and one behind the other. Prefixes that keys share let a file of a
 * hundred kilobytes name gigabytes of them.
 */
export function separatorBytesMax(fileBytes: number): number {
  return Math.min((64 << 20) + 4 * fileBytes, 0xffffffff);
}

/** undefined: not by the kernel. The twin, `forEachIndexEntry`, says then what is wrong, if anything is. */
export function decodeIndex(
  blocks: readonly RawBlock[],
  form: IndexForm,
  limit: number,
  { heap, at }: DecodeRoom,
): IndexArrays | undefined {
  const { bytes, kernels } = heap;
  const out = at + STATE_BYTES;
  const keysAt = out + OUT_BYTES;
  const inputAt = keysAt + KEYS_BYTES;
  const state = new Uint32Array(bytes.buffer, at, STATE_BYTES / 4);
  state.fill(0);
  state[LIMIT] = limit;
  state[LIMIT + 1] = Math.floor(limit / 4294967296);
  state[FORM] =
    (form.deltaEncoded ? DELTA_CODED : 0) |
    (form.userKeys ? USER_KEYS : 0) |
    (form.type === INDEX_FIRST_KEY ? FIRST_KEYS : 0);
  const pieces: IndexArrays[] = [];
  let separatorBytes = 0;
  const shape = new BlockShape();
  for (const block of blocks) {
    readShape(block.bytes, block.start, block.length, shape, block);
    state[IN_BLOCK] = 0;
    for (let p = block.start; p < shape.restartsAt; ) {
      const n = Math.min(INPUT_BYTES, shape.restartsAt - p);
      bytes.set(block.bytes.subarray(p, p + n), inputAt);
      const end = kernels.decodeIndex(at, inputAt, inputAt + n, out, ENTRIES, keysAt, keysAt + KEYS_BYTES);
      const entries = state[DECODED] as number;
      separatorBytes += state[KEY_BYTES] as number;
      if (end === REFUSED || entries === 0 || separatorBytes > separatorBytesMax(limit)) return undefined;
      const view = <T extends ArrayBufferView>(
        Kind: new (b: ArrayBufferLike, at: number, n: number) => T,
        skip: number,
      ): T => new Kind(bytes.buffer, out + ENTRIES * skip, entries);
      pieces.push({
        offsets: view(Float64Array, 0).slice(),
        versions: form.userKeys ? undefined : view(Float64Array, 8).slice(),
        sizes: view(Uint32Array, 16).slice(),
        keyEnds: view(Uint32Array, 20).slice(),
        keys: bytes.slice(keysAt, keysAt + (state[KEY_BYTES] as number)),
      });
      p += end - inputAt;
    }
  }
  return joined(pieces, form.userKeys);
}

function joined(pieces: readonly IndexArrays[], userKeys: boolean): IndexArrays {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  const blocks = pieces.reduce((sum, { sizes }) => sum + sizes.length, 0);
  const keyBytes = pieces.reduce((sum, { keys }) => sum + keys.length, 0);
  const all = newIndexArrays(blocks, keyBytes, !userKeys);
  let block = 0;
  let at = 0;
  for (const { offsets, sizes, keys, keyEnds, versions } of pieces) {
    all.offsets.set(offsets, block);
    all.sizes.set(sizes, block);
    if (versions !== undefined) all.versions?.set(versions, block);
    all.keys.set(keys, at);
    for (let i = 0; i < keyEnds.length; i++) all.keyEnds[block + i] = at + (keyEnds[i] as number);
    block += sizes.length;
    at += keys.length;
  }
  return all;
}

export function newIndexArrays(blocks: number, keyBytes: number, versions: boolean): IndexArrays {
  return {
    offsets: new Float64Array(blocks),
    sizes: new Uint32Array(blocks),
    keys: new Uint8Array(keyBytes),
    keyEnds: new Uint32Array(blocks),
    versions: versions ? new Float64Array(blocks) : undefined,
  };
}
