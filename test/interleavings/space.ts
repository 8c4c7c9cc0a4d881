/**
 * All interleavings of small transactions, numbered, so that any part of them can be run in any order.
 *
 * Each transaction has so many operations, of which the last is its commit; it begins with its first. What differs only in
 * the names of the transactions is one case: of a **whole** space the transactions are named in the order in which they
 * begin, of a **reduced** one in the order in which they commit.
 *
 * A reduced space takes as one those interleavings that differ only in the order of neighbouring operations of two
 * transactions of which neither is a commit: nothing but a commit may have an effect on another transaction. Whole
 * spaces do not presume that.
 */

/** On keys x, which is there, and y, which is not. An ingested file has y and a: x is in its range and not in it. */
export const STATEMENTS = [
  'get x',
  'get y',
  'put x',
  'put y',
  'del x',
  'scan',
  'ingest',
  'deleteRange',
] as const;
export type Statement = (typeof STATEMENTS)[number];
/** Those that need neither a file nor the manifest: a hundred times as fast. */
export const STATEMENTS_IN_MEMORY = STATEMENTS.slice(0, 6);

export interface Case {
  /** Statements of each transaction; its commit follows them. */
  readonly programs: readonly (readonly Statement[])[];
  /** Whose operation comes next. */
  readonly order: readonly number[];
}

export interface SpaceOptions {
  readonly transactions: number;
  /** Of each transaction, its commit among them. */
  readonly operations: number;
  readonly statements: readonly Statement[];
  readonly reduced: boolean;
}

export class Space {
  readonly name: string;
  /** Cases. */
  readonly size: number;
  readonly #options: SpaceOptions;
  readonly #orders: readonly (readonly number[])[];

  constructor(options: SpaceOptions) {
    const { transactions, operations, statements, reduced } = options;
    this.#options = options;
    this.#orders = reduced ? ordersByCommits(transactions, operations) : allOrders(transactions, operations);
    this.size = statements.length ** (transactions * (operations - 1)) * this.#orders.length;
    const kinds = statements.length === STATEMENTS.length ? '' : ', in memory';
    this.name = `${transactions} × ${operations}${kinds}${reduced ? ', reduced' : ', whole'}`;
  }

  /** REQUIRES: 0 ≤ number < size. */
  at(number: number): Case {
    const { transactions, operations, statements } = this.#options;
    let rest = number;
    const digit = (base: number): number => {
      const value = rest % base;
      rest = Math.floor(rest / base);
      return value;
    };
    const order = this.#orders[digit(this.#orders.length)] ?? [];
    const statement = (): Statement => statements[digit(statements.length)] ?? 'scan';
    const programs = Array.from({ length: transactions }, () =>
      Array.from({ length: operations - 1 }, statement),
    );
    return { programs, order };
  }

  /** All numbers, once each, spread over the space: any beginning is a fair sample. `seed` chooses where it begins. */
  *numbers(seed: number): Iterable<number> {
    const { size } = this;
    let step = Math.floor(size * 0.618_034) | 1;
    while (divisor(step, size) !== 1) step += 2;
    let number = seed % size;
    for (let left = size; left > 0; left--) {
      yield number;
      number = (number + step) % size;
    }
  }
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

/** In which transactions begin in the order of their numbers. */
function allOrders(transactions: number, operations: number): number[][] {
  const orders: number[][] = [];
  const left = Array.from({ length: transactions }, () => operations);
  const extend = (order: readonly number[], begun: number): void => {
    if (order.length === transactions * operations) orders.push([...order]);
    for (let transaction = 0; transaction <= Math.min(begun, transactions - 1); transaction++) {
      const count = left[transaction] ?? 0;
      if (count === 0) continue;
      left[transaction] = count - 1;
      extend([...order, transaction], Math.max(begun, transaction + 1));
      left[transaction] = count;
    }
  };
  extend([], 0);
  return orders;
}

/**
 * In which transactions commit in the order of their numbers, and the statements of each are divided in every way over
 * the stretches between the commits before its own. Within a stretch the transactions take turns.
 */
function ordersByCommits(transactions: number, operations: number): number[][] {
  /** Of each transaction so far, how many of its statements are in each stretch. */
  let divisions: number[][][] = [[]];
  for (let transaction = 0; transaction < transactions; transaction++) {
    const ways = dividedInto(operations - 1, transaction + 1);
    divisions = divisions.flatMap((before) => ways.map((way) => [...before, way]));
  }
  return divisions.map((division) => {
    const order: number[] = [];
    for (let stretch = 0; stretch < transactions; stretch++) {
      const left = division.map((way) => way[stretch] ?? 0);
      for (let round = 0; round < operations; round++) {
        for (const [transaction, count] of left.entries()) if (count > round) order.push(transaction);
      }
      order.push(stretch);
    }
    return order;
  });
}

/** All ways to write `total` as a sum of so many parts. */
function dividedInto(total: number, parts: number): number[][] {
  if (parts === 1) return [[total]];
  return Array.from({ length: total + 1 }, (_, first) =>
    dividedInto(total - first, parts - 1).map((others) => [first, ...others]),
  ).flat();
}
