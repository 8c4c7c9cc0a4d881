/** Short histories for the tests of the checker, written as a person would tell them. */

import type { Found, History, Operation, Outcome, RecordedTransaction, Value } from './history.ts';

export const get = (key: string, value: Value): Operation => ({ op: 'get', key, value });
export const put = (key: string, value: number): Operation => ({ op: 'write', key, value, by: 'put' });
export const del = (key: string): Operation => ({ op: 'write', key, value: undefined, by: 'put' });
export const append = (key: string, element: number): Operation => ({
  op: 'append',
  key,
  element,
  by: 'put',
});
export const scan = (lower: string, upper: string, ...found: Found[]): Operation => ({
  op: 'scan',
  lower,
  upper,
  found,
});
export const deleteRange = (lower: string, upper: string): Operation => ({ op: 'deleteRange', lower, upper });
export const savepoint: Operation = { op: 'savepoint' };
export const rollback: Operation = { op: 'rollback' };

export interface Told {
  readonly outcome?: Outcome;
  readonly snapshot?: number;
  readonly version?: number;
  /** [began, ended]; of all that do not say, at the same time. */
  readonly at?: readonly [number, number];
  readonly lagging?: boolean;
}

/** Transactions are T1, T2 … in the order given, and commit in it at versions 1, 2 … unless they say otherwise. */
export function history(...transactions: readonly (readonly [Told, ...Operation[]])[]): History {
  return {
    initial: new Map(),
    transactions: transactions.map(([told, ...operations], index): RecordedTransaction => {
      const { outcome = 'committed', snapshot, version = index + 1, at = [0, 1000], lagging = false } = told;
      const [beganAt, endedAt] = at;
      const committed = outcome === 'committed';
      return {
        id: index + 1,
        process: lagging ? 'reader' : 'writer',
        outcome,
        beganAt,
        endedAt,
        snapshot,
        version: committed ? version : undefined,
        upToDate: !lagging,
        operations,
      };
    }),
  };
}
