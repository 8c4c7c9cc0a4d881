/** Random clients of one database: what each does next, on few keys, so that they meet. */

import { join } from 'node:path';
import type { TextDb } from '../base/database.ts';
import type { SeededRandom } from '../base/seeded-random.ts';
import { type Entry, writeSst } from '../base/sst-files.ts';
import {
  fileEntries,
  LIST_PREFIX,
  MARKED,
  type RecordedReader,
  type RecordedWriter,
  type Recorder,
  type Stretch,
  writes,
} from './recorder.ts';

export const REGISTERS = Array.from({ length: 40 }, (_, n) => `r${String(n).padStart(2, '0')}`);
const END = 's';
/** Lists that are appended to at a time, and the elements after which another takes the place of one. */
const LISTS = 4;
const LIST_ELEMENTS = 24;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Names of keys, and the numbers that are written: all clients of an epoch share one. */
export class Names {
  readonly #prefix: string;
  #number: number;
  #elements: number;

  /** Numbers begin above `number`; `elements` have been appended so far. */
  constructor(epoch: number, number: number, elements = 0) {
    this.#prefix = `${LIST_PREFIX}${String(epoch).padStart(6, '0')}-`;
    this.#number = number;
    this.#elements = elements;
  }

  get number(): number {
    return this.#number;
  }

  get elements(): number {
    return this.#elements;
  }

  nextNumber(): number {
    return ++this.#number;
  }

  /** A list for an element more; they change as they fill. */
  listToAppend(random: SeededRandom): string {
    const generation = Math.floor(this.#elements++ / (LISTS * LIST_ELEMENTS));
    return this.#list(generation * LISTS + random.below(LISTS));
  }

  listToRead(random: SeededRandom): string {
    const generation = Math.floor(this.#elements / (LISTS * LIST_ELEMENTS));
    return this.#list(Math.max(0, generation * LISTS + random.below(2 * LISTS) - LISTS));
  }

  #list(n: number): string {
    return `${this.#prefix}${String(n).padStart(5, '0')}`;
  }
}

export class Client {
  readonly #random: SeededRandom;
  readonly #names: Names;
  readonly #recorder: Recorder;
  readonly #dir: string;
  #files = 0;

  /** `dir`: its own, for the files that it ingests. */
  constructor(random: SeededRandom, names: Names, recorder: Recorder, dir: string) {
    this.#random = random;
    this.#names = names;
    this.#recorder = recorder;
    this.#dir = dir;
  }

  /** One transaction of any kind. */
  async once(db: TextDb): Promise<void> {
    const random = this.#random;
    const kind = random.below(100);
    if (kind < 12) await this.#blind(db);
    else if (kind < 20)
      await this.#recorder.snapshot(db, (reader) => randomReads(reader, random, this.#names));
    else await this.#recorder.transaction(db, (txn) => this.#statements(txn));
    if (random.chance(0.3)) await turn();
  }

  async #statements(txn: RecordedWriter): Promise<boolean> {
    const random = this.#random;
    for (let left = 1 + random.below(4); left > 0; left--) {
      if (random.chance(0.03)) await txn.undone(() => this.#statement(txn));
      else await this.#statement(txn);
      if (random.chance(0.4)) await turn();
    }
    return random.chance(0.97);
  }

  async #statement(txn: RecordedWriter): Promise<void> {
    const random = this.#random;
    const kind = random.below(1000);
    if (kind < 330) await txn.get(this.#key());
    else if (kind < 450) await txn.scan(randomStretch(random));
    else if (kind < 700) txn.put(this.#key(), this.#names.nextNumber());
    else if (kind < 780) txn.put(this.#key(), undefined);
    else if (kind < 850) await txn.get(this.#names.listToRead(random));
    else if (kind < 992) await txn.append(this.#names.listToAppend(random), this.#names.nextNumber());
    else if (kind < 995) {
      const { lower, upper } = randomStretch(random);
      txn.deleteRange(lower, upper);
    } else await this.#ingest(txn);
  }

  async #ingest(txn: RecordedWriter): Promise<void> {
    const random = this.#random;
    const element = { key: this.#names.listToAppend(random), element: this.#names.nextNumber() };
    await txn.ingest(this.#path(), this.#registers(), ...(random.chance(0.5) ? [element] : []));
  }

  async #blind(db: TextDb): Promise<void> {
    const random = this.#random;
    const kind = random.below(100);
    if (kind < 6) await this.ingestAlone(db);
    else if (kind < 9) await this.#deleteRangeAlone(db);
    else {
      const registers = this.#registers();
      const puts = fileEntries(registers).map(([key, value]) =>
        value === undefined ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const),
      );
      await this.#recorder.blind(writes(registers, 'put'), (mark) => {
        if (mark !== undefined) puts.push({ type: 'put', key: mark, value: MARKED });
        return db.batch(puts);
      });
    }
  }

  /** A file and nothing else. */
  async ingestAlone(db: TextDb): Promise<void> {
    const registers = this.#registers();
    const path = this.#path();
    await this.#recorder.blind(writes(registers, 'ingest'), async (mark) => {
      const marked: Entry[] = mark === undefined ? [] : [[mark, MARKED]];
      await writeSst(path, [...fileEntries(registers), ...marked], { blockBytes: 256 });
      return (await db.ingest(path, { mode: 'move' })).version;
    });
  }

  async #deleteRangeAlone(db: TextDb): Promise<void> {
    const { lower, upper } = randomStretch(this.#random);
    await this.#recorder.blind([{ op: 'deleteRange', lower, upper }], async (mark) => {
      if (mark === undefined) return db.deleteRange({ gte: lower, lt: upper });
      const txn = db.begin();
      txn.deleteRange({ gte: lower, lt: upper });
      txn.put(mark, MARKED);
      return (await txn.commit()).version;
    });
  }

  /** A few, anywhere: files of them are wide and nearly empty. */
  #registers(): Map<string, number | undefined> {
    const random = this.#random;
    const registers = new Map<string, number | undefined>();
    for (let left = 1 + random.below(4); left > 0; left--)
      registers.set(this.#key(), random.chance(0.2) ? undefined : this.#names.nextNumber());
    return registers;
  }

  #key(): string {
    return this.#random.pick(REGISTERS);
  }

  #path(): string {
    return join(this.#dir, `${this.#files++}.sst`);
  }
}

/** For readers of any process. */
export async function randomReads(reader: RecordedReader, random: SeededRandom, names: Names): Promise<void> {
  for (let left = 1 + random.below(4); left > 0; left--) {
    const kind = random.below(4);
    if (kind === 0) await reader.scan(randomStretch(random));
    else if (kind === 1) await reader.get(names.listToRead(random));
    else await reader.get(random.pick(REGISTERS));
    if (random.chance(0.2)) await turn();
  }
}

/** Everything: the lists of this epoch and all registers. */
export function everything(epoch: number): Stretch {
  const lower = `${LIST_PREFIX}${String(epoch).padStart(6, '0')}`;
  return { lower, upper: END, reverse: false, take: -1, byLimit: false };
}

/** Of registers. */
function randomStretch(random: SeededRandom): Stretch {
  const from = random.below(REGISTERS.length);
  const to = from + 1 + random.below(random.chance(0.2) ? REGISTERS.length : 8);
  return {
    lower: REGISTERS[from] ?? '',
    upper: REGISTERS[to] ?? END,
    reverse: random.chance(0.3),
    take: random.chance(0.3) ? random.below(4) : -1,
    byLimit: random.chance(0.5),
  };
}
