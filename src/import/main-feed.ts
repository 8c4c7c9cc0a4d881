/** What only the main thread can read: entries of the program, which become records here, and streams, whose bytes a thread parses. */

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { type EncodingName, encode } from '../base/encoding.ts';
import type { Clock } from '../base/env/env.ts';
import { SluiceError } from '../base/errors.ts';
import { toThreadError } from '../base/thread-error.ts';
import type { ByteStream, EntryIterable } from '../import-options.ts';
import { checkKey, checkValue } from '../mvcc/internal-key.ts';
import { byteChunks } from './source/fed-bytes.ts';
import { CHUNK_BYTES } from './thread/chunk-pool.ts';
import { count, obeyLater, ROWS_READ } from './thread/control.ts';
import type { FromFeeder } from './thread/fed-chunks.ts';
import type { LaneJob } from './thread/messages.ts';
import { OrderCheck } from './thread/order-check.ts';
import type { PollingTarget } from './thread/record-target.ts';
import { RecordWriter } from './thread/record-writer.ts';
import { recordBytes, rowVersion } from './thread/records.ts';

/** Between two turns of the event loop. */
const SLICE_MS = 4;
/** Entries between two looks at the clock. */
const LOOK_ENTRIES = 32;
/** Until there may be a free chunk. */
const NAP_MS = 1;

export type MainFeed = EntryFeed | ByteFeed;

export class EntryFeed {
  readonly kind = 'entries';
  readonly #entries: EntryIterable;
  readonly #encodings: { readonly key: EncodingName; readonly value: EncodingName };
  readonly #clock: Clock;

  constructor(entries: EntryIterable, encodings: { key: EncodingName; value: EncodingName }, clock: Clock) {
    this.#entries = entries;
    this.#encodings = encodings;
    this.#clock = clock;
  }

  /** Those before the start of the lane are passed over. @throws what the iterable throws; TypeError; SluiceError */
  async send(job: LaneJob, target: PollingTarget): Promise<void> {
    const { control } = job;
    const lane = new EntryLane(job, target);
    const iterator =
      Symbol.asyncIterator in this.#entries
        ? this.#entries[Symbol.asyncIterator]()
        : this.#entries[Symbol.iterator]();
    let sliceEndMs = this.#clock.monotonicMs() + SLICE_MS;
    let done = false;
    try {
      for (let n = 0; ; n++) {
        const step = iterator.next();
        const result = step instanceof Promise ? await step : step;
        if (result.done === true) {
          done = true;
          break;
        }
        if (lane.passesOver()) continue;
        const [key, value] = result.value;
        const keyBytes = encode(this.#encodings.key, key, 'the key of an entry');
        const valueBytes = encode(this.#encodings.value, value, 'the value of an entry');
        while (!lane.add(keyBytes, valueBytes)) {
          await obeyLater(control, this.#clock);
          if (!lane.takeChunk()) await this.#clock.sleep(NAP_MS);
        }
        if (n % LOOK_ENTRIES !== 0 || this.#clock.monotonicMs() < sliceEndMs) continue;
        await this.#clock.turn();
        await obeyLater(control, this.#clock);
        sliceEndMs = this.#clock.monotonicMs() + SLICE_MS;
      }
      lane.end();
    } finally {
      if (!done) await iterator.return?.();
    }
  }
}

/** Entries of the program as the one lane of their import. */
class EntryLane {
  readonly #job: LaneJob;
  readonly #target: PollingTarget;
  readonly #writer: RecordWriter;
  readonly #order: OrderCheck | undefined;
  #row = 0;
  #run: number;

  constructor(job: LaneJob, target: PollingTarget) {
    this.#job = job;
    this.#target = target;
    this.#writer = new RecordWriter(target, job.runBytes);
    this.#run = job.start.runs;
    this.#order = job.rules.presorted ? new OrderCheck(job.before) : undefined;
  }

  /** The entry is in a run already. */
  passesOver(): boolean {
    if (this.#row >= this.#job.start.row) return false;
    this.#row++;
    return true;
  }

  /** False: a chunk is needed first. @throws SluiceError INVALID_KEY, INVALID_VALUE */
  add(key: Uint8Array, value: Uint8Array): boolean {
    checkKey(key);
    checkValue(value);
    const writer = this.#writer;
    const bytes = recordBytes(key.length, value.length);
    if (bytes > writer.recordBytesMax) {
      const message = `Entry ${this.#row + 1} has ${bytes} bytes, for which options.memoryLimitBytes is too small`;
      throw new SluiceError('INVALID_VALUE', message);
    }
    if (!writer.runTakes(key.length, value.length)) this.#endRun(false);
    if (bytes <= CHUNK_BYTES && !writer.hasRoom(key.length, value.length)) return false;
    this.#row++;
    this.#order?.check(key, 0, key.length, 'the entries given', this.#row);
    const version = rowVersion(this.#job.rules.order, 0, this.#row);
    writer.put(key, 0, key.length, value, 0, value.length, version);
    count(this.#job.counters, ROWS_READ, 1);
    return true;
  }

  /** False: none is free. */
  takeChunk(): boolean {
    this.#writer.flush();
    const chunk = this.#target.tryTake();
    if (chunk === undefined) return false;
    this.#writer.use(chunk);
    return true;
  }

  end(): void {
    this.#endRun(true);
  }

  #endRun(ended: boolean): void {
    const { start, lane } = this.#job;
    const run = this.#run++;
    const after = { ...start, row: this.#row, rowsRead: this.#row, runs: this.#run, ended };
    this.#writer.endRun({ lane, run, isAlone: ended && run === 0, after });
  }
}

/** The bytes of a stream for the thread that parses them, as it asks for them. */
export class ByteFeed {
  readonly kind = 'bytes';
  readonly #stream: ByteStream;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** The port is the thread's. */
  open(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    const chunks = byteChunks(this.#stream, 'the stream')[Symbol.asyncIterator]();
    const send = (message: FromFeeder, given: ArrayBuffer[] = []): void => port1.postMessage(message, given);
    let last: Promise<void> = Promise.resolve();
    const next = async (): Promise<void> => {
      try {
        const { done, value } = await chunks.next();
        if (done === true) {
          send({ kind: 'end' });
          return;
        }
        // Its own memory: a part of a pool would take the pool along.
        const bytes = new Uint8Array(value);
        send({ kind: 'bytes', bytes }, [bytes.buffer]);
      } catch (error) {
        send({ kind: 'failed', error: toThreadError(error) });
      }
    };
    port1.on('message', () => {
      last = last.then(next);
    });
    // The thread is done, or gone.
    port1.on('close', () => void chunks.return?.());
    return port2;
  }
}
