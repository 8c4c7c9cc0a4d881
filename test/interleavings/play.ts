/**
 * Runs interleavings against the database, many side by side: each has a prefix of its own for its keys, and all take
 * their next operation in the same turn, so their commits share a write of the log.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isSluiceError, type Keyspace, type Transaction, type TransactionKeyspace } from '../../src/index.ts';
import { makeMemoryDirectory, openText, type TextDb } from '../base/database.ts';
import { writeSst } from '../base/sst-files.ts';
import {
  INITIAL,
  isSerial,
  KEYS,
  type Key,
  type Outcome,
  predict,
  RANGE,
  type State,
  showState,
  valueBy,
} from './oracle.ts';
import type { Case, Statement } from './space.ts';

/** Cases side by side. */
const SLOTS = 200;
/** A database is made anew after so many rounds: what is dropped goes at once then. */
const ROUNDS_MAX = 50;

export class Play {
  readonly #dir = makeMemoryDirectory();
  #db: TextDb | undefined;
  #rounds = 0;
  /** Files made, by name: a slot and a writer of it have always the same. */
  readonly #files = new Set<string>();

  async close(): Promise<void> {
    await this.#db?.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** Runs all of them; `enough` may stop it between rounds. Resolves with how many were run. @throws at the first that goes wrong */
  async run(cases: Iterable<Case>, enough: (count: number) => boolean = () => false): Promise<number> {
    let count = 0;
    let round: Case[] = [];
    for (const one of cases) {
      round.push(one);
      if (round.length < SLOTS) continue;
      await this.#round(round);
      count += round.length;
      round = [];
      if (enough(count)) return count;
    }
    if (round.length > 0) await this.#round(round);
    return count + round.length;
  }

  async #round(cases: readonly Case[]): Promise<void> {
    const db = await this.#database();
    const name = `round ${this.#rounds}`;
    const keyspace = db.keyspace(name);
    await keyspace.batch(
      cases.flatMap((_, slot) =>
        Object.entries(INITIAL).map(([key, value]) => ({
          type: 'put' as const,
          key: keyIn(slot, key),
          value,
        })),
      ),
    );
    const tables = cases.map((one, slot) => new Table(one, slot, db, keyspace, this));
    const steps = Math.max(...cases.map(({ order }) => order.length));
    for (let step = 0; step < steps; step++) {
      const waiting = tables.map((table) => table.step(step));
      await Promise.all(waiting.filter((promise) => promise !== undefined));
    }
    for (const table of tables) table.check();
    await db.dropKeyspace(name);
  }

  /** The file that an ingest of the transaction's statement adds: y, and a below all that is read. */
  async file(slot: number, transaction: number, statement: number): Promise<string> {
    const value = valueBy(transaction, statement);
    const path = join(this.#dir, 'in', `${slot}-${value}.sst`);
    if (!this.#files.has(path)) {
      this.#files.add(path);
      await writeSst(path, [
        [keyIn(slot, 'a'), value],
        [keyIn(slot, 'y'), value],
      ]);
    }
    return path;
  }

  async #database(): Promise<TextDb> {
    if (this.#db !== undefined && this.#rounds++ < ROUNDS_MAX) return this.#db;
    await this.#db?.close();
    this.#rounds = 0;
    const dir = join(this.#dir, 'db');
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(join(this.#dir, 'in'), { recursive: true });
    this.#db = await openText(dir, { durability: 'os', compaction: 'off' });
    return this.#db;
  }
}

function keyIn(slot: number, key: string): string {
  return `${String(slot).padStart(4, '0')}${key}`;
}

interface Seat {
  readonly txn: Transaction<'utf8', 'utf8'>;
  readonly keyspace: TransactionKeyspace<'utf8', 'utf8'>;
  readonly reads: string[];
  done: number;
}

/** One case under way. */
class Table {
  readonly #case: Case;
  readonly #slot: number;
  readonly #db: TextDb;
  readonly #keyspace: Keyspace<'utf8', 'utf8'>;
  readonly #play: Play;
  readonly #seats: (Seat | undefined)[];
  readonly #committed: boolean[];

  constructor(one: Case, slot: number, db: TextDb, keyspace: Keyspace<'utf8', 'utf8'>, play: Play) {
    this.#case = one;
    this.#slot = slot;
    this.#db = db;
    this.#keyspace = keyspace;
    this.#play = play;
    this.#seats = one.programs.map(() => undefined);
    this.#committed = one.programs.map(() => false);
  }

  /** undefined where there is nothing to wait for. */
  step(step: number): Promise<void> | undefined {
    const transaction = this.#case.order[step];
    if (transaction === undefined) return undefined;
    const seat = this.#seat(transaction);
    const at = seat.done++;
    const statement = this.#case.programs[transaction]?.[at];
    if (statement === undefined) return this.#commit(transaction, seat);
    return this.#statement(seat, statement, transaction, at);
  }

  check(): void {
    const outcome: Outcome = {
      committed: this.#committed,
      reads: this.#seats.map((seat) => seat?.reads ?? []),
      end: this.#end(),
    };
    const [got, wanted] = [show(outcome), show(predict(this.#case))];
    if (got !== wanted) throw new Error(`${tell(this.#case)}\ngot      ${got}\nexpected ${wanted}`);
    if (!isSerial(this.#case, outcome)) throw new Error(`${tell(this.#case)}\nno serial order gives ${got}`);
  }

  #seat(transaction: number): Seat {
    let seat = this.#seats[transaction];
    if (seat === undefined) {
      const txn = this.#db.begin();
      seat = { txn, keyspace: txn.keyspace(this.#keyspace), reads: [], done: 0 };
      this.#seats[transaction] = seat;
    }
    return seat;
  }

  #statement(seat: Seat, statement: Statement, transaction: number, at: number): Promise<void> | undefined {
    const { keyspace } = seat;
    switch (statement) {
      case 'get x':
        this.#get(seat, 'x');
        return undefined;
      case 'get y':
        this.#get(seat, 'y');
        return undefined;
      case 'put x':
        keyspace.put(keyIn(this.#slot, 'x'), valueBy(transaction, at));
        return undefined;
      case 'put y':
        keyspace.put(keyIn(this.#slot, 'y'), valueBy(transaction, at));
        return undefined;
      case 'del x':
        keyspace.del(keyIn(this.#slot, 'x'));
        return undefined;
      case 'scan':
        return this.#scan(seat);
      case 'ingest':
        return this.#ingest(seat, transaction, at);
      case 'deleteRange':
        keyspace.deleteRange(this.#range());
        return undefined;
    }
  }

  #get({ keyspace, reads }: Seat, key: Key): void {
    const value = keyspace.getSync(keyIn(this.#slot, key));
    reads.push(showState(value === undefined ? {} : { [key]: value }, [key]));
  }

  async #scan({ keyspace, reads }: Seat): Promise<void> {
    const found = await keyspace.iterator(this.#range()).all();
    const state = Object.fromEntries(found.map(([key, value]) => [key.slice(-1), value]));
    reads.push(showState(state, ['x', 'y']));
  }

  async #ingest({ txn }: Seat, transaction: number, at: number): Promise<void> {
    const path = await this.#play.file(this.#slot, transaction, at);
    await txn.ingest(path, { into: this.#keyspace.name, mode: 'link' });
  }

  async #commit(transaction: number, { txn }: Seat): Promise<void> {
    try {
      await txn.commit();
      this.#committed[transaction] = true;
    } catch (error) {
      if (!isSluiceError(error, 'CONFLICT')) throw error;
    }
  }

  #range(): { gte: string; lt: string } {
    return { gte: keyIn(this.#slot, RANGE.gte), lt: keyIn(this.#slot, RANGE.lt) };
  }

  #end(): State {
    const values = KEYS.map((key) => [key, this.#keyspace.getSync(keyIn(this.#slot, key))] as const);
    return Object.fromEntries(values.filter(([, value]) => value !== undefined));
  }
}

function show({ committed, reads, end }: Outcome): string {
  const of = reads.map(
    (answers, i) => `T${i + 1} ${committed[i] ? 'commits' : 'aborts'} [${answers.join(', ')}]`,
  );
  return `${of.join('; ')}; in the end ${showState(end, KEYS)}`;
}

function tell({ programs, order }: Case): string {
  const done = programs.map(() => 0);
  const steps = order.map((transaction) => {
    const at = done[transaction] ?? 0;
    done[transaction] = at + 1;
    return `T${transaction + 1} ${programs[transaction]?.[at] ?? 'commit'}`;
  });
  return steps.join('; ');
}
