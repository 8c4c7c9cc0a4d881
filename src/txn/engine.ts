/**
 * The transactional engine: one manifest, one log, one order of versions, and a tree for each generation of each
 * keyspace. It wires the parts of txn/ together; what each of them does is written at its head.
 */

import type { Env } from '../base/env/env.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import { Staging } from '../ingest/staging.ts';
import type { BackgroundRunner } from '../levels/compaction/runner.ts';
import { type FlushRunner, Tree, type TreeOptions } from '../levels/tree.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { Edit, FileId, IngestRow, TableRow, TreeId, TreeRow } from '../manifest/rows.ts';
import type { ArenaPool } from '../mvcc/arena-pool.ts';
import type { RangeTombstone } from '../mvcc/range-tombstones.ts';
import { SnapshotRegistry } from '../mvcc/snapshots.ts';
import type { Version } from '../mvcc/version.ts';
import type { CheckThreads } from '../sst/check-table.ts';
import type { OpenTable } from '../sst/table.ts';
import type { TableBuilderOptions } from '../sst/table-builder.ts';
import { ActiveTransactions } from './active-transactions.ts';
import { Applier } from './applier.ts';
import { Catalog } from './catalog.ts';
import { Checkpoints } from './checkpoint.ts';
import { type CommitResult, Committer } from './committer.ts';
import type { CompactionSettings } from './compaction-plan.ts';
import { Compactor } from './compactor.ts';
import { EditQueue } from './edit-queue.ts';
import { Events } from './events.ts';
import { Flusher } from './flusher.ts';
import { History } from './history.ts';
import { Keyspaces } from './keyspaces.ts';
import { Pipeline } from './pipeline.ts';
import type { Proposer, ReplicaEdits } from './proposer.ts';
import { Publication, type Slot } from './publication.ts';
import { RangeCollector } from './range-collector.ts';
import { closedError, poisonedError, readOnlyError } from './refusals.ts';
import { Remover } from './remover.ts';
import { Snapshot } from './snapshot.ts';
import { StoreReader, type StoreState } from './store-reader.ts';
import { Throttle } from './throttle.ts';
import type { TransactionCore } from './transaction.ts';
import type { Wal } from './wal/wal.ts';
import { ConflictWindow } from './window.ts';

export type { CommitResult };

/** What a caller may inject to see what the database does: pino's shape. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface EngineSettings {
  readonly sync: boolean;
  readonly memtableBytes: number;
  readonly arenas: ArenaPool;
  readonly conflictWindowBytes: number;
  readonly builder: TableBuilderOptions;
  readonly compaction: CompactionSettings;
  readonly logger: Logger | undefined;
  readonly tablesDir: string;
}

export interface EngineParts {
  readonly env: Env;
  readonly manifest: Manifest;
  readonly openTable: OpenTable;
  readonly backgroundRunner: BackgroundRunner;
  /** As of StagingOptions. */
  readonly checkThreads: CheckThreads | undefined;
  readonly settings: EngineSettings;
}

export class Engine implements StoreState {
  readonly env: Env;
  readonly manifest: Manifest;
  readonly settings: EngineSettings;
  readonly logger: Logger | undefined;
  readonly catalog = new Catalog();
  readonly snapshots: SnapshotRegistry;
  readonly history: History;
  readonly window = new ConflictWindow();
  readonly active = new ActiveTransactions();
  readonly staging: Staging;
  readonly checkThreads: CheckThreads | undefined;
  readonly keyspaces = new Keyspaces(this);
  readonly flusher = new Flusher(this);
  readonly remover: Remover;
  readonly events: Events;
  readonly compactor: Compactor;
  /** Where memtables are flushed. */
  readonly runFlush: FlushRunner;
  readonly throttle: Throttle;
  readonly rangeCollector = new RangeCollector(this);
  readonly edits = new EditQueue(this);
  readonly applier = new Applier(this);
  readonly reader: StoreReader;
  readonly committer: Committer;
  readonly checkpoints = new Checkpoints(this);
  readonly openTable: OpenTable;
  /** Of a cluster's replica: where writes go instead. */
  proposer: Proposer | undefined;
  replicaEdits: ReplicaEdits | undefined;
  /** Set by `start`. */
  publication: Publication;
  #wal: Wal | undefined;
  #pipeline: Pipeline | undefined;
  #nextFileId: number;
  #nextTreeId: number;
  /** A closed engine's: what whoever still holds something of it is told, where the database is not closed. */
  endedBy: SluiceError | undefined;
  #poison: unknown;
  #closed = false;

  constructor(parts: EngineParts) {
    const { env, manifest, settings } = parts;
    this.env = env;
    this.manifest = manifest;
    this.settings = settings;
    this.logger = settings.logger;
    this.openTable = parts.openTable;
    this.snapshots = new SnapshotRegistry(env.clock);
    this.history = new History(settings.compaction.keepHistoryMs);
    this.remover = new Remover(env, manifest, (error) =>
      this.logger?.warn({ err: error }, 'a file that is not needed any more could not be removed'),
    );
    this.events = new Events(settings.logger);
    const runner = parts.backgroundRunner;
    this.compactor = new Compactor(this, settings.compaction, runner);
    this.runFlush = (memtable, job) => runner.flush(memtable, job);
    this.throttle = new Throttle(this, settings.compaction.auto ? settings.compaction.limits : undefined);
    this.#nextFileId = manifest.state.counters.nextFileId;
    this.#nextTreeId = manifest.state.counters.nextTreeId;
    this.publication = new Publication(manifest.state.counters.lastVersion);
    this.reader = new StoreReader(this, this);
    this.staging = new Staging({
      env,
      dir: settings.tablesDir,
      newFileId: () => this.newFileId(),
      tablePath: (id) => this.tablePath(id),
      openTable: (path, prefix) => this.openTable(path, prefix),
      threads: parts.checkThreads,
      onAdopted: (table) => this.proposer?.staged(table),
    });
    this.checkThreads = parts.checkThreads;
    this.committer = new Committer(this);
  }

  /** From here on commits are taken, with versions above `last`. */
  start(wal: Wal, last: Version, nextFileId: number): void {
    this.#wal = wal;
    this.#nextFileId = Math.max(this.#nextFileId, nextFileId);
    this.showVersion(last);
    this.#pipeline = new Pipeline({
      env: this.env,
      wal,
      publication: this.publication,
      window: this.window,
      applier: this.applier,
      sync: this.settings.sync,
      oldestNeeded: () => this.active.oldestNeeded(this.publication.visible),
      onPublished: () => this.onPublished(),
      onPoisoned: (error) => this.poison(error),
    });
  }

  /** Reads see this version; of a read-only database from here on. */
  showVersion(version: Version): void {
    this.publication = new Publication(version);
    this.history.giveUp(this.manifest.state.counters.oldestReadable ?? version);
  }

  /** What nobody reads at this version or later may go. */
  get horizon(): Version {
    return this.history.horizon(this.env.clock.monotonicMs(), this.visible);
  }

  get visible(): Version {
    return this.publication.visible;
  }

  get readOnly(): boolean {
    return this.#wal === undefined;
  }

  get wal(): Wal {
    if (this.#wal === undefined) throw readOnlyError();
    return this.#wal;
  }

  get pipeline(): Pipeline {
    if (this.#pipeline === undefined) throw readOnlyError();
    return this.#pipeline;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The failure after which nothing more is written; undefined while all is well. */
  get poisoned(): unknown {
    return this.#poison;
  }

  checkOpen(): void {
    if (this.#closed) throw this.endedBy ?? closedError();
  }

  checkWritable(): void {
    this.checkOpen();
    if (this.readOnly) throw readOnlyError();
    this.checkPoison();
  }

  checkPoison(): void {
    if (this.#poison !== undefined) throw poisonedError(this.#poison);
  }

  /** L9: after a failed fsync nobody knows what the disk holds; only reading it again, at open, can tell. */
  poison(cause: unknown): void {
    if (this.#poison !== undefined) return;
    this.#poison = cause;
    this.throttle.failed(cause);
    this.logger?.error({ err: cause }, 'the database is poisoned: no more writes until it is reopened');
  }

  /** `at`: as of `db.snapshot`. L4: pinned in the turn in which the history is asked. */
  snapshot(at?: number): Snapshot {
    this.checkOpen();
    const { commitBlocks } = this.manifest.state;
    const version = at === undefined ? this.visible : this.history.commitAt(at, this.visible, commitBlocks);
    const held = this.snapshots.acquire(version);
    return new Snapshot(held.version, this, () => {
      this.snapshots.release(held);
      if (this.#closed || this.#wal === undefined) return;
      void this.keyspaces.collect();
      this.compactor.snapshotClosed();
      this.rangeCollector.poke();
    });
  }

  commit(core: TransactionCore): Promise<CommitResult> {
    return this.proposer?.commit(core) ?? this.committer.commit(core);
  }

  newFileId(): FileId {
    return this.#nextFileId++ as FileId;
  }

  newTreeId(): TreeId {
    return this.#nextTreeId++ as TreeId;
  }

  newIngestId(): string {
    return this.env.random.hex(16);
  }

  ingestOf(id: string): IngestRow | undefined {
    return this.manifest.state.ingests.get(id);
  }

  tablePath(id: FileId): string {
    return `${this.settings.tablesDir}/${String(id).padStart(6, '0')}.sst`;
  }

  newTree(
    id: TreeId,
    flushedThrough: Version,
    rows: readonly TableRow[],
    tombstones: readonly RangeTombstone[] = [],
  ): Tree {
    const options: TreeOptions = {
      id,
      env: this.env,
      flushedThrough,
      ...this.settings,
      tablePath: (file) => this.tablePath(file),
      openTable: (path, prefix) => this.openTable(path, prefix),
      removeFile: (path) => this.remover.unlink(path),
    };
    return new Tree(options, rows, tombstones);
  }

  isDropped(id: TreeId): boolean {
    return this.keyspaces.isDropped(id);
  }

  treeRow(id: TreeId): TreeRow {
    const row = this.manifest.state.trees.get(id);
    if (row === undefined) throw new SluiceError('CORRUPTION', `The manifest has no row for the tree ${id}`);
    return row;
  }

  keyspaceOf(id: TreeId): string {
    return this.treeRow(id).keyspace;
  }

  /** Durable when it returns: holds the event loop until then. */
  apply(edits: readonly Edit[]): void {
    this.edits.submitSync(() => ({ edits, installed: () => undefined }));
  }

  /** With the counters as they are now. `slot`: what the edits will make visible. */
  withCounters(edits: readonly Edit[], slot?: Slot): readonly Edit[] {
    const forgotten = this.history.forgetting(this.manifest.state.commitBlocks);
    const applied = slot === undefined ? [] : (this.replicaEdits?.(slot.last) ?? []);
    return [...edits, ...forgotten, ...applied, this.#counters(slot)];
  }

  /**
   * docs/ARCHITECTURE.md "Recovery": where nothing earlier is in flight, the edit is what makes its commit visible, and
   * may say so itself.
   */
  #counters(slot?: Slot): Edit {
    const { publication } = this;
    const alone = slot !== undefined && publication.isOldest(slot);
    const visible = alone ? slot.last : publication.visible;
    // Of a replica: versions that are not in place may be lost, and are taken again by the same commits.
    const last = publication.failStop ? visible : publication.last;
    const counters = {
      nextFileId: this.#nextFileId as FileId,
      nextTreeId: this.#nextTreeId as TreeId,
      lastVersion: last,
      visibleVersion: visible,
      oldestReadable: this.history.oldestReadable,
    };
    return { kind: 'counters', counters };
  }

  trimWindow(): void {
    const { visible } = this.publication;
    this.window.trim(Math.min(this.active.oldestNeeded(visible), visible) as Version);
  }

  /** A memtable has become a table. */
  onFlushed({ id, tree, bytes, entries }: TableRow): void {
    this.events.emit({ kind: 'flush', keyspace: this.keyspaceOf(tree), table: id, bytes, entries });
    this.onLevelsChanged();
  }

  /** A tree has got tables that were not there. */
  onLevelsChanged(): void {
    this.throttle.update();
    this.compactor.poke();
    this.rangeCollector.poke();
  }

  onPublished(): void {
    this.history.sample(this.env.clock.monotonicMs(), this.visible);
    this.trimWindow();
    while (this.window.bytes > this.settings.conflictWindowBytes && this.active.giveUpOldest())
      this.trimWindow();
    this.flusher.poke();
    this.flusher.limitLog();
    void this.keyspaces.collect();
  }

  /** So that the next open has little to recover. */
  async #settle(): Promise<void> {
    await this.wal.sync();
    try {
      this.manifest.apply([this.#counters()]);
    } catch (error) {
      // Recovery has the counters from tables and log as well: a full disk need not keep a database from closing.
      if (!isSluiceError(error, 'NO_SPACE')) throw error;
      this.logger?.warn({ err: error }, 'closing without the last edit of the manifest');
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.checkpoints.close();
    if (this.#pipeline === undefined) return;
    this.throttle.failed(
      new SluiceError('CLOSED', 'The database was closed before there was room for the write'),
    );
    await this.rangeCollector.close();
    await this.#pipeline.idle();
    await this.flusher.close();
    await this.compactor.close();
    await this.edits.idle();
    this.#pipeline.close();
    this.window.close();
    try {
      if (this.#poison === undefined) await this.#settle();
    } finally {
      await this.remover.close();
      await this.wal.close();
    }
  }
}
