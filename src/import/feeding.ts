/**
 * From sources to sorted runs on disk: threads that read and threads that sort, one lane of sources or more beside each other.
 * What is told here of a finished run is told in the order of its lane, so that what comes before it is durable too.
 */

import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import { at } from '../base/assert.ts';
import type { Env } from '../base/env/env.ts';
import { nodeEnv } from '../base/env/node-env.ts';
import { SluiceError } from '../base/errors.ts';
import { fromThreadError } from '../base/thread-error.ts';
import type { ImportLaneRow } from '../manifest/rows.ts';
import type { TableBuilderOptions } from '../sst/table-builder.ts';
import type { FormatSpec } from './format/format-spec.ts';
import { importThreads } from './import-threads.ts';
import { readInline } from './inline-lane.ts';
import type { MainFeed } from './main-feed.ts';
import type { FeedingPlan } from './memory-plan.ts';
import type { SourceSpec } from './source/source-spec.ts';
import { makeChunkPool } from './thread/chunk-pool.ts';
import { COUNTERS, command, STOP } from './thread/control.ts';
import type {
  FinishedRun,
  FromImportThread,
  LaneJob,
  RunRules,
  SortJob,
  ToImportThread,
} from './thread/messages.ts';
import { PortTarget } from './thread/record-target.ts';

export interface FeedingOptions {
  readonly env: Env;
  readonly plan: FeedingPlan;
  readonly sources: readonly SourceSpec[];
  readonly laneEnds: readonly number[];
  readonly lanes: readonly ImportLaneRow[];
  readonly format: FormatSpec;
  readonly rules: RunRules;
  /** Of presorted rows: the last that is in a run. */
  readonly before: Uint8Array | undefined;
  readonly skipsBadRows: boolean;
  readonly badRowsMax: number;
  readonly dir: string;
  readonly builder: Omit<TableBuilderOptions, 'heap' | 'heapAt'>;
  readonly targetFileBytes: number;
  readonly control: Int32Array;
  /** What this thread reads itself, or for another. */
  readonly feed: MainFeed | undefined;
  /** Durable when it resolves. */
  readonly onRun: (finished: FinishedRun) => Promise<void>;
}

export function rejectName(lane: number): string {
  return `rejects-${lane}.jsonl`;
}

export class Feeding {
  readonly #options: FeedingOptions;
  readonly #workers = new Set<Worker>();
  /** Runs that this thread is writing. */
  readonly #writing = new Set<Promise<void>>();
  readonly #counters: Float64Array[] = [];
  /** Finished, but not those before them. By lane and run. */
  readonly #early = new Map<string, FinishedRun>();
  readonly #nextRun: number[];
  readonly #onLaneEnded = new Map<number, () => void>();
  #fail: (error: unknown) => void = () => undefined;
  #stopped = false;

  constructor(options: FeedingOptions) {
    this.#options = options;
    this.#nextRun = options.lanes.map(({ runs }) => runs);
  }

  /** Of all threads since this began. */
  counted(counter: number): number {
    return this.#counters.reduce((sum, counters) => sum + (counters[counter] ?? 0), 0);
  }

  /** @throws what the first thread failed with; runs that were told of are good all the same */
  async run(): Promise<void> {
    const { lanes, plan } = this.#options;
    const left = [...lanes.keys()].filter((lane) => at(lanes, lane).ended === false);
    const failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    const work = async (): Promise<void> => {
      for (let lane = left.shift(); lane !== undefined && !this.#stopped; lane = left.shift()) {
        await this.#runLane(lane);
      }
    };
    try {
      await Promise.race([failed, Promise.all(Array.from({ length: plan.lanes }, work))]);
    } finally {
      await this.stop();
    }
  }

  /** Ends all threads where they stand. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#workers].map((worker) => worker.terminate()));
    if (this.#isInline) {
      command(this.#options.control, STOP);
      // Who reads may be waiting for a source that gives nothing any more.
      this.#fail(new SluiceError('ABORTED', 'The import was stopped'));
    }
    await Promise.all(this.#writing);
  }

  async #runLane(lane: number): Promise<void> {
    const { env, feed } = this.#options;
    const ended = new Promise<void>((resolve) => this.#onLaneEnded.set(lane, resolve));
    const job = this.#laneJob(lane);
    const isFed = job.sources.slice(job.from, job.to).some(({ kind }) => kind === 'fed');
    const fed = feed?.kind === 'bytes' && isFed ? feed.open() : undefined;
    if (!this.#isInline) return this.#runInThreads(job, fed, ended);
    const sort = this.#sortJob();
    const entries = feed?.kind === 'entries' ? feed : undefined;
    readInline({ job, sort, fed, entries }, env, (writing) => this.#write(writing)).catch(this.#fail);
    await ended;
  }

  /** Other threads have the file system of the process only. */
  get #isInline(): boolean {
    return this.#options.env.fs !== nodeEnv.fs;
  }

  #write(writing: Promise<FinishedRun>): void {
    const written = writing
      .then((finished) => this.#finished(finished), this.#fail)
      .finally(() => this.#writing.delete(written));
    this.#writing.add(written);
  }

  async #runInThreads(job: LaneJob, fed: MessagePort | undefined, ended: Promise<void>): Promise<void> {
    const { plan, feed, control } = this.#options;
    const workers: Worker[] = [];
    const pool = makeChunkPool(plan.poolBytes, plan.sorters);
    const ports: MessagePort[] = [];
    for (let place = 0; place < plan.sorters; place++) {
      const { port1, port2 } = new MessageChannel();
      const message: ToImportThread = { kind: 'sort', job: this.#sortJob(), pool, place, records: port2 };
      workers.push(this.#start(message, [port2]));
      ports.push(port1);
    }
    if (feed?.kind === 'entries') feed.send(job, new PortTarget(pool, ports, control)).catch(this.#fail);
    else {
      const message: ToImportThread = { kind: 'read', job, sort: this.#sortJob(), pool, sorters: ports, fed };
      workers.push(this.#start(message, fed === undefined ? ports : [...ports, fed]));
    }
    await ended;
    // The last run may have become durable when all threads were being ended: those are nobody's to go on with.
    if (this.#stopped) return;
    for (const worker of workers) {
      this.#workers.delete(worker);
      importThreads.giveBack(worker);
    }
  }

  #laneJob(lane: number): LaneJob {
    const { sources, laneEnds, lanes, format, plan, rules, before } = this.#options;
    const { control, skipsBadRows, badRowsMax, dir } = this.#options;
    return {
      lane,
      sources,
      from: lane === 0 ? 0 : at(laneEnds, lane - 1),
      to: at(laneEnds, lane),
      format,
      start: at(lanes, lane),
      before,
      isOnly: lanes.length === 1,
      runBytes: plan.runBytes,
      rules,
      control,
      counters: this.#newCounters(),
      skipsBadRows,
      badRowsMax,
      rejectPath: `${dir}/${rejectName(lane)}`,
    };
  }

  #sortJob(): SortJob {
    const { sources, dir, plan, rules, control, builder, targetFileBytes } = this.#options;
    const { arenaBytes } = plan;
    const counters = this.#newCounters();
    return { sources, dir, arenaBytes, rules, control, counters, builder, targetFileBytes };
  }

  #newCounters(): Float64Array {
    const counters = new Float64Array(new SharedArrayBuffer(COUNTERS * 8));
    this.#counters.push(counters);
    return counters;
  }

  #start(message: ToImportThread, ports: readonly MessagePort[]): Worker {
    const worker = importThreads.take();
    this.#workers.add(worker);
    worker.on('message', (told: FromImportThread) => {
      if (told.kind === 'failed') this.#fail(fromThreadError(told.error));
      else this.#finished(told.finished);
    });
    worker.on('error', (error) => this.#fail(error));
    worker.on('exit', (code) => {
      if (this.#workers.delete(worker)) this.#fail(new Error(`a thread of an import ended with ${code}`));
    });
    worker.postMessage(message, [...ports]);
    return worker;
  }

  /** L2: a run is told of once it is durable, after all before it in its lane. */
  #finished(finished: FinishedRun): void {
    const { lane, run } = finished.end;
    this.#early.set(`${lane}/${run}`, finished);
    for (;;) {
      const next = `${lane}/${at(this.#nextRun, lane)}`;
      const due = this.#early.get(next);
      if (due === undefined || this.#stopped) return;
      this.#early.delete(next);
      this.#nextRun[lane] = due.end.run + 1;
      const told = this.#options.onRun(due);
      // Runs are told of in their order, so that the last one is durable after all others.
      if (due.end.after.ended) told.then(this.#onLaneEnded.get(lane), this.#fail);
      else told.catch(this.#fail);
    }
  }
}
