/** The statements of one life, run against the database, and noted in the journal. */

import { type ErrorCode, isSluiceError, type Snapshot, type Transaction } from '../../src/index.ts';
import type { Savepoint } from '../../src/txn/transaction.ts';
import type { TextDb } from '../base/database.ts';
import {
  type Activation,
  type DatasetOp,
  type IngestStatement,
  KEYSPACES,
  type Op,
  type Statement,
  type Step,
} from '../model/history.ts';
import { afterIngest, filesOf, optionsOf } from '../model/ingest.ts';
import { State } from '../model/oracle.ts';
import { activateIn, afterActivations, datasetAct, publishAct, versionsOf } from './dataset-statements.ts';
import type { SimulatedFileSystem } from './file-system.ts';
import type { Journal } from './journal.ts';
import type { Machine } from './machine.ts';
import { SharedLock } from './shared-lock.ts';
import { admitted, expectEqual, overwriting, put, readKey, readRange, replay } from './statements.ts';

const PAUSE_MS = 100;

/** It has happened, and another lane has dropped it before it could be told. */
function wasPublished(error: unknown): boolean {
  return isSluiceError(error, 'DATASET_VERSION_NOT_FOUND') && error.message.includes('dropped since');
}

/** What may go wrong where nothing is wrong with the disk. */
const ORDINARY: ReadonlySet<string> = new Set([
  'CONFLICT',
  'TOO_OLD',
  // Another lane has dropped the version, or made it live.
  'DATASET_VERSION_NOT_FOUND',
  'DATASET_VERSION_LIVE',
]);
export const OF_A_BAD_DISK: ReadonlySet<string> = new Set(['IO', 'NO_SPACE', 'OUTCOME_UNKNOWN', 'POISONED']);

/** Whose versions are told by what is visible afterwards. */
const ALONE: ReadonlySet<Op['op']> = new Set<Op['op']>(['dropKeyspace', 'retain']);

/** What a transaction's function throws by plan. */
class Thrown extends Error {}

class Stopped extends Error {}

/** A moved input. */
interface Input {
  readonly name: string;
  /** Its ingest has failed for sure, or never came to its commit. */
  mustBeThere: boolean;
}

interface Effect {
  readonly apply: (state: State) => State;
  readonly inputs: readonly Input[];
  /** Of a transaction: the version that it reads at, which is its commit's where it writes nothing. */
  readonly seen?: number;
  /** Throws when its reads are not those of this state. */
  readonly check: (state: State) => void;
}

const readsNothing = (): void => undefined;

export interface LifeParts {
  readonly machine: Machine;
  readonly fs: SimulatedFileSystem;
  readonly db: TextDb;
  readonly journal: Journal;
  /** Whether an error of this code may come, besides those that come in any life. */
  readonly mayFail: (code: ErrorCode) => boolean;
  /** Of a cluster's node. */
  readonly cluster?: {
    /** Of all nodes. */
    readonly lock: SharedLock;
    /** No statement is begun any more. */
    readonly isOver: () => boolean;
    /** All that was committed before the call is visible when it resolves. */
    readonly caughtUp: () => Promise<void>;
  };
}

export class Life {
  readonly #parts: LifeParts;
  readonly #machine: Machine;
  readonly #fs: SimulatedFileSystem;
  readonly #db: TextDb;
  readonly #journal: Journal;
  readonly #lock: SharedLock;
  readonly inputs: Input[] = [];

  constructor(parts: LifeParts) {
    this.#parts = parts;
    this.#machine = parts.machine;
    this.#fs = parts.fs;
    this.#db = parts.db;
    this.#journal = parts.journal;
    this.#lock = parts.cluster?.lock ?? new SharedLock();
  }

  /** Statements that are left when the life is over are left in an iterator. */
  async lane(ops: Iterable<Op>): Promise<void> {
    const snapshots: Snapshot[] = [];
    for (const op of ops) {
      if (this.#fs.off || this.#parts.cluster?.isOver() === true) return;
      const run = (): Promise<void> => this.#attempt(() => this.#do(op, snapshots));
      await (ALONE.has(op.op) ? this.#lock.alone(() => this.#alone(run)) : this.#lock.shared(run));
    }
    for (const snapshot of snapshots) snapshot.close();
  }

  /** What is done depends on what there is, on all nodes. */
  async #alone(run: () => Promise<void>): Promise<void> {
    const { cluster } = this.#parts;
    if (cluster !== undefined) {
      let isCaughtUp = false;
      await this.#attempt(async () => {
        await cluster.caughtUp();
        isCaughtUp = true;
      });
      if (!isCaughtUp) return;
    }
    await run();
  }

  async #attempt(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (error instanceof Thrown || this.#fs.off) return;
      if (isSluiceError(error) && ORDINARY.has(error.code)) return;
      if (isSluiceError(error) && this.#parts.mayFail(error.code)) return;
      throw error;
    }
  }

  #do(op: Op, snapshots: Snapshot[]): Promise<void> {
    const db = this.#db;
    switch (op.op) {
      case 'write':
        return this.#write([op.entry]);
      case 'batch':
        return this.#write(op.entries);
      case 'ingest':
        return this.#ingest(op);
      case 'deleteRange': {
        const { keyspace, ...bounds } = op.span;
        const apply = (state: State): State => state.deleteRange(op.span);
        return this.#commit({ apply, inputs: [], check: readsNothing }, () =>
          db.keyspace(keyspace).deleteRange(bounds),
        );
      }
      case 'get':
      case 'scan':
        return this.#readNow(op);
      case 'transaction':
        return this.#transaction(op.steps, op.end, op.activations);
      case 'snapshot':
        snapshots.push(db.snapshot());
        return Promise.resolve();
      case 'closeSnapshot':
        snapshots.splice(op.slot, 1)[0]?.close();
        return Promise.resolve();
      case 'snapshotGet':
        return this.#readAt(snapshots[op.slot], { ...op, op: 'get' });
      case 'snapshotScan':
        return this.#readAt(snapshots[op.slot], { ...op, op: 'scan' });
      case 'undo':
      case 'release':
        // Which ingests there are to be undone depends on the other lanes.
        return Promise.resolve();
      case 'publish':
        return this.#publish(op);
      case 'activate':
      case 'goBack':
      case 'dropVersion':
      case 'retain': {
        const act = datasetAct(db, op);
        return act === undefined ? Promise.resolve() : this.#commit({ ...act, inputs: [] }, act.run);
      }
      case 'flush':
        return db.flush();
      case 'compact': {
        const { op: _, ...range } = op;
        return db.compactRange(range);
      }
      case 'reopen':
        return this.#machine.schedule.sleep(PAUSE_MS);
      case 'dropKeyspace':
        return this.#drop(op.keyspace);
    }
  }

  /** Runs a commit that resolves with its version, and notes what is known of its outcome. */
  async #commit(effect: Effect, run: () => Promise<number>): Promise<void> {
    const { apply, inputs, seen, check } = effect;
    const journal = this.#journal;
    const after = this.#db.version;
    const { newest } = journal;
    const isTaken = (): boolean => inputs.some(({ name }) => !this.#machine.isInputIntact(name));
    for (const input of inputs) input.mustBeThere = false;
    let version: number;
    try {
      version = await run();
    } catch (error) {
      if (this.#fs.off || isSluiceError(error, 'OUTCOME_UNKNOWN') || wasPublished(error)) {
        journal.unknown.push({ after, apply, isTaken });
      } else for (const input of inputs) input.mustBeThere = true;
      throw error;
    }
    // After the machine has stopped nobody is told anything.
    if (this.#fs.off) journal.unknown.push({ after, apply, isTaken });
    else if (version === seen) journal.read(version, check);
    else {
      if (version > after && version < newest)
        throw new Error(`version ${version} came after ${newest} was acknowledged`);
      journal.committed({ version, apply, check });
    }
  }

  #write(entries: readonly { keyspace: string; key: string; value: string | undefined }[]): Promise<void> {
    const apply = (state: State): State => state.write(entries);
    const operations = entries.map(({ keyspace, key, value }) =>
      value === undefined
        ? { type: 'del' as const, keyspace, key }
        : { type: 'put' as const, keyspace, key, value },
    );
    return this.#commit({ apply, inputs: [], check: readsNothing }, () => this.#db.batch(operations));
  }

  /** `first`: a number that only these have. */
  #files(ingest: Pick<IngestStatement, 'files' | 'prefix' | 'mode'>): {
    paths: string[];
    inputs: Input[];
    first: number;
  } {
    // A transaction may be tried again after the machine has stopped.
    if (this.#fs.off) throw new Stopped();
    const names = filesOf(ingest).map((entries) => this.#machine.writeInput(entries));
    const moved = ingest.mode === 'move' ? names : [];
    const inputs = moved.map((name): Input => ({ name, mustBeThere: true }));
    this.inputs.push(...inputs);
    const first = Number.parseInt(names[0] ?? '', 10);
    return { paths: names.map((name) => this.#machine.input(name)), inputs, first };
  }

  /** One that may write nothing goes as a transaction, whose version tells that. */
  #ingest(statement: Statement & { op: 'ingest' }): Promise<void> {
    if (admitted(statement).ifExists !== undefined) return this.#transaction([statement], 'commit');
    const { paths, inputs } = this.#files(statement);
    const options = optionsOf(admitted(statement));
    const apply = (state: State): State => afterIngest(state, admitted(statement));
    return this.#commit(
      { apply, inputs, check: readsNothing },
      async () => (await this.#db.ingest(paths, options)).version,
    );
  }

  /** Every second one moves its files. */
  #publish(op: DatasetOp & { op: 'publish' }): Promise<void> {
    const mode = op.files.length === 1 ? 'move' : 'copy';
    const { paths, inputs, first } = this.#files({ ...op, mode });
    const act = publishAct(this.#db, op, { paths, mode, id: first + 1 });
    return this.#commit({ ...act, inputs }, act.run);
  }

  async #drop(keyspace: string): Promise<void> {
    const apply = (state: State): State => state.drop(keyspace);
    // On a bad disk the one before may not have been made anew.
    this.#db.keyspace(keyspace);
    await this.#commit({ apply, inputs: [], check: readsNothing }, async () => {
      await this.#db.dropKeyspace(keyspace);
      return this.#db.version;
    });
    this.#db.keyspace(keyspace);
  }

  /* Transactions. */

  async #transaction(
    given: readonly Step[],
    end: 'commit' | 'abort' | 'throw',
    activations: readonly Activation[] = [],
  ): Promise<void> {
    await this.#db.transaction(async (txn) => {
      const reads: unknown[] = [];
      const made = activateIn(this.#db, txn, activations);
      const steps = made.length === 0 ? given : given.map(overwriting);
      const inputs = await this.#steps(txn, steps, reads);
      if (end === 'throw') throw new Thrown();
      if (end === 'abort') return txn.abort();
      const check = (state: State): void =>
        expectEqual(reads, replay(afterActivations(state, made, true), steps).reads, steps);
      const apply = (state: State): State => replay(afterActivations(state, made, false), steps).after;
      const effect: Effect = { apply, inputs, seen: txn.version, check };
      await this.#commit(effect, async () => (await txn.commit()).version);
    });
  }

  async #steps(txn: Transaction<'utf8', 'utf8'>, steps: readonly Step[], reads: unknown[]): Promise<Input[]> {
    let savepoints: Savepoint[] = [];
    const inputs: Input[] = [];
    for (const step of steps) {
      switch (step.op) {
        case 'savepoint':
          savepoints.push(txn.savepoint());
          break;
        case 'rollback': {
          const to = savepoints[step.to];
          if (to === undefined) break;
          txn.rollbackTo(to);
          savepoints = savepoints.slice(0, step.to + 1);
          break;
        }
        case 'write':
          put(txn, step.entry);
          break;
        case 'ingest': {
          const files = this.#files(step);
          inputs.push(...files.inputs);
          await txn.ingest(files.paths, optionsOf(admitted(step)));
          break;
        }
        case 'deleteRange': {
          const { keyspace, ...bounds } = step.span;
          txn.keyspace(keyspace).deleteRange(bounds);
          break;
        }
        case 'get':
          reads.push(await readKey(txn, step.keyspace, step.key));
          break;
        case 'scan':
          reads.push(await readRange(txn, step.range));
          break;
      }
    }
    return inputs;
  }

  /* Reading. */

  /** In a cluster, of a key: what was acknowledged anywhere before is seen. */
  async #readNow(op: Statement & { op: 'get' | 'scan' }): Promise<void> {
    const { cluster } = this.#parts;
    const isLinearizable = cluster !== undefined && op.op === 'get';
    const { newest } = this.#journal;
    if (isLinearizable) await cluster.caughtUp();
    const snapshot = this.#db.snapshot();
    try {
      if (isLinearizable && snapshot.version < newest)
        throw new Error(
          `a linearizable read saw version ${snapshot.version}, and ${newest} was acknowledged`,
        );
      await this.#readAt(snapshot, op);
    } finally {
      snapshot.close();
    }
  }

  async #readAt(snapshot: Snapshot | undefined, op: Statement & { op: 'get' | 'scan' }): Promise<void> {
    if (snapshot === undefined) return;
    const got =
      op.op === 'get'
        ? await readKey(this.#db, op.keyspace, op.key, snapshot)
        : await readRange(this.#db, op.range, snapshot);
    if (this.#fs.off) return;
    this.#journal.read(snapshot.version, (state) => {
      expectEqual(got, op.op === 'get' ? state.get(op.keyspace, op.key) : state.scan(op.range), op);
    });
  }
}

export async function contentOf(db: TextDb): Promise<State> {
  let state = new State();
  for (const keyspace of KEYSPACES) {
    const entries = await db.keyspace(keyspace).iterator().all();
    state = state.write(entries.map(([key, value]) => ({ keyspace, key, value })));
    state = state.withDataset(keyspace, await versionsOf(db, keyspace));
  }
  return state;
}
