/** Files by digest for the other nodes, in ranges; and the request to fetch one. */

import type { Clock, Env } from '../../base/env/env.ts';
import type { File } from '../../base/env/file-system.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import type { PeerService } from '../files/file-exchange.ts';
import { type FileStore, isDigest } from '../files/file-store.ts';
import type { Call } from './call.ts';
import type { Route } from './node-server.ts';
import { RequestError, refusalOf } from './status-codes.ts';

/** Each has to be taken within `stallMs`. */
const CHUNK_BYTES = 512 << 10;
const SIGN_OF_LIFE_MS = 3000;
const SOURCES_MAX = 64;

export function fileRoutes(env: Env, store: FileStore, service: PeerService): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/files/:digest',
      access: 'peer',
      run: (call) => sendHeld(env, store, call),
    },
    {
      method: 'POST',
      path: '/files/:digest/stage',
      access: 'peer',
      run: async (call) => {
        const digest = digestOf(call);
        const { bytes, sources } = stageRequest(await call.json());
        await tellWhenDone(call, env.clock, async () => {
          await service.stage({ digest, bytes }, sources, call.signal);
          return {};
        });
      },
    },
  ];
}

async function sendHeld(env: Env, store: FileStore, call: Call): Promise<void> {
  const digest = digestOf(call);
  if (!store.has(digest)) throw notHeld();
  let file: File;
  try {
    file = await env.fs.open(store.path(digest), 'read');
  } catch (error) {
    if (!isSluiceError(error, 'FILE_NOT_FOUND')) throw error;
    store.forget(digest); // somebody has removed it
    throw notHeld();
  }
  await sendFile(call, file);
}

/** The bytes that the Range header asks for. Closes the file. */
export async function sendFile(call: Call, file: File): Promise<void> {
  try {
    const bytes = file.sizeSync();
    const range = rangeOf(call.header('range'), bytes);
    const [start, end] = range ?? [0, bytes];
    call.begin(range === undefined ? 200 : 206, {
      'content-type': 'application/octet-stream',
      'content-length': end - start,
      'accept-ranges': 'bytes',
      ...(range !== undefined && { 'content-range': `bytes ${start}-${end - 1}/${bytes}` }),
    });
    if (!call.isHead) await sendBytes(call, file, start, end);
    call.end();
  } finally {
    file.closeSync();
  }
}

async function sendBytes(call: Call, file: File, start: number, end: number): Promise<void> {
  // One is read while the other is sent. Fresh memory for each piece would cost more than all else here.
  const chunkBytes = Math.min(CHUNK_BYTES, end - start);
  let [chunk, other] = [Buffer.allocUnsafeSlow(chunkBytes), Buffer.allocUnsafeSlow(chunkBytes)];
  let sending: Promise<void> = Promise.resolve();
  try {
    for (let at = start; at < end; ) {
      const n = await file.read(chunk, 0, Math.min(chunkBytes, end - at), at);
      // Shorter than it was: whoever reads must not take it for the whole.
      if (n === 0) throw new SluiceError('CORRUPTION', `${file.path} ends at byte ${at}, not at ${end}`);
      await sending;
      sending = call.send(n === chunk.length ? chunk : chunk.subarray(0, n));
      sending.catch(() => undefined); // told where it is awaited
      [chunk, other] = [other, chunk];
      at += n;
    }
  } finally {
    await sending;
  }
}

/** [start, end) of the one range that is asked for; undefined: all. @throws RequestError */
export function rangeOf(header: string | undefined, bytes: number): readonly [number, number] | undefined {
  if (header === undefined) return undefined;
  const match = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(header);
  if (match === null) throw new RequestError(400, 'range must be bytes=FROM- or bytes=FROM-TO, one range');
  const start = Number(match[1]);
  const last = match[2] === '' ? bytes - 1 : Number(match[2]);
  if (start >= bytes || last < start)
    throw new RequestError(416, `the file has ${bytes} bytes`, { 'content-range': `bytes */${bytes}` });
  return [start, Math.min(last + 1, bytes)];
}

/**
 * An answer with its status, where it is there soon. Else lines: one now and then while it runs, and one with how it ended; so neither
 * side takes a long silence for a broken connection.
 */
export async function tellWhenDone(call: Call, clock: Clock, work: () => Promise<object>): Promise<void> {
  const working = work().then((done) => ({ done }));
  working.catch(() => undefined); // told below, unless the caller has gone
  try {
    let outcome: object | undefined;
    while (outcome === undefined) {
      outcome = await orSoon(working, clock);
      if (outcome !== undefined) break;
      if (!call.begun) call.begin(200, { 'content-type': 'application/x-ndjson' });
      await call.write('{"working":true}\n');
    }
    if (!call.begun) call.answer(200, outcome);
    else await endWith(call, outcome);
  } catch (error) {
    const refusal = refusalOf(error);
    if (!call.begun || refusal === undefined) throw error;
    await endWith(call, refusal.body);
  }
}

async function endWith(call: Call, outcome: object): Promise<void> {
  await call.write(`${JSON.stringify(outcome)}\n`);
  call.end();
}

/** Undefined when it is still at work after a while. */
async function orSoon<T>(working: Promise<T>, clock: Clock): Promise<T | undefined> {
  const ending = new AbortController();
  const nap = clock.sleep(SIGN_OF_LIFE_MS, ending.signal).then(
    () => undefined,
    () => undefined,
  );
  try {
    return await Promise.race([working, nap]);
  } finally {
    ending.abort();
  }
}

function digestOf(call: Call): string {
  const [digest = ''] = call.parameters;
  if (!isDigest(digest)) throw new RequestError(400, 'a file is named by 64 lower-case hex digits');
  return digest;
}

function notHeld(): RequestError {
  return new RequestError(404, 'this node does not hold that file');
}

function stageRequest(body: unknown): { bytes: number; sources: readonly string[] } {
  if (typeof body === 'object' && body !== null && 'bytes' in body && 'sources' in body) {
    const { bytes, sources } = body;
    const isList = Array.isArray(sources) && sources.length <= SOURCES_MAX && sources.every(isHttpUrl);
    if (typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0 && isList)
      return { bytes, sources };
  }
  throw new RequestError(400, 'the body must be { bytes, sources: [URL …] }');
}

function isHttpUrl(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value);
}
