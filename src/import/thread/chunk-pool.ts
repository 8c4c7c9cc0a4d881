/**
 * Shared memory in chunks, which one thread fills with records and another empties: what one has that the other does not
 * want yet is bounded by it.
 */

import { at } from '../../base/assert.ts';

export interface ChunkPoolImage {
  readonly memory: SharedArrayBuffer;
  /** How many were freed ever; then for each chunk whether it is taken. */
  readonly words: Int32Array;
  /** Of each thread that sorts: how many runs it has written. */
  readonly runsWritten: Int32Array;
}

export const CHUNK_BYTES = 1 << 20;
const FREED = 0;

export function makeChunkPool(bytes: number, sorters: number): ChunkPoolImage {
  const chunks = Math.max(2, Math.floor(bytes / CHUNK_BYTES));
  return {
    memory: new SharedArrayBuffer(chunks * CHUNK_BYTES),
    words: new Int32Array(new SharedArrayBuffer((1 + chunks) * 4)),
    runsWritten: new Int32Array(new SharedArrayBuffer(Math.max(1, sorters) * 4)),
  };
}

export class ChunkPool {
  readonly #chunks: readonly Uint8Array[];
  readonly #words: Int32Array;
  #next = 0;

  constructor({ memory, words }: ChunkPoolImage) {
    this.#words = words;
    const count = words.length - 1;
    this.#chunks = Array.from(
      { length: count },
      (_, i) => new Uint8Array(memory, i * CHUNK_BYTES, CHUNK_BYTES),
    );
  }

  bytes(chunk: number): Uint8Array {
    return at(this.#chunks, chunk);
  }

  /** One that nobody uses; undefined: there is none. REQUIRES: one thread takes. */
  tryTake(): number | undefined {
    const count = this.#chunks.length;
    for (let i = 0; i < count; i++) {
      const chunk = (this.#next + i) % count;
      if (Atomics.load(this.#words, 1 + chunk) !== 0) continue;
      Atomics.store(this.#words, 1 + chunk, 1);
      this.#next = chunk + 1;
      return chunk;
    }
    return undefined;
  }

  /** As `tryTake`; stops the thread for so long at most until one is freed. */
  take(timeoutMs: number): number | undefined {
    // What is freed after this look ends the wait at once.
    const freed = Atomics.load(this.#words, FREED);
    const chunk = this.tryTake();
    if (chunk !== undefined) return chunk;
    Atomics.wait(this.#words, FREED, freed, timeoutMs);
    return this.tryTake();
  }

  free(chunk: number): void {
    Atomics.store(this.#words, 1 + chunk, 0);
    Atomics.add(this.#words, FREED, 1);
    Atomics.notify(this.#words, FREED);
  }
}
