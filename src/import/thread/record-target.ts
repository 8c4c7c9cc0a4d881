/** Where records go chunk by chunk: to the thread that sorts, or to the sorter in the same one. */

import type { MessagePort } from 'node:worker_threads';
import { at } from '../../base/assert.ts';
import { CHUNK_BYTES, type ChunkPool } from './chunk-pool.ts';
import { obey } from './control.ts';
import type { RecordMessage, RunEnd } from './messages.ts';
import type { Sorter } from './sorter.ts';

export interface RecordTarget {
  /** An empty chunk. Waits for one. @throws SluiceError ABORTED when the import is to stop */
  take(): Uint8Array;
  /** The chunk taken last has records up to `length`. */
  give(length: number): void;
  giveLarge(record: Uint8Array): void;
  endRun(end: RunEnd): void;
}

/** How long a thread that waits for a chunk does not look whether it is to stop. */
const LOOK_MS = 50;

/** Runs go to several sorters in turn. */
export class PortTarget implements RecordTarget {
  readonly #pool: ChunkPool;
  readonly #ports: readonly MessagePort[];
  readonly #control: Int32Array;
  #chunk = 0;
  #turn = 0;

  constructor(pool: ChunkPool, ports: readonly MessagePort[], control: Int32Array) {
    this.#pool = pool;
    this.#ports = ports;
    this.#control = control;
  }

  take(): Uint8Array {
    for (;;) {
      obey(this.#control);
      const chunk = this.#pool.take(LOOK_MS);
      if (chunk !== undefined) return this.#took(chunk);
    }
  }

  /** For the main thread, which must not wait. */
  tryTake(): Uint8Array | undefined {
    const chunk = this.#pool.tryTake();
    return chunk === undefined ? undefined : this.#took(chunk);
  }

  #took(chunk: number): Uint8Array {
    this.#chunk = chunk;
    return this.#pool.bytes(chunk);
  }

  give(length: number): void {
    this.#send({ kind: 'chunk', chunk: this.#chunk, length });
  }

  giveLarge(record: Uint8Array): void {
    const bytes = new Uint8Array(new SharedArrayBuffer(record.length));
    bytes.set(record);
    this.#send({ kind: 'large', bytes });
  }

  endRun(end: RunEnd): void {
    this.#send({ kind: 'run', end });
    this.#turn = (this.#turn + 1) % this.#ports.length;
  }

  #send(message: RecordMessage): void {
    at(this.#ports, this.#turn).postMessage(message);
  }
}

export class SorterTarget implements RecordTarget {
  readonly #sorter: Sorter;
  readonly #control: Int32Array;
  readonly #chunk = new Uint8Array(CHUNK_BYTES);
  readonly #onRun: (end: RunEnd) => void;

  constructor(sorter: Sorter, control: Int32Array, onRun: (end: RunEnd) => void) {
    this.#sorter = sorter;
    this.#control = control;
    this.#onRun = onRun;
  }

  take(): Uint8Array {
    obey(this.#control);
    return this.#chunk;
  }

  give(length: number): void {
    this.#sorter.take(this.#chunk.subarray(0, length));
  }

  giveLarge(record: Uint8Array): void {
    this.#sorter.take(record);
  }

  endRun(end: RunEnd): void {
    this.#onRun(end);
  }
}
