/** Where records go chunk by chunk: to the thread that sorts, or to the sorter in the same one. */

import type { MessagePort } from 'node:worker_threads';
import { at } from '../../base/assert.ts';
import { CHUNK_BYTES, ChunkPool, type ChunkPoolImage } from './chunk-pool.ts';
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

/** For the main thread, which must not wait. */
export interface PollingTarget extends RecordTarget {
  /** Undefined: there is no empty chunk now. */
  tryTake(): Uint8Array | undefined;
}

/** How long a thread that waits for a chunk does not look whether it is to stop. */
const LOOK_MS = 50;
/** Runs that a thread which sorts may have before it: the one that it works at, and the next. */
const RUNS_AHEAD = 2;

/** Runs go to the threads that sort, to each the next one that it is free for. */
export class PortTarget implements PollingTarget {
  readonly #pool: ChunkPool;
  readonly #ports: readonly MessagePort[];
  readonly #control: Int32Array;
  readonly #runsWritten: Int32Array;
  readonly #runsGiven: number[];
  #chunk = 0;
  #port = 0;

  constructor(image: ChunkPoolImage, ports: readonly MessagePort[], control: Int32Array) {
    this.#pool = new ChunkPool(image);
    this.#runsWritten = image.runsWritten;
    this.#runsGiven = ports.map(() => 0);
    this.#ports = ports;
    this.#control = control;
  }

  /** The next run goes to the thread that has the least to do. False: they all have enough. */
  beginRun(): boolean {
    const waiting = this.#runsGiven.map((given, i) => given - Atomics.load(this.#runsWritten, i));
    const least = Math.min(...waiting);
    this.#port = waiting.indexOf(least);
    return least < RUNS_AHEAD;
  }

  take(): Uint8Array {
    for (;;) {
      obey(this.#control);
      const chunk = this.#pool.take(LOOK_MS);
      if (chunk !== undefined) return this.#took(chunk);
    }
  }

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
    this.#runsGiven[this.#port] = at(this.#runsGiven, this.#port) + 1;
    this.beginRun();
  }

  #send(message: RecordMessage): void {
    at(this.#ports, this.#port).postMessage(message);
  }
}

/** To the sorter of this same thread. */
export class SorterTarget implements PollingTarget {
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

  tryTake(): Uint8Array {
    return this.#chunk;
  }

  give(length: number): void {
    this.#sorter.take(this.#chunk.subarray(0, length));
  }

  giveLarge(record: Uint8Array): void {
    this.#sorter.take(record);
  }

  endRun(end: RunEnd): void {
    obey(this.#control);
    this.#onRun(end);
  }
}

/** A thread that reads sorts a run itself where the others have enough to do: sorting takes longer than reading. */
export class SharedTarget implements RecordTarget {
  readonly #others: PortTarget | undefined;
  readonly #makeOwn: () => SorterTarget;
  #own: SorterTarget | undefined;
  #target: RecordTarget | undefined;

  constructor(
    others: PortTarget | undefined,
    makeSorter: () => Sorter,
    control: Int32Array,
    onRun: (sorter: Sorter, end: RunEnd) => void,
  ) {
    this.#others = others;
    this.#makeOwn = () => {
      const sorter = makeSorter();
      return new SorterTarget(sorter, control, (end) => onRun(sorter, end));
    };
  }

  take(): Uint8Array {
    return this.#ofRun().take();
  }

  give(length: number): void {
    this.#ofRun().give(length);
  }

  giveLarge(record: Uint8Array): void {
    this.#ofRun().giveLarge(record);
  }

  endRun(end: RunEnd): void {
    this.#ofRun().endRun(end);
    this.#target = undefined;
  }

  #ofRun(): RecordTarget {
    if (this.#target !== undefined) return this.#target;
    if (this.#others?.beginRun() === true) this.#target = this.#others;
    else {
      this.#own ??= this.#makeOwn();
      this.#target = this.#own;
    }
    return this.#target;
  }
}
