/** Random histories that are right by construction: transactions run one after the other on two maps. */

import type { SeededRandom } from '../base/seeded-random.ts';
import type { Found, History, Operation, RecordedTransaction, Value } from './history.ts';

const REGISTERS = ['r0', 'r1', 'r2', 'r3', 'r4', 'r5'] as const;
const LISTS = ['l0', 'l1', 'l2'] as const;
const ENDS = ['r', 'r1', 'r2', 'r4', 'r9'] as const;
const TICK = 1000;

export interface SerialOptions {
  readonly transactions: number;
  /** How far, in transactions, the times of one reach to both sides of its place; below a half none overlap. */
  readonly overlap: number;
  /** Whether the store tells at which version each transaction read. */
  readonly snapshots: boolean;
}

type State = ReadonlyMap<string, Exclude<Value, undefined>>;

export class SerialHistory {
  readonly #random: SeededRandom;
  readonly #options: SerialOptions;
  #state: State = new Map();
  #numbers = 0;

  private constructor(random: SeededRandom, options: SerialOptions) {
    this.#random = random;
    this.#options = options;
  }

  static make(random: SeededRandom, options: SerialOptions): History {
    const serial = new SerialHistory(random, options);
    const transactions = Array.from({ length: options.transactions }, (_, place) =>
      serial.#transaction(place),
    );
    return { initial: new Map(), transactions };
  }

  #transaction(place: number): RecordedTransaction {
    const { overlap, snapshots } = this.#options;
    const before = this.#state;
    const operations = Array.from({ length: 1 + this.#random.below(6) }, () => this.#operation());
    const committed = this.#random.chance(0.8);
    if (!committed) this.#state = before;
    const wrote = operations.some(({ op }) => op !== 'get' && op !== 'scan');
    // Without snapshots nothing would show that one has read what is too old even for it.
    const lagging = snapshots && !wrote && this.#random.chance(0.2);
    return {
      id: place,
      process: lagging ? 'reader' : 'writer',
      outcome: committed ? 'committed' : 'aborted',
      beganAt: (place - this.#random.float() * overlap) * TICK,
      // One that lags behind saw the state of its place, later.
      endedAt: (place + this.#random.float() * overlap) * TICK + (lagging ? TICK * overlap : 0),
      snapshot: snapshots ? place : undefined,
      version: committed && wrote ? place + 1 : undefined,
      upToDate: !lagging,
      operations,
    };
  }

  #operation(): Operation {
    const random = this.#random;
    const kind = random.below(10);
    if (kind < 3) return this.#get();
    if (kind < 5) return this.#scan();
    if (kind === 5) return this.#append();
    if (kind === 6) {
      const [lower, upper] = this.#range();
      this.#change((state) => {
        for (const key of REGISTERS) if (key >= lower && key < upper) state.delete(key);
      });
      return { op: 'deleteRange', lower, upper };
    }
    const key = random.pick(REGISTERS);
    const value = random.chance(0.25) ? undefined : ++this.#numbers;
    this.#change((state) => {
      if (value === undefined) state.delete(key);
      else state.set(key, value);
    });
    return { op: 'write', key, value, by: random.chance(0.5) ? 'put' : 'ingest' };
  }

  #get(): Operation {
    const key = this.#random.pick([...REGISTERS, ...LISTS]);
    return { op: 'get', key, value: this.#state.get(key) };
  }

  #scan(): Operation {
    const [lower, upper] = this.#random.chance(0.2) ? ['a', 'z'] : this.#range();
    const found: Found[] = [...this.#state].filter(([key]) => key >= lower && key < upper);
    return { op: 'scan', lower, upper, found };
  }

  #append(): Operation {
    const key = this.#random.pick(LISTS);
    const element = ++this.#numbers;
    const list = this.#state.get(key);
    this.#change((state) => {
      state.set(key, [...(Array.isArray(list) ? list : []), element]);
    });
    return { op: 'append', key, element, by: 'put' };
  }

  #range(): readonly [string, string] {
    const [a, b] = [this.#random.pick(ENDS), this.#random.pick(ENDS)];
    return a < b ? [a, b] : [b, a];
  }

  #change(how: (state: Map<string, Exclude<Value, undefined>>) => void): void {
    const state = new Map(this.#state);
    how(state);
    this.#state = state;
  }
}
