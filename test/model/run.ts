/** Runs one history against a database and the oracle at once; throws at the first difference. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { Transaction } from '../../src/index.ts';
import type { Savepoint } from '../../src/txn/transaction.ts';
import {
  makeMemoryDirectory,
  openText,
  outcomeOf,
  type TestOptions,
  type TextDb,
  TINY,
} from '../base/database.ts';
import { checkGet, checkScan, expectEqual } from './checked-reads.ts';
import { activateIn, checkVersions, runDatasetOp } from './datasets.ts';
import {
  type Activation,
  BEHIND,
  type DatasetOp,
  type History,
  type IngestStatement,
  KEYS,
  KEYSPACES,
  type KeyedEntry,
  type Op,
  type Range,
  type Statement,
  type Step,
} from './history.ts';
import {
  afterIngest,
  deleteSpan,
  entriesOf,
  ingestPlainly,
  optionsOf,
  put,
  putAll,
  type Undoable,
  undoingOf,
  writeFiles,
} from './ingest.ts';
import { State } from './oracle.ts';
import { Past, type SnapshotPair } from './past.ts';

export interface RunOptions {
  /**
   * In the place of every ingest, in a transaction: puts and deletes of the same entries (L7); or range deletions for what is
   * replaced, puts of the keys that are absent, and ingests without policies.
   */
  readonly ingestAs?: 'puts' | 'statements';
  readonly open?: TestOptions;
  /** In the place of a database. */
  readonly cluster?: {
    readonly open: (dir: string, options: TestOptions) => Promise<TextDb>;
    /** After each operation. */
    readonly settled: () => Promise<void>;
    /** Before the operation of this number. */
    readonly upset: (at: number) => Promise<void>;
  };
  /** At the end reads at every version there was, as far as it is kept. */
  readonly everyVersion?: boolean;
}

/** A database or a transaction: where a statement goes. */
type Target = TextDb | Transaction<'utf8', 'utf8'>;

const FULL: Omit<Range, 'keyspace'> = { reverse: false, limit: -1, seeks: [] };

/** What waits a while, as the collector of range deletions does, has its turn within a history. */
const HASTY: typeof nodeEnv = {
  ...nodeEnv,
  clock: { ...nodeEnv.clock, after: (_, task) => nodeEnv.clock.after(0, task) },
};

class Thrown extends Error {}

export class Run {
  readonly #dir: string;
  readonly #options: RunOptions;
  #db: TextDb;
  #state = new State();
  #snapshots: SnapshotPair[] = [];
  readonly #past = new Past();
  #files = 0;
  readonly #undoable: Undoable[] = [];

  private constructor(dir: string, options: RunOptions, db: TextDb) {
    this.#dir = dir;
    this.#options = options;
    this.#db = db;
  }

  /** Ends with everything read at every open snapshot, then again after a reopen. */
  static async history(history: History, options: RunOptions = {}): Promise<void> {
    const dir = makeMemoryDirectory();
    try {
      const run = new Run(dir, options, await openIn(dir, options));
      const { cluster } = options;
      try {
        for (const keyspace of KEYSPACES) run.#makeKeyspace(keyspace);
        await cluster?.settled();
        for (const [at, op] of history.entries()) {
          await cluster?.upset(at);
          await run.#do(op);
          await cluster?.settled();
          run.#past.note(run.#db.version, run.#state);
        }
        await run.#checkAll();
        if (options.everyVersion === true) await run.#checkPast();
        await run.#reopen();
        await run.#checkAll();
        if (options.everyVersion === true) await run.#checkPast();
        expectEqual((await run.#db.verify({ full: true })).problems, [], 'verify');
      } finally {
        await run.#close();
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  async #do(op: Op): Promise<void> {
    switch (op.op) {
      case 'write':
        return this.#write(op.entry);
      case 'ingest':
        return this.#ingestAlone(op);
      case 'deleteRange': {
        const { keyspace, ...bounds } = op.span;
        await this.#db.keyspace(keyspace).deleteRange(bounds);
        this.#state = this.#state.deleteRange(op.span);
        return;
      }
      case 'get':
        return checkGet(this.#db, this.#state, op.keyspace, op.key);
      case 'scan':
        return checkScan(this.#db, this.#state, op.range);
      case 'batch':
        return this.#batch(op.entries);
      case 'transaction':
        return this.#transaction(op.steps, op.end, op.activations);
      case 'snapshot':
        return this.#snapshot(op.back);
      case 'closeSnapshot':
        this.#snapshots.splice(op.slot, 1)[0]?.snapshot.close();
        return;
      case 'snapshotGet':
        return this.#atSnapshot(op.slot, (at) =>
          checkGet(this.#db, at.state, op.keyspace, op.key, at.snapshot),
        );
      case 'snapshotScan':
        return this.#atSnapshot(op.slot, (at) => checkScan(this.#db, at.state, op.range, at.snapshot));
      case 'undo':
      case 'release': {
        const undoable = this.#undoable[op.ingest];
        if (undoable === undefined) return;
        if (op.op === 'undo') return this.#undo(undoable);
        if (this.#options.ingestAs === undefined) this.#db.releaseIngest(undoable.id);
        undoable.gone = true;
        return;
      }
      case 'flush':
        return this.#db.flush();
      case 'compact': {
        const { op: _, ...range } = op;
        return this.#db.compactRange(range);
      }
      case 'publish':
      case 'activate':
      case 'goBack':
      case 'dropVersion':
      case 'retain':
        return this.#dataset(op);
      case 'reopen':
        return this.#reopen();
      case 'dropKeyspace':
        await this.#db.dropKeyspace(op.keyspace);
        this.#state = this.#state.drop(op.keyspace);
        this.#past.note(this.#db.version, this.#state);
        for (const undoable of this.#undoable)
          if (undoable.ingest.keyspace === op.keyspace) undoable.gone = true;
        this.#makeKeyspace(op.keyspace);
        return;
    }
  }

  async #dataset(op: DatasetOp): Promise<void> {
    this.#state = await runDatasetOp(this.#db, this.#state, op, () => this.#newPath());
  }

  #makeKeyspace(name: string): void {
    this.#db.keyspace(name, { allowIngestBehind: name === BEHIND });
  }

  async #write({ keyspace, key, value }: KeyedEntry): Promise<void> {
    const target = this.#db.keyspace(keyspace);
    if (value === undefined) await target.del(key);
    else await target.put(key, value);
    this.#state = this.#state.write([{ keyspace, key, value }]);
  }

  async #batch(entries: readonly KeyedEntry[]): Promise<void> {
    await this.#db.batch(
      entries.map(({ keyspace, key, value }) =>
        value === undefined ? { type: 'del', keyspace, key } : { type: 'put', keyspace, key, value },
      ),
    );
    this.#state = this.#state.write(entries);
  }

  async #ingestAlone(op: IngestStatement): Promise<void> {
    if (this.#options.ingestAs !== undefined) return this.#transaction([op], 'commit');
    const before = this.#state;
    const files = await this.#filesOf(op);
    const id = await this.#ingest(this.#db, op, files);
    this.#state = afterIngest(before, op);
    this.#noteUndoable(op, before, id);
  }

  async #transaction(
    steps: readonly Step[],
    end: 'commit' | 'abort' | 'throw',
    activations: readonly Activation[] = [],
  ): Promise<void> {
    const before = this.#state;
    let after = before;
    try {
      await this.#db.transaction(async (txn) => {
        after = await this.#steps(txn, activateIn(txn, before, activations), steps);
        if (end === 'abort') txn.abort();
        if (end === 'throw') throw new Thrown();
      });
    } catch (error) {
      if (!(error instanceof Thrown)) throw error;
    }
    if (end === 'commit') this.#state = after.committed();
  }

  async #steps(txn: Transaction<'utf8', 'utf8'>, before: State, steps: readonly Step[]): Promise<State> {
    let state = before;
    let savepoints: { savepoint: Savepoint; state: State }[] = [];
    for (const step of steps) {
      if (step.op === 'savepoint') savepoints.push({ savepoint: txn.savepoint(), state });
      else if (step.op === 'rollback') {
        const to = savepoints[step.to];
        if (to === undefined) continue;
        txn.rollbackTo(to.savepoint);
        state = to.state;
        savepoints = savepoints.slice(0, step.to + 1);
      } else state = await this.#statement(txn, state, step);
    }
    return state;
  }

  async #statement(txn: Transaction<'utf8', 'utf8'>, state: State, statement: Statement): Promise<State> {
    switch (statement.op) {
      case 'write':
        put(txn, statement.entry);
        return state.write([statement.entry]);
      case 'ingest':
        if (this.#options.ingestAs === 'puts') putAll(txn, state, statement);
        else if (this.#options.ingestAs === 'statements')
          await ingestPlainly(txn, state, statement, () => this.#newPath());
        else await this.#ingest(txn, statement, await this.#filesOf(statement), state);
        return afterIngest(state, statement);
      case 'deleteRange':
        deleteSpan(txn, statement.span);
        return state.deleteRange(statement.span);
      case 'get':
        await checkGet(txn, state, statement.keyspace, statement.key);
        return state;
      case 'scan':
        await checkScan(txn, state, statement.range);
        return state;
    }
  }

  #noteUndoable(ingest: IngestStatement, before: State, id: string): void {
    if (ingest.undoable === undefined || typeof entriesOf(before, ingest) === 'string') return;
    this.#undoable.push({ id, ingest, before, after: this.#state, gone: false });
  }

  async #undo(undoable: Undoable): Promise<void> {
    const entries = undoingOf(this.#state, undoable);
    const failed = typeof entries === 'string';
    if (this.#options.ingestAs === undefined) {
      const outcome = await outcomeOf(() => this.#db.undoIngest(undoable.id));
      expectEqual(outcome, failed ? entries : 'ok', `undo ${JSON.stringify(undoable.ingest)}`);
    } else if (!failed) {
      await this.#db.transaction((txn) => {
        for (const entry of entries) put(txn, entry);
      });
    }
    if (failed) return;
    undoable.gone = true;
    this.#state = this.#state.write(entries);
  }

  /** Returns the id. */
  async #ingest(
    target: Target,
    ingest: IngestStatement,
    files: string[],
    state = this.#state,
  ): Promise<string> {
    let id = '';
    const outcome = await outcomeOf(async () => {
      ({ id } = await target.ingest(files, optionsOf(ingest)));
    });
    const entries = entriesOf(state, ingest);
    expectEqual(outcome, typeof entries === 'string' ? entries : 'ok', `ingest ${JSON.stringify(ingest)}`);
    return id;
  }

  async #filesOf(ingest: IngestStatement): Promise<string[]> {
    return writeFiles(ingest, () => this.#newPath());
  }

  #newPath(): string {
    return join(this.#dir, `${this.#files++}.sst`);
  }

  async #atSnapshot(slot: number, read: (at: SnapshotPair) => Promise<void>): Promise<void> {
    const at = this.#snapshots[slot];
    if (at !== undefined) await read(at);
  }

  #snapshot(back: number | undefined): void {
    if (back === undefined) this.#snapshots.push({ snapshot: this.#db.snapshot(), state: this.#state });
    else this.#snapshots.push(...this.#past.snapshots(this.#db, back));
  }

  /** Also in the middle of commits, where what was before them is read (L1). */
  async #checkPast(): Promise<void> {
    for (let at = 0; at <= this.#db.version; at++) {
      for (const { snapshot, state } of this.#past.snapshotsAt(this.#db, at)) {
        for (const keyspace of KEYSPACES) await checkScan(this.#db, state, { ...FULL, keyspace }, snapshot);
        snapshot.close();
      }
    }
  }

  /** Everything, by every way, now and at every snapshot. */
  async #checkAll(): Promise<void> {
    const readings = [{ state: this.#state, snapshot: undefined }, ...this.#snapshots];
    for (const { state, snapshot } of readings) {
      for (const keyspace of KEYSPACES) {
        await checkScan(this.#db, state, { ...FULL, keyspace }, snapshot);
        await checkScan(this.#db, state, { ...FULL, keyspace, reverse: true }, snapshot);
        const options = snapshot === undefined ? {} : { snapshot };
        const values = await this.#db.keyspace(keyspace).getMany(KEYS, options);
        const wanted = KEYS.map((key) => state.get(keyspace, key));
        expectEqual(values, wanted, `getMany ${keyspace}`);
      }
    }
    await checkVersions(this.#db, this.#state);
  }

  async #reopen(): Promise<void> {
    await this.#close();
    this.#db = await openIn(this.#dir, this.#options);
  }

  async #close(): Promise<void> {
    for (const { snapshot } of this.#snapshots) snapshot.close();
    this.#snapshots = [];
    await this.#db.close();
  }
}

function openIn(dir: string, { cluster, open }: RunOptions): Promise<TextDb> {
  const options: TestOptions = { ...TINY, maxSubcompactions: 3, env: HASTY, ...open };
  const path = join(dir, 'db');
  return cluster === undefined ? openText(path, options) : cluster.open(path, options);
}
