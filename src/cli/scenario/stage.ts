/** Where a scene is played: a database in a temporary directory, with its sessions, snapshots and files. */

import { join } from 'node:path';
import { assert, unreachable } from '../../base/assert.ts';
import { type Db, open } from '../../db.ts';
import type { InternalOptions } from '../../db-options.ts';
import { SstWriter } from '../../ingest/sst-writer.ts';
import type { IngestedFile } from '../../txn/committer.ts';
import type { DatasetView } from '../../txn/dataset/view.ts';
import type { IngestOptions } from '../../txn/ingest-options.ts';
import type { Keyspace } from '../../txn/keyspace.ts';
import type { Snapshot } from '../../txn/snapshot.ts';
import type { Savepoint, Transaction, TransactionKeyspace } from '../../txn/transaction.ts';
import { datasetOutcome } from './dataset-statements.ts';
import { levelLines, OK, type Outcome, planLines, result, scanText, valuesText } from './outcome.ts';
import type {
  DatabaseStatement,
  DataStatement,
  FileSource,
  ScenarioOptions,
  SessionStatement,
} from './syntax.ts';

/**
 * What a scene shows must not depend on time: nothing is compacted unless the scene says so. Blocks of a few entries, and no
 * thread for a compaction of as few.
 */
const DEFAULTS: ScenarioOptions & InternalOptions = {
  compaction: 'off',
  durability: 'os',
  blockBytes: 64,
  compactionInline: true,
};
const FILE_BLOCK_BYTES = 64;

export type OpenDatabase = (dir: string, options: ScenarioOptions & InternalOptions) => Promise<Db>;

export interface Session {
  readonly txn: Transaction;
  readonly savepoints: Map<string, Savepoint>;
}

export class Stage {
  readonly #dir: string;
  readonly #open: OpenDatabase;
  #db: Db;
  #options: ScenarioOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #snapshots = new Map<string, Snapshot>();
  /** Objects of keyspaces outlive a drop: snapshots still read through them. */
  readonly #keyspaces = new Map<string, Keyspace>();
  /** Names by path. */
  readonly #files = new Map<string, string>();
  #closed = false;

  private constructor(dir: string, openDatabase: OpenDatabase, db: Db, options: ScenarioOptions) {
    this.#dir = dir;
    this.#open = openDatabase;
    this.#db = db;
    this.#options = options;
  }

  static async open(
    dir: string,
    options: ScenarioOptions,
    openDatabase: OpenDatabase = open,
  ): Promise<Stage> {
    const all: ScenarioOptions = { ...DEFAULTS, ...options };
    return new Stage(dir, openDatabase, await openDatabase(join(dir, 'db'), all), all);
  }

  get db(): Db {
    return this.#db;
  }

  /** Problems that a full check of the database finds. */
  async verify(): Promise<readonly string[]> {
    if (this.#closed) return ['it could not be reopened'];
    return (await this.#db.verify({ full: true })).problems;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#endReaders();
    await this.#db.close();
  }

  /** A transaction that somebody else begins and ends. */
  enter(name: string, txn: Transaction): void {
    this.#sessions.set(name, { txn, savepoints: new Map() });
  }

  async session(name: string, statement: SessionStatement | DataStatement): Promise<Outcome> {
    if (statement.kind === 'begin') {
      this.#sessions.get(name)?.txn.abort();
      this.enter(name, this.#db.begin({ readOnly: statement.readOnly }));
      return OK;
    }
    const session = this.#sessions.get(name);
    assert(session !== undefined, `the session ${name} was not begun`);
    const { txn, savepoints } = session;
    switch (statement.kind) {
      case 'savepoint':
        savepoints.set(statement.name, txn.savepoint());
        return OK;
      case 'rollback':
        // There is none where the transaction was over when it was to be made; what that said is said again.
        txn.rollbackTo(savepoints.get(statement.name) ?? txn.savepoint());
        return OK;
      case 'commit':
        return committed((await txn.commit()).ingested, this.#files);
      case 'abort':
        txn.abort();
        return OK;
      case 'put':
      case 'del':
      case 'deleteRange':
        this.#writeIn(this.#inSession(txn, statement.keyspace), statement);
        return OK;
      case 'get':
        return result(valuesText(await this.#inSession(txn, statement.keyspace).getMany(statement.keys)));
      case 'scan':
        return this.#scan(this.#inSession(txn, statement.keyspace), statement);
      case 'ingest': {
        const { replayed } = await txn.ingest(await this.#paths(statement.files), ingestOptions(statement));
        return replayed ? result('replayed') : OK;
      }
      case 'undo':
        await txn.undoIngest(statement.id);
        return OK;
      case 'activate':
        txn.dataset(statement.dataset).activate(statement.version);
        return OK;
      default:
        return unreachable(statement);
    }
  }

  /** A statement of the database itself: a transaction of its own. */
  async data(statement: DataStatement): Promise<Outcome> {
    if (statement.kind === 'ingest') {
      const paths = await this.#paths(statement.files);
      const { ingested, replayed } = await this.#db.ingest(paths, ingestOptions(statement));
      return replayed ? result('replayed') : committed(ingested, this.#files);
    }
    if (statement.kind === 'undo') {
      await this.#db.undoIngest(statement.id);
      return OK;
    }
    if (statement.kind === 'activate') {
      await this.#db.dataset(statement.dataset).activate(statement.version);
      return OK;
    }
    if ((statement.kind === 'get' || statement.kind === 'scan') && statement.version !== undefined) {
      using version = this.#db.dataset(statement.keyspace ?? '').at(statement.version);
      if (statement.kind === 'scan') return await this.#scan(version, statement);
      return result(valuesText(await version.getMany(statement.keys)));
    }
    const keyspace = this.#keyspace(statement.keyspace);
    switch (statement.kind) {
      case 'put':
        await keyspace.batch(statement.keys.map((key) => ({ type: 'put', key, value: statement.value })));
        return OK;
      case 'del':
        await keyspace.batch(statement.keys.map((key) => ({ type: 'del', key })));
        return OK;
      case 'deleteRange':
        await keyspace.deleteRange(statement.interval);
        return OK;
      case 'get': {
        const values = await keyspace.getMany(statement.keys, this.#at(statement.snapshot));
        return result(valuesText(values));
      }
      case 'scan':
        return this.#scan(keyspace, statement);
      default:
        return unreachable(statement);
    }
  }

  async database(statement: DatabaseStatement): Promise<Outcome> {
    switch (statement.kind) {
      case 'options':
        return OK;
      case 'file':
        await this.#paths([statement.file]);
        return OK;
      case 'publish': {
        const { files, delta, dataset } = statement;
        const options = { kind: delta ? 'delta' : 'base' } as const;
        const published = await this.#db.dataset(dataset).publish(await this.#paths(files), options);
        return result(`version ${published.version}`);
      }
      case 'versions':
      case 'retain':
      case 'dropVersion':
      case 'revert':
      case 'diff':
        return datasetOutcome(this.#db.dataset(statement.dataset), statement);
      case 'explain':
        return this.#explain(statement.files, statement.keyspace);
      case 'snapshot':
        this.#snapshots.set(statement.name, this.#db.snapshot());
        return OK;
      case 'close':
        this.#snapshots.get(statement.name)?.close();
        return OK;
      case 'create':
        this.#keyspaces.set(statement.keyspace, this.#db.keyspace(statement.keyspace));
        return OK;
      case 'drop':
        await this.#db.dropKeyspace(statement.keyspace);
        return OK;
      case 'keyspaces':
        return result(this.#db.keyspaces().join(' '));
      case 'flush':
        await this.#db.flush();
        return OK;
      case 'compact': {
        const { interval, keyspace } = statement;
        await this.#db.compactRange({ gte: interval.gte, lt: interval.lt, keyspace });
        return OK;
      }
      case 'reopen':
        return this.#reopen(statement.options);
      case 'levels':
        return { kind: 'lines', lines: this.#levels(statement.keyspace ?? 'default') };
      case 'verify': {
        const problems = await this.verify();
        return problems.length === 0 ? result('sound') : { kind: 'lines', lines: problems };
      }
      default:
        return unreachable(statement);
    }
  }

  async #reopen(options: ScenarioOptions): Promise<Outcome> {
    await this.close();
    this.#snapshots.clear();
    this.#keyspaces.clear();
    this.#options = { ...this.#options, ...options };
    this.#db = await this.#open(join(this.#dir, 'db'), this.#options);
    this.#closed = false;
    return OK;
  }

  #endReaders(): void {
    for (const { txn } of this.#sessions.values()) txn.abort();
    for (const snapshot of this.#snapshots.values()) snapshot.close();
  }

  #levels(name: string): string[] {
    const stats = this.#db.stats().keyspaces.find((keyspace) => keyspace.name === name);
    return stats === undefined ? ['no such keyspace'] : levelLines(stats);
  }

  async #explain(files: readonly FileSource[], keyspace: string | undefined): Promise<Outcome> {
    const options = keyspace === undefined ? {} : { into: keyspace };
    const plans = await this.#db.explainIngest(await this.#paths(files), options);
    return { kind: 'lines', lines: plans.flatMap((plan, i) => planLines(files[i]?.name ?? '', plan)) };
  }

  #keyspace(name: string | undefined): Keyspace {
    if (name === undefined) return this.#db;
    const known = this.#keyspaces.get(name) ?? this.#db.keyspace(name, { create: false });
    this.#keyspaces.set(name, known);
    return known;
  }

  #inSession(txn: Transaction, name: string | undefined): TransactionKeyspace {
    if (name === undefined) return txn;
    const known = this.#keyspaces.get(name);
    return known === undefined ? txn.keyspace(name, { create: false }) : txn.keyspace(known);
  }

  #at(name: string | undefined): { snapshot?: Snapshot } {
    const snapshot = name === undefined ? undefined : this.#snapshots.get(name);
    return snapshot === undefined ? {} : { snapshot };
  }

  #writeIn(
    keyspace: TransactionKeyspace,
    statement: DataStatement & { kind: 'put' | 'del' | 'deleteRange' },
  ): void {
    if (statement.kind === 'deleteRange') {
      keyspace.deleteRange(statement.interval);
      return;
    }
    for (const key of statement.keys) {
      if (statement.kind === 'put') keyspace.put(key, statement.value);
      else keyspace.del(key);
    }
  }

  async #scan(
    keyspace: Keyspace | TransactionKeyspace | DatasetView,
    { interval, reverse, limit, snapshot }: DataStatement & { kind: 'scan' },
  ): Promise<Outcome> {
    const options = { ...interval, reverse, limit, ...this.#at(snapshot) };
    return result(scanText(await keyspace.iterator(options).all()));
  }

  /** Makes the files that are not there yet: a transaction function that is run again names the same ones. */
  async #paths(files: readonly FileSource[]): Promise<string[]> {
    const paths: string[] = [];
    for (const { name, entries } of files) {
      const path = join(this.#dir, `${name}.sst`);
      if (entries !== undefined && !this.#files.has(path)) {
        await using writer = new SstWriter(path, { blockBytes: FILE_BLOCK_BYTES });
        for (const { key, value } of entries) {
          if (value === undefined) writer.del(key);
          else writer.put(key, value);
        }
        await writer.finish();
        this.#files.set(path, name);
      }
      paths.push(path);
    }
    return paths;
  }
}

function committed(ingested: readonly IngestedFile[], names: ReadonlyMap<string, string>): Outcome {
  const files = ingested.map(({ file, level }) => `${names.get(file) ?? file} at level ${level}`);
  return result(['committed', ...files].join(', '));
}

function ingestOptions({ clauses, keyspace }: DataStatement & { kind: 'ingest' }): IngestOptions {
  return keyspace === undefined ? clauses : { ...clauses, into: keyspace };
}
