/**
 * One import as its caller has it, on a node of a cluster. The node claims it and runs it; or, where another node has it, waits for what it
 * comes to, and takes it over should that node be gone.
 */

import { SluiceError, throwIfAborted } from '../../base/errors.ts';
import type { ImportSpec } from '../../import/import-spec.ts';
import { checkIngestId, checkSame } from '../../import/imports.ts';
import type {
  ImportProgress,
  ImportResult,
  ImportState,
  ImportTask,
  ResumeOptions,
} from '../../import-options.ts';
import type { SharedImportRow } from '../../manifest/rows.ts';
import type { Engine } from '../../txn/engine.ts';
import { failureOf, infoOf, progressOf, resultOf, sharedSpec } from './import-info.ts';

/** How often is it asked whether the node that has it lives. */
const ASKED_MS = 1000;

export interface ClusterImportParts {
  readonly engine: Engine;
  readonly node: string;
  readonly session: string;
  /** Of all live nodes, asked of the log. @throws SluiceError UNAVAILABLE, CLOSED */
  readonly sessions: () => Promise<ReadonlySet<string>>;
  /** Resolves when the row has changed, or the time has passed. */
  readonly nextChange: (id: string, ms: number) => Promise<void>;
  /** False when somebody else was faster. */
  readonly claim: (id: string, spec: ImportSpec, row: SharedImportRow | undefined) => Promise<boolean>;
  /** Begins it here, or goes on with it. */
  readonly run: (id: string, spec: ImportSpec, options: ResumeOptions) => Promise<ImportTask>;
  /** Resolves when all nodes know how it has ended here. */
  readonly ended: (id: string, error: unknown) => Promise<void>;
  /** Whether the claim is still this node's. */
  readonly isClaimed: (id: string) => boolean;
  readonly cancelElsewhere: (id: string) => Promise<void>;
}

export class ClusterImport implements ImportTask {
  readonly id: string;
  readonly done: Promise<ImportResult>;
  readonly #parts: ClusterImportParts;
  readonly #options: ResumeOptions;
  /** As it was asked for; undefined: whatever the row has. */
  readonly #spec: ImportSpec | undefined;
  readonly #listeners = new Set<(progress: ImportProgress) => void>();
  #local: ImportTask | undefined;
  #stopped: SluiceError | undefined;
  /** Another node has it. */
  #follows = false;
  #pausing = false;
  #over: ImportState | undefined;

  constructor(parts: ClusterImportParts, id: string, spec: ImportSpec | undefined, options: ResumeOptions) {
    this.#parts = parts;
    this.id = id;
    this.#spec = spec;
    const { onProgress, ...own } = options;
    this.#options = own;
    if (onProgress !== undefined) this.#listeners.add(onProgress);
    this.done = this.#run();
    // Whoever does not wait for it finds the failure in the row.
    this.done.catch(() => undefined);
  }

  get state(): ImportState {
    if (this.#local !== undefined) return this.#local.state;
    if (this.#over !== undefined) return this.#over;
    return (this.#follows ? this.#row?.state : undefined) ?? (this.#pausing ? 'paused' : 'start');
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  progress(): ImportProgress {
    if (this.#local !== undefined) return this.#local.progress();
    const { engine } = this.#parts;
    const row = this.#row;
    return row === undefined
      ? emptyProgress(this.id, this.state)
      : { ...progressOf(engine, row), state: this.state };
  }

  async pause(): Promise<void> {
    if (this.isOver) return;
    if (this.#follows) throw elsewhere(this.id, this.#row);
    this.#pausing = true;
    await this.#local?.pause();
  }

  resume(): void {
    this.#pausing = false;
    this.#local?.resume();
  }

  async cancel(): Promise<void> {
    if (this.isOver) {
      if (this.#over === 'failed') await this.#local?.cancel();
      return;
    }
    this.#stop(new SluiceError('ABORTED', `The import ${this.id} was cancelled`));
    if (this.#local !== undefined) await this.#local.cancel();
    else if (this.#follows) await this.#parts.cancelElsewhere(this.id);
    await this.done.catch(() => undefined);
  }

  /** Another node has taken it over: what is done here cannot be committed. */
  lost(): void {
    void this.#local?.cancel();
  }

  /** The database is being closed: what runs here is stopped by whoever runs it. */
  async close(): Promise<void> {
    if (this.#local === undefined) this.#stop(closed(this.id));
    await this.done.catch(() => undefined);
  }

  on(listener: (progress: ImportProgress) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get #row(): SharedImportRow | undefined {
    return this.#parts.engine.manifest.state.sharedImports.get(this.id);
  }

  #stop(why: SluiceError): void {
    this.#stopped ??= why;
  }

  #tell(progress: ImportProgress): void {
    for (const listener of this.#listeners) listener(progress);
  }

  async #run(): Promise<ImportResult> {
    try {
      // The caller has the task, and may listen, before anything happens.
      await this.#parts.engine.env.clock.turn();
      for (;;) {
        this.#check();
        const result = await this.#step();
        if (result === undefined) continue;
        this.#over = 'imported';
        return result;
      }
    } catch (error) {
      this.#over =
        this.#stopped?.code === 'ABORTED' || this.#local?.state === 'cancelled' ? 'cancelled' : 'failed';
      throw error;
    } finally {
      this.#tell(this.progress());
    }
  }

  /** undefined: what is known of it has changed, or may have. */
  async #step(): Promise<ImportResult | undefined> {
    const { engine, session, sessions, nextChange, claim } = this.#parts;
    const row = this.#row;
    if (row === undefined) checkIngestId(engine, this.id);
    else {
      if (row.state === 'imported') return await this.#result(row);
      if (this.#spec !== undefined && row.state !== 'cancelled')
        checkSame(this.id, sharedSpec(row), this.#spec);
      if (isEnded(row)) {
        if (this.#follows) throw failureOf(row);
      } else if (row.session !== session && (await sessions()).has(row.session)) {
        this.#follows = true;
        await nextChange(this.id, ASKED_MS);
        return undefined;
      }
    }
    this.#follows = false;
    const spec = this.#spec ?? (row === undefined ? undefined : this.#specOf(row));
    if (spec === undefined) throw notFound(this.id);
    if (!(await claim(this.id, spec, row))) return undefined;
    this.#check();
    return this.#runHere(spec);
  }

  /** Whoever has committed it tells all of it, if he lives. */
  async #result(row: SharedImportRow): Promise<ImportResult | undefined> {
    const { engine, nextChange, session, sessions } = this.#parts;
    const isTold = infoOf(row).result !== undefined || row.session === session;
    if (isTold || !(await sessions()).has(row.session)) return resultOf(engine, row);
    await nextChange(this.id, ASKED_MS);
    return undefined;
  }

  /** Another node's directories are not this one's. */
  #specOf(row: SharedImportRow): ImportSpec {
    const spec = sharedSpec(row);
    return row.node === this.#parts.node ? spec : { ...spec, tempDir: undefined };
  }

  async #runHere(spec: ImportSpec): Promise<ImportResult | undefined> {
    const { run, ended, isClaimed } = this.#parts;
    try {
      const local = await run(this.id, spec, this.#options);
      this.#local = local;
      local.on((progress) => this.#tell(progress));
      if (this.#pausing) await local.pause();
      if (this.#stopped !== undefined) void local.cancel();
      const result = await local.done;
      await ended(this.id, undefined);
      return result;
    } catch (error) {
      if (this.#stopped === undefined && !isClaimed(this.id)) {
        this.#local = undefined;
        this.#follows = true;
        return undefined;
      }
      await ended(this.id, error);
      throw error;
    }
  }

  #check(): void {
    if (this.#stopped !== undefined) throw this.#stopped;
    throwIfAborted(this.#options.signal);
  }
}

/** Nobody is at it, and it is not done. */
export function isEnded({ state }: SharedImportRow): boolean {
  return state === 'failed' || state === 'cancelled';
}

export function elsewhere(id: string, row: SharedImportRow | undefined): SluiceError {
  return new SluiceError(
    'BUSY',
    `The import ${id} is under way on the node ${row?.node ?? 'that claimed it'}, which lives: ask that one`,
  );
}

export function notFound(id: string): SluiceError {
  return new SluiceError('IMPORT_NOT_FOUND', `There is no import ${id} to go on with; db.tasks() lists them`);
}

export function closed(id: string): SluiceError {
  return new SluiceError(
    'CLOSED',
    `The database was closed during the import ${id}; db.resumeImport goes on with it`,
  );
}

function emptyProgress(id: string, state: ImportState): ImportProgress {
  return {
    id,
    state,
    phase: 'read',
    bytesRead: 0,
    bytesTotal: undefined,
    rowsRead: 0,
    rowsBad: 0,
    rowsDuplicate: 0,
    rowsSorted: 0,
    rowsWritten: 0,
    rowsLoaded: 0,
    bytesWritten: 0,
    elapsedMs: 0,
    rowsPerSecond: 0,
    etaMs: undefined,
  };
}
