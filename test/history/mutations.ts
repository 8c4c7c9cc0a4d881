/** Ways to plant an anomaly in a good history. Each gives the names of which one at least must be found. */

import type { SeededRandom } from '../base/seeded-random.ts';
import type { AnomalyName } from './anomaly.ts';
import { type History, isList, type Operation, type RecordedTransaction } from './history.ts';

export interface Mutant {
  readonly history: History;
  readonly expected: readonly AnomalyName[];
}

export interface Mutation {
  /** Only the version of a snapshot proves it: a miss could have seen any deletion, blind writes any order. */
  readonly needsSnapshots?: boolean;
  /** undefined where the history has no place for it. */
  plant(history: History, random: SeededRandom): Mutant | undefined;
}

interface Place<T> {
  readonly transaction: number;
  readonly operation: number;
  readonly found: T;
}

/** Operations for which `look` answers. */
function places<T>(
  history: History,
  look: (operation: Operation, transaction: RecordedTransaction, index: number) => T | undefined,
): Place<T>[] {
  return history.transactions.flatMap((transaction, at) =>
    transaction.operations.flatMap((operation, index) => {
      const found = look(operation, transaction, index);
      return found === undefined ? [] : [{ transaction: at, operation: index, found }];
    }),
  );
}

function withTransaction(
  history: History,
  index: number,
  change: (transaction: RecordedTransaction) => RecordedTransaction,
): History {
  return {
    ...history,
    transactions: history.transactions.map((transaction, i) =>
      i === index ? change(transaction) : transaction,
    ),
  };
}

function withOperation(history: History, place: Place<unknown>, operation: Operation): History {
  return withTransaction(history, place.transaction, (transaction) => ({
    ...transaction,
    operations: transaction.operations.map((old, i) => (i === place.operation ? operation : old)),
  }));
}

/** Whether the operation is its transaction's first on the key, so that the database answered it. */
function isFirst(key: string, { operations }: RecordedTransaction, index: number): boolean {
  return operations.slice(0, index).every((operation) => {
    if (operation.op === 'scan' || operation.op === 'deleteRange')
      return key < operation.lower || key >= operation.upper;
    return !('key' in operation) || operation.key !== key;
  });
}

const STALE: readonly AnomalyName[] = [
  'wrong snapshot',
  'G-single-realtime',
  'G-single',
  'lost update',
  'lost update-realtime',
  'G2-item',
  'G2-item-realtime',
  'G2-realtime',
  'G2',
];

/** Of a get by another transaction than the writer. */
function numbersRead(history: History): Place<{ key: string; number: number }>[] {
  return places(history, (operation, transaction, index) => {
    if (operation.op !== 'get' || !isFirst(operation.key, transaction, index)) return undefined;
    const number = isList(operation.value) ? operation.value.at(-1) : operation.value;
    return number === undefined ? undefined : { key: operation.key, number };
  });
}

function writerOf(history: History, number: number): number {
  return history.transactions.findIndex(({ operations }) =>
    operations.some(
      (operation) =>
        (operation.op === 'append' && operation.element === number) ||
        (operation.op === 'write' && operation.value === number),
    ),
  );
}

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'a read of an older number': {
    plant(history, random) {
      const reads = places(history, (operation, transaction, index) => {
        if (operation.op !== 'get' || !isFirst(operation.key, transaction, index)) return undefined;
        if (typeof operation.value !== 'number') return undefined;
        const { key, value: now } = operation;
        const writer = writerOf(history, now);
        const older = history.transactions
          .slice(0, writer)
          .filter(({ outcome }) => outcome === 'committed')
          .map(({ operations }) => operations.findLast((write) => write.op === 'write' && write.key === key))
          .flatMap((write) => (write?.op === 'write' && write.value !== undefined ? [write.value] : []));
        return older.length === 0 ? undefined : { key, older };
      });
      if (reads.length === 0) return undefined;
      const place = random.pick(reads);
      const { key, older } = place.found;
      // A deletion of a range may have been the last word of the writer: then it is an intermediate read.
      return {
        history: withOperation(history, place, { op: 'get', key, value: random.pick(older) }),
        expected: [...STALE, 'G1b'],
      };
    },
  },

  'a list read without its end': {
    plant(history, random) {
      const reads = places(history, (operation, transaction, index) =>
        operation.op === 'get' && isList(operation.value) && isFirst(operation.key, transaction, index)
          ? { key: operation.key, value: operation.value }
          : undefined,
      );
      if (reads.length === 0) return undefined;
      const place = random.pick(reads);
      const value = place.found.value.slice(0, -1);
      const mutated = withOperation(history, place, { op: 'get', key: place.found.key, value });
      return { history: mutated, expected: [...STALE, 'G1b', 'internal'] };
    },
  },

  'a scan that misses a key': {
    needsSnapshots: true,
    plant(history, random) {
      const scans = places(history, (operation) =>
        operation.op === 'scan' && operation.found.length > 0 ? operation : undefined,
      );
      if (scans.length === 0) return undefined;
      const place = random.pick(scans);
      const gone = random.below(place.found.found.length);
      const found = place.found.found.filter((_, i) => i !== gone);
      const mutated = withOperation(history, place, { ...place.found, found });
      return { history: mutated, expected: [...STALE, 'internal', 'unwritten'] };
    },
  },

  'a writer that aborted': {
    plant(history, random) {
      const reads = numbersRead(history).filter(
        ({ transaction, found }) => writerOf(history, found.number) !== transaction,
      );
      if (reads.length === 0) return undefined;
      const writer = writerOf(history, random.pick(reads).found.number);
      const mutated = withTransaction(history, writer, (transaction) => ({
        ...transaction,
        outcome: 'aborted',
        version: undefined,
      }));
      return { history: mutated, expected: ['G1a'] };
    },
  },

  'a number written over by its writer': {
    plant(history, random) {
      const reads = numbersRead(history).filter(({ found }) => found.key.startsWith('r'));
      if (reads.length === 0) return undefined;
      const { key, number } = random.pick(reads).found;
      const mutated = withTransaction(history, writerOf(history, number), (transaction) => ({
        ...transaction,
        operations: [...transaction.operations, { op: 'write', key, value: 1_000_000, by: 'put' }],
      }));
      return { history: mutated, expected: ['G1b'] };
    },
  },

  'a number from nowhere': {
    plant(history, random) {
      const reads = numbersRead(history);
      if (reads.length === 0) return undefined;
      const place = random.pick(reads);
      const { key } = place.found;
      const value = key.startsWith('l') ? [2_000_000] : 2_000_000;
      return { history: withOperation(history, place, { op: 'get', key, value }), expected: ['unwritten'] };
    },
  },

  'two versions that are exchanged': {
    needsSnapshots: true,
    plant(history, random) {
      const writers = [...history.transactions.entries()].filter(([, { version }]) => version !== undefined);
      const readers = numbersRead(history).filter(({ found }) => found.key.startsWith('r'));
      if (readers.length === 0 || writers.length < 2) return undefined;
      const { found, transaction } = random.pick(readers);
      const writer = writerOf(history, found.number);
      const later = writers.filter(([index]) => index > transaction);
      if (later.length === 0 || writer === transaction) return undefined;
      // What was read is now of a commit after the reader's end.
      const [other, { version: last }] = random.pick(later);
      const first = history.transactions[writer]?.version;
      const once = withTransaction(history, writer, (old) => ({ ...old, version: last }));
      const twice = withTransaction(once, other, (old) => ({ ...old, version: first }));
      return { history: twice, expected: STALE };
    },
  },

  'a transaction of long ago that reads what is new': {
    plant(history, random) {
      const reads = numbersRead(history).filter(
        ({ transaction, found }) => transaction > writerOf(history, found.number),
      );
      if (reads.length === 0) return undefined;
      const { transaction } = random.pick(reads);
      const mutated = withTransaction(history, transaction, (old) => ({
        ...old,
        beganAt: -2e9,
        endedAt: -1e9,
      }));
      return { history: mutated, expected: ['G0-realtime', 'G1c-realtime', ...STALE] };
    },
  },
};
