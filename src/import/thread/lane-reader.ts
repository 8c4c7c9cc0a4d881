/** Reads the sources of a lane one after the other, and hands their rows to whoever sorts them. */

import { at } from '../../base/assert.ts';
import type { Env } from '../../base/env/env.ts';
import type { ImportLaneRow } from '../../manifest/rows.ts';
import { NO_VERSION } from '../../mvcc/version.ts';
import { badRowError, keyFault, tooManyBadRows } from '../bad-rows.ts';
import { makeReader } from '../format/make-reader.ts';
import type { RecordLimits, RecordSink, RowPosition, RowReader, RowSink } from '../format/row-reader.ts';
import { makeSource, type SourceOptions } from '../source/make-source.ts';
import type { Source } from '../source/source.ts';
import { sourceName } from '../source/source-spec.ts';
import { BAD_ROWS, BYTES_READ, count, obey, ROWS_BAD, ROWS_READ } from './control.ts';
import type { LaneJob } from './messages.ts';
import { OrderCheck } from './order-check.ts';
import type { RecordTarget } from './record-target.ts';
import { RecordWriter } from './record-writer.ts';
import { recordBytes, rowVersion, SORT_BYTES } from './records.ts';
import { RejectFile } from './reject-file.ts';

/** Rows between two looks at the counters. */
const TELL_ROWS = 256;

export class LaneReader implements RowSink, RecordSink {
  readonly #job: LaneJob;
  readonly #env: Pick<Env, 'fs' | 'clock'>;
  readonly #writer: RecordWriter;
  readonly #rejects: RejectFile;
  /** An index into the import's sources. */
  #source: number;
  /** Of the source: handed out so far. */
  #row = 0;
  /** So many of the source are in runs already, and come once more. */
  #passedRows = 0;
  #rowsRead: number;
  #rowsBad: number;
  #run: number;
  #untold = 0;
  readonly #limits: RecordLimits;
  #reader: RowReader | undefined;
  /** What it reads. */
  #open: Source | undefined;
  readonly #order: OrderCheck | undefined;
  #tellBytes: () => void = () => undefined;

  constructor(job: LaneJob, env: Pick<Env, 'fs' | 'clock'>, target: RecordTarget) {
    const { start } = job;
    this.#job = job;
    this.#env = env;
    this.#writer = new RecordWriter(target, job.runBytes);
    this.#rejects = new RejectFile(env.fs, job.rejectPath, start.rejectBytes);
    this.#source = start.source;
    this.#rowsRead = start.rowsRead;
    this.#rowsBad = start.rowsBad;
    this.#run = start.runs;
    this.#order = job.rules.presorted ? new OrderCheck(job.before) : undefined;
    this.#limits = {
      chunkBytes: 0,
      runBytes: 0,
      sortBytes: SORT_BYTES,
      version: NO_VERSION,
      descends: job.rules.order === 'first',
      lastKey: this.#order?.last,
      lastKeyLength: 0,
    };
  }

  get #sourceName(): string {
    return sourceName(at(this.#job.sources, this.#source));
  }

  /** @throws SluiceError BAD_INPUT, FILE_NOT_FOUND …; ABORTED when it is to stop */
  async read(options: Pick<SourceOptions, 'fed' | 'beforeChunk'>): Promise<void> {
    const { sources, to, format, start, control } = this.#job;
    const { signal } = new AbortController();
    try {
      for (; this.#source < to; this.#source++) {
        obey(control);
        const goesOn = this.#source === start.source && start.row > 0;
        const spec = at(sources, this.#source);
        // What is fed was given again from its beginning.
        const from = goesOn && spec.kind !== 'fed' ? positionOf(start) : undefined;
        this.#passedRows = goesOn && spec.kind === 'fed' ? start.row : 0;
        this.#row = from?.row ?? 0;
        // Rows of another document must not come beside those that are in runs.
        const document = goesOn ? start.document : undefined;
        const source = makeSource(spec, this.#env, { ...options, document });
        this.#open = source;
        const reader = await makeReader(format);
        this.#reader = reader;
        let told = 0;
        this.#tellBytes = () => {
          count(this.#job.counters, BYTES_READ, source.takenBytes - told);
          told = source.takenBytes;
        };
        await reader.read(source, this, from, signal);
        this.#tell();
      }
      this.#endRun(undefined, true);
    } finally {
      this.#rejects.close();
    }
  }

  row(
    key: Uint8Array,
    keyFrom: number,
    keyTo: number,
    value: Uint8Array,
    valueFrom: number,
    valueTo: number,
  ): void {
    if (this.#passesOver()) return;
    const writer = this.#writer;
    const keyLength = keyTo - keyFrom;
    const valueLength = valueTo - valueFrom;
    const fault = keyFault(keyLength);
    if (fault !== undefined) {
      this.bad(fault, key.subarray(keyFrom, keyTo));
      return;
    }
    if (!writer.runTakes(keyLength, valueLength)) {
      const bytes = recordBytes(keyLength, valueLength);
      if (bytes > writer.recordBytesMax) {
        this.bad(
          `a row of ${bytes} bytes, for which options.memoryLimitBytes is too small`,
          value.subarray(valueFrom, valueTo),
        );
        return;
      }
      this.#endRun(this.#reader?.position(), false);
    }
    this.#row++;
    this.#order?.check(key, keyFrom, keyTo, this.#sourceName, this.#row);
    const version = rowVersion(this.#job.rules.order, this.#source, this.#row);
    writer.put(key, keyFrom, keyTo, value, valueFrom, valueTo, version);
    if (++this.#untold >= TELL_ROWS) this.#tell();
  }

  get batches(): RecordSink {
    return this;
  }

  limits(): RecordLimits | undefined {
    if (this.#row < this.#passedRows) return undefined;
    const limits = this.#limits;
    limits.chunkBytes = this.#writer.chunkBytes;
    limits.runBytes = Math.min(this.#writer.runBytesLeft, 0xffffffff);
    limits.version = rowVersion(this.#job.rules.order, this.#source, this.#row + 1);
    limits.lastKeyLength = this.#order?.lastLength ?? 0;
    return limits;
  }

  records(bytes: Uint8Array, from: number, to: number, rows: number, key: number, keyLength: number): void {
    this.#writer.putRecords(bytes, from, to, rows);
    this.#row += rows;
    this.#untold += rows;
    this.#order?.passed(bytes, key, keyLength);
    if (this.#untold >= TELL_ROWS) this.#tell();
  }

  bad(reason: string, raw: Uint8Array): void {
    if (this.#passesOver()) return;
    const { control, skipsBadRows, badRowsMax } = this.#job;
    this.#row++;
    this.#untold++;
    const offset = this.#reader?.position().offset ?? 0;
    const place = { source: this.#sourceName, row: this.#row, offset, reason };
    if (!skipsBadRows) throw badRowError(place);
    this.#rejects.add({ ...place, raw });
    this.#rowsBad++;
    count(this.#job.counters, ROWS_BAD, 1);
    if (Atomics.add(control, BAD_ROWS, 1) + 1 > badRowsMax) throw tooManyBadRows(badRowsMax, place);
    if (this.#untold >= TELL_ROWS) this.#tell();
    if (this.#rowsBad % TELL_ROWS === 0) obey(control);
  }

  #passesOver(): boolean {
    if (this.#row >= this.#passedRows) return false;
    this.#row++;
    return true;
  }

  #tell(): void {
    count(this.#job.counters, ROWS_READ, this.#untold);
    this.#rowsRead += this.#untold;
    this.#untold = 0;
    this.#tellBytes();
  }

  /** `position`: of the row that the next run begins with. */
  #endRun(position: RowPosition | undefined, ended: boolean): void {
    this.#tell();
    const { lane, isOnly } = this.#job;
    const run = this.#run++;
    const after: ImportLaneRow = {
      source: this.#source,
      row: position?.row ?? 0,
      offset: position?.offset ?? 0,
      state: position?.state,
      document: position === undefined ? undefined : this.#open?.document,
      rowsRead: this.#rowsRead,
      rowsBad: this.#rowsBad,
      rejectBytes: this.#rejects.sync(),
      runs: this.#run,
      ended,
    };
    this.#writer.endRun({ lane, run, isAlone: isOnly && ended && run === 0, after });
  }
}

function positionOf({ row, offset, state }: ImportLaneRow): RowPosition {
  return { row, offset, ...(state === undefined ? {} : { state }) };
}
