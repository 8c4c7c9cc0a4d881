/**
 * The memory of memtables, used again: V8 does not count shared memory, so dropped buffers would stay until a collection that
 * nothing calls for (1 GB of puts kept 550 MB of them). There are never more than are in use at one time, and threads map
 * the same few again. When nobody has written for a while, what is free is given up: to the collector, or to the next memtable
 * if that comes first.
 *
 * Whoever gives a buffer back says that nobody looks at it any more, in no thread: the next memtable overwrites it.
 */

import { nodeEnv } from '../base/env/node-env.ts';

/** Of what nobody uses. What is given back beyond it is left to the garbage collector. */
const FREE_BYTES_MAX = 160 << 20;
/** A buffer much larger than what is wanted is kept for whoever needs it. */
const OVERSIZE = 4;

/** Nothing was taken or given back for so long. */
const IDLE_MS = 1000;

let poisons = false;

/** For tests: what is given back is zeroed at once, so that whoever still reads it finds nothing, rather than by chance what was there. */
export function poisonFreeArenas(): void {
  poisons = true;
}

/** Larger than what malloc has ever from its heaps, whose pages it would have to clear: these are mapped, and not touched. */
const TOLD_BYTES_MIN = 33 << 20;
let untoldBytes = 0;

/**
 * This thread has let go of shared memory, which V8 does not count: it counts this instead, of which no page is ever used. So it
 * looks for garbage when enough has come together, as it would with memory that is not shared.
 */
export function tellCollector(bytes: number): void {
  untoldBytes += bytes;
  if (untoldBytes < TOLD_BYTES_MIN) return;
  try {
    void new ArrayBuffer(untoldBytes);
  } catch (error) {
    // Where not even addresses are to be had: it is found a while later.
    if (!(error instanceof RangeError)) throw error;
  }
  untoldBytes = 0;
}

export class ArenaPool {
  #free: SharedArrayBuffer[] = [];
  /** Given up, and still there while no collection has come: taking them again costs nothing. */
  #givenUp: WeakRef<SharedArrayBuffer>[] = [];
  readonly #freeBytesMax: number;
  readonly #idleMs: number;
  #freeBytes = 0;
  #lastUsedMs = 0;
  #isWatched = false;

  constructor(freeBytesMax = FREE_BYTES_MAX, idleMs = IDLE_MS) {
    this.#freeBytesMax = freeBytesMax;
    this.#idleMs = idleMs;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Of at least so many bytes, with whatever is in them. */
  take(bytes: number): SharedArrayBuffer {
    this.#takeUp();
    let best: SharedArrayBuffer | undefined;
    for (const buffer of this.#free) {
      const { byteLength } = buffer;
      if (byteLength < bytes || byteLength > bytes * OVERSIZE) continue;
      if (best === undefined || byteLength < best.byteLength) best = buffer;
    }
    if (best === undefined) return new SharedArrayBuffer(bytes);
    this.#free.splice(this.#free.indexOf(best), 1);
    this.#freeBytes -= best.byteLength;
    return best;
  }

  /** REQUIRES: nobody reads it, and it is given back once. */
  give(buffer: SharedArrayBuffer): void {
    if (poisons) new Uint8Array(buffer).fill(0);
    if (this.#freeBytes + buffer.byteLength > this.#freeBytesMax) return;
    this.#free.push(buffer);
    this.#freeBytes += buffer.byteLength;
    this.#lastUsedMs = nodeEnv.clock.monotonicMs();
    this.#watch();
  }

  /** Before anything new is made: what was given up would be there beside it until it is collected. */
  #takeUp(): void {
    this.#lastUsedMs = nodeEnv.clock.monotonicMs();
    for (const reference of this.#givenUp) {
      const buffer = reference.deref();
      if (buffer !== undefined) this.give(buffer);
    }
    this.#givenUp = [];
  }

  #watch(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    nodeEnv.clock.after(this.#idleMs, () => {
      this.#isWatched = false;
      if (this.#free.length === 0) return;
      if (nodeEnv.clock.monotonicMs() - this.#lastUsedMs < this.#idleMs) this.#watch();
      else this.#giveUp();
    });
  }

  #giveUp(): void {
    for (const buffer of this.#free) {
      this.#givenUp.push(new WeakRef(buffer));
      tellCollector(buffer.byteLength);
    }
    this.#free = [];
    this.#freeBytes = 0;
  }
}
