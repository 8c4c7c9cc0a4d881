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
import type { ServedNode } from './served-node.ts';
import { encodingOf, type TextEncoding, toBytes, toText } from './text-encoding.ts';

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;
/** Of a line of a scan. */
const LINE_ENTRIES = 256;
const LINE_BYTES = 256 << 10;

export function readRoutes(node: ServedNode, clock: Clock): readonly Route[] {
  const access = 'client';
  return [
    { method: 'POST', path: '/v1/get', access, run: (call) => get(node, call) },
    { method: 'POST', path: '/v1/scan', access, run: (call) => scan(node, clock, call) },
    {
      method: 'GET',
      path: '/v1/keyspaces',
      access,
      run: (call) => call.answer(200, { keyspaces: node.db.keyspaces() }),
    },
  ];
}

async function get(node: ServedNode, call: Call): Promise<void> {
  const body = new Fields(await call.json(), 'body');
  const encoding = encodingOf(body);
  const read = readOf(body);
  const given = body.list('keys');
  body.end();
  if (given === undefined) throw body.wrong('keys', 'an array', undefined);
  checkItems(given.length, call);
  const keys = given.map((key, i) => toBytes(key, encoding, `body.keys[${i}]`));
  const answer = await reading(node, read, call, async (keyspace, snapshot) => {
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
  const late = new AbortController();
  const cancel = clock.after(call.limits.scanMs, () => late.abort());
  try {
    const signal = AbortSignal.any([call.signal, late.signal]);
    await reading(node, read, call, (keyspace, snapshot) =>
      sendScan(call, request, keyspace, snapshot, signal),
    );
  } catch (error) {
    // Said only where nothing was sent yet; else the answer ends without its last line.
    if (late.signal.aborted && !call.signal.aborted)
      throw new SluiceError(
        'LIMIT_EXCEEDED',
        `A scan may take ${call.limits.scanMs} ms; scan a part at a time`,
      );
    throw error;
  } finally {
    cancel();
  }
}

/** Lines of entries, and one at the end: without that one it is not whole. */
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
  let count = 0;
  let line: string[] = [];
  let bytes = 0;
  const send = async (): Promise<void> => {
    if (!call.begun) call.begin(200, { 'content-type': 'application/x-ndjson' });
    if (line.length > 0) await call.write(`{"entries":[${line.join(',')}]}\n`, signal);
    line = [];
    bytes = 0;
  };
  try {
    for await (const batch of cursor) {
      for (let i = 0; i < batch.count; i++) {
        const key = toText(batch.key(i), encoding);
        const entry = values ? [key, toText(batch.value(i), encoding)] : [key];
        const text = JSON.stringify(entry);
        line.push(text);
        bytes += text.length;
        if (line.length >= LINE_ENTRIES || bytes >= LINE_BYTES) await send();
      }
      count += batch.count;
      throwIfAborted(signal);
    }
    await send();
    await call.write(`${JSON.stringify({ end: { version: snapshot.version, count } })}\n`);
    call.end();
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
  { db, catchUp }: ServedNode,
  { keyspace, linearizable, at }: ReadRequest,
  call: Call,
  read: (keyspace: Keyspace, snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  if (linearizable && at !== undefined)
    throw new RequestError(400, 'body.at is a past version, which no wait makes linearizable');
  if (linearizable) await catchUp(call.signal);
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
