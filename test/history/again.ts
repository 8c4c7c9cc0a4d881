/**
 * Values that are there again: a version of a dataset that is made live a second time shows numbers that were written before. The checker
 * wants each number written once, so such a write has a number of its own and says what it `shows`; here reads are given the number of the
 * write that they saw.
 *
 * Which of several that is, a value does not tell. As with misses (`version-order.ts`) it is the newest in the reader's snapshot, or if
 * there is none the first: where that is not so the checker finds a wrong snapshot.
 */

import type { Operation, RecordedTransaction, Write } from './history.ts';

interface Shown {
  readonly version: number;
  readonly number: number;
}

/** REQUIRES: outcomes are known, and readers have snapshots. */
export function nameAgain(transactions: readonly RecordedTransaction[]): RecordedTransaction[] {
  const again = new Set<string>();
  for (const { operations } of transactions)
    for (const operation of operations)
      if (operation.op === 'write' && operation.shows !== undefined) again.add(operation.key);
  const shown = new Map<string, Shown[]>();
  for (const { outcome, version, operations } of transactions) {
    if (outcome !== 'committed' || version === undefined) continue;
    for (const write of lastWrites(operations)) {
      if (!again.has(write.key) || write.value === undefined) continue;
      const at = placeOf(write.key, shownBy(write));
      shown.set(at, [...(shown.get(at) ?? []), { version, number: write.value }]);
    }
  }
  for (const list of shown.values()) list.sort((a, b) => a.version - b.version);
  return transactions.map((transaction) => named(transaction, again, shown));
}

function named(
  transaction: RecordedTransaction,
  again: ReadonlySet<string>,
  shown: ReadonlyMap<string, readonly Shown[]>,
): RecordedTransaction {
  const own = new Map<string, Write>();
  const operations = transaction.operations.map((operation): Operation => {
    if (operation.op === 'write') own.set(operation.key, operation);
    if (operation.op !== 'get' || !again.has(operation.key) || typeof operation.value !== 'number')
      return operation;
    const written = own.get(operation.key);
    if (written !== undefined && shownBy(written) === operation.value)
      return { ...operation, value: written.value };
    const seen = shown.get(placeOf(operation.key, operation.value)) ?? [];
    const { snapshot = Number.POSITIVE_INFINITY } = transaction;
    const number = (seen.findLast(({ version }) => version <= snapshot) ?? seen[0])?.number;
    return number === undefined ? operation : { ...operation, value: number };
  });
  return { ...transaction, operations };
}

function lastWrites(operations: readonly Operation[]): Iterable<Write> {
  const last = new Map<string, Write>();
  for (const operation of operations) if (operation.op === 'write') last.set(operation.key, operation);
  return last.values();
}

function shownBy({ shows, value }: Write): number | undefined {
  return shows ?? value;
}

function placeOf(key: string, value: number | undefined): string {
  return `${key} ${value}`;
}
