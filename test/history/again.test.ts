/** What was written before and is there again: reads are given the number of the write that they saw. */

import { describe, expect, test } from 'vitest';
import { nameAgain } from './again.ts';
import { checkHistory } from './check-history.ts';
import type { Operation, RecordedTransaction } from './history.ts';

let made = 0;

function transaction(
  operations: readonly Operation[],
  of: { readonly snapshot?: number; readonly version?: number },
): RecordedTransaction {
  const id = ++made;
  const { snapshot, version } = of;
  return {
    id,
    process: 'p',
    outcome: 'committed',
    beganAt: id * 10,
    endedAt: id * 10 + 5,
    snapshot,
    version,
    upToDate: true,
    operations,
  };
}

const write = (value: number, shows?: number): Operation => ({
  op: 'write',
  key: 'x',
  value,
  by: 'activation',
  ...(shows !== undefined && { shows }),
});
const get = (value: number): Operation => ({ op: 'get', key: 'x', value });
const anomaliesOf = (transactions: readonly RecordedTransaction[]): string[] =>
  checkHistory({ initial: new Map(), transactions: nameAgain(transactions) }).anomalies.map(
    ({ name }) => name,
  );

/** Two versions are published, and then the first is made live again. */
const swaps = (): RecordedTransaction[] => [
  transaction([write(1)], { version: 1 }),
  transaction([write(2)], { version: 2 }),
  transaction([write(3, 1)], { version: 3 }),
];

describe('a value that is there again', () => {
  test('is read by whoever comes after it, and by the transaction itself', () => {
    expect(anomaliesOf([...swaps(), transaction([get(1)], { snapshot: 3 })])).toEqual([]);
    const all = swaps();
    all.push(transaction([get(1), write(9, 2), get(2)], { snapshot: 3, version: 4 }));
    expect(anomaliesOf([...all, transaction([get(2)], { snapshot: 4 })])).toEqual([]);
  });

  test('is no excuse for a read of what it has replaced, nor of what replaces it too early', () => {
    expect(anomaliesOf([...swaps(), transaction([get(2)], { snapshot: 3 })])).toContain('wrong snapshot');
    const [one, two, three] = swaps();
    const early = transaction([get(1)], { snapshot: 2 });
    if (one === undefined || two === undefined || three === undefined) throw new Error('three swaps');
    expect(anomaliesOf([one, two, early, three])).toContain('wrong snapshot');
  });
});
