/**
 * Builds a table in a thread: this one copies records into shared memory, or, where it would only wait for the other, makes blocks
 * of them first (sst/block-encoder.ts). What the thread has not taken is bounded: beyond it the writer waits, as it would
 * for its own building.
 */

import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads';
import type { File } from '../base/env/file-system.ts';
import { SluiceError } from '../base/errors.ts';
import { fromThreadError } from '../base/thread-error.ts';
import type { BlockReceiver } from '../sst/block-encoder.ts';
import type { BuiltBlocks, CutBlock, StagedRecords, TableTotals } from '../sst/built-blocks.ts';
import type { BuiltTable, TableBuilderOptions } from '../sst/table-builder.ts';
import { BatchEncoder } from './batch-encoder.ts';
import { STAGE_BYTES } from './record-stage.ts';
import type { TableSink } from './table-sink.ts';
import {
  CANCELLED,
  ENDED,
  type FromTableJob,
  TAKEN,
  type TableJob,
  type ToTableJob,
  WORDS,
} from './table-thread-messages.ts';
import { tableThreads } from './table-threads.ts';

/** Of records that the thread has not taken. It is the slower one: more would only be memory, beyond its start. */
const WAITING_BYTES_MAX = 16 << 20;
/** From so much on that it has not taken, blocks are compressed here: it has enough to do until this thread comes again. */
const AHEAD_BYTES = 2 << 20;
/** Larger memory is of a large entry, after which another like it need not come. */
const FREE_BYTES_MAX = STAGE_BYTES + (64 << 10);
/** A thread that takes nothing for so long is not coming back. */
const STUCK_MS = 60_000;

export interface SharedRecords extends StagedRecords {
  readonly buffer: SharedArrayBuffer;
}

/** A stage of records, or the blocks that come of one with what goes with them, has few sizes: memory can be used again. */
const SHARED_STEP_BYTES = 64 << 10;

export function sharedCopy(records: StagedRecords, free?: SharedArrayBuffer): SharedRecords {
  const { length } = records;
  const buffer = free ?? newShared(length);
  const bytes = new Uint8Array(buffer);
  bytes.set(length === records.bytes.length ? records.bytes : records.bytes.subarray(0, length));
  return { ...records, buffer, bytes };
}

function newShared(bytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.ceil(bytes / SHARED_STEP_BYTES) * SHARED_STEP_BYTES);
}

export class ThreadSink implements TableSink, BlockReceiver {
  readonly #file: File;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #words = new Int32Array(new SharedArrayBuffer(WORDS * 4));
  /** Given to the thread, oldest first. */
  readonly #given: SharedArrayBuffer[] = [];
  readonly #free: SharedArrayBuffer[] = [];
  #givenBytes = 0;
  #taken = 0;
  #last: FromTableJob | undefined;
  /** Makes blocks of what is added. */
  readonly encoder: BatchEncoder | undefined;
  /** The thread itself failed. */
  #gone: Error | undefined;
  #ending: Promise<FromTableJob> | undefined;
  #onGone: ((error: Error) => void) | undefined;

  /**
   * `identity`: of the file, as FileStat has it. `encodes`: this thread has the time to make blocks. REQUIRES: the file is empty,
   * and the thread is the sink's.
   */
  constructor(file: File, identity: string, options: TableBuilderOptions, worker: Worker, encodes: boolean) {
    this.#file = file;
    this.#worker = worker;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    // ZSTD is not among the kernels that store blocks.
    if (encodes && options.compression !== 'zstd') {
      this.encoder = new BatchEncoder(options, this, () => this.#isAhead());
    }
    worker.on('error', (error) => this.#lost(error));
    worker.on('exit', (code) =>
      this.#lost(new Error(`the thread that builds ${file.path} ended with ${code}`)),
    );
    const job: TableJob = { path: file.path, identity, options, words: this.#words, port: port2 };
    worker.postMessage(job, [port2]);
  }

  add(records: StagedRecords): void {
    if (this.encoder !== undefined) {
      this.encoder.add(records);
      return;
    }
    const { length } = records;
    this.#makeRoom(length);
    const shared = sharedCopy(records, this.#takeFree(length));
    this.#give(shared.buffer, { kind: 'records', records: shared });
  }

  addShared(records: SharedRecords): void {
    if (this.encoder !== undefined) {
      this.encoder.add(records);
      this.#giveFree(records.buffer);
      return;
    }
    this.#makeRoom(records.length);
    this.#give(records.buffer, { kind: 'records', records });
  }

  /** Whether the thread has so much to do that it had better be helped. */
  #isAhead(): boolean {
    this.#takeBack();
    return this.#givenBytes >= AHEAD_BYTES;
  }

  addBlocks({ sealed, bytes, index, hashes }: BuiltBlocks): void {
    if (bytes.length === 0 && hashes.length === 0) return;
    const hashesAt = Math.ceil(bytes.length / 8) * 8;
    const indexAt = hashesAt + hashes.byteLength;
    const buffer = this.#take(indexAt + index.length);
    const blocks = {
      sealed,
      bytes: new Uint8Array(buffer, 0, bytes.length),
      hashes: new Uint32Array(buffer, hashesAt, hashes.length),
      index: new Uint8Array(buffer, indexAt, index.length),
    };
    blocks.bytes.set(bytes);
    blocks.hashes.set(hashes);
    blocks.index.set(index);
    this.#give(buffer, { kind: 'blocks', blocks });
  }

  addBlock({ raw, last, next }: CutBlock): void {
    const buffer = this.#take(raw.length);
    const shared = new Uint8Array(buffer, 0, raw.length);
    shared.set(raw);
    this.#give(buffer, { kind: 'block', block: { raw: shared, last, next } });
  }

  /** Memory of at least so many bytes, once there may be more. */
  #take(bytes: number): SharedArrayBuffer {
    this.#makeRoom(bytes);
    return this.#takeFree(bytes) ?? newShared(bytes);
  }

  #takeFree(bytes: number): SharedArrayBuffer | undefined {
    const place = this.#free.findLastIndex(({ byteLength }) => byteLength >= bytes);
    // Another comes in the place of one that none of them is large enough for.
    if (place >= 0) return this.#free.splice(place, 1)[0];
    this.#free.pop();
    return undefined;
  }

  #giveFree(buffer: SharedArrayBuffer): void {
    if (buffer.byteLength <= FREE_BYTES_MAX) this.#free.push(buffer);
  }

  async finish(): Promise<BuiltTable> {
    this.#takeBack();
    const last = await this.#end(this.encoder?.finish());
    if (last.kind === 'failed') throw fromThreadError(last.error);
    this.#file.closeSync();
    return last.table;
  }

  async abort(): Promise<void> {
    this.encoder?.abandon();
    Atomics.store(this.#words, CANCELLED, 1);
    try {
      await this.#end();
    } catch (error) {
      // The thread is gone, and the file with it.
      if (error !== this.#gone) throw error;
    }
    this.#file.closeSync();
  }

  #give(buffer: SharedArrayBuffer, message: ToTableJob): void {
    this.#given.push(buffer);
    this.#givenBytes += buffer.byteLength;
    this.#post(message);
  }

  #makeRoom(bytes: number): void {
    this.#takeBack();
    while (this.#given.length > 0 && this.#givenBytes + bytes > WAITING_BYTES_MAX) {
      const outcome = Atomics.wait(this.#words, TAKEN, this.#taken, STUCK_MS);
      if (outcome === 'timed-out') {
        const message = `The thread that builds ${this.#file.path} has done nothing for ${STUCK_MS / 1000} s; abort the writer and try again`;
        throw new SluiceError('IO', message);
      }
      this.#takeBack();
    }
  }

  /** @throws what the thread failed with. */
  #takeBack(): void {
    // L9: what failed stays failed.
    if (this.#gone !== undefined) throw this.#gone;
    if (Atomics.load(this.#words, ENDED) !== 0) this.#readLast();
    if (this.#last?.kind === 'failed') throw fromThreadError(this.#last.error);
    const taken = Atomics.load(this.#words, TAKEN);
    for (; this.#taken < taken; this.#taken++) {
      const buffer = this.#given.shift();
      if (buffer === undefined) return;
      this.#givenBytes -= buffer.byteLength;
      this.#giveFree(buffer);
    }
  }

  #readLast(): void {
    const received = receiveMessageOnPort(this.#port) as { message: FromTableJob } | undefined;
    if (received !== undefined) this.#ended(received.message);
  }

  #ended(last: FromTableJob): FromTableJob {
    this.#last = last;
    this.#port.close();
    tableThreads.giveBack(this.#worker);
    return last;
  }

  /** The message after which the thread writes nothing more. */
  #end(totals?: TableTotals): Promise<FromTableJob> {
    this.#ending ??= new Promise((resolve, reject) => {
      if (this.#gone !== undefined) return reject(this.#gone);
      if (this.#last !== undefined) return resolve(this.#last);
      this.#onGone = reject;
      this.#port.on('message', (last: FromTableJob) => resolve(this.#ended(last)));
      this.#worker.ref();
      this.#post({ kind: 'end', totals });
    });
    return this.#ending;
  }

  #lost(error: Error): void {
    if (this.#gone !== undefined) return;
    this.#gone = error;
    this.#port.close();
    tableThreads.gone(this.#worker);
    this.#onGone?.(error);
  }

  #post(message: ToTableJob): void {
    this.#port.postMessage(message);
  }
}
