/** Reading over HTTP: keys, and ranges as a stream of lines. */

import type { Clock } from '../../base/env/env.ts';
import { SluiceError, throwIfAborted } from '../../base/errors.ts';
import type { Keyspace } from '../../txn/keyspace.ts';
import { DEFAULT_KEYSPACE } from '../../txn/record.ts';
import type { Snapshot } from '../../txn/snapshot.ts';
import type { Call } from '../http/call.ts';
import type { Route } from '../http/node-server.ts';
import { RequestError } from '../http/status-codes.ts';
import { Fields } from '../json-fields.ts';
import { catchUpInTime } from './catch-up.ts';
import { LineAnswer, withinScanTime } from './line-answer.ts';
import type { ServedNode } from './served-node.ts';
import { encodingOf, type TextEncoding, toBytes, toText } from './text-encoding.ts';

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;

export function readRoutes(node: ServedNode, clock: Clock): readonly Route[] {
  const access = 'client';
  return [
    { method: 'POST', path: '/v1/get', access, run: (call) => get(node, clock, call) },
    { method: 'POST', path: '/v1/scan', access, run: (call) => scan(node, clock, call) },
  ];
}

async function get(node: ServedNode, clock: Clock, call: Call): Promise<void> {
  const body = new Fields(await call.json(), 'body');
  const encoding = encodingOf(body);
  const read = readOf(body);
  const given = body.list('keys');
  body.end();
  if (given === undefined) throw body.wrong('keys', 'an array', undefined);
  checkItems(given.length, call);
  const keys = given.map((key, i) => toBytes(key, encoding, `body.keys[${i}]`));
  const answer = await reading(node, clock, read, call, async (keyspace, snapshot) => {
    const values: (string | null)[] = [];
    let bytes = 0;
    // One after the other: what is too much is not even read.
    for (const key of keys) {
      throwIfAborted(call.signal);
      const value = await keyspace.get(key, { ...BYTES, snapshot });
      bytes += value?.length ?? 0;
      if (bytes > call.limits.answerBytes) throw tooMuch(call);
      values.push(value === undefined ? null : toText(value, encoding));
    }
    return { version: snapshot.version, values };
  });
  call.answer(200, answer);
}

function tooMuch({ limits }: Call): SluiceError {
  return new SluiceError(
    'LIMIT_EXCEEDED',
    `The values have more than ${limits.answerBytes} bytes together; ask for fewer`,
  );
}

interface ScanRequest {
  readonly encoding: TextEncoding;
  readonly values: boolean;
  readonly range: Readonly<Record<string, Buffer>>;
  readonly reverse: boolean;
  readonly limit: number;
}

async function scan(node: ServedNode, clock: Clock, call: Call): Promise<void> {
  const body = new Fields(await call.json(), 'body');
  const read = readOf(body);
  const encoding = encodingOf(body);
  const request: ScanRequest = {
    encoding,
    values: body.flag('values') ?? true,
    range: rangeOf(body, encoding),
    reverse: body.flag('reverse') ?? false,
    limit: body.count('limit') ?? -1,
  };
  body.end();
  await withinScanTime(call, clock, (signal) =>
    reading(node, clock, read, call, (keyspace, snapshot) =>
      sendScan(call, request, keyspace, snapshot, signal),
    ),
  );
}

async function sendScan(
  call: Call,
  { encoding, values, range, reverse, limit }: ScanRequest,
  keyspace: Keyspace,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<void> {
  const cursor = keyspace.cursor({
    ...range,
    keyEncoding: 'buffer',
    snapshot,
    reverse,
    limit,
    values,
    signal,
  });
  const answer = new LineAnswer(call, 'entries', signal);
  let count = 0;
  try {
    for await (const batch of cursor) {
      for (let i = 0; i < batch.count; i++) {
        const key = toText(batch.key(i), encoding);
        if (answer.add(values ? [key, toText(batch.value(i), encoding)] : [key])) await answer.send();
      }
      count += batch.count;
      throwIfAborted(signal);
    }
    await answer.end({ version: snapshot.version, count });
  } finally {
    cursor.close();
  }
}

interface ReadRequest {
  readonly keyspace: string;
  readonly linearizable: boolean;
  readonly at: number | undefined;
}

function readOf(body: Fields): ReadRequest {
  return {
    keyspace: body.text('keyspace') ?? DEFAULT_KEYSPACE,
    linearizable: body.flag('linearizable') ?? false,
    at: body.count('at'),
  };
}

/** Runs `read` at one snapshot. */
async function reading<T>(
  node: ServedNode,
  clock: Clock,
  { keyspace, linearizable, at }: ReadRequest,
  call: Call,
  read: (keyspace: Keyspace, snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  if (linearizable && at !== undefined)
    throw new RequestError(400, 'body.at is a past version, which no wait makes linearizable');
  if (linearizable) await catchUpInTime(node, call, clock);
  const { db } = node;
  const snapshot = db.snapshot(at === undefined ? {} : { at });
  try {
    return await read(db.keyspace(keyspace, { ...BYTES, snapshot }), snapshot);
  } finally {
    snapshot.close();
  }
}

/** gt, gte, lt, lte, as far as they are given. */
export function rangeOf(body: Fields, encoding: TextEncoding): Readonly<Record<string, Buffer>> {
  const range: Record<string, Buffer> = {};
  for (const name of ['gt', 'gte', 'lt', 'lte'] as const) {
    const bound = body.value(name);
    if (bound !== undefined) range[name] = toBytes(bound, encoding, `${body.path}.${name}`);
  }
  return range;
}

export function checkItems(count: number, { limits }: Call): void {
  if (count > limits.items)
    throw new SluiceError('LIMIT_EXCEEDED', `${count} items in one request, more than ${limits.items}`);
}
