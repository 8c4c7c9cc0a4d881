/**
 * One import as its caller has it:
 *
 *   start → feeding (sources to sorted runs) → importing (runs to tables, and the commit) → imported
 *
 * or failed, paused, cancelled. What is durable of it is its row in the manifest, so a restart goes on from there.
 */

import { isSluiceError, SluiceError, throwIfAborted } from '../base/errors.ts';
import type { ImportProgress, ImportResult, ImportState, ImportTask } from '../import-options.ts';
import type { Engine } from '../txn/engine.ts';
import { commitNothing, commitTables, publishedVersion } from './committing.ts';
import { isOver, NOTHING_KEPT } from './import-state.ts';
import { type ImportWork, rowCounts } from './import-work.ts';
import { ProgressMeter } from './progress.ts';
import { writeRejects } from './rejects.ts';
import { command, GO_ON, PAUSE, STOP } from './thread/control.ts';

const PROGRESS_MS = 200;

/** What no second try can mend: nothing is kept for one. */
const FINAL_CODES = ['BAD_INPUT', 'KEY_EXISTS', 'NOT_SORTED', 'INVALID_KEY', 'INVALID_VALUE'] as const;

export class ImportRun implements ImportTask {
  readonly id: string;
  readonly done: Promise<ImportResult>;
  readonly #engine: Engine;
  readonly #work: ImportWork;
  readonly #meter: ProgressMeter;
  readonly #listeners = new Set<(progress: ImportProgress) => void>();
  #state: ImportState;
  /** Why it is to end before it is done. */
  #stopped: 'cancel' | 'close' | undefined;
  #committing = false;
  #paused:
    | { readonly before: ImportState; readonly goOn: () => void; readonly over: Promise<void> }
    | undefined;

  constructor(engine: Engine, work: ImportWork, signal: AbortSignal | undefined) {
    this.#engine = engine;
    this.#work = work;
    this.id = work.record.row.id;
    this.#state = 'start';
    this.#meter = new ProgressMeter(work, engine.env.clock);
    const onAbort = (): void => void this.cancel();
    signal?.addEventListener('abort', onAbort, { once: true });
    this.done = this.#run(signal).finally(() => signal?.removeEventListener('abort', onAbort));
    // Whoever does not wait for it finds the failure in the row.
    this.done.catch(() => undefined);
  }

  get state(): ImportState {
    return this.#state;
  }

  get isOver(): boolean {
    return isOver(this.#state) || this.#state === 'failed';
  }

  progress(): ImportProgress {
    return this.#meter.progress(this.id, this.#state);
  }

  on(listener: (progress: ImportProgress) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async pause(): Promise<void> {
    if (this.isOver || this.#paused !== undefined || this.#committing) return;
    const { control, merging, record } = this.#work;
    let goOn: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    this.#paused = { before: this.#state, goOn, over };
    command(control, PAUSE);
    merging?.pause(true);
    this.#enter('paused');
    await record.put({ state: 'paused' });
  }

  resume(): void {
    const paused = this.#paused;
    if (paused === undefined) return;
    this.#paused = undefined;
    // Should it not be durable, a restart finds it paused.
    this.#work.record.put({ state: paused.before }).catch((err: unknown) => {
      this.#engine.logger?.warn({ err }, 'an import goes on, and its row says that it is paused');
    });
    this.#enter(paused.before);
    command(this.#work.control, GO_ON);
    this.#work.merging?.pause(false);
    paused.goOn();
  }

  async cancel(): Promise<void> {
    await this.#stop('cancel');
    // What was kept for another try is of no use any more.
    if (this.#state === 'failed') await this.#forget();
  }

  async #forget(): Promise<void> {
    const { record } = this.#work;
    await record.put({ state: 'cancelled', ...NOTHING_KEPT });
    await record.removeDirectories();
    this.#enter('cancelled');
  }

  /** Where it stands; a later `resume` of it goes on. */
  async close(): Promise<void> {
    await this.#stop('close');
  }

  async #stop(why: 'cancel' | 'close'): Promise<void> {
    if (!this.isOver && !this.#committing) {
      this.#stopped ??= why;
      command(this.#work.control, STOP);
      this.#work.merging?.pause(false);
      this.#work.merging?.cancel();
      this.#paused?.goOn();
      await this.#work.feeding?.stop();
    }
    await this.done.catch(() => undefined);
  }

  async #run(signal: AbortSignal | undefined): Promise<ImportResult> {
    const cancelTicks = this.#tick();
    try {
      // The caller has the task, and may listen, before anything happens.
      await this.#engine.env.clock.turn();
      throwIfAborted(signal);
      const result = this.#committedBefore() ?? (await this.#import());
      await this.#finish(result);
      return result;
    } catch (error) {
      throw await this.#failed(error);
    } finally {
      cancelTicks();
      this.#tell();
    }
  }

  async #import(): Promise<ImportResult> {
    const work = this.#work;
    this.#enter('feeding');
    await this.#gate();
    await work.begin();
    await this.#gate();
    await work.feed();
    await this.#gate();
    this.#enter('importing');
    this.#meter.enter('merge');
    const merged = await work.merge();
    await this.#gate();
    // From here on it is too late to stop.
    this.#committing = true;
    this.#meter.enter('commit');
    const { record } = work;
    await writeRejects(this.#engine, record);
    await record.put({
      rowsDuplicate: record.row.rowsDuplicate + merged.rowsDuplicate,
      bytesWritten: record.row.bytesWritten + merged.bytesWritten,
    });
    const version =
      merged.paths.length === 0
        ? await commitNothing(this.#engine, record)
        : await commitTables(this.#engine, record, merged.paths);
    return this.#result(version, merged.entries, merged.paths.length);
  }

  /** A crash came between the commit and what is written of it here. */
  #committedBefore(): ImportResult | undefined {
    const ingest = this.#engine.ingestOf(this.id);
    if (ingest === undefined) return undefined;
    const rows = ingest.files.reduce((sum, { entries, skipped }) => sum + entries + skipped, 0);
    return this.#result(ingest.version, rows, ingest.files.length);
  }

  #result(version: number, rowsLoaded: number, tables: number): ImportResult {
    const { record } = this.#work;
    const { rowsRead, rowsBad } = rowCounts(record.row);
    return {
      id: this.id,
      replayed: false,
      version,
      path: 'ingest',
      rowsRead,
      rowsLoaded,
      rowsDuplicate: rowsRead - rowsBad - rowsLoaded,
      rowsBad,
      tables,
      bytesWritten: record.row.bytesWritten,
      elapsedMs: this.#engine.env.clock.nowMs() - record.row.startedMs,
      rejectFile: record.kept.spec.rejectFile,
      datasetVersion: publishedVersion(this.#engine, record),
    };
  }

  async #finish(result: ImportResult): Promise<void> {
    const { record } = this.#work;
    await record.put({ state: 'imported', runs: [], error: undefined, result: JSON.stringify(result) });
    this.#meter.enter('done', result.rowsLoaded);
    await record.removeDirectories();
    this.#enter('imported');
  }

  /** L9: what can be gone on with stays; the rest leaves no trace. */
  async #failed(error: unknown): Promise<unknown> {
    const { record } = this.#work;
    const cancelled = this.#stopped === 'cancel' || isSluiceError(error, 'ABORTED');
    if (this.#stopped === 'close') {
      return new SluiceError(
        'CLOSED',
        `The database was closed during the import ${this.id}; db.resumeImport goes on with it`,
      );
    }
    try {
      if (cancelled) {
        await this.#forget();
        return isSluiceError(error, 'ABORTED')
          ? error
          : new SluiceError('ABORTED', `The import ${this.id} was cancelled`);
      }
      const isFinal = FINAL_CODES.some((code) => isSluiceError(error, code)) || error instanceof TypeError;
      const message = error instanceof Error ? error.message : String(error);
      record.failure = error;
      await record.put({ state: 'failed', error: message, ...(isFinal ? NOTHING_KEPT : {}) });
      if (isFinal) await record.removeDirectories();
      this.#enter('failed');
    } catch (cause) {
      // The failure itself is what is to be told; the row says what it said before, which a restart goes on from.
      this.#engine.logger?.warn({ err: cause }, 'the end of an import could not be written down');
      this.#enter('failed');
    }
    return error;
  }

  #enter(state: ImportState): void {
    this.#state = this.#paused === undefined ? state : 'paused';
    this.#tell();
  }

  async #gate(): Promise<void> {
    const paused = this.#paused;
    if (paused !== undefined) {
      // The step that was under way has written its own state since.
      const { record } = this.#work;
      if (record.row.state !== 'paused') await record.put({ state: 'paused' });
      await paused.over;
    }
    if (this.#stopped !== undefined) throw new SluiceError('ABORTED', `The import ${this.id} was cancelled`);
  }

  #tell(): void {
    if (this.#listeners.size === 0) return;
    const progress = this.progress();
    for (const listener of this.#listeners) listener(progress);
  }

  #tick(): () => void {
    let cancel: () => void = () => undefined;
    const next = (): void => {
      cancel = this.#engine.env.clock.after(PROGRESS_MS, () => {
        this.#tell();
        next();
      });
    };
    next();
    return () => cancel();
  }
}
