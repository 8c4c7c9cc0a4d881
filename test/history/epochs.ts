/**
 * A workload of any length, checked in epochs, so that memory stays bounded.
 *
 * Every transaction of an epoch ends before one of the next begins, and the last values of an epoch, by the order of
 * versions, are the initial ones of the next. That is enough: a cycle over several epochs would need a dependency
 * of an earlier epoch on a later one, and each kind of those is found within one epoch. A read of what is written later is
 * 'unwritten' where it happens. A read of what an earlier epoch had written over already is 'unwritten' too, since
 * only its last values are known, or, of a miss, contradicts its snapshot. And versions are checked to
 * ascend from epoch to epoch, so that no write comes to lie before an older one. Lists are of one epoch each.
 *
 * Readers beside the writer lag behind; at the end of an epoch they must catch up.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { OtherProcess } from '../base/child.ts';
import { openText, type TestOptions, type TextDb, TINY } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { checkHistory } from './check-history.ts';
import type { History, RecordedTransaction } from './history.ts';
import { LIST_PREFIX, Recorder } from './recorder.ts';
import { Client, everything, Names } from './workload.ts';

const CLIENTS = 32;
/** Snapshots that a reader takes before it hands them over. */
const READER_BATCH = 5;
/** Between its batches: a reader need not take a core of its own. */
const READER_PAUSE_MS = 40;
const BACKGROUND_PAUSE_MS = 15;
const READER = new URL('./reader-process.ts', import.meta.url);

/** Windows, segments and memtables so small that each epoch fills them often. */
const SMALL: TestOptions = {
  ...TINY,
  memtableBytes: 128 << 10,
  blockBytes: 256,
  levelBaseBytes: 128 << 10,
  targetFileBytes: 32 << 10,
  walSegmentBytes: 512 << 10,
  conflictWindowBytes: 48 << 10,
};

export interface EpochOptions {
  readonly seed: number;
  /** Processes that read beside the writer. */
  readonly readers: number;
  /** In each epoch, of the writing process. */
  readonly transactions: number;
  /** Flushes and compactions in threads, as they are; starting those for each epoch costs more than a short one. */
  readonly threads: boolean;
}

export interface Totals {
  epochs: number;
  transactions: number;
  committed: number;
  /** Of other processes, among the transactions. */
  besideWriter: number;
  reads: number;
  dependencies: number;
}

export class Epochs {
  readonly totals: Totals = {
    epochs: 0,
    transactions: 0,
    committed: 0,
    besideWriter: 0,
    reads: 0,
    dependencies: 0,
  };
  readonly #dir: string;
  readonly #options: EpochOptions;
  readonly #random: SeededRandom;
  readonly #readers: OtherProcess[];
  #db: TextDb;
  #initial: History['initial'] = new Map();
  #number = 0;
  #version = 0;

  private constructor(dir: string, options: EpochOptions, db: TextDb) {
    this.#dir = dir;
    this.#options = options;
    this.#db = db;
    this.#random = new SeededRandom(options.seed);
    this.#readers = Array.from(
      { length: options.readers },
      (_, n) => new OtherProcess(READER, join(dir, 'db'), `reader ${n}`),
    );
  }

  static async open(dir: string, options: EpochOptions): Promise<Epochs> {
    mkdirSync(join(dir, 'in'), { recursive: true });
    return new Epochs(dir, options, await openEpoch(dir, options));
  }

  async close(): Promise<void> {
    for (const reader of this.#readers) await reader.kill();
    await this.#db.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** @throws Error that explains the anomalies, if there are any. */
  async next(): Promise<void> {
    const epoch = this.totals.epochs++;
    const beside: RecordedTransaction[] = [];
    const recorder = await this.#run(epoch, beside);
    await recorder.snapshot(this.#db, (reader) => reader.scan(everything(epoch)));
    await this.#db.close();
    this.#db = await openEpoch(this.#dir, this.#options);
    await recorder.snapshot(this.#db, (reader) => reader.scan(everything(epoch)));
    for (const reader of this.#readers) {
      beside.push(...((await reader.ask('catchUp', epoch, this.#db.version)) as RecordedTransaction[]));
    }
    this.#check([...recorder.take(), ...beside], beside.length);
    await this.#db.deleteRange({ gte: LIST_PREFIX, lte: everything(epoch).lower.concat('~') });
    const { problems } = await this.#db.verify();
    if (problems.length > 0) throw new Error(`after epoch ${epoch}: ${problems.join('; ')}`);
  }

  async #run(epoch: number, beside: RecordedTransaction[]): Promise<Recorder> {
    const names = new Names(epoch, this.#number);
    const recorder = new Recorder('writer', true);
    const running = (): boolean => recorder.count < this.#options.transactions;
    const clients = Array.from({ length: CLIENTS }, async (_, n) => {
      const dir = join(this.#dir, 'in', String(n));
      mkdirSync(dir, { recursive: true });
      const client = new Client(this.#randomOf(), names, recorder, dir);
      while (running()) await client.once(this.#db);
    });
    const readers = this.#readers.map(async (reader) => {
      const random = this.#randomOf();
      while (running()) {
        const seed = random.below(2 ** 31);
        const read = await reader.ask('read', epoch, names.elements, seed, READER_BATCH);
        beside.push(...(read as RecordedTransaction[]));
        await pause(READER_PAUSE_MS);
      }
    });
    await Promise.all([...clients, ...readers, this.#background(running)]);
    this.#number = names.number;
    return recorder;
  }

  /** Flushes and compactions besides those that the database makes by itself. */
  async #background(running: () => boolean): Promise<void> {
    const random = this.#randomOf();
    while (running()) {
      await pause(BACKGROUND_PAUSE_MS * (1 + random.below(20)));
      if (random.chance(0.7)) await this.#db.flush();
      else await this.#db.compactRange(random.chance(0.5) ? {} : { gte: `r${random.below(4)}` });
    }
  }

  #check(recorded: readonly RecordedTransaction[], beside: number): void {
    const transactions = recorded.map((transaction, id) => ({ ...transaction, id }));
    const report = checkHistory({ initial: this.#initial, transactions });
    const versions = transactions.flatMap(({ version }) => (version === undefined ? [] : [version]));
    const first = versions.reduce((least, version) => Math.min(least, version), Number.POSITIVE_INFINITY);
    const told = report.anomalies.map(({ name, explanation }) => `${name}: ${explanation}`);
    if (first <= this.#version) told.push(`a commit at version ${first} after one at ${this.#version}`);
    if (told.length > 0) {
      const where = `seed ${this.#options.seed}, epoch ${this.totals.epochs - 1}`;
      throw new Error(`${where}: the history is not strictly serializable\n${told.join('\n')}`);
    }
    this.#version = versions.reduce((most, version) => Math.max(most, version), this.#version);
    this.#initial = report.end;
    const { totals } = this;
    totals.transactions += report.transactions;
    totals.committed += report.committed;
    totals.besideWriter += beside;
    totals.reads += report.reads;
    totals.dependencies += report.dependencies;
  }

  /** Each of those that run at once has its own: what one chooses does not depend on when the others do. */
  #randomOf(): SeededRandom {
    return new SeededRandom(this.#random.below(2 ** 31));
  }
}

function openEpoch(dir: string, { threads }: EpochOptions): Promise<TextDb> {
  return openText(join(dir, 'db'), { ...SMALL, compactionInline: !threads });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
