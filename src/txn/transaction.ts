/**
 * A serializable transaction: it reads at one snapshot with its own statements on top, and commits only if nothing
 * that it read has been changed since (L5). One that read nothing always commits (L6).
 */

import { checkEncodings, checkOptions, checkSignal } from '../base/arguments.ts';
import { type EncodingName, encode, type Input } from '../base/encoding.ts';
import { SluiceError, throwIfAborted } from '../base/errors.ts';
import type { StagedFile } from '../ingest/staging.ts';
import type { IngestRow } from '../manifest/rows.ts';
import { checkKey, checkValue } from '../mvcc/internal-key.ts';
import type { Version } from '../mvcc/version.ts';
import type { ActiveTransaction } from './active-transactions.ts';
import { checkKeyspaceName } from './catalog.ts';
import { TransactionDataset } from './dataset/transaction-dataset.ts';
import type { CommitResult, Engine } from './engine.ts';
import type { IngestOptions } from './ingest-options.ts';
import { type IngestSummary, stageIngest } from './ingest-statement.ts';
import { Keyspace } from './keyspace.ts';
import { checkKeyspaceOptions, type KeyspaceOptions } from './keyspace-options.ts';
import { type Layer, Overlay } from './overlay.ts';
import type { ImportClaim } from './proposer.ts';
import { deletedSpan } from './range-argument.ts';
import { ownBytes, ReadSet } from './read-set.ts';
import type { ReadSource } from './read-source.ts';
import { type EncodingOptions, type RangeOptions, Readable } from './readable.ts';
import { DEFAULT_KEYSPACE } from './record.ts';
import type { Snapshot } from './snapshot.ts';
import { TransactionReader } from './transaction-reader.ts';
import { stageUndo, type UndoOptions } from './undo.ts';

/** A point to roll back to; see `Transaction.savepoint`. */
export class Savepoint {
  readonly owner: TransactionCore;
  readonly length: number;

  /** For the transaction; users call `txn.savepoint()`. */
  constructor(owner: TransactionCore, length: number) {
    this.owner = owner;
    this.length = length;
  }
}

export interface BeginOptions {
  /** Never conflicts, never aborts, writes nothing. */
  readonly readOnly?: boolean;
}

export interface CommitOptions {
  readonly signal?: AbortSignal;
}

/** Read and write methods on one keyspace inside a transaction. */
export class TransactionKeyspace<
  KE extends EncodingName = 'buffer',
  VE extends EncodingName = 'buffer',
> extends Readable<KE, VE> {
  readonly #core: TransactionCore;

  /** For the transaction; users call `txn.keyspace(name)`. */
  constructor(core: TransactionCore, name: string, keyEncoding: KE, valueEncoding: VE) {
    super(name, keyEncoding, valueEncoding);
    this.#core = core;
  }

  /** The transaction's own from here on, visible to its reads at once and to others after the commit. */
  put<K extends EncodingName = KE, V extends EncodingName = VE>(
    key: Input<K>,
    value: Input<V>,
    options: EncodingOptions<K, V> = {},
  ): void {
    checkOptions(options);
    checkEncodings(options);
    const bytes = encode(options.valueEncoding ?? this.valueEncoding, value, 'value');
    checkValue(bytes);
    this.#write(key, options, ownBytes(bytes, value));
  }

  del<K extends EncodingName = KE>(key: Input<K>, options: EncodingOptions<K, EncodingName> = {}): void {
    checkOptions(options);
    checkEncodings(options);
    this.#write(key, options, undefined);
  }

  /**
   * Deletes every key in the range, whatever their number, at the cost of one; without bounds, all keys. A statement like
   * others: later puts of the transaction stand. What is deleted was not read, so it alone never conflicts (L6).
   */
  deleteRange<K extends EncodingName = KE>(
    range: RangeOptions<K>,
    options: EncodingOptions<K, EncodingName> = {},
  ): void {
    checkOptions(options);
    checkEncodings(options);
    this.#core.checkWritable();
    const span = deletedSpan(range, options.keyEncoding ?? this.keyEncoding);
    if (span !== undefined) this.#core.overlay.deleteRange(this.keyspaceName, span);
  }

  protected override checkOpen(): void {
    this.#core.checkOpen();
  }

  protected override async catchUp(): Promise<void> {
    throw new TypeError('options.linearizable is not for a read in a transaction: give it to transaction()');
  }

  protected override source(at: Snapshot | undefined): ReadSource {
    if (at !== undefined)
      throw new TypeError('options.snapshot is not for a transaction, which reads at its own');
    return this.#core.reader();
  }

  protected override snapshotFor(given: Snapshot | undefined): {
    at: Snapshot | undefined;
    done: () => void;
  } {
    return { at: given, done: () => undefined };
  }

  #write(key: unknown, options: EncodingOptions, value: Uint8Array | undefined): void {
    const bytes = encode(options.keyEncoding ?? this.keyEncoding, key, 'key');
    checkKey(bytes);
    this.#core.write(this.keyspaceName, ownBytes(bytes, key), value);
  }
}

/** The state that a transaction and its keyspaces share. */
export class TransactionCore implements ActiveTransaction {
  readonly engine: Engine;
  readonly snapshot: Snapshot;
  readonly readOnly: boolean;
  readonly overlay = new Overlay();
  readonly reads: ReadSet | undefined;
  tooOld = false;
  state: 'open' | 'committing' | 'committed' | 'aborted' = 'open';
  result: CommitResult | undefined;
  /** In a cluster, of the commit of an import. */
  claim: ImportClaim | undefined;
  /** Of the commit. */
  signal: AbortSignal | undefined;
  /** In a cluster: of all transactions with the same one is committed. */
  request: string | undefined;
  /** Ingest statements still being staged. */
  readonly staging = new Set<Promise<unknown>>();
  /** Ingests of this transaction that an earlier commit had made already. */
  readonly replayed: IngestRow[] = [];
  readonly #reader: TransactionReader;
  /** Staged files that no commit will name, and that are still asked. */
  readonly #discarded: StagedFile[] = [];

  constructor(engine: Engine, readOnly: boolean) {
    this.engine = engine;
    this.readOnly = readOnly;
    this.snapshot = engine.snapshot();
    this.reads = readOnly ? undefined : new ReadSet();
    this.#reader = new TransactionReader({
      state: engine,
      store: engine.reader,
      snapshot: this.snapshot,
      overlay: this.overlay,
      reads: this.reads,
    });
    if (!readOnly) engine.active.add(this);
  }

  get snapshotVersion(): Version {
    return this.snapshot.version;
  }

  /** Commit waits for what is being staged. */
  async staged<T>(staging: Promise<T>): Promise<T> {
    this.staging.add(staging);
    try {
      return await staging;
    } finally {
      this.staging.delete(staging);
    }
  }

  reader(): ReadSource {
    this.checkOpen();
    return this.#reader;
  }

  write(keyspace: string, key: Uint8Array, value: Uint8Array | undefined): void {
    this.checkWritable();
    this.overlay.write(keyspace, key, value);
  }

  /** A transaction that writes nothing makes no keyspace either. */
  openKeyspace(name: string, create: boolean, allowIngestBehind: boolean | undefined): void {
    const { catalog } = this.engine;
    if (create && !this.readOnly) this.engine.keyspaces.ensure(name, allowIngestBehind);
    else if ((catalog.newest(name) ?? catalog.treeAt(name, this.snapshotVersion)) === undefined)
      throw catalog.notFound(name);
  }

  /** What looks at the database below the statements does not look into a version that they made live. */
  refuseSwapped(keyspace: string, what: string): void {
    if (this.overlay.swapOf(keyspace) === undefined) return;
    const message = `${what} cannot follow a change of the dataset ${JSON.stringify(keyspace)} in one transaction; commit that first`;
    throw new SluiceError('BUSY', message);
  }

  checkOpen(): void {
    if (this.state !== 'open')
      throw new SluiceError('CLOSED', `The transaction is ${this.state}; begin a new one`);
    this.engine.checkOpen();
  }

  checkWritable(): void {
    this.checkOpen();
    if (this.readOnly) throw new SluiceError('READ_ONLY', 'The transaction was begun with readOnly: true');
  }

  /** Gives back the snapshot and, unless they were committed, the staged files. */
  finish(state: 'committed' | 'aborted'): void {
    this.state = state;
    this.engine.active.remove(this);
    this.snapshot.close();
    if (state === 'aborted') this.discard(this.overlay.truncate(0));
    this.engine.staging.discard(this.#discarded.splice(0));
    this.engine.trimWindow();
  }

  discard(layers: readonly Layer[]): void {
    for (const layer of layers) {
      if (layer.kind === 'ingest') this.discardFiles(layer.files.map(({ file }) => file));
    }
  }

  /** L5: what was read stays read, so files that the read set or the statements before a read name stay until the end. */
  discardFiles(files: readonly StagedFile[]): void {
    const isOver = this.state === 'committed' || this.state === 'aborted';
    if (isOver || this.reads === undefined || this.reads.files.length === 0)
      this.engine.staging.discard(files);
    else this.#discarded.push(...files);
  }
}

export class Transaction<KE extends EncodingName = 'buffer', VE extends EncodingName = 'buffer'>
  extends TransactionKeyspace<KE, VE>
  implements Disposable, AsyncDisposable
{
  readonly #core: TransactionCore;

  /** For the database; users call `db.begin()` or `db.transaction()`. */
  constructor(core: TransactionCore, keyEncoding: KE, valueEncoding: VE) {
    super(core, DEFAULT_KEYSPACE, keyEncoding, valueEncoding);
    this.#core = core;
  }

  /** The commit version that the transaction reads at. */
  get version(): Version {
    return this.#core.snapshotVersion;
  }

  get state(): 'open' | 'committing' | 'committed' | 'aborted' {
    return this.#core.state;
  }

  /**
   * In a cluster: of all transactions of this id, on any node, one is committed, and the others resolve with its version, so that one
   * whose outcome is unknown can be made again. How long it is remembered: docs/cluster.md. A database alone passes it over.
   */
  nameRequest(id: string): void {
    this.#core.request = id;
  }

  /** What `commit()` resolved with: the commit's version, and where ingested files went. Undefined until then. */
  get result(): CommitResult | undefined {
    return this.#core.result;
  }

  /**
   * The same transaction on a keyspace of `db.keyspace()`, with its encodings; or on one by name, with the database's
   * where none are given. One by name is made, at once and durably, when there is none.
   *
   * @throws SluiceError KEYSPACE_NOT_FOUND by name, with `create: false` or where the transaction is read-only.
   */
  keyspace<K extends EncodingName, V extends EncodingName>(
    keyspace: Keyspace<K, V>,
  ): TransactionKeyspace<K, V>;
  keyspace<K extends EncodingName = KE, V extends EncodingName = VE>(
    name: string,
    options?: KeyspaceOptions<K, V>,
  ): TransactionKeyspace<K, V>;
  keyspace(
    keyspace: string | Keyspace<EncodingName, EncodingName>,
    options: KeyspaceOptions = {},
  ): TransactionKeyspace<EncodingName, EncodingName> {
    const core = this.#core;
    core.checkOpen();
    if (keyspace instanceof Keyspace) {
      keyspace.checkOwner(core.engine);
      return new TransactionKeyspace(core, keyspace.name, keyspace.keyEncoding, keyspace.valueEncoding);
    }
    checkKeyspaceName(keyspace, 'name');
    checkKeyspaceOptions(options);
    core.openKeyspace(keyspace, options.create ?? true, options.allowIngestBehind);
    const { keyEncoding = this.keyEncoding, valueEncoding = this.valueEncoding } = options;
    return new TransactionKeyspace(core, keyspace, keyEncoding, valueEncoding);
  }

  /**
   * Attaches SST files (made by SstWriter or RocksDB's SstFileWriter) as one statement of the transaction: like putting
   * their entries here, whatever their size. Resolves when they are staged, checked and readable by this transaction.
   */
  async ingest(files: string | readonly string[], options: IngestOptions = {}): Promise<IngestSummary> {
    this.#core.checkWritable();
    return this.#core.staged(stageIngest(this.#core, files, options, this.keyEncoding));
  }

  /**
   * Gives every key that an ingest with `undoable: true` changed the value that it had before, as one statement.
   *
   * @throws SluiceError UNDO_CONFLICT when some were changed since, with the `keys`; INGEST_NOT_FOUND, UNDO_IMPOSSIBLE
   */
  async undoIngest(id: string, options: UndoOptions = {}): Promise<void> {
    this.#core.checkWritable();
    checkOptions(options);
    checkSignal(options.signal);
    if (typeof id !== 'string' || id === '') throw new TypeError('id must be a non-empty string');
    return this.#core.staged(stageUndo(this.#core, id, options));
  }

  /** The dataset of a keyspace, to make another of its versions live in this transaction. */
  dataset(name: string): TransactionDataset {
    this.#core.checkOpen();
    checkKeyspaceName(name, 'name');
    return new TransactionDataset(this.#core, name);
  }

  /** Marks a point to roll back to. What was read stays read (L5: rolling back never shrinks the read set). */
  savepoint(): Savepoint {
    this.#core.checkOpen();
    return new Savepoint(this.#core, this.#core.overlay.savepoint());
  }

  /** Undoes every statement after the savepoint; staged files among them are removed. */
  rollbackTo(savepoint: Savepoint): void {
    this.#core.checkWritable();
    if (!(savepoint instanceof Savepoint) || savepoint.owner !== this.#core) {
      throw new TypeError('savepoint must come from savepoint() of this transaction');
    }
    const { overlay } = this.#core;
    if (savepoint.length > overlay.layers.length) {
      throw new SluiceError('CLOSED', 'The savepoint was undone by a rollback to an earlier one');
    }
    this.#core.discard(overlay.truncate(savepoint.length));
  }

  /**
   * All or nothing. The signal ends the wait for a cluster's log: ABORTED where nothing was sent to it, and OUTCOME_UNKNOWN where something was.
   * @throws SluiceError CONFLICT or TOO_OLD (retryable), OUTCOME_UNKNOWN, NO_SPACE, POISONED …; the transaction is over either way.
   */
  async commit(options: CommitOptions = {}): Promise<CommitResult> {
    checkOptions(options);
    checkSignal(options.signal);
    const core = this.#core;
    core.checkOpen();
    throwIfAborted(options.signal);
    core.signal = options.signal;
    core.state = 'committing';
    try {
      await Promise.all(core.staging);
      const result = await core.engine.commit(core);
      core.result = result;
      core.finish('committed');
      return result;
    } catch (error) {
      // What became durable but could not be acknowledged must keep its files: recovery decides.
      const unknown = error instanceof SluiceError && error.code === 'OUTCOME_UNKNOWN';
      core.finish(unknown ? 'committed' : 'aborted');
      throw error;
    }
  }

  /** Undoes everything. Aborting a finished transaction does nothing. */
  abort(): void {
    if (this.#core.state === 'open') this.#core.finish('aborted');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
  }

  [Symbol.dispose](): void {
    this.abort();
  }
}
