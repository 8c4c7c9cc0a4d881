/** The public database. Longer than 400 lines because what each of its calls promises is told with it. */

import { checkFlag, checkOptions } from './base/arguments.ts';
import type { EncodingName } from './base/encoding.ts';
import { throwIfAborted } from './base/errors.ts';
import { closeTrees, type Home, openReader, openWriter, readerEngine } from './db-home.ts';
import { type DbOptions, resolveOptions, type Settings } from './db-options.ts';
import type {
  Importer,
  ImportOptions,
  ImportPublish,
  ImportSource,
  ImportTask,
  ImportTaskInfo,
  ResumeOptions,
} from './import-options.ts';
import { databasePaths } from './manifest/directory.ts';
import type { Version } from './mvcc/version.ts';
import { ensureZstd } from './sst/zstd.ts';
import { type Backup, type BackupOptions, backup } from './txn/backup/backup.ts';
import { checkKeyspaceName } from './txn/catalog.ts';
import { type Checkpoint, type CheckpointOptions, checkpoint } from './txn/checkpoint.ts';
import { type CompactRange, compactRange } from './txn/compact-range.ts';
import { checkDatasetOptions, Dataset, type DatasetOptions } from './txn/dataset/dataset.ts';
import type { DatasetRows, PublishOptions } from './txn/dataset/publish.ts';
import { checkWatchOptions, DatasetWatch, type WatchOptions } from './txn/dataset/watch.ts';
import type { Engine } from './txn/engine.ts';
import type { EventListener } from './txn/events.ts';
import { explainIngest, type IngestPlan } from './txn/explain.ts';
import type { IngestOptions } from './txn/ingest-options.ts';
import type { IngestResult } from './txn/ingest-statement.ts';
import { type IngestRecord, listIngests } from './txn/ingests.ts';
import { Keyspace } from './txn/keyspace.ts';
import { checkKeyspaceOptions, type KeyspaceOptions } from './txn/keyspace-options.ts';
import { DEFAULT_KEYSPACE } from './txn/record.ts';
import { retrying, type TransactionOptions } from './txn/retry.ts';
import { checkSnapshotOptions, type Snapshot, type SnapshotOptions } from './txn/snapshot.ts';
import { type DatabaseStats, gatherStats } from './txn/stats.ts';
import { type BeginOptions, Transaction, TransactionCore } from './txn/transaction.ts';
import { releaseIngest, type UndoOptions } from './txn/undo.ts';
import { type VerifyOptions, type VerifyReport, verifyDatabase } from './txn/verify.ts';

/**
 * Opens a database directory, or makes one.
 *
 * @throws SluiceError LOCKED when another process has it open for writing, NOT_A_DATABASE, ALREADY_EXISTS, CORRUPTION,
 * UNSUPPORTED_FORMAT, PERMISSION, NO_SPACE; TypeError for wrong options.
 */
export async function open<KE extends EncodingName = 'buffer', VE extends EncodingName = 'buffer'>(
  dir: string,
  options: DbOptions<KE, VE> = {},
  makeImporter?: ImporterMaker,
): Promise<Db<KE, VE>> {
  const settings = resolveOptions(dir, options);
  if (mayMeetZstd(settings)) await ensureZstd();
  const home = settings.readOnly ? openReader(settings) : openWriter(settings);
  return new Db(home, settings, settings.keyEncoding as KE, settings.valueEncoding as VE, makeImporter);
}

/**
 * The library can only be loaded asynchronously, and a getSync may meet a block of any kind: but for those of a new database, whose
 * files are ours or have been opened asynchronously. It takes megabytes.
 */
function mayMeetZstd({ dir, env, compression, readOnly }: Settings): boolean {
  if (compression === 'zstd' || readOnly) return true;
  const { tables } = databasePaths(dir);
  return env.fs.existsSync(tables) && env.fs.readdirSync(tables).length > 0;
}

/** Imports sit above the database: whoever opens one that can import brings this. */
export type ImporterMaker = (db: Db<EncodingName, EncodingName>, engine: () => Engine) => Importer;

export class Db<KE extends EncodingName = 'buffer', VE extends EncodingName = 'buffer'>
  extends Keyspace<KE, VE>
  implements AsyncDisposable
{
  readonly path: string;
  readonly #home: Home;
  readonly #settings: Settings;
  readonly #watches = new Set<DatasetWatch>();
  readonly #importer: Importer | undefined;

  /** For `open`. */
  constructor(
    home: Home,
    settings: Settings,
    keyEncoding: KE,
    valueEncoding: VE,
    makeImporter: ImporterMaker | undefined,
  ) {
    super(() => home.engine, DEFAULT_KEYSPACE, keyEncoding, valueEncoding);
    this.path = settings.dir;
    this.#home = home;
    this.#settings = settings;
    this.#importer = makeImporter?.(this as unknown as Db<EncodingName, EncodingName>, this.engine);
  }

  get readOnly(): boolean {
    return this.#settings.readOnly;
  }

  /** The version that reads see now. */
  get version(): number {
    return this.engine().publication.visible;
  }

  /**
   * A keyspace by name; made, durably, when there is none. Encodings not given are the database's.
   *
   * @throws SluiceError KEYSPACE_NOT_FOUND with `create: false` or a snapshot, and always where the database is read-only.
   */
  keyspace<K extends EncodingName = KE, V extends EncodingName = VE>(
    name: string,
    options: KeyspaceOptions<K, V> = {},
  ): Keyspace<K, V> {
    const engine = this.engine();
    engine.checkOpen();
    checkKeyspaceName(name, 'name');
    checkKeyspaceOptions(options);
    const keyEncoding = options.keyEncoding ?? this.keyEncoding;
    const valueEncoding = options.valueEncoding ?? this.valueEncoding;
    if (options.snapshot !== undefined) {
      if (engine.catalog.treeAt(name, options.snapshot.version) === undefined)
        throw engine.catalog.notFound(name);
    } else if (this.readOnly || options.create === false) {
      const tree = engine.catalog.requireNewest(name);
      if (options.allowIngestBehind === true) engine.keyspaces.requireTombstones(tree);
    } else engine.keyspaces.ensure(name, options.allowIngestBehind);
    return new Keyspace(this.engine, name, keyEncoding as K, valueEncoding as V);
  }

  /**
   * The dataset of a keyspace: its published versions, one of which is what the keyspace's reads see. The keyspace is made
   * by the first `publish`. Encodings, of `at()`, are the database's where none are given.
   */
  dataset<K extends EncodingName = KE, V extends EncodingName = VE>(
    name: string,
    options: DatasetOptions<K, V> = {},
  ): Dataset<K, V> {
    this.engine().checkOpen();
    checkKeyspaceName(name, 'name');
    checkDatasetOptions(options);
    const { keyEncoding = this.keyEncoding, valueEncoding = this.valueEncoding, keepVersions } = options;
    const publishRows = (rows: DatasetRows, { kind, version, message, activate, signal }: PublishOptions) =>
      this.#publishRows(rows, signal, {
        dataset: name,
        keyEncoding,
        valueEncoding,
        ...(keepVersions !== undefined && { keepVersions }),
        ...(kind !== undefined && { kind }),
        ...(version !== undefined && { version }),
        ...(message !== undefined && { message }),
        ...(activate !== undefined && { activate }),
      });
    const place = { engine: this.engine, name, keepVersions, publishRows };
    return new Dataset(place, keyEncoding as K, valueEncoding as V);
  }

  /**
   * Keeps datasets at what the files below `dir` say: `dir/<dataset>/METADATA.json` names the version that is to be live and
   * the files that it is made of. What is missing is loaded beside what is live, and made live in one commit once all of
   * it is there and matches its digests; an earlier version that is kept is gone back to. Ends when closed, or with the database.
   */
  watchDatasets(dir: string, options: WatchOptions = {}): DatasetWatch {
    if (typeof dir !== 'string' || dir === '') throw new TypeError('dir must be a non-empty path');
    checkWatchOptions(options);
    const engine = this.engine();
    engine.checkWritable();
    const datasetOf = (name: string): Dataset =>
      this.dataset(name, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
    const onClosed = (): void => {
      this.#watches.delete(watch);
    };
    const isOpen = (): boolean => !this.engine().closed;
    const { env, logger } = engine;
    const watch = new DatasetWatch({ env, logger, isOpen, dir, datasetOf, onClosed }, options);
    this.#watches.add(watch);
    return watch;
  }

  /** The names of all keyspaces that have versions, sorted. */
  datasets(): string[] {
    const engine = this.engine();
    engine.checkOpen();
    const { visible } = engine.publication;
    const isVisible = ({ version }: { readonly version: Version }): boolean => version <= visible;
    const rows = [...engine.catalog.datasets()].filter(({ versions }) => versions.some(isVisible));
    return rows.map(({ name }) => name).sort();
  }

  /** The names of all keyspaces, sorted; 'default' is the one without a name. */
  keyspaces(): string[] {
    const engine = this.engine();
    engine.checkOpen();
    return engine.catalog.names(engine.publication.visible);
  }

  /** Drops a keyspace with all it holds, whatever the size; snapshots taken before still read it. */
  async dropKeyspace(name: string): Promise<void> {
    checkKeyspaceName(name, 'name');
    await this.engine().keyspaces.drop(name);
  }

  /**
   * The state as it is now, or was at a past version, to read from; close it. What can be read of the past: all from
   * `stats().oldestReadableVersion` on, which garbage collection moves; `keepHistoryMs` holds it back.
   *
   * @throws SluiceError TOO_OLD for a version that is not kept, TOO_NEW for one that is not visible yet; TypeError
   */
  snapshot(options: SnapshotOptions = {}): Snapshot {
    checkSnapshotOptions(options);
    return this.engine().snapshot(options.at);
  }

  /** A transaction to commit or abort by hand, without retries. */
  begin(options: BeginOptions = {}): Transaction<KE, VE> {
    checkOptions(options);
    const { readOnly = false } = options;
    checkFlag(readOnly, 'options.readOnly');
    const engine = this.engine();
    if (readOnly) engine.checkOpen();
    else engine.checkWritable();
    return new Transaction(new TransactionCore(engine, readOnly), this.keyEncoding, this.valueEncoding);
  }

  /**
   * Runs `fn` in a transaction and commits it; on a conflict runs it again, after a jittered pause. `fn` must not have
   * effects outside the transaction that a second run would double. If it throws, everything is undone.
   *
   * Resolves with what `fn` returned. The commit's version is in `txn.result` then; a `fn` that needs it may also commit
   * by itself, as its last step: `const { version } = await txn.commit()`. Nothing is run again after a commit.
   *
   * @throws what `fn` throws; SluiceError CONFLICT or TOO_OLD once the retries are used up, ABORTED by the signal.
   */
  async transaction<T>(
    fn: (txn: Transaction<KE, VE>, attempt: number) => Promise<T> | T,
    options: TransactionOptions = {},
  ): Promise<T> {
    if (typeof fn !== 'function') throw new TypeError('fn must be a function');
    return retrying(this.engine().env, options, async (attempt, doNotRepeat) => {
      if (options.linearizable === true) await this.catchUp(options.signal);
      const txn = this.begin(options.readOnly === undefined ? {} : { readOnly: options.readOnly });
      try {
        const result = await fn(txn, attempt);
        if (txn.state === 'open') {
          throwIfAborted(options.signal);
          await txn.commit(options.signal === undefined ? {} : { signal: options.signal });
        }
        return result;
      } finally {
        if (txn.result !== undefined) doNotRepeat();
        txn.abort();
      }
    });
  }

  /** A transaction of one ingest. It reads nothing, so it never conflicts (L6). */
  ingest(files: string | readonly string[], options: IngestOptions = {}): Promise<IngestResult> {
    // Only one of two concurrent ingests of an id commits; run again, the other is answered with its result.
    return this.transaction(async (txn) => {
      const { id, replayed, replayedVersion } = await txn.ingest(files, options);
      const { signal } = options;
      const { version, ingested } = await txn.commit(signal === undefined ? {} : { signal });
      return { id, replayed, version: replayedVersion ?? version, ingested };
    });
  }

  /** All ingests that were ever committed, oldest first: when, from which files, into which tables. */
  ingests(): IngestRecord[] {
    return listIngests(this.engine());
  }

  /**
   * Gives every key that an ingest with `undoable: true` changed the value that it had before, in one transaction.
   * Resolves with its version.
   *
   * @throws SluiceError UNDO_CONFLICT when some were changed since, with the `keys`; INGEST_NOT_FOUND, UNDO_IMPOSSIBLE
   */
  undoIngest(id: string, options: UndoOptions = {}): Promise<Version> {
    return this.transaction(async (txn) => {
      await txn.undoIngest(id, options);
      return (await txn.commit()).version;
    });
  }

  /** Lets compaction take what undoing the ingest would need. @throws SluiceError INGEST_NOT_FOUND */
  releaseIngest(id: string): void {
    if (typeof id !== 'string') throw new TypeError('id must be a string');
    releaseIngest(this.engine(), id);
  }

  /**
   * Loads rows of any size and in any order, from files, URLs, streams or the program itself, in one atomic commit: they are
   * sorted by threads within a memory limit, written as tables and ingested, or published. What is durable of it survives
   * a crash: `resumeImport` goes on from there. Await `task.done`.
   *
   * @throws TypeError; SluiceError READ_ONLY, POISONED, CLOSED. By `done`: BAD_INPUT, KEY_EXISTS, NOT_SORTED, NO_SPACE,
   * FILE_NOT_FOUND, UNSUPPORTED_FORMAT, ABORTED by the signal or `cancel`, and all that ingest throws
   */
  import(source: ImportSource, options: ImportOptions = {}): ImportTask {
    return this.#imports().start(source, options);
  }

  /** All imports that are kept, oldest first, whether they run now or not. */
  tasks(): ImportTaskInfo[] {
    return this.#imports().tasks();
  }

  /**
   * Goes on with an import that was paused, has failed, or was ended by a crash; of one that is done it answers with the result.
   *
   * @throws TypeError; by `done`: IMPORT_NOT_FOUND, SOURCE_GONE of a stream that is not given again, and as `import`
   */
  resumeImport(id: string, options: ResumeOptions = {}): ImportTask {
    return this.#imports().resume(id, options);
  }

  /** Nobody could go on with it: nothing is left of it where it fails. */
  async #publishRows(
    rows: DatasetRows,
    signal: AbortSignal | undefined,
    publish: ImportPublish,
  ): Promise<number> {
    const task = this.#imports().start(rows, { publish, ...(signal !== undefined && { signal }) });
    try {
      return (await task.done).version;
    } catch (error) {
      try {
        await task.cancel();
      } catch (err) {
        this.engine().logger?.warn({ err }, 'a publication that failed could not be cleaned up');
      }
      throw error;
    }
  }

  #imports(): Importer {
    if (this.#importer === undefined)
      throw new TypeError('open the database through the package, not its parts');
    return this.#importer;
  }

  /** Which level each file would go to now, and what stands in the way of a lower one. Changes nothing. */
  async explainIngest(files: string | readonly string[], options: IngestOptions = {}): Promise<IngestPlan[]> {
    return explainIngest(this.engine(), files, options);
  }

  /** Writes all memtables to tables. */
  async flush(): Promise<void> {
    const engine = this.engine();
    engine.checkWritable();
    await engine.flusher.flushAll();
  }

  /**
   * Writes out the memtables, and merges all that the range has into the lowest level, without its garbage. The whole
   * keyspace, or every keyspace, where the range or the keyspace is not given.
   *
   * @throws SluiceError KEYSPACE_NOT_FOUND, NO_SPACE, CORRUPTION of a table, CLOSED, ABORTED by the signal; READ_ONLY
   */
  async compactRange(options: CompactRange<KE> = {}): Promise<void> {
    await compactRange(this.engine(), this.keyEncoding, options);
  }

  /** Calls `listener` at what the database does by itself, until the returned function is called. */
  on(listener: EventListener): () => void {
    return this.engine().events.on(listener);
  }

  /** What the database holds and does, as a plain object that JSON takes. Costs little: nothing is read for it. */
  stats(): DatabaseStats {
    const engine = this.engine();
    engine.checkOpen();
    const { caches, retired } = this.#home;
    return gatherStats(engine, caches.cache, caches.tableCache, [
      engine.snapshots,
      ...[...retired].map((old) => old.snapshots),
    ]);
  }

  /** Checks tables against the manifest; with `full`, every block of every table. Reports all it finds; throws nothing for it. */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    const engine = this.engine();
    engine.checkOpen();
    return verifyDatabase(engine, options);
  }

  /**
   * Makes another database at `dir` with what this one holds now, while it goes on: tables are hard links to this one's
   * (copies, on another file system), so it takes as long with a terabyte as with little. It is durable, and `open(dir)`
   * opens it, when this resolves; on failure nothing is left. Of a read-only database: what that shows.
   *
   * @param dir must not exist; its parent must
   * @throws SluiceError ALREADY_EXISTS, FILE_NOT_FOUND, BUSY, NO_SPACE, POISONED, CLOSED, ABORTED by the signal; TypeError
   */
  async checkpoint(dir: string, options: CheckpointOptions = {}): Promise<Checkpoint> {
    return checkpoint(this.engine(), this.path, dir, options);
  }

  /**
   * Adds a backup to the directory `dest`, made where there is none: copies, checked block by block, with digests.
   * Tables that an earlier backup there has are not copied again. It is durable when this resolves; on failure nothing is
   * left of it. `restoreBackup` and `sluice restore` make a database of it again.
   *
   * @throws SluiceError CORRUPTION of a table, ALREADY_EXISTS for a directory of something else, and as `checkpoint`
   */
  async backup(dest: string, options: BackupOptions = {}): Promise<Backup> {
    return backup(this.engine(), this.path, dest, options);
  }

  /**
   * Read-only: takes over what the writing process has made visible since. Snapshots, iterators and transactions that
   * are open keep their state, and the files and memory it needs, until they are closed.
   */
  async refresh(): Promise<void> {
    const old = this.engine();
    old.checkOpen();
    if (!this.readOnly) return;
    const { manifest, caches, retired } = this.#home;
    // L2: the files that the old engine reads stay pinned as long as it has readers.
    const unpin = manifest.hold();
    try {
      this.#home.engine = readerEngine(this.#settings, manifest, caches, () => manifest.refresh());
    } catch (error) {
      unpin();
      throw error;
    }
    retired.add(old);
    old.snapshots.whenNone(() => void this.#retire(old, unpin));
  }

  async #retire(engine: Engine, unpin: () => void): Promise<void> {
    // Whoever read last may have yet to take its value out of the cache.
    await engine.env.clock.turn();
    if (!this.#home.retired.delete(engine)) return;
    closeTrees(engine);
    for (const tree of engine.catalog.trees()) tree.freeMemtables();
    unpin();
    await engine.close();
  }

  /** Waits for commits under way, then lets go of everything. Closing twice is fine. */
  async close(): Promise<void> {
    for (const watch of [...this.#watches]) await watch.close();
    const { engine, manifest, lock, retired } = this.#home;
    if (engine.closed) return;
    await this.#importer?.close();
    try {
      await this.#home.beforeClose?.();
      await engine.close();
      for (const old of retired) await old.close();
    } finally {
      for (const open of [engine, ...retired]) closeTrees(open);
      retired.clear();
      await manifest.close();
      lock?.release();
      this.#home.afterClose?.();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
