/**
 * The manifest: which tables, trees, keyspaces and ingests there are. All of it is in memory; LMDB is read at open and
 * written by `apply`, whose edits are durable together when it returns, or by `start`, without holding the event loop.
 *
 * L9: LMDB may abort the process on a full disk, so the free space is looked at before each edit. After any failure of
 * LMDB itself the manifest takes no more edits until it is opened again.
 */

import { assert } from '../base/assert.ts';
import type { Env } from '../base/env/env.ts';
import { makeDirectories } from '../base/env/make-directories.ts';
import { errnoOf } from '../base/env/system-error.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import { type CommitWriter, TurnWriter } from './commit-writer.ts';
import { DataFile } from './data-file.ts';
import { decodeDataset } from './dataset-rows.ts';
import { checkDirectory, checkVacant, databasePaths, type OpenChoice } from './directory.ts';
import { damaged } from './fields.ts';
import {
  COMPARATOR,
  decodeCommitBlock,
  decodeCounters,
  decodeDatabase,
  decodeIngest,
  decodeKeyspace,
  decodeRanges,
  decodeReplicaCommit,
  decodeTable,
  decodeTree,
  encodeCounters,
  encodeDatabase,
  encodeEdit,
  FORMAT_VERSION,
  kindOf,
  type Write,
} from './format.ts';
import { decodeImport } from './import-rows.ts';
import { checkMetaPages } from './meta-pages.ts';
import type { Counters, DatabaseRow, Edit } from './rows.ts';
import { decodeSharedImport } from './shared-import-row.ts';
import { countersAfter, FIRST_COUNTERS, type ManifestState, MutableState, rowsAfter } from './state.ts';
import { Store } from './store.ts';
import { ThreadWriter } from './thread-writer.ts';

/** What an edit leaves free: LMDB copies pages, and more than those of the rows. */
const RESERVE_BYTES = 8 << 20;

export interface ManifestOptions extends Partial<OpenChoice> {
  readonly env: Env;
  /** Whether `start` makes edits durable in a thread: not where the directory is on a test's file system. */
  readonly inThread?: boolean;
  /** The database's directory; the manifest is in its `manifest/`. */
  readonly dir: string;
}

interface ManifestParts {
  readonly env: Env;
  readonly path: string;
  readonly store: Store;
  readonly writer: CommitWriter;
  readonly readOnly: boolean;
}

/** Edits that can be made: whatever may be wrong with them is known, but for the disk. */
export interface PreparedEdits {
  readonly edits: readonly Edit[];
  readonly counters: Counters;
  readonly writes: readonly Write[];
}

export class Manifest {
  readonly #env: Env;
  readonly #path: string;
  readonly #store: Store;
  readonly #file: DataFile;
  readonly #writer: CommitWriter;
  readonly #readOnly: boolean;
  #state: MutableState;
  #commitId: number;
  #poisoned: SluiceError | undefined;
  #isWriting = false;
  #closed = false;

  /**
   * Opens the manifest of a database, or makes a new one (createIfMissing, true unless told otherwise).
   *
   * Throws NOT_A_DATABASE, ALREADY_EXISTS, UNSUPPORTED_FORMAT, COMPARATOR_MISMATCH, CORRUPTION, NO_SPACE.
   */
  static open(options: ManifestOptions): Manifest {
    const { env, dir } = options;
    const choice: OpenChoice = {
      readOnly: options.readOnly ?? false,
      createIfMissing: options.createIfMissing ?? true,
      errorIfExists: options.errorIfExists ?? false,
    };
    const path = databasePaths(dir).manifest;
    const make = checkDirectory(env.fs, dir, choice) === 'create';
    if (make) {
      makeDirectories(env.fs, path);
      checkSpace(env, path, 0);
    }
    const data = `${path}/data.mdb`;
    if (env.fs.existsSync(data)) checkMetaPages(env.fs, data, choice.readOnly);
    const store = new Store(path, choice.readOnly);
    try {
      if (choice.readOnly && !store.pinsAreSeen) checkUnwritable(env, path);
      const before = store.lastCommitId(); // never newer than the snapshot that is read next
      const loaded = load(store, choice.readOnly);
      const upgraded = loaded !== undefined && !choice.readOnly && upgrade(env, path, store, loaded.database);
      const state = loaded ?? create(env, dir, store, choice);
      const commitId = loaded === undefined || upgraded ? store.lastCommitId() : before;
      const writer = options.inThread ? new ThreadWriter(path, store) : new TurnWriter(env.clock, store);
      return new Manifest({ env, path, store, writer, readOnly: choice.readOnly }, state, commitId);
    } catch (error) {
      void store.close();
      throw error;
    }
  }

  private constructor(parts: ManifestParts, state: MutableState, commitId: number) {
    this.#env = parts.env;
    this.#path = parts.path;
    this.#store = parts.store;
    this.#writer = parts.writer;
    this.#file = new DataFile(parts.env.fs, `${parts.path}/data.mdb`);
    this.#readOnly = parts.readOnly;
    this.#state = state;
    this.#commitId = commitId;
  }

  /** As of the last edit that is durable, or `refresh`; its maps are changed in place. */
  get state(): ManifestState {
    return this.#state;
  }

  /** Of the newest edit that is durable. A reader whose id is not below it sees that edit. */
  get commitId(): number {
    return this.#commitId;
  }

  /** Why there are no more edits until the database is opened again: code POISONED. */
  get poisoned(): SluiceError | undefined {
    return this.#poisoned;
  }

  /**
   * All edits or none, durable when it returns. An `addTable` of a known id replaces its row (a trivial move). The
   * counters are raised above every id and version that the edits name. REQUIRES: none are under way.
   *
   * Throws NO_SPACE or TypeError (nothing changed), POISONED, CORRUPTION (nothing changed) or OUTCOME_UNKNOWN and is
   * poisoned from then on.
   */
  apply(edits: readonly Edit[]): void {
    const prepared = this.prepare(edits);
    let commitId: number;
    try {
      commitId = this.#store.commit(prepared.writes);
    } catch (cause) {
      throw this.#poison(cause);
    }
    this.#made(prepared, commitId);
  }

  /** For `start`, against the state as it is now. Throws NO_SPACE, TypeError, POISONED or CORRUPTION. REQUIRES: none are under way. */
  prepare(edits: readonly Edit[]): PreparedEdits {
    assert(!this.#isWriting, 'edits of the manifest are made one after the other');
    this.#checkWritable();
    const counters = countersAfter(this.#state.counters, edits);
    const writes: Write[] = [];
    for (const edit of edits) if (edit.kind !== 'counters') writes.push(encodeEdit(edit));
    writes.push(encodeCounters(counters, rowsAfter(this.#state, edits)));
    checkSpace(
      this.#env,
      this.#path,
      writes.reduce((sum, { value }) => sum + (value?.length ?? 0), 0),
    );
    this.#checkFile();
    return { edits, counters, writes };
  }

  /**
   * As `apply`, with the event loop free meanwhile: `settled` is called when the edits are durable and the state has them, or
   * with OUTCOME_UNKNOWN; in this call or in a later turn. REQUIRES: prepared last, and no edits under way.
   */
  start(prepared: PreparedEdits, settled: (error: SluiceError | undefined) => void): void {
    assert(!this.#isWriting, 'edits of the manifest are made one after the other');
    this.#isWriting = true;
    this.#writer.commit(prepared.writes, (outcome) => {
      this.#isWriting = false;
      if ('id' in outcome) this.#made(prepared, outcome.id);
      settled('id' in outcome ? undefined : this.#poison(outcome.error));
    });
  }

  /** Holds the event loop until the edits under way are settled. */
  finish(): void {
    this.#writer.finish();
  }

  #made({ edits, counters }: PreparedEdits, commitId: number): void {
    this.#commitId = commitId;
    this.#file.note();
    for (const edit of edits) this.#state.apply(edit);
    this.#state.counters = counters;
  }

  /**
   * The oldest `commitId` that another reader still sees the manifest at; undefined when there is none. A file dropped
   * by the edit with id c may be removed when this is undefined or ≥ c.
   */
  oldestReaderCommitId(): number | undefined {
    assert(!this.#readOnly && !this.#closed, 'only the writer asks for readers');
    return this.#store.oldestReader();
  }

  /**
   * Read-only: keeps the files that the present state names from removal, beyond a refresh, until the returned function
   * is called.
   */
  hold(): () => void {
    return this.#store.holdPin();
  }

  /** Read-only: takes over what the writer has done since. Tables of an old state that nobody holds may vanish from then on. */
  refresh(): void {
    assert(this.#readOnly, 'the writer has nothing to refresh');
    this.#checkOpen();
    this.#file.check();
    const commitId = this.#store.lastCommitId(); // before the snapshot is taken, so never newer than it
    if (commitId === this.#commitId) return;
    const state = load(this.#store, true);
    if (state === undefined) throw damaged('it has become empty');
    this.#state = state;
    this.#commitId = commitId;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writer.close();
    await this.#store.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new SluiceError('CLOSED', 'The manifest is closed');
  }

  #checkWritable(): void {
    this.#checkOpen();
    if (this.#readOnly) throw new SluiceError('READ_ONLY', 'The database was opened with readOnly: true');
    if (this.#poisoned !== undefined) throw this.#poisoned;
  }

  #checkFile(): void {
    try {
      this.#file.check();
    } catch (error) {
      if (isSluiceError(error, 'CORRUPTION')) this.#poison(error);
      throw error;
    }
  }

  #poison(cause: unknown): SluiceError {
    const what = cause instanceof Error ? cause.message : String(cause);
    this.#poisoned = new SluiceError(
      'POISONED',
      `An edit of the manifest ${this.#path} failed, so it takes no more: ${what}. Reads go on. ` +
        'Close the database, see to the disk, and open it again',
      { cause },
    );
    return new SluiceError(
      'OUTCOME_UNKNOWN',
      `The manifest ${this.#path} failed during an edit, which may or may not survive: ${what}. ` +
        'Open the database again to learn which',
      { cause },
    );
  }
}

/**
 * Without write access LMDB reads without a lock: the writer would not know of this reader, and remove tables and log
 * segments under it. That is safe only where nobody can write.
 */
function checkUnwritable(env: Env, path: string): void {
  try {
    env.fs.openSync(`${path}/data.mdb`, 'update').closeSync();
  } catch (error) {
    if (errnoOf(error) === 'EROFS') return;
  }
  throw new SluiceError(
    'PERMISSION',
    `A readOnly process must be able to write to ${path}/lock.mdb, so that the writing process learns of it. ` +
      'Give it that permission, or open a checkpoint or copy of the database',
  );
}

/** L9: before LMDB gets `bytes` of rows. Throws NO_SPACE. */
export function checkSpace(env: Env, path: string, bytes: number): void {
  const needed = RESERVE_BYTES + 4 * bytes;
  const free = env.fs.freeBytesSync(path);
  if (free >= needed) return;
  throw new SluiceError(
    'NO_SPACE',
    `The manifest ${path} needs ${needed} free bytes to be edited safely, and the device has ${free}. ` +
      'Nothing was changed; free some space and try again',
  );
}

/** undefined when the environment has no rows at all. */
function load(store: Store, pin: boolean): MutableState | undefined {
  let database: DatabaseRow | undefined;
  let counters: { counters: Counters; rows: number } | undefined;
  const edits: Edit[] = [];
  store.read(pin, (key, value) => {
    const kind = kindOf(key);
    if (kind === 'database') database = checked(decodeDatabase(value));
    else if (kind === 'counters') counters = decodeCounters(value);
    else if (kind === 'table') edits.push({ kind: 'addTable', table: decodeTable(key, value) });
    else if (kind === 'keyspace') edits.push({ kind: 'putKeyspace', keyspace: decodeKeyspace(key, value) });
    else if (kind === 'tree') edits.push({ kind: 'putTree', tree: decodeTree(key, value) });
    else if (kind === 'ranges') edits.push({ kind: 'putRangeTombstones', row: decodeRanges(key, value) });
    else if (kind === 'dataset') edits.push({ kind: 'putDataset', dataset: decodeDataset(key, value) });
    else if (kind === 'commitBlock') {
      edits.push({ kind: 'addCommitBlock', block: decodeCommitBlock(key, value) });
    } else if (kind === 'import') edits.push({ kind: 'putImport', row: decodeImport(key, value) });
    else if (kind === 'sharedImport')
      edits.push({ kind: 'putSharedImport', row: decodeSharedImport(key, value) });
    else if (kind === 'replicaCommit')
      edits.push({ kind: 'addReplicaCommit', commit: decodeReplicaCommit(key, value) });
    else edits.push({ kind: 'putIngest', ingest: decodeIngest(key, value) });
  });
  if (database === undefined && counters === undefined && edits.length === 0) return undefined;
  if (database === undefined || counters === undefined) throw damaged('its first rows are missing');
  if (counters.rows !== edits.length)
    throw damaged(`it has ${edits.length} rows, ${counters.rows} were written`);
  const state = new MutableState(database, counters.counters);
  for (const edit of edits) state.apply(edit);
  return state;
}

function checked(row: DatabaseRow): DatabaseRow {
  if (row.formatVersion > FORMAT_VERSION) {
    throw new SluiceError(
      'UNSUPPORTED_FORMAT',
      `The database has format version ${row.formatVersion}, this SluiceDB knows up to ${FORMAT_VERSION}; upgrade it`,
    );
  }
  if (row.comparator !== COMPARATOR) {
    throw new SluiceError(
      'COMPARATOR_MISMATCH',
      `The database is sorted by the comparator ${row.comparator}, this SluiceDB sorts by ${COMPARATOR}`,
    );
  }
  return row;
}

/** Rows of this version may be written from now on: software that knows only an older one must refuse them. */
function upgrade(env: Env, path: string, store: Store, database: DatabaseRow): boolean {
  if (database.formatVersion === FORMAT_VERSION) return false;
  checkSpace(env, path, 0);
  store.commit([encodeDatabase({ ...database, formatVersion: FORMAT_VERSION })]);
  return true;
}

/** Also ends a creation that a crash cut short. */
function create(env: Env, dir: string, store: Store, choice: OpenChoice): MutableState {
  checkVacant(env.fs, dir);
  if (choice.readOnly || !choice.createIfMissing) {
    throw new SluiceError(
      'NOT_A_DATABASE',
      `The making of the database at ${dir} was cut short, so it has no rows yet`,
    );
  }
  const database: DatabaseRow = {
    formatVersion: FORMAT_VERSION,
    id: env.random.hex(16),
    comparator: COMPARATOR,
    createdMs: env.clock.nowMs(),
  };
  // L2: the names of the environment come first. Rows that are there then say that it will be found: were they first, an
  // open after a crash between the two would take commits that a loss of power takes away with the directory.
  for (const path of [databasePaths(dir).manifest, dir, `${dir}/..`]) env.fs.syncDirectorySync(path);
  store.commit([encodeDatabase(database), encodeCounters(FIRST_COUNTERS, 0)]);
  return new MutableState(database, FIRST_COUNTERS);
}
