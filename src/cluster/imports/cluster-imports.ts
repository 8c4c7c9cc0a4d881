/**
 * The imports of a cluster, as one of its nodes has them: those of all nodes are listed, those that it claims are run here by the
 * importer of the database itself (import/imports.ts).
 */

import type { EncodingName } from '../../base/encoding.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import type { Db } from '../../db.ts';
import type { ImportSpec } from '../../import/import-spec.ts';
import { isOver, keptSpec } from '../../import/import-state.ts';
import { checkIngestId, checkSame, Imports, isSame } from '../../import/imports.ts';
import type {
  Importer,
  ImportOptions,
  ImportSource,
  ImportTask,
  ImportTaskInfo,
  ResumeOptions,
} from '../../import-options.ts';
import type { SharedImportRow } from '../../manifest/rows.ts';
import type { Engine } from '../../txn/engine.ts';
import { ClusterImport, closed, elsewhere, isEnded, notFound } from './cluster-import.ts';
import { firstInfo, sharedSpec, taskInfoOf, toldOf } from './import-info.ts';
import { ImportNews } from './import-news.ts';

/** What imports need of their node. */
export interface ImportNode {
  readonly node: string;
  /** Of this process. */
  readonly session: string;
  /** Resolves when the row is so here. @throws SluiceError CONFLICT unless the row has the epoch that is expected; UNAVAILABLE, … */
  share(expects: number, row: SharedImportRow): Promise<void>;
  /** Of all live nodes. @throws SluiceError UNAVAILABLE, CLOSED */
  sessions(): Promise<ReadonlySet<string>>;
  /** The same, as it was heard last. */
  readonly heardSessions: ReadonlySet<string>;
  caughtUp(): Promise<void>;
  /** Called with the id of each import of which a record was applied. */
  onImport: ((id: string) => void) | undefined;
}

export class ClusterImports implements Importer {
  readonly #node: ImportNode;
  readonly #engine: () => Engine;
  readonly #local: Imports;
  readonly #news: ImportNews;
  readonly #tasks = new Map<string, ClusterImport>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #sweeping: Promise<void>;
  #closed = false;

  constructor(db: Db<EncodingName, EncodingName>, engine: () => Engine, node: ImportNode) {
    this.#node = node;
    this.#engine = engine;
    const { env, logger } = engine();
    const tell: ConstructorParameters<typeof ImportNews>[0]['tell'] = ({ epoch, ...news }) =>
      node.share(epoch, { ...news, epoch, ...this.#own, version: undefined, spec: '' });
    this.#news = new ImportNews({ env, logger, tell });
    this.#local = new Imports(db, engine, this.#news);
    node.onImport = (id) => this.#changed(id);
    this.#sweeping = this.#sweep();
  }

  start(source: ImportSource, options: ImportOptions): ImportTask {
    const asked = this.#local.ask(source, options);
    if ('put' in asked) return asked.put;
    const { id, spec } = asked;
    const row = this.#row(id);
    if (row === undefined) checkIngestId(this.#engine(), id);
    else if (row.state !== 'cancelled') checkSame(id, sharedSpec(row), spec);
    return this.#goOn(id) ?? this.#begin(id, spec, { ...options, source });
  }

  resume(id: string, options: ResumeOptions): ImportTask {
    if (typeof id !== 'string' || id === '') throw new TypeError('id must be a non-empty string');
    this.#engine().checkWritable();
    const row = this.#row(id);
    if (row === undefined || row.state === 'cancelled') throw notFound(id);
    const running = this.#goOn(id);
    if (running !== undefined) return running;
    const isElsewhere = row.session !== this.#node.session && this.#node.heardSessions.has(row.session);
    if (isElsewhere && !isEnded(row) && row.state !== 'imported') throw elsewhere(id, row);
    return this.#begin(id, undefined, options);
  }

  tasks(): ImportTaskInfo[] {
    const engine = this.#engine();
    engine.checkOpen();
    const here = new Map(this.#local.tasks().map((task) => [task.id, task]));
    return [...engine.manifest.state.sharedImports.values()]
      .map((row): ImportTaskInfo => {
        const own = here.get(row.id);
        // What runs here is known better here.
        if (own?.running === true && row.session === this.#node.session) return { ...own, node: row.node };
        return taskInfoOf(engine, row, this.#isRunning(row));
      })
      .sort((a, b) => a.started.getTime() - b.started.getTime());
  }

  /** Wherever it runs. Resolves when no node can commit it any more, or it is done. @throws SluiceError IMPORT_NOT_FOUND */
  async cancel(id: string): Promise<void> {
    const task = this.#tasks.get(id);
    if (task !== undefined && !task.isOver) await task.cancel();
    else await this.#cancelElsewhere(id);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#news.close();
    for (const id of this.#waiting.keys()) this.#wake(id);
    const ended = [...this.#tasks.values()].map((task) => task.close());
    await this.#local.close();
    await Promise.all([...ended, this.#sweeping]);
  }

  get #own(): Pick<SharedImportRow, 'node' | 'session'> {
    return { node: this.#node.node, session: this.#node.session };
  }

  #row(id: string): SharedImportRow | undefined {
    return this.#engine().manifest.state.sharedImports.get(id);
  }

  #isRunning(row: SharedImportRow): boolean {
    if (isEnded(row) || row.state === 'imported') return false;
    if (row.session === this.#node.session) return this.#tasks.get(row.id)?.isOver === false;
    return this.#node.heardSessions.has(row.session);
  }

  /** The task that this node has of it, which goes on if it was paused. @throws SluiceError BUSY */
  #goOn(id: string): ImportTask | undefined {
    const running = this.#tasks.get(id);
    if (running === undefined || running.isOver) return undefined;
    if (running.state !== 'paused') throw new SluiceError('BUSY', `The import ${id} is running`);
    running.resume();
    return running;
  }

  #begin(id: string, spec: ImportSpec | undefined, options: ResumeOptions): ImportTask {
    const { node, session } = this.#node;
    const task = new ClusterImport(
      {
        engine: this.#engine(),
        node,
        session,
        sessions: () => this.#node.sessions(),
        nextChange: (of, ms) => this.#nextChange(of, ms),
        claim: (of, asked, row) => this.#claim(of, asked, row),
        run: (of, asked, how) => this.#run(of, asked, how),
        ended: (of, error) => this.#ended(of, error),
        isClaimed: (of) => this.#news.epochOf(of) !== undefined,
        cancelElsewhere: (of) => this.#cancelElsewhere(of),
      },
      id,
      spec,
      options,
    );
    this.#tasks.set(id, task);
    return task;
  }

  async #claim(id: string, spec: ImportSpec, row: SharedImportRow | undefined): Promise<boolean> {
    const epoch = (row?.epoch ?? 0) + 1;
    const startedMs = this.#engine().env.clock.nowMs();
    const info = JSON.stringify(firstInfo(spec, startedMs));
    const claimed = { id, epoch, ...this.#own, state: 'start', version: undefined } as const;
    try {
      await this.#node.share(row?.epoch ?? 0, { ...claimed, spec: JSON.stringify(spec), info });
    } catch (error) {
      if (isSluiceError(error, 'CONFLICT')) return false;
      if (!isSluiceError(error, 'OUTCOME_UNKNOWN') || this.#closed) throw error;
      // The log tells, once it can be asked.
      await this.#node.caughtUp();
    }
    const now = this.#row(id);
    if (now?.epoch !== epoch || now.session !== this.#node.session) return false;
    this.#news.claimed(id, epoch);
    return true;
  }

  /** What this node has finished of it is of use if it was of the same import. */
  async #run(id: string, spec: ImportSpec, options: ResumeOptions): Promise<ImportTask> {
    const row = this.#engine().manifest.state.imports.get(id);
    if (this.#closed) throw closed(id);
    if (row !== undefined && row.state !== 'cancelled' && isSame(keptSpec(row).spec, spec))
      return this.#local.resume(id, options);
    await this.#local.forget(id);
    return this.#local.begin(id, spec, options);
  }

  /** How it has ended here is in its row, if it has got one; else it never began. */
  async #ended(id: string, error: unknown): Promise<void> {
    const engine = this.#engine();
    const row = engine.manifest.state.imports.get(id);
    const shared = this.#row(id);
    const epoch = this.#news.epochOf(id);
    if (epoch === undefined || shared === undefined || this.#closed) return;
    if (row !== undefined && (error === undefined || row.state === 'failed' || row.state === 'cancelled')) {
      if (row.state === 'imported' && shared.state !== 'imported') this.#news.changed(row, undefined);
    } else if (error !== undefined) {
      const info = JSON.stringify({ ...JSON.parse(shared.info), error: toldOf(error) });
      this.#news.failed({ id, epoch, state: 'failed', info });
    }
    await this.#news.settled(id);
  }

  async #cancelElsewhere(id: string): Promise<void> {
    for (;;) {
      const row = this.#row(id);
      if (row === undefined) throw notFound(id);
      if (row.state === 'imported' || row.state === 'cancelled') return;
      try {
        // Of a higher epoch: the node that has it finds out, and could not commit it any more.
        const epoch = row.epoch + 1;
        const { session } = this.#node;
        await this.#node.share(row.epoch, { ...row, session, epoch, state: 'cancelled', spec: '' });
        await this.#local.forget(id);
        return;
      } catch (error) {
        if (!isSluiceError(error, 'CONFLICT')) throw error;
      }
    }
  }

  #changed(id: string): void {
    const row = this.#row(id);
    const epoch = this.#news.epochOf(id);
    if (row !== undefined && epoch !== undefined && row.epoch > epoch) {
      this.#news.lost(id);
      this.#tasks.get(id)?.lost();
    }
    if (row !== undefined && isOver(row.state) && row.session !== this.#node.session) void this.#forget(id);
    this.#wake(id);
  }

  /** What is left here of an import that another node has ended. */
  async #forget(id: string): Promise<void> {
    if (this.#closed || this.#local.isRunning(id)) return;
    try {
      await this.#local.forget(id);
    } catch (err) {
      this.#engine().logger?.warn({ err, import: id }, 'what is left of an import could not be removed');
    }
  }

  #wake(id: string): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    for (const wake of waiting ?? []) wake();
  }

  #nextChange(id: string, ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, waiting);
      const cancel = this.#engine().env.clock.after(ms, () => wake());
      const wake = (): void => {
        cancel();
        waiting.delete(wake);
        resolve();
      };
      waiting.add(wake);
    });
  }

  /** What this node has of imports that others have ended, while it was away. */
  async #sweep(): Promise<void> {
    const engine = this.#engine();
    for (const { id, state } of [...engine.manifest.state.imports.values()]) {
      const shared = this.#row(id);
      if (isOver(state) || shared === undefined || !isOver(shared.state)) continue;
      await this.#forget(id);
    }
  }
}
