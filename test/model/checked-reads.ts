/** Reads by every way there is, which must find what the oracle has. */

import { isDeepStrictEqual } from 'node:util';
import type { Snapshot, Transaction } from '../../src/index.ts';
import type { TextDb } from '../base/database.ts';
import type { Range } from './history.ts';
import type { State } from './oracle.ts';

type Target = TextDb | Transaction<'utf8', 'utf8'>;

export async function checkGet(
  target: Target,
  state: State,
  keyspace: string,
  key: string,
  snapshot?: Snapshot,
): Promise<void> {
  const options = snapshot === undefined ? {} : { snapshot };
  const reader = target.keyspace(keyspace);
  const wanted = state.get(keyspace, key);
  expectEqual(await reader.get(key, options), wanted, `get ${keyspace} ${key}`);
  expectEqual(reader.getSync(key, options), wanted, `getSync ${keyspace} ${key}`);
}

export async function checkScan(
  target: Target,
  state: State,
  range: Range,
  snapshot?: Snapshot,
): Promise<void> {
  const { keyspace, limit, seeks, ...bounds } = range;
  const options = { ...bounds, ...(snapshot === undefined ? {} : { snapshot }) };
  const what = `scan ${JSON.stringify(range)}`;
  const reader = target.keyspace(keyspace);
  if (seeks.length === 0) {
    expectEqual(await reader.iterator({ ...options, limit }).all(), state.scan(range), what);
    const entries: [string, string][] = [];
    for await (const batch of reader.cursor({ ...options, limit })) {
      for (let i = 0; i < batch.count; i++) entries.push([String(batch.key(i)), String(batch.value(i))]);
    }
    expectEqual(entries, state.scan(range), `cursor, ${what}`);
    return;
  }
  const iterator = reader.iterator(options);
  const got: unknown[] = [];
  for (const { key, steps } of seeks) {
    iterator.seek(key);
    for (let i = 0; i < steps; i++) got.push(await iterator.next());
  }
  iterator.close();
  expectEqual(got, state.scan(range), what);
}

export function expectEqual(got: unknown, wanted: unknown, what: string): void {
  if (isDeepStrictEqual(got, wanted)) return;
  throw new Error(`${what}: got ${JSON.stringify(got)}, expected ${JSON.stringify(wanted)}`);
}
