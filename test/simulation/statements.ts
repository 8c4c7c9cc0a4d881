/** What statements read, from the database and by the model, in one form that can be compared. */

import { isDeepStrictEqual } from 'node:util';
import type { Snapshot, Transaction } from '../../src/index.ts';
import type { TextDb } from '../base/database.ts';
import type { IngestStatement, KeyedEntry, Range, Step } from '../model/history.ts';
import { afterIngest } from '../model/ingest.ts';
import type { State } from '../model/oracle.ts';

type Target = TextDb | Transaction<'utf8', 'utf8'>;

export async function readKey(
  target: Target,
  keyspace: string,
  key: string,
  snapshot?: Snapshot,
): Promise<unknown> {
  return target.keyspace(keyspace).get(key, snapshot === undefined ? {} : { snapshot });
}

/** As `State.scan` has it. */
export async function readRange(target: Target, range: Range, snapshot?: Snapshot): Promise<unknown> {
  const { keyspace, limit, seeks, ...bounds } = range;
  const options = { ...bounds, ...(snapshot === undefined ? {} : { snapshot }) };
  const reader = target.keyspace(keyspace);
  if (seeks.length === 0) return reader.iterator({ ...options, limit }).all();
  const iterator = reader.iterator(options);
  try {
    const got: unknown[] = [];
    for (const { key, steps } of seeks) {
      iterator.seek(key);
      for (let i = 0; i < steps; i++) got.push(await iterator.next());
    }
    return got;
  } finally {
    iterator.close();
  }
}

export function put(txn: Transaction<'utf8', 'utf8'>, { keyspace, key, value }: KeyedEntry): void {
  const target = txn.keyspace(keyspace);
  if (value === undefined) target.del(key);
  else target.put(key, value);
}

/** Without the policies whose outcome is an error, or needs a keyspace of its own. */
export function admitted({ behind: _, ifExists, ...rest }: IngestStatement): IngestStatement {
  return ifExists === 'keep' ? { ...rest, ifExists } : rest;
}

/** An ingest that looks for keys is refused in a keyspace whose version the transaction has changed. */
export function overwriting(step: Step): Step {
  if (step.op !== 'ingest') return step;
  const { ifExists: _, behind: __, ...rest } = step;
  return rest;
}

/** What the steps of a transaction make of a state, and what they read on the way. */
export function replay(before: State, steps: readonly Step[]): { after: State; reads: unknown[] } {
  let state = before;
  let savepoints: State[] = [];
  const reads: unknown[] = [];
  for (const step of steps) {
    switch (step.op) {
      case 'savepoint':
        savepoints.push(state);
        break;
      case 'rollback': {
        const to = savepoints[step.to];
        if (to === undefined) break;
        state = to;
        savepoints = savepoints.slice(0, step.to + 1);
        break;
      }
      case 'write':
        state = state.write([step.entry]);
        break;
      case 'ingest':
        state = afterIngest(state, admitted(step));
        break;
      case 'deleteRange':
        state = state.deleteRange(step.span);
        break;
      case 'get':
        reads.push(state.get(step.keyspace, step.key));
        break;
      case 'scan':
        reads.push(state.scan(step.range));
        break;
    }
  }
  return { after: state, reads };
}

export function expectEqual(got: unknown, wanted: unknown, what: unknown): void {
  if (isDeepStrictEqual(got, wanted)) return;
  const [is, should, of] = [got, wanted, what].map((each) => JSON.stringify(each));
  throw new Error(`${of} read ${is}, not ${should}`);
}
