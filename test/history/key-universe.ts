/** All keys that a history speaks of, in order: what a scan found missing, and what a range deletion deleted. */

import { type History, isList, type Operation } from './history.ts';

export class KeyUniverse {
  readonly #keys: readonly string[];
  readonly #lists: ReadonlySet<string>;

  constructor(history: History) {
    const keys = new Set(history.initial.keys());
    const lists = new Set<string>();
    for (const { operations } of history.transactions) {
      for (const operation of operations) note(operation, keys, lists);
    }
    this.#keys = [...keys].sort();
    this.#lists = lists;
  }

  get keys(): readonly string[] {
    return this.#keys;
  }

  isList(key: string): boolean {
    return this.#lists.has(key);
  }

  /** Those in [lower, upper). */
  *keysIn(lower: string, upper: string): Iterable<string> {
    for (let i = this.#firstFrom(lower); i < this.#keys.length; i++) {
      const key = this.#keys[i] as string;
      if (key >= upper) return;
      yield key;
    }
  }

  *registersIn(lower: string, upper: string): Iterable<string> {
    for (const key of this.keysIn(lower, upper)) if (!this.#lists.has(key)) yield key;
  }

  #firstFrom(lower: string): number {
    let [from, to] = [0, this.#keys.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#keys[middle] as string) < lower) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

function note(operation: Operation, keys: Set<string>, lists: Set<string>): void {
  switch (operation.op) {
    case 'get':
      keys.add(operation.key);
      if (isList(operation.value)) lists.add(operation.key);
      return;
    case 'scan':
      for (const [key, value] of operation.found) {
        keys.add(key);
        if (isList(value)) lists.add(key);
      }
      return;
    case 'write':
      keys.add(operation.key);
      return;
    case 'append':
      keys.add(operation.key);
      lists.add(operation.key);
      return;
    case 'deleteRange':
    case 'savepoint':
    case 'rollback':
      return;
  }
}
