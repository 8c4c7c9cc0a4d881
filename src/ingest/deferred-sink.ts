/** Holds records until there are so many that a thread is worth its start; a smaller table is built when it is finished. */

import type { File } from '../base/env/file-system.ts';
import { nodeEnv } from '../base/env/node-env.ts';
import type { StagedRecords } from '../sst/built-blocks.ts';
import type { BuiltTable, TableBuilderOptions } from '../sst/table-builder.ts';
import type { BatchTaker } from './record-stage.ts';
import { InlineSink, type TableSink } from './table-sink.ts';
import { tableThreads } from './table-threads.ts';
import { type SharedRecords, sharedCopy, ThreadSink } from './thread-sink.ts';

export class DeferredSink implements TableSink {
  readonly #file: File;
  readonly #options: TableBuilderOptions;
  readonly #threadBytesMin: number;
  /** Set before there are so many: records come faster than a thread builds them, so this one has time to make blocks of them. */
  encodes = false;
  #held: SharedRecords[] = [];
  #heldBytes = 0;
  #sink: TableSink | undefined;
  /** Takes entries of batches as they are, once there is one. */
  batchTaker: BatchTaker | undefined;

  /** A thread may be used from so many bytes of records on, which are held until then. */
  constructor(file: File, options: TableBuilderOptions, threadBytesMin: number) {
    this.#file = file;
    this.#options = options;
    this.#threadBytesMin = threadBytesMin;
  }

  add(records: StagedRecords): void {
    if (this.#sink !== undefined) {
      this.#sink.add(records);
      return;
    }
    this.#held.push(sharedCopy(records));
    this.#heldBytes += records.length;
    if (this.#heldBytes >= this.#threadBytesMin) this.#begin();
  }

  finish(): Promise<BuiltTable> {
    return (this.#sink ?? this.#buildHere()).finish();
  }

  async abort(): Promise<void> {
    this.#held = [];
    if (this.#sink === undefined) this.#file.closeSync();
    else await this.#sink.abort();
  }

  #begin(): void {
    const { identity } = nodeEnv.fs.statSync(this.#file.path);
    const thread = tableThreads.take();
    if (thread === undefined) {
      this.#buildHere();
      return;
    }
    const sink = new ThreadSink(this.#file, identity, this.#options, thread, this.encodes);
    this.#sink = sink;
    this.batchTaker = sink.encoder;
    const held = this.#held;
    this.#held = [];
    for (const records of held) sink.addShared(records);
  }

  #buildHere(): TableSink {
    const sink = new InlineSink(this.#file, this.#options);
    this.#sink = sink;
    const held = this.#held;
    this.#held = [];
    for (const records of held) sink.add(records);
    return sink;
  }
}
