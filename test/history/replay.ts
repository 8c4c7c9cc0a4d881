/**
 * One transaction by itself: which of its reads were answered by its own statements (they must agree with them), which
 * by the database, and what it wrote in the end.
 */

import type { Found, Operation, RecordedTransaction, Value } from './history.ts';
import type { KeyUniverse } from './key-universe.ts';

export interface ExternalRead {
  readonly key: string;
  readonly value: Value;
  /** A scan found nothing there: a read by predicate. */
  readonly byPredicate: boolean;
}

/** 'undone': rolled back to a savepoint. 'intermediate': written over by its own transaction. */
export type WriteFate = 'final' | 'intermediate' | 'undone';

interface WrittenNumber {
  readonly key: string;
  readonly number: number;
}

interface Savepoint {
  readonly registers: Map<string, number | undefined>;
  readonly appended: Map<string, readonly number[]>;
  readonly numbers: number;
}

export class Replay {
  readonly reads: ExternalRead[] = [];
  /** What the registers that it wrote hold at its end. */
  registers = new Map<string, number | undefined>();
  /** Elements that it put at the end of lists. */
  appended = new Map<string, readonly number[]>();
  /** Contradictions within the transaction. */
  readonly contradictions: string[] = [];
  readonly #universe: KeyUniverse;
  readonly #written: WrittenNumber[] = [];
  readonly #undone: WrittenNumber[] = [];
  readonly #seen = new Map<string, Value>();
  readonly #savepoints: Savepoint[] = [];

  constructor(transaction: RecordedTransaction, universe: KeyUniverse) {
    this.#universe = universe;
    for (const operation of transaction.operations) this.#step(operation);
  }

  get wroteNothing(): boolean {
    return this.registers.size === 0 && this.appended.size === 0;
  }

  /** Every number that it wrote, once. */
  *numbers(): Iterable<WrittenNumber & { readonly fate: WriteFate }> {
    for (const { key, number } of this.#written) {
      const last = this.appended.get(key)?.at(-1) ?? this.registers.get(key);
      yield { key, number, fate: last === number ? 'final' : 'intermediate' };
    }
    for (const { key, number } of this.#undone) yield { key, number, fate: 'undone' };
  }

  #step(operation: Operation): void {
    switch (operation.op) {
      case 'get':
        this.#read(operation.key, operation.value, false);
        return;
      case 'scan':
        this.#scan(operation.lower, operation.upper, operation.found);
        return;
      case 'write':
        this.registers.set(operation.key, operation.value);
        if (operation.value !== undefined)
          this.#written.push({ key: operation.key, number: operation.value });
        return;
      case 'append': {
        const { key, element } = operation;
        this.appended.set(key, [...(this.appended.get(key) ?? []), element]);
        this.#written.push({ key, number: element });
        return;
      }
      case 'deleteRange':
        for (const key of this.#universe.registersIn(operation.lower, operation.upper))
          this.registers.set(key, undefined);
        return;
      case 'savepoint':
        this.#savepoints.push({
          registers: new Map(this.registers),
          appended: new Map(this.appended),
          numbers: this.#written.length,
        });
        return;
      case 'rollback':
        this.#rollBack();
        return;
    }
  }

  #rollBack(): void {
    const savepoint = this.#savepoints.at(-1);
    if (savepoint === undefined) throw new Error('a rollback without a savepoint');
    this.registers = new Map(savepoint.registers);
    this.appended = new Map(savepoint.appended);
    this.#undone.push(...this.#written.splice(savepoint.numbers));
  }

  #scan(lower: string, upper: string, found: readonly Found[]): void {
    const values = new Map<string, Value>(found);
    if (values.size < found.length) this.contradictions.push('a scan found a key twice');
    for (const [key, value] of found) {
      if (key < lower || key >= upper)
        this.contradictions.push(`a scan of [${lower}, ${upper}) found ${key}`);
      else this.#read(key, value, false);
    }
    for (const key of this.#universe.keysIn(lower, upper)) {
      if (!values.has(key)) this.#read(key, undefined, true);
    }
  }

  #read(key: string, value: Value, byPredicate: boolean): void {
    if (this.registers.has(key)) {
      const own = this.registers.get(key);
      if (own !== value) this.#contradict(key, value, `its own statements left ${show(own)} there`);
      return;
    }
    const own = this.appended.get(key);
    const external = own === undefined ? value : without(own, value);
    if (external === 'lacking') {
      this.#contradict(key, value, `it had itself appended ${show(own)}`);
      return;
    }
    if (!this.#seen.has(key)) {
      this.#seen.set(key, external);
      this.reads.push({ key, value: external, byPredicate });
    } else if (!same(this.#seen.get(key), external)) {
      this.#contradict(key, external, `it had read ${show(this.#seen.get(key))} before`);
    }
  }

  #contradict(key: string, value: Value, but: string): void {
    this.contradictions.push(`it read ${show(value)} at ${key}, and ${but}`);
  }
}

/** The list as it was before the transaction's own elements at its end. */
function without(own: readonly number[], value: Value): Value | 'lacking' {
  if (value === undefined || typeof value === 'number') return 'lacking';
  const before = value.length - own.length;
  if (before < 0 || own.some((element, i) => value[before + i] !== element)) return 'lacking';
  return before === 0 ? undefined : value.slice(0, before);
}

/** An absent list and an empty one are the same. */
function same(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (typeof a === 'number' || typeof b === 'number') return false;
  const [left, right] = [a ?? [], b ?? []];
  return left.length === right.length && left.every((element, i) => element === right[i]);
}

export function show(value: Value): string {
  if (value === undefined) return 'nothing';
  return typeof value === 'number' ? String(value) : `[${value.join(' ')}]`;
}
