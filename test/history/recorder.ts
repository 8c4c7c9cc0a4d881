/** Runs transactions on a database and keeps what each of them did and saw, for the checker. */

import { rmSync } from 'node:fs';
import { isSluiceError, type Snapshot, type Transaction } from '../../src/index.ts';
import type { TextDb } from '../base/database.ts';
import { type Entry, writeSst } from '../base/sst-files.ts';
import {
  type Found,
  isList,
  type Operation,
  type Outcome,
  type RecordedTransaction,
  type Value,
} from './history.ts';

/** Keys of lists begin with it, those of registers do not. */
export const LIST_PREFIX = 'l';

export const MARKED = 'committed';

/** Long enough that some dozens fill a block or two. */
const VALUE_LENGTH = 48;

export interface Stretch {
  readonly lower: string;
  readonly upper: string;
  readonly reverse: boolean;
  /** Entries taken; -1: to the end. */
  readonly take: number;
  /** Whether the database is told by `limit`, or the iterator is left. */
  readonly byLimit: boolean;
}

/** What a database, a keyspace and a transaction have in common. */
type Source = Pick<TextDb, 'get' | 'iterator'>;

/** Of the machine, not of the process: the same in all processes. */
export function nowNs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e9 + nanoseconds;
}

export function encode(value: number | readonly number[]): string {
  return (isList(value) ? JSON.stringify(value) : String(value)).padEnd(VALUE_LENGTH);
}

export function decode(text: string): number | readonly number[] {
  return text.startsWith('[') ? (JSON.parse(text) as number[]) : Number(text);
}

async function readValue(source: Source, key: string, snapshot?: Snapshot): Promise<Value> {
  const text = await source.get(key, snapshot === undefined ? {} : { snapshot });
  return text === undefined ? undefined : decode(text);
}

/** The operation says how far it really got: that much, and no more, it knows. */
async function readStretch(source: Source, stretch: Stretch, snapshot?: Snapshot): Promise<Operation> {
  const { lower, upper, reverse, take, byLimit } = stretch;
  const range = { gte: lower, lt: upper, reverse, ...(snapshot === undefined ? {} : { snapshot }) };
  const iterator = source.iterator(byLimit ? { ...range, limit: take } : range);
  const entries: [string, string][] = [];
  try {
    while (entries.length !== take) {
      const entry = await iterator.next();
      if (entry === undefined) break;
      entries.push(entry);
    }
  } finally {
    iterator.close();
  }
  const found = entries.map(([key, text]): Found => [key, decode(text)]);
  const last = entries.at(-1)?.[0];
  if (entries.length !== take) return { op: 'scan', lower, upper, found };
  if (last === undefined) return { op: 'scan', lower, upper: lower, found };
  return reverse
    ? { op: 'scan', lower: last, upper, found }
    : { op: 'scan', lower, upper: `${last}\0`, found };
}

/** Who keeps transactions where they outlive the process, which may be killed at any moment. */
export interface Journal {
  /** Before it is asked for what may commit: until it has ended, its outcome is unknown. */
  intends(transaction: RecordedTransaction): void;
  ended(transaction: RecordedTransaction): void;
  /** Before a snapshot is taken, which then sees all that had ended before. */
  catchUp(): Promise<void>;
  /** A key that nobody else writes: a transaction that writes puts it too, so that its outcome can be told afterwards. */
  nextMark?(): string;
}

export class Recorder {
  readonly #process: string;
  readonly #upToDate: boolean;
  readonly #journal: Journal | undefined;
  #transactions: RecordedTransaction[] = [];

  constructor(process: string, upToDate: boolean, journal?: Journal) {
    this.#process = process;
    this.#upToDate = upToDate;
    this.#journal = journal;
  }

  get count(): number {
    return this.#transactions.length;
  }

  /** Hands over what has been recorded; ids are for the caller to give. */
  take(): RecordedTransaction[] {
    const transactions = this.#transactions;
    this.#transactions = [];
    return transactions;
  }

  /** Commits unless `body` says no; a conflict is recorded, not tried again. */
  async transaction(db: TextDb, body: (txn: RecordedWriter) => Promise<boolean>): Promise<void> {
    const beganAt = nowNs();
    await this.#journal?.catchUp();
    const txn = db.begin();
    const writer = new RecordedWriter(txn);
    let mark: string | undefined;
    const record = (outcome: Outcome, version: number | undefined): void =>
      this.#record(beganAt, outcome, txn.version, version, writer.operations, mark);
    try {
      if (!(await body(writer))) {
        txn.abort();
        record('aborted', undefined);
        return;
      }
      if (writer.wrote) mark = this.#journal?.nextMark?.();
      if (mark !== undefined) txn.put(mark, MARKED);
      this.#journal?.intends(
        this.#recorded(beganAt, 'unknown', txn.version, undefined, writer.operations, mark),
      );
      const { version } = await txn.commit();
      record('committed', writer.wrote ? version : undefined);
    } catch (error) {
      txn.abort();
      if (!isSluiceError(error)) throw error;
      if (error.retryable) record('aborted', undefined);
      else if (error.code === 'OUTCOME_UNKNOWN') record('unknown', undefined);
      else throw error;
    } finally {
      for (const path of writer.files) rmSync(path, { force: true });
    }
  }

  /** A write call of the database itself, which resolves with its version; it puts the mark too, if there is one. */
  async blind(
    operations: readonly Operation[],
    write: (mark: string | undefined) => Promise<number>,
    mark = this.#journal?.nextMark?.(),
  ): Promise<void> {
    const beganAt = nowNs();
    this.#journal?.intends(this.#recorded(beganAt, 'unknown', undefined, undefined, operations, mark));
    this.#record(beganAt, 'committed', undefined, await write(mark), operations, mark);
  }

  /**
   * What commits only while its reads hold, in one layer, and names no snapshot: it has seen what was right before it. `send` resolves with
   * its version; undefined: it was refused.
   */
  async request(operations: readonly Operation[], send: () => Promise<number | undefined>): Promise<void> {
    const beganAt = nowNs();
    const version = await send();
    if (version === undefined) this.#record(beganAt, 'aborted', undefined, undefined, []);
    else this.#record(beganAt, 'committed', version - 1, version, operations);
  }

  /** What was answered as of one version, and asked for at `beganAt`. */
  answered(operations: readonly Operation[], version: number, beganAt: number): void {
    this.#record(beganAt, 'committed', version, undefined, operations);
  }

  /** Reads at one snapshot, of the state at `beganAt`: for a process beside the writer, of before its refresh. */
  async snapshot(
    db: TextDb,
    read: (reader: RecordedReader) => Promise<void>,
    beganAt = nowNs(),
  ): Promise<void> {
    await this.#journal?.catchUp();
    const snapshot = db.snapshot();
    try {
      const reader = new RecordedReader(db, snapshot);
      await read(reader);
      this.#record(beganAt, 'committed', snapshot.version, undefined, reader.operations);
    } finally {
      snapshot.close();
    }
  }

  #record(
    beganAt: number,
    outcome: Outcome,
    snapshot: number | undefined,
    version: number | undefined,
    operations: readonly Operation[],
    mark?: string,
  ): void {
    const transaction = this.#recorded(beganAt, outcome, snapshot, version, operations, mark);
    if (this.#journal === undefined) this.#transactions.push(transaction);
    else this.#journal.ended(transaction);
  }

  #recorded(
    beganAt: number,
    outcome: Outcome,
    snapshot: number | undefined,
    version: number | undefined,
    operations: readonly Operation[],
    mark?: string,
  ): RecordedTransaction {
    return {
      id: 0,
      process: this.#process,
      outcome,
      beganAt,
      endedAt: nowNs(),
      snapshot,
      version,
      upToDate: this.#upToDate,
      ...(mark !== undefined && { mark }),
      operations,
    };
  }
}

export class RecordedReader {
  readonly operations: Operation[] = [];
  /** What it reads at; a transaction has its own. */
  readonly snapshot: Snapshot | undefined;
  readonly #source: Source;

  constructor(source: Source, snapshot?: Snapshot) {
    this.#source = source;
    this.snapshot = snapshot;
  }

  async get(key: string): Promise<Value> {
    const value = await readValue(this.#source, key, this.snapshot);
    this.operations.push({ op: 'get', key, value });
    return value;
  }

  async scan(stretch: Stretch): Promise<void> {
    this.operations.push(await readStretch(this.#source, stretch, this.snapshot));
  }
}

export class RecordedWriter extends RecordedReader {
  /** Made for ingests, whatever became of the transaction. */
  readonly files: string[] = [];
  wrote = false;
  readonly txn: Transaction<'utf8', 'utf8'>;

  constructor(txn: Transaction<'utf8', 'utf8'>) {
    super(txn);
    this.txn = txn;
  }

  put(key: string, value: number | undefined): void {
    if (value === undefined) this.txn.del(key);
    else this.txn.put(key, encode(value));
    this.wrote = true;
    this.operations.push({ op: 'write', key, value, by: 'put' });
  }

  async append(key: string, element: number): Promise<void> {
    const list = await this.get(key);
    this.txn.put(key, encode([...(isList(list) ? list : []), element]));
    this.wrote = true;
    this.operations.push({ op: 'append', key, element, by: 'put' });
  }

  /** `element`: appended to the list as a line of the file. */
  async ingest(
    path: string,
    registers: ReadonlyMap<string, number | undefined>,
    element?: { readonly key: string; readonly element: number },
  ): Promise<void> {
    const entries: Entry[] = fileEntries(registers);
    if (element !== undefined) {
      const list = await this.get(element.key);
      entries.push([element.key, encode([...(isList(list) ? list : []), element.element])]);
    }
    await writeSst(path, entries, { blockBytes: 256 });
    this.files.push(path);
    await this.txn.ingest(path, { mode: 'link' });
    this.wrote = true;
    this.operations.push(...writes(registers, 'ingest'));
    if (element !== undefined) this.operations.push({ op: 'append', ...element, by: 'ingest' });
  }

  deleteRange(lower: string, upper: string): void {
    this.txn.deleteRange({ gte: lower, lt: upper });
    this.wrote = true;
    this.operations.push({ op: 'deleteRange', lower, upper });
  }

  /** What `statements` do is undone. */
  async undone(statements: () => Promise<void>): Promise<void> {
    const savepoint = this.txn.savepoint();
    const wrote = this.wrote;
    this.operations.push({ op: 'savepoint' });
    await statements();
    this.txn.rollbackTo(savepoint);
    this.wrote = wrote;
    this.operations.push({ op: 'rollback' });
  }
}

export function fileEntries(registers: ReadonlyMap<string, number | undefined>): Entry[] {
  return [...registers].map(([key, value]) => [key, value === undefined ? undefined : encode(value)]);
}

export function writes(
  registers: ReadonlyMap<string, number | undefined>,
  by: 'put' | 'ingest',
): Operation[] {
  return [...registers].map(([key, value]) => ({ op: 'write', key, value, by }));
}
