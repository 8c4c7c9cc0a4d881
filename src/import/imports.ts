/** The imports of one open database. */

import type { EncodingName } from '../base/encoding.ts';
import { SluiceError } from '../base/errors.ts';
import type { Db } from '../db.ts';
import type {
  ByteStream,
  EntryIterable,
  Importer,
  ImportOptions,
  ImportProgress,
  ImportResult,
  ImportSource,
  ImportTask,
  ImportTaskInfo,
  ResumeOptions,
} from '../import-options.ts';
import { type BackgroundRunner, newRunner } from '../levels/compaction/runner.ts';
import type { ImportRow } from '../manifest/rows.ts';
import type { Engine } from '../txn/engine.ts';
import { FinishedImport } from './finished-import.ts';
import type { ImportLedger } from './import-ledger.ts';
import { ImportRun } from './import-run.ts';
import { type ImportSpec, specOf } from './import-spec.ts';
import { ImportRecord, isOver, keptSpec, NOTHING_KEPT, newImportRow, sweepImports } from './import-state.ts';
import { ImportWork, rowCounts } from './import-work.ts';
import { ByteFeed, EntryFeed, type MainFeed } from './main-feed.ts';
import { isPut, PutRun } from './put-run.ts';
import { sourceName } from './source/source-spec.ts';

/** An import by the put path, which has begun; or one that has a row. */
export type AskedImport = { readonly put: ImportTask } | { readonly id: string; readonly spec: ImportSpec };

export class Imports implements Importer {
  readonly #db: Db<EncodingName, EncodingName>;
  readonly #engine: () => Engine;
  readonly #ledger: ImportLedger | undefined;
  readonly #runs = new Map<string, ImportRun>();
  readonly #puts = new Set<PutRun>();
  #runner: BackgroundRunner | undefined;

  constructor(db: Db<EncodingName, EncodingName>, engine: () => Engine, ledger?: ImportLedger) {
    this.#db = db;
    this.#engine = engine;
    this.#ledger = ledger;
    if (!db.readOnly) sweepImports(engine());
  }

  start(source: ImportSource, options: ImportOptions): ImportTask {
    const asked = this.ask(source, options);
    if ('put' in asked) return asked.put;
    const { id, spec } = asked;
    const engine = this.#engine();
    const earlier = engine.manifest.state.imports.get(id);
    if (earlier !== undefined && earlier.state !== 'cancelled') {
      checkSame(id, keptSpec(earlier).spec, spec);
      return this.resume(id, { ...options, source });
    }
    checkIngestId(engine, id);
    return this.begin(id, spec, { ...options, source });
  }

  /** What is asked for, checked. Of few rows the import is begun: what is put has no row, and nobody resumes it. */
  ask(source: ImportSource, options: ImportOptions): AskedImport {
    const engine = this.#engine();
    engine.checkWritable();
    const spec = specOf(source, options, this.#db, engine);
    if (isPut(source, spec, options.id, engine)) return { put: this.#put(engine, spec, source, options) };
    return { id: options.id ?? engine.newIngestId(), spec };
  }

  /** Anew, from its first row. REQUIRES: none of this id runs. */
  begin(id: string, spec: ImportSpec, options: ResumeOptions): ImportTask {
    const engine = this.#engine();
    const { source } = options;
    if (spec.inputs === undefined && source === undefined) throw sourceGone(id);
    const record = new ImportRecord(engine, newImportRow(engine, id, spec), this.#ledger);
    // L2: from here on the import's directories are not swept.
    record.putSync();
    const feed = source === undefined ? undefined : feedOf(source, spec, engine);
    return this.#run(engine, record, feed, options);
  }

  /** What an import that was not ended has here is removed: another node has ended it. */
  async forget(id: string): Promise<void> {
    const engine = this.#engine();
    const row = engine.manifest.state.imports.get(id);
    if (row === undefined || isOver(row.state)) return;
    const record = new ImportRecord(engine, row);
    await record.put({ state: 'cancelled', ...NOTHING_KEPT });
    await record.removeDirectories();
  }

  isRunning(id: string): boolean {
    const run = this.#runs.get(id);
    return run !== undefined && !run.isOver;
  }

  #put(engine: Engine, spec: ImportSpec, source: ImportSource, options: ImportOptions): ImportTask {
    const run = new PutRun(engine, spec, source, options.signal);
    if (options.onProgress !== undefined) run.on(options.onProgress);
    this.#puts.add(run);
    const ended = (): void => {
      this.#puts.delete(run);
    };
    run.done.then(ended, ended);
    return run;
  }

  resume(id: string, options: ResumeOptions): ImportTask {
    if (typeof id !== 'string' || id === '') throw new TypeError('id must be a non-empty string');
    const engine = this.#engine();
    engine.checkWritable();
    const running = this.#runs.get(id);
    if (running !== undefined && !running.isOver) {
      if (running.state !== 'paused') throw new SluiceError('BUSY', `The import ${id} is running`);
      running.resume();
      return running;
    }
    const row = engine.manifest.state.imports.get(id);
    if (row === undefined || row.state === 'cancelled') {
      throw new SluiceError(
        'IMPORT_NOT_FOUND',
        `There is no import ${id} to go on with; db.tasks() lists them`,
      );
    }
    const record = new ImportRecord(engine, row, this.#ledger);
    if (row.result !== undefined) return new FinishedImport(row, JSON.parse(row.result) as ImportResult);
    return this.#run(engine, record, this.#feedAgain(record, options.source), options);
  }

  #feedAgain(record: ImportRecord, source: ImportSource | undefined): MainFeed | undefined {
    const { row, kept } = record;
    const { spec } = kept;
    if (spec.inputs !== undefined) return undefined;
    if (source !== undefined) return feedOf(source, spec, this.#engine());
    if (row.lanes.length > 0 && row.lanes.every(({ ended }) => ended)) return undefined;
    throw sourceGone(row.id);
  }

  #run(
    engine: Engine,
    record: ImportRecord,
    feed: MainFeed | undefined,
    {
      signal,
      onProgress,
    }: { readonly signal?: AbortSignal; readonly onProgress?: (p: ImportProgress) => void },
  ): ImportTask {
    this.#runner ??= newRunner(engine.env);
    const run = new ImportRun(engine, new ImportWork(engine, this.#runner, record, feed), signal);
    if (onProgress !== undefined) run.on(onProgress);
    this.#runs.set(run.id, run);
    this.#runner.keepAlive(true);
    const ended = (): void => {
      if ([...this.#runs.values()].every(({ isOver: over }) => over)) this.#runner?.keepAlive(false);
    };
    run.done.then(ended, ended);
    return run;
  }

  tasks(): ImportTaskInfo[] {
    const engine = this.#engine();
    engine.checkOpen();
    return [...engine.manifest.state.imports.values()]
      .sort((a, b) => a.startedMs - b.startedMs)
      .map((row) => taskInfo(engine, row, this.isRunning(row.id)));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#puts].map((run) => run.cancel()));
    await Promise.all([...this.#runs.values()].map((run) => run.close()));
    await this.#runner?.close();
  }
}

function taskInfo(engine: Engine, row: ImportRow, running: boolean): ImportTaskInfo {
  const { kept } = new ImportRecord(engine, row);
  const counts = rowCounts(row);
  return {
    id: row.id,
    state: row.state,
    node: undefined,
    running,
    into: kept.spec.into,
    dataset: kept.spec.publish?.dataset,
    format: kept.spec.format.format,
    sources: kept.sources.length > 0 ? kept.sources.map(sourceName) : (kept.spec.inputs ?? []),
    started: new Date(row.startedMs),
    ...counts,
    rowsSorted: counts.rowsRead - counts.rowsBad,
    runs: row.runs.length,
    bytesWritten: row.bytesWritten,
    error: row.state === 'failed' ? row.error : undefined,
    result: row.result === undefined ? undefined : (JSON.parse(row.result) as ImportResult),
  };
}

/** A retry with the id of an import is that import, so it has to ask for the same. */
export function checkSame(id: string, earlier: ImportSpec, spec: ImportSpec): void {
  if (isSame(earlier, spec)) return;
  const message = `The id ${id} was used for another import, into ${JSON.stringify(earlier.into)}; give this one an id of its own`;
  throw new SluiceError('IMPORT_ID_REUSED', message);
}

export function isSame(one: ImportSpec, other: ImportSpec): boolean {
  const asked = ({ inputs, into, format, duplicates, publish }: ImportSpec): string =>
    JSON.stringify([inputs, into, format, duplicates, publish]);
  return asked(one) === asked(other);
}

/** @throws SluiceError INGEST_ID_REUSED */
export function checkIngestId(engine: Engine, id: string): void {
  if (engine.ingestOf(id) !== undefined)
    throw new SluiceError('INGEST_ID_REUSED', `The id ${id} was used for an ingest of files`);
}

function sourceGone(id: string): SluiceError {
  const message = `The import ${id} reads a stream or entries of the program, which are gone: give them again, as options.source`;
  return new SluiceError('SOURCE_GONE', message);
}

function feedOf(source: ImportSource, spec: ImportSpec, { env }: Engine): MainFeed | undefined {
  if (spec.inputs !== undefined) return undefined;
  if (spec.format.format !== 'entries') return new ByteFeed(source as ByteStream);
  const encodings = { key: spec.keyEncoding, value: spec.valueEncoding };
  return new EntryFeed(source as EntryIterable, encodings, env.clock);
}
