/**
 * The memory of memtables, used again: V8 does not count shared memory, so dropped buffers would stay until a collection that
 * nothing calls for (1 GB of puts kept 550 MB of them). There are never more than are in use at one time, and threads map
 * the same few again.
 *
 * Whoever gives a buffer back says that nobody looks at it any more, in no thread: the next memtable overwrites it.
 */

/** Of what nobody uses. What is given back beyond it is left to the garbage collector. */
const FREE_BYTES_MAX = 160 << 20;
/** A buffer much larger than what is wanted is kept for whoever needs it. */
const OVERSIZE = 4;

let poisons = false;

/** For tests: what is given back is zeroed at once, so that whoever still reads it finds nothing, rather than by chance what was there. */
export function poisonFreeArenas(): void {
  poisons = true;
}

export class ArenaPool {
  readonly #free: SharedArrayBuffer[] = [];
  readonly #freeBytesMax: number;
  #freeBytes = 0;

  constructor(freeBytesMax = FREE_BYTES_MAX) {
    this.#freeBytesMax = freeBytesMax;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Of at least so many bytes, with whatever is in them. */
  take(bytes: number): SharedArrayBuffer {
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
  }
}
