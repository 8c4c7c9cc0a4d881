/** Plays a history on the database and the oracle side by side, and tells where they part. */

import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  type Batch,
  type ConflictCause,
  type IngestOptions,
  isSluiceError,
  type Keyspace,
  type SluiceCursor,
  type SluiceError,
  type Transaction,
  type TransactionKeyspace,
} from '../../src/index.ts';
import type { TextDb } from '../base/database.ts';
import { writeSst } from '../base/sst-files.ts';
import { type History, KEYS, KEYSPACES, type ReadStep, SLOTS, type Step, type WriteStep } from './history.ts';
import { effectOf, Oracle, Reader } from './oracle.ts';

type Txn = Transaction<'utf8', 'utf8'>;
type Target = TransactionKeyspace<'utf8', 'utf8'>;
type Ingest = WriteStep & { op: 'ingest' };
type Scan = ReadStep & { op: 'scan' };

export interface Tally {
  commits: number;
  conflicts: number;
}

interface Slot {
  readonly txn: Txn;
  readonly reader: Reader;
  readonly savepoints: ReturnType<Txn['savepoint']>[];
}

/** Blocks are of 64 bytes: each entry has one of its own. */
const stored = (value: string): string => value.repeat(40);

export class Run {
  readonly #db: TextDb;
  readonly #dir: string;
  /** The history's own keyspaces in a database that all share. */
  readonly #prefix: string;
  readonly #tally: Tally;
  readonly #oracle = new Oracle(KEYSPACES);
  /** Objects outlive a drop; by name, a transaction would make the keyspace. */
  readonly #keyspaces = new Map<string, Keyspace<'utf8', 'utf8'>>();
  readonly #slots = new Map<number, Slot>();
  #files = 0;

  constructor(db: TextDb, dir: string, prefix: string, tally: Tally) {
    this.#db = db;
    this.#dir = dir;
    this.#prefix = prefix;
    this.#tally = tally;
    for (const name of KEYSPACES) this.#keyspaces.set(name, db.keyspace(prefix + name));
  }

  async history(history: History): Promise<void> {
    try {
      for (const { slot, step } of history) await this.#step(slot, step);
      await this.#commit([...this.#slots.keys()]);
      for (const name of KEYSPACES) await this.#checkContents(name);
    } finally {
      for (const { txn } of this.#slots.values()) txn.abort();
      for (const name of KEYSPACES)
        if (this.#oracle.has(name)) await this.#db.dropKeyspace(this.#prefix + name);
    }
  }

  async #step(slot: number, step: Step): Promise<void> {
    switch (step.op) {
      case 'flush':
        return this.#db.flush();
      case 'compact':
        for (const name of KEYSPACES) {
          if (this.#oracle.has(name)) await this.#db.compactRange({ keyspace: this.#prefix + name });
        }
        return;
      case 'drop':
        if (!this.#oracle.has(step.keyspace)) return;
        await this.#db.dropKeyspace(this.#prefix + step.keyspace);
        return this.#oracle.drop(step.keyspace, this.#db.version);
      case 'create':
        this.#db.keyspace(this.#prefix + step.keyspace);
        return this.#oracle.create(step.keyspace);
      case 'commitAll':
        return this.#commit([...this.#slots.keys()]);
      case 'commit':
        return this.#slots.has(slot) ? this.#commit([slot]) : undefined;
      default:
        return slot === SLOTS ? this.#alone(step) : this.#statement(this.#begun(slot), step);
    }
  }

  #begun(slot: number): Slot {
    const open = this.#slots.get(slot);
    if (open !== undefined) return open;
    const txn = this.#db.begin();
    const begun = { txn, reader: new Reader(this.#oracle.state, txn.version), savepoints: [] };
    this.#slots.set(slot, begun);
    return begun;
  }

  async #statement(
    slot: Slot,
    step: ReadStep | WriteStep | (Step & { op: 'savepoint' | 'rollback' }),
  ): Promise<void> {
    const { txn, reader, savepoints } = slot;
    switch (step.op) {
      case 'get':
        return expectEqual(
          await getting(this.#in(txn, step.keyspace), step),
          shaped(step, reader.get(step)),
          step,
        );
      case 'scan': {
        const found = reader.scan(step).map((entry) => entry && [entry[0], stored(entry[1])]);
        return expectEqual(await scanning(this.#in(txn, step.keyspace), step), found, step);
      }
      case 'savepoint':
        savepoints.push(txn.savepoint());
        return reader.savepoint();
      case 'rollback': {
        const savepoint = savepoints[step.to];
        if (savepoint === undefined || !reader.rollback(step.to)) return;
        txn.rollbackTo(savepoint);
        savepoints.splice(step.to + 1);
        return;
      }
      case 'ingest': {
        // It makes the keyspace, at once.
        this.#oracle.create(step.keyspace);
        const effect = reader.ingest(step);
        await this.#ingesting(step, effect !== undefined, (paths, options) => txn.ingest(paths, options));
        if (effect !== undefined) reader.effects.push(effect);
        return;
      }
      default: {
        writing(this.#in(txn, step.keyspace), step);
        const effect = effectOf(step);
        if (effect !== undefined) reader.effects.push(effect);
      }
    }
  }

  /** @returns what `ingest` resolves with; undefined where it has to fail, and does, for keys that exist */
  async #ingesting<T>(
    step: Ingest,
    succeeds: boolean,
    ingest: (paths: string[], options: IngestOptions) => Promise<T>,
  ): Promise<T | undefined> {
    const { keyspace, replace, ifExists } = step;
    const options = { into: this.#prefix + keyspace, ...(replace === null ? { ifExists } : { replace }) };
    try {
      const done = await ingest(await this.#paths(step), options);
      if (!succeeds) throw new Error(`${JSON.stringify(step)} overwrote what exists`);
      return done;
    } catch (error) {
      if (succeeds || !isSluiceError(error, 'KEY_EXISTS')) throw error;
      return undefined;
    }
  }

  #in(txn: Txn, keyspace: string): Target {
    return txn.keyspace(this.#outside(keyspace));
  }

  #outside(name: string): Keyspace<'utf8', 'utf8'> {
    const keyspace = this.#keyspaces.get(name);
    if (keyspace === undefined) throw new Error(`no keyspace ${name}`);
    return keyspace;
  }

  /** A statement of the database: a transaction that reads nothing. */
  async #alone(step: ReadStep | WriteStep | (Step & { op: 'savepoint' | 'rollback' })): Promise<void> {
    if (step.op === 'get' || step.op === 'scan' || step.op === 'savepoint' || step.op === 'rollback') return;
    if (step.op === 'ingest') {
      this.#oracle.create(step.keyspace);
      const effect = new Reader(this.#oracle.state, this.#db.version).ingest(step);
      const done = await this.#ingesting(step, effect !== undefined, (paths, options) =>
        this.#db.ingest(paths, options),
      );
      if (done !== undefined && effect !== undefined) this.#oracle.commit([effect], done.version);
      return;
    }
    const effect = effectOf(step);
    if (effect === undefined) return;
    const keyspace = this.#outside(step.keyspace);
    let version: number;
    try {
      if (step.op === 'put') version = await keyspace.put(step.key, stored(step.value));
      else if (step.op === 'del') version = await keyspace.del(step.key);
      else version = await keyspace.deleteRange(step.range);
    } catch (error) {
      if (!isSluiceError(error, 'KEYSPACE_NOT_FOUND') || this.#oracle.has(step.keyspace)) throw error;
      return;
    }
    if (!this.#oracle.has(step.keyspace)) throw new Error(`${step.op} into a keyspace that was dropped`);
    this.#oracle.commit([effect], version);
  }

  /** Commits them at once, and holds what came of each against the oracle, in the order of their versions. */
  async #commit(slots: readonly number[]): Promise<void> {
    const ended = slots.flatMap((number) => this.#slots.get(number) ?? []);
    for (const number of slots) this.#slots.delete(number);
    const before = this.#db.version;
    const outcomes = await Promise.all(
      ended.map(async ({ txn, reader }) => {
        try {
          return { reader, version: (await txn.commit()).version, error: undefined };
        } catch (error) {
          if (!isSluiceError(error)) throw error;
          return { reader, version: Number.POSITIVE_INFINITY, error };
        }
      }),
    );
    outcomes.sort((a, b) => (a.version === b.version ? 0 : a.version - b.version));
    for (const { reader, version, error } of outcomes) {
      if (error === undefined) this.#checkCommitted(reader, version);
      else this.#checkFailed(reader, error, before);
    }
  }

  #checkCommitted({ reads, since, effects }: Reader, version: number): void {
    if (effects.length === 0) return;
    const changed = this.#oracle.changed(reads, since, version);
    if (changed.length > 0) throw new Error(`missed: committed although others wrote ${changed.join(', ')}`);
    const missing = effects.find(({ keyspace }) => !this.#oracle.has(keyspace));
    if (missing !== undefined) throw new Error(`committed to ${missing.keyspace}, which was dropped`);
    this.#oracle.commit(effects, version);
    this.#tally.commits++;
  }

  #checkFailed({ reads, since, effects }: Reader, error: SluiceError, before: number): void {
    const { code, conflict, message } = error;
    if (code === 'CONFLICT' && conflict !== undefined && effects.length > 0) {
      const changed = this.#oracle.changed(reads, since);
      if (changed.length === 0) throw new Error(`false abort: ${message}`);
      const name = this.#nameOf(conflict);
      if (!reads.has(name) || !this.#oracle.wrote(name, conflict.version))
        throw new Error(`not so: ${message}; changed was ${changed.join(', ')}`);
      this.#tally.conflicts++;
      return;
    }
    const missing = effects.some(({ keyspace }) => !this.#oracle.has(keyspace));
    if (code !== 'KEYSPACE_NOT_FOUND' || !missing) throw new Error(`${code}: ${message}`);
    // Those that committed beside it may have come later.
    const changed = this.#oracle.changed(reads, since, before);
    if (changed.length > 0) throw new Error(`missed: ${code} although others wrote ${changed.join(', ')}`);
  }

  /** Of a range that was deleted, a conflict names the first place that was read: it stands for the next key. */
  #nameOf({ keyspace, key }: ConflictCause): string {
    const name = keyspace.slice(this.#prefix.length);
    if (key === undefined) return name;
    const text = Buffer.from(key).toString();
    return `${name}/${KEYS.find((one) => one >= text)}`;
  }

  async #checkContents(name: string): Promise<void> {
    const wanted = [...(this.#oracle.state.get(name) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
    const found = await this.#outside(name).iterator().all();
    expectEqual(
      found,
      wanted.map(([key, value]) => [key, stored(value)]),
      name,
    );
  }

  async #paths({ files }: Ingest): Promise<string[]> {
    const paths: string[] = [];
    for (const entries of files) {
      const path = join(this.#dir, `${this.#prefix}${this.#files++}.sst`);
      const full = entries.map(([key, value]) => [key, value === undefined ? value : stored(value)] as const);
      await writeSst(path, full, { blockBytes: 64 });
      paths.push(path);
    }
    return paths;
  }
}

function writing(target: Target, step: Exclude<WriteStep, { op: 'ingest' }>): void {
  if (step.op === 'put') target.put(step.key, stored(step.value));
  else if (step.op === 'del') target.del(step.key);
  else target.deleteRange(step.range);
}

async function getting(target: Target, { keys, how }: ReadStep & { op: 'get' }): Promise<unknown[]> {
  if (how === 'getMany') return target.getMany(keys);
  const values: unknown[] = [];
  for (const key of keys) {
    if (how === 'get') values.push(await target.get(key));
    else values.push(how === 'getSync' ? target.getSync(key) : await target.has(key));
  }
  return values;
}

function shaped({ how }: ReadStep & { op: 'get' }, values: readonly (string | undefined)[]): unknown[] {
  return values.map((value) => (how === 'has' ? value !== undefined : value && stored(value)));
}

async function scanning(target: Target, { range, reverse, limit, seeks, by }: Scan): Promise<unknown[]> {
  const scan = { ...range, reverse, limit };
  if (by === 'cursor') return batching(target.cursor(scan), seeks);
  const iterator = target.iterator(scan);
  if (seeks.length === 0) return iterator.all();
  const found: unknown[] = [];
  for (const { key, steps } of seeks) {
    iterator.seek(key);
    for (let i = 0; i < steps; i++) found.push(await iterator.next());
  }
  iterator.close();
  return found;
}

/** As `scanning`, by batches: of one entry where it stops by itself. */
async function batching(cursor: SluiceCursor, seeks: Scan['seeks']): Promise<unknown[]> {
  const found: unknown[] = [];
  const take = (batch: Batch): void => {
    for (let i = 0; i < batch.count; i++) found.push([batch.key(i).toString(), batch.value(i).toString()]);
  };
  if (seeks.length === 0) for await (const batch of cursor) take(batch);
  for (const { key, steps } of seeks) {
    cursor.seek(key);
    for (let i = 0; i < steps; i++) {
      const batch = await cursor.nextBatch(1);
      if (batch === undefined) found.push(undefined);
      else take(batch);
    }
  }
  cursor.close();
  return found;
}

function expectEqual(got: unknown, wanted: unknown, what: unknown): void {
  if (isDeepStrictEqual(got, wanted)) return;
  throw new Error(`${JSON.stringify(what)}: got ${JSON.stringify(got)}, expected ${JSON.stringify(wanted)}`);
}
