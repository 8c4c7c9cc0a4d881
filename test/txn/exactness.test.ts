/**
 * L5, exactly: of small random histories of concurrent transactions, a commit aborts if and only if something that it
 * read was written by a commit after its snapshot. The oracle keeps every commit's keys and deleted ranges and every
 * reader's points and intervals.
 */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'vitest';
import type { Transaction, TransactionKeyspace } from '../../src/index.ts';
import { makeMemoryDirectory, openText, outcomeOf, type TextDb } from '../base/database.ts';
import { type Entry, writeSst } from '../base/sst-files.ts';

const HISTORIES = 500;
const ALPHABET = ['b', 'd', 'f', 'h', 'j'] as const;
/** Bounds may lie between the keys. */
const ENDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'] as const;
const SLOTS = 3;

type Step =
  | { readonly op: 'get'; readonly key: string }
  | {
      readonly op: 'scan';
      readonly gte: string | undefined;
      readonly lt: string | undefined;
      readonly reverse: boolean;
      /** Entries taken; -1: to the end. */
      readonly take: number;
    }
  | { readonly op: 'write'; readonly key: string; readonly value: string | undefined }
  | { readonly op: 'deleteRange'; readonly gte: string | undefined; readonly lt: string | undefined }
  | { readonly op: 'ingest'; readonly entries: readonly Entry[] }
  | { readonly op: 'commit' }
  | { readonly op: 'flush' };

interface Action {
  /** SLOTS: not a transaction, but the database itself. */
  readonly slot: number;
  readonly step: Step;
}

const key = fc.constantFrom(...ALPHABET);
const end = fc.option(fc.constantFrom(...ENDS), { nil: undefined, freq: 3 });
const value = fc.option(fc.constantFrom('1', '2'), { nil: undefined, freq: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant('get' as const), key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('scan' as const),
      gte: end,
      lt: end,
      reverse: fc.boolean(),
      take: fc.integer({ min: -1, max: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('write' as const), key, value }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('deleteRange' as const), gte: end, lt: end }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('ingest' as const),
      entries: fc.array(fc.tuple(key, value), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.constant<Step>({ op: 'commit' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ op: 'flush' }) },
);
const history = fc.array(fc.record({ slot: fc.nat(SLOTS), step }), {
  minLength: 4,
  maxLength: 16,
  size: 'max',
});

/** Without its end. Every key is before '~'. */
type Interval = readonly [from: string, to: string];

function interval(gte: string | undefined, lt: string | undefined): Interval {
  return [gte ?? '', lt ?? '~'];
}

function meet(a: Interval, b: Interval): boolean {
  return a[0] < b[1] && b[0] < a[1] && a[0] < a[1] && b[0] < b[1];
}

/** What a commit wrote: a key is the interval up to the next one. */
class Writes {
  readonly intervals: Interval[] = [];

  add(key: string): void {
    this.intervals.push([key, `${key}\0`]);
  }

  addRange(range: Interval): void {
    if (range[0] < range[1]) this.intervals.push(range);
  }

  has(key: string): boolean {
    return this.intervals.some((written) => meet(written, [key, `${key}\0`]));
  }
}

/** What one transaction did, as the oracle sees it. */
class Reader {
  readonly txn: Transaction<'utf8', 'utf8'>;
  readonly keyspace: TransactionKeyspace<'utf8', 'utf8'>;
  readonly since: number;
  readonly intervals: Interval[] = [];
  readonly own = new Writes();

  constructor(txn: Transaction<'utf8', 'utf8'>, keyspace: string, since: number) {
    this.txn = txn;
    this.keyspace = txn.keyspace(keyspace);
    this.since = since;
  }

  reads(written: Interval): boolean {
    return this.intervals.some((read) => meet(read, written));
  }
}

function bounds({ gte, lt }: { gte: string | undefined; lt: string | undefined }): {
  gte?: string;
  lt?: string;
} {
  return { ...(gte === undefined ? {} : { gte }), ...(lt === undefined ? {} : { lt }) };
}

class Play {
  readonly #db: TextDb;
  readonly #keyspace: string;
  /** Where files are made. */
  readonly #dir: string;
  /** In order. */
  readonly #commits: Writes[] = [];
  readonly #slots = new Map<number, Reader>();
  #files = 0;

  constructor(db: TextDb, keyspace: string, dir: string) {
    this.#db = db;
    this.#keyspace = keyspace;
    this.#dir = dir;
  }

  async run({ slot, step }: Action): Promise<void> {
    if (step.op === 'flush') return this.#db.flush();
    if (slot === SLOTS) return this.#alone(step);
    let reader = this.#slots.get(slot);
    if (reader === undefined) {
      reader = new Reader(this.#db.begin(), this.#keyspace, this.#commits.length);
      this.#slots.set(slot, reader);
    }
    if (step.op === 'commit') {
      this.#slots.delete(slot);
      await this.#commit(reader);
    } else await this.#step(reader, step);
  }

  async finish(): Promise<void> {
    for (const reader of this.#slots.values()) await this.#commit(reader);
  }

  async #alone(step: Step): Promise<void> {
    const keyspace = this.#db.keyspace(this.#keyspace);
    const writes = new Writes();
    if (step.op === 'write') {
      if (step.value === undefined) await keyspace.del(step.key);
      else await keyspace.put(step.key, step.value);
      writes.add(step.key);
    } else if (step.op === 'deleteRange') {
      await keyspace.deleteRange(bounds(step));
      writes.addRange(interval(step.gte, step.lt));
    } else if (step.op === 'ingest') {
      await this.#db.ingest(await this.#file(step.entries), { into: this.#keyspace });
      for (const [key] of step.entries) writes.add(key);
    } else return;
    this.#commits.push(writes);
  }

  async #step(reader: Reader, step: Step): Promise<void> {
    const { own, keyspace } = reader;
    if (step.op === 'get') {
      await keyspace.get(step.key);
      if (!own.has(step.key)) reader.intervals.push([step.key, `${step.key}\0`]);
    } else if (step.op === 'scan') await this.#scan(reader, step);
    else if (step.op === 'write') {
      if (step.value === undefined) keyspace.del(step.key);
      else keyspace.put(step.key, step.value);
      own.add(step.key);
    } else if (step.op === 'deleteRange') {
      keyspace.deleteRange(bounds(step));
      own.addRange(interval(step.gte, step.lt));
    } else if (step.op === 'ingest') {
      await reader.txn.ingest(await this.#file(step.entries), { into: this.#keyspace });
      for (const [key] of step.entries) own.add(key);
    }
  }

  /** A scan knows all from where it began to the last key taken, or to the bound when it was told that there is no more. */
  async #scan(
    { keyspace, intervals }: Reader,
    { gte, lt, reverse, take }: Step & { op: 'scan' },
  ): Promise<void> {
    const iterator = keyspace.keys({ ...bounds({ gte, lt }), reverse });
    let last: string | undefined;
    let ended = false;
    for (let taken = 0; taken !== take && !ended; taken++) {
      const key = await iterator.next();
      if (key === undefined) ended = true;
      else last = key;
    }
    iterator.close();
    const [from, to] = interval(gte, lt);
    if (ended) intervals.push([from, to]);
    else if (last !== undefined) intervals.push(reverse ? [last, to] : [from, `${last}\0`]);
  }

  async #commit(reader: Reader): Promise<void> {
    const later = this.#commits.slice(reader.since);
    const changed = later.flatMap((writes) => writes.intervals).filter((written) => reader.reads(written));
    const wrote = reader.own.intervals.length > 0;
    const wanted = changed.length > 0 && wrote ? 'CONFLICT' : 'ok';
    const outcome = await outcomeOf(() => reader.txn.commit());
    if (outcome !== wanted)
      throw new Error(`commit: ${outcome}, expected ${wanted}; changed: ${changed.join(' ')}`);
    if (outcome === 'ok' && wrote) this.#commits.push(reader.own);
  }

  async #file(entries: readonly Entry[]): Promise<string> {
    const path = join(this.#dir, `${this.#keyspace}-${this.#files++}.sst`);
    await writeSst(path, entries, { blockBytes: 64 });
    return path;
  }
}

test(`${HISTORIES} random concurrent histories abort exactly when they must`, async () => {
  const dir = makeMemoryDirectory();
  const db = await openText(join(dir, 'db'), { durability: 'os', blockCacheBytes: 1 << 20 });
  let histories = 0;
  const property = fc.asyncProperty(history, async (actions: readonly Action[]) => {
    const name = `history ${histories++}`;
    const keyspace = db.keyspace(name);
    for (const key of ['d', 'h']) await keyspace.put(key, '0');
    const play = new Play(db, name, dir);
    for (const action of actions) await play.run(action);
    await play.finish();
    await db.dropKeyspace(name);
  });
  try {
    await fc.assert(property, { numRuns: HISTORIES });
  } finally {
    await db.close();
    rmSync(dir, { recursive: true, force: true });
  }
}, 180_000);
