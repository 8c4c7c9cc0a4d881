/**
 * Copies runs of entries out of cached blocks by the gathering kernel: what it writes goes to the cache's scratch room,
 * and from there in one copy to the reader's batch.
 */

import { copyInto } from '../base/bytes.ts';
import type { Gathering } from '../mvcc/gathering.ts';
import type { Heap } from './heap.ts';
import * as state from './kernels/js-gather-entries.ts';
import { KEY, KEY_BYTES_MAX, LAST_KEY } from './kernels/wasm-kernels.ts';

const ENTRIES_MAX = 1024;
const ENDS_BYTES = ENTRIES_MAX * 8;
/** Spare, for the kernel's copies of whole words. */
const SLACK_BYTES = 64;
/** Longer ones are put before keys entry by entry. */
const PREFIX_BYTES_MAX = 1024;

export class BlockGatherer {
  readonly #heap: Heap;
  readonly #words: Uint32Array;
  readonly #bound: Float64Array;
  readonly #ends: Uint32Array;
  readonly #endsAt: number;
  readonly #roomEnd: number;
  #endLength = state.NO_KEY;
  /** Where what is gathered begins. */
  #outAt = 0;

  /** The entry gone through last; `entryAt` 0: the last `run` went through none. */
  entryAt = 0;
  nextAt = 0;
  valueAt = 0;
  valueLength = 0;

  /** `roomAt`: a multiple of 4. The room is free for others between a `finish` and the next `begin`. */
  constructor(heap: Heap, roomAt: number, roomBytes: number) {
    this.#heap = heap;
    const { buffer } = heap.bytes;
    this.#words = new Uint32Array(buffer, state.GATHER, state.GATHER_WORDS);
    this.#bound = new Float64Array(buffer, state.GATHER + state.BOUND * 4, 1);
    this.#endsAt = roomAt;
    this.#ends = new Uint32Array(buffer, roomAt, ENTRIES_MAX * 2);
    this.#roomEnd = roomAt + roomBytes;
  }

  /**
   * For entries up to version `bound` after the one with internal key `key`, whose user key is decided. False: not for such
   * keys. Nothing else may use the heap's kernels until `finish`.
   */
  begin(gathering: Gathering, bound: number, key: Uint8Array, keyLength: number): boolean {
    const { batch, hasEnd, endBytes, endStart, endLength, prefix } = gathering;
    const prefixLength = prefix?.to.length ?? 0;
    if (prefixLength > PREFIX_BYTES_MAX) return false;
    if (keyLength > state.GATHER_KEY_BYTES_MAX || (hasEnd && endLength > KEY_BYTES_MAX)) return false;
    const { bytes } = this.#heap;
    copyInto(key, 0, keyLength, bytes, LAST_KEY);
    this.#endLength = hasEnd ? endLength : state.NO_KEY;
    if (hasEnd) copyInto(endBytes, endStart, endLength, bytes, KEY);
    const words = this.#words;
    const prefixAt = this.#endsAt + ENDS_BYTES;
    let base = prefixAt;
    if (prefix !== undefined) {
      copyInto(prefix.to, 0, prefixLength, bytes, prefixAt);
      base += prefixLength + SLACK_BYTES;
    }
    this.#outAt = base;
    words[state.PREFIX_AT] = prefixAt;
    words[state.PREFIX_LENGTH] = prefixLength;
    words[state.CUT] = prefix?.from.length ?? 0;
    this.#bound[0] = bound;
    words[state.KEY_LENGTH] = keyLength;
    words[state.DECIDED] = 1;
    words[state.OUT] = base;
    words[state.OUT_END] = Math.min(this.#roomEnd, base + Math.max(0, batch.bytesLeft) + SLACK_BYTES);
    words[state.OUT_BASE] = base - batch.length;
    words[state.ENDS] = this.#endsAt;
    words[state.ROOM] = Math.min(batch.entriesLeft, ENTRIES_MAX);
    words[state.WITH_VALUES] = batch.withValues ? 1 : 0;
    return true;
  }

  /** Goes through entries in [at, limit) of a block; true when it came to the end. `whole`: all are before the run's end. */
  run(at: number, limit: number, whole: boolean): boolean {
    const words = this.#words;
    words[state.AT] = at;
    words[state.LIMIT] = limit;
    words[state.BEFORE_LENGTH] = whole ? state.NO_KEY : this.#endLength;
    const ended = this.#heap.kernels.gatherEntries();
    this.entryAt = words[state.ENTRY_AT] as number;
    if (this.entryAt !== 0) {
      this.nextAt = words[state.AT] as number;
      this.valueAt = words[state.VALUE_AT] as number;
      this.valueLength = words[state.VALUE_LENGTH] as number;
    }
    return ended;
  }

  /** Length of the internal key gone through last, which is at LAST_KEY in the heap. */
  get keyLength(): number {
    return this.#words[state.KEY_LENGTH] as number;
  }

  finish(gathering: Gathering): void {
    const words = this.#words;
    const count = ((words[state.ENDS] as number) - this.#endsAt) >>> 3;
    gathering.decided = words[state.DECIDED] !== 0;
    if (count === 0) return;
    const base = this.#outAt;
    const out = words[state.OUT] as number;
    gathering.batch.append(this.#heap.bytes, base, out, this.#ends.subarray(0, 2 * count));
  }
}
