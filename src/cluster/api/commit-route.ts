/**
 * A transaction in one request: conditions on what keys hold, and what to write if all of them do. It commits only while they do:
 * the conditions are reads of a serializable transaction.
 */

import { unreachable } from '../../base/assert.ts';
import type { Clock } from '../../base/env/env.ts';
import { DEFAULT_KEYSPACE } from '../../txn/record.ts';
import type { Transaction, TransactionKeyspace } from '../../txn/transaction.ts';
import type { Call } from '../http/call.ts';
import type { Route } from '../http/node-server.ts';
import { ConditionFailed } from '../http/status-codes.ts';
import { Fields } from '../json-fields.ts';
import { catchUpInTime } from './catch-up.ts';
import { checkItems, rangeOf } from './read-routes.ts';
import type { ServedNode } from './served-node.ts';
import { encodingOf, type TextEncoding, toBytes } from './text-encoding.ts';

interface Condition {
  readonly keyspace: string;
  readonly key: Buffer;
  /** Bytes that it must hold; or whether it must be there at all. */
  readonly holds: Buffer | boolean;
}

type Write =
  | { readonly type: 'put'; readonly keyspace: string; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly keyspace: string; readonly key: Buffer }
  | {
      readonly type: 'deleteRange';
      readonly keyspace: string;
      readonly range: Readonly<Record<string, Buffer>>;
    };

const WRITE_TYPES = ['put', 'del', 'deleteRange'] as const;
const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;

export function commitRoute(node: ServedNode, clock: Clock): Route {
  return { method: 'POST', path: '/v1/commit', access: 'client', run: (call) => commit(node, clock, call) };
}

async function commit(node: ServedNode, clock: Clock, call: Call): Promise<void> {
  const body = new Fields(await call.json(), 'body');
  const encoding = encodingOf(body);
  const keyspace = body.text('keyspace') ?? DEFAULT_KEYSPACE;
  const conditions = (body.objects('if') ?? []).map((one) => conditionOf(one, keyspace, encoding));
  const writes = (body.objects('ops') ?? []).map((one) => writeOf(one, keyspace, encoding));
  const maxRetries = body.count('maxRetries', 0, 1000);
  const id = idOf(body);
  const again = body.flag('again') ?? false;
  body.end();
  checkItems(conditions.length + writes.length, call);
  const options = maxRetries === undefined ? {} : { maxRetries };
  const run = (): Promise<number> =>
    node.db.transaction((txn) => attempt(txn, id, conditions, writes), { ...options, signal: call.signal });
  const commitNow = async (): Promise<number> => {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      // This node may be behind: what did not hold here may hold where the log is. Or it failed for what the request itself has written.
      const before = node.db.version;
      await catchUpInTime(node, call, clock);
      const first = id === undefined ? undefined : node.requestVersion(id);
      if (first !== undefined) return first;
      if (node.db.version === before) throw error;
      return run();
    }
  };
  const version = await (id === undefined ? commitNow() : node.once(id, again, commitNow));
  call.answer(200, { version });
}

function idOf(body: Fields): string | undefined {
  const id = body.text('id');
  if (id === undefined || /^[A-Za-z0-9._-]{1,64}$/.test(id)) return id;
  throw new TypeError('body.id must be 1 to 64 letters, digits, dots, underscores and hyphens');
}

async function attempt(
  txn: Transaction,
  id: string | undefined,
  conditions: readonly Condition[],
  writes: readonly Write[],
): Promise<number> {
  const keyspaces = new Map<string, TransactionKeyspace>();
  const keyspaceOf = (name: string): TransactionKeyspace => {
    const opened = keyspaces.get(name) ?? txn.keyspace(name, BYTES);
    keyspaces.set(name, opened);
    return opened;
  };
  const failed: number[] = [];
  for (const [index, { keyspace, key, holds }] of conditions.entries()) {
    const value = await keyspaceOf(keyspace).get(key);
    const isSo =
      typeof holds === 'boolean'
        ? (value !== undefined) === holds
        : value !== undefined && holds.equals(value);
    if (!isSo) failed.push(index);
  }
  if (failed.length > 0) throw new ConditionFailed(failed);
  for (const write of writes) apply(keyspaceOf(write.keyspace), write);
  if (id !== undefined) txn.nameRequest(id);
  return (await txn.commit()).version;
}

function apply(keyspace: TransactionKeyspace, write: Write): void {
  switch (write.type) {
    case 'put':
      keyspace.put(write.key, write.value);
      break;
    case 'del':
      keyspace.del(write.key);
      break;
    case 'deleteRange':
      keyspace.deleteRange(write.range);
      break;
    default:
      unreachable(write);
  }
}

/** { key, value } holds that value; { key, value: null } or { key, exists: false } is absent; { key, exists: true } is there. */
function conditionOf(fields: Fields, byDefault: string, encoding: TextEncoding): Condition {
  const keyspace = fields.text('keyspace') ?? byDefault;
  const key = toBytes(fields.value('key'), encoding, `${fields.path}.key`);
  const exists = fields.flag('exists');
  const value = fields.value('value');
  const says = fields.says('value');
  fields.end();
  if (says === (exists !== undefined)) throw new TypeError(`${fields.path} must have either value or exists`);
  if (exists !== undefined) return { keyspace, key, holds: exists };
  return {
    keyspace,
    key,
    holds: value === undefined ? false : toBytes(value, encoding, `${fields.path}.value`),
  };
}

function writeOf(fields: Fields, byDefault: string, encoding: TextEncoding): Write {
  const type = fields.choice('type', WRITE_TYPES);
  const keyspace = fields.text('keyspace') ?? byDefault;
  const bytes = (name: string): Buffer => toBytes(fields.value(name), encoding, `${fields.path}.${name}`);
  const write = ((): Write => {
    switch (type) {
      case 'put':
        return { type, keyspace, key: bytes('key'), value: bytes('value') };
      case 'del':
        return { type, keyspace, key: bytes('key') };
      case 'deleteRange':
        return { type, keyspace, range: rangeOf(fields, encoding) };
      case undefined:
        throw fields.wrong('type', `one of ${WRITE_TYPES.join(', ')}`, undefined);
      default:
        return unreachable(type);
    }
  })();
  fields.end();
  return write;
}
