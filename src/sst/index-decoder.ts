/** Index blocks re-coded by a kernel, a piece at a time through a few rooms of a heap: see kernels/assembly/decode-index.ts. */

import { BlockShape, readShape } from './data-block.ts';
import { INDEX_FIRST_KEY } from './format.ts';
import type { Heap } from './heap.ts';
import { giveScratchBack, takeScratch } from './scratch-memory.ts';
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
  /** Room for the index's own use, a number for each block. */
  readonly heads: Float64Array;
  /** Where they all are, if that is scratch memory. */
  readonly scratch: ArrayBuffer | undefined;
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
/** Calls of the kernel in a step: 64 Ki entries at most, which take a few milliseconds. */
const CALLS_A_STEP = 64;
/** An entry of an index takes at least so much: how many there are is known by it, whatever the properties say. */
const ENTRY_BYTES_MIN = 3;
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

export interface Decoding {
  /** The arrays are in scratch memory. */
  readonly inScratch?: boolean;
  /** How many data blocks there should be, for room to be taken once; it may be wrong. */
  readonly blocks?: number;
}

/**
 * Most that the separators of a file may take, whole and one behind the other. Prefixes that keys share let a file of a
 * hundred kilobytes name gigabytes of them.
 */
export function separatorBytesMax(fileBytes: number): number {
  return Math.min((64 << 20) + 4 * fileBytes, 0xffffffff);
}

/**
 * undefined: not by the kernel. The twin, `forEachIndexEntry`, says then what is wrong, if anything is. In steps; nobody else may
 * use the heap meanwhile.
 */
export function* decodeIndex(
  blocks: readonly RawBlock[],
  form: IndexForm,
  limit: number,
  { heap, at }: DecodeRoom,
  { inScratch = false, blocks: dataBlocks = 0 }: Decoding = {},
): Generator<'turn', IndexArrays | undefined, undefined> {
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
  const indexBytes = blocks.reduce((sum, { length }) => sum + length, 0);
  const decoded = new DecodedEntries(
    !form.userKeys,
    Math.min(dataBlocks, Math.ceil(indexBytes / ENTRY_BYTES_MIN)),
    dataBlocks === 0 ? 0 : Math.max(0, indexBytes - dataBlocks * ENTRY_BYTES_MIN),
  );
  let separatorBytes = 0;
  let calls = 0;
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
      if (end === REFUSED || entries === 0 || separatorBytes > separatorBytesMax(limit)) {
        decoded.giveUp();
        return undefined;
      }
      decoded.add(bytes.buffer, out, entries, keysAt, state[KEY_BYTES] as number);
      p += end - inputAt;
      if (++calls % CALLS_A_STEP === 0) yield 'turn';
    }
  }
  return decoded.arrays(inScratch);
}

/** What the kernel has decoded so far, in scratch memory that grows. */
class DecodedEntries {
  readonly #hasVersions: boolean;
  #room: IndexArrays;
  #blocks = 0;
  #keyBytes = 0;

  /** `blocks` and `keyBytes`: of which there will be about so many, if known. */
  constructor(hasVersions: boolean, blocks: number, keyBytes: number) {
    this.#hasVersions = hasVersions;
    this.#room = newIndexArrays(Math.max(ENTRIES, blocks), Math.max(KEYS_BYTES, keyBytes), hasVersions, true);
  }

  /** `entries` of them from `out` on in the heap, and their keys at `keysAt`. */
  add(heap: ArrayBufferLike, out: number, entries: number, keysAt: number, keyBytes: number): void {
    this.#reserve(this.#blocks + entries, this.#keyBytes + keyBytes);
    const { offsets, sizes, keys, keyEnds, versions } = this.#room;
    const from = this.#blocks;
    offsets.set(new Float64Array(heap, out, entries), from);
    versions?.set(new Float64Array(heap, out + ENTRIES * 8, entries), from);
    sizes.set(new Uint32Array(heap, out + ENTRIES * 16, entries), from);
    const ends = new Uint32Array(heap, out + ENTRIES * 20, entries);
    for (let i = 0; i < entries; i++) keyEnds[from + i] = this.#keyBytes + (ends[i] as number);
    keys.set(new Uint8Array(heap, keysAt, keyBytes), this.#keyBytes);
    this.#blocks += entries;
    this.#keyBytes += keyBytes;
  }

  #reserve(blocks: number, keyBytes: number): void {
    const room = this.#room;
    if (blocks <= room.offsets.length && keyBytes <= room.keys.length) return;
    const most = (wanted: number, had: number): number => (wanted > had ? Math.max(wanted, 2 * had) : had);
    this.#room = newIndexArrays(
      most(blocks, room.offsets.length),
      most(keyBytes, room.keys.length),
      this.#hasVersions,
      true,
    );
    copyIndex(room, this.#blocks, this.#keyBytes, this.#room);
    freeIndexArrays(room);
  }

  /** All of it, of the right size; scratch memory that is about that is not copied once more. */
  arrays(inScratch: boolean): IndexArrays {
    if (inScratch && this.#blocks * 5 >= this.#room.offsets.length * 4) return this.#filled();
    const arrays = newIndexArrays(this.#blocks, this.#keyBytes, this.#hasVersions, inScratch);
    copyIndex(this.#room, this.#blocks, this.#keyBytes, arrays);
    this.giveUp();
    return arrays;
  }

  #filled(): IndexArrays {
    const { offsets, sizes, keys, keyEnds, versions, heads, ...scratch } = this.#room;
    const blocks = this.#blocks;
    return {
      offsets: offsets.subarray(0, blocks),
      sizes: sizes.subarray(0, blocks),
      keys: keys.subarray(0, this.#keyBytes),
      keyEnds: keyEnds.subarray(0, blocks),
      versions: versions?.subarray(0, blocks),
      heads: heads.subarray(0, blocks),
      ...scratch,
    };
  }

  giveUp(): void {
    freeIndexArrays(this.#room);
  }
}

function copyIndex(from: IndexArrays, blocks: number, keyBytes: number, to: IndexArrays): void {
  to.offsets.set(from.offsets.subarray(0, blocks));
  to.sizes.set(from.sizes.subarray(0, blocks));
  to.keyEnds.set(from.keyEnds.subarray(0, blocks));
  to.keys.set(from.keys.subarray(0, keyBytes));
  if (from.versions !== undefined) to.versions?.set(from.versions.subarray(0, blocks));
}

export function newIndexArrays(
  blocks: number,
  keyBytes: number,
  hasVersions: boolean,
  inScratch: boolean,
): IndexArrays {
  const bytes = blocks * 32 + keyBytes;
  // All in one: five of them would take V8 longer than what is put in them for a small table.
  const room = inScratch ? takeScratch(bytes) : new ArrayBuffer(bytes);
  return {
    offsets: new Float64Array(room, 0, blocks),
    versions: hasVersions ? new Float64Array(room, blocks * 8, blocks) : undefined,
    heads: new Float64Array(room, blocks * 16, blocks),
    sizes: new Uint32Array(room, blocks * 24, blocks),
    keyEnds: new Uint32Array(room, blocks * 28, blocks),
    keys: new Uint8Array(room, blocks * 32, keyBytes),
    scratch: inScratch ? room : undefined,
  };
}

/** REQUIRES: nobody uses them any more; once. */
export function freeIndexArrays({ scratch }: IndexArrays): void {
  if (scratch !== undefined) giveScratchBack(scratch);
}
