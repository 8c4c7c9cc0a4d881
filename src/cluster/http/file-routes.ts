/** Files by digest for the other nodes, in ranges; and the request to fetch one. */

import type { Clock, Env } from '../../base/env/env.ts';
import { isSluiceError } from '../../base/errors.ts';
import type { PeerService } from '../files/file-exchange.ts';
import { type FileStore, isDigest } from '../files/file-store.ts';
import type { ThreadSender } from '../files/thread-sender.ts';
import type { Call } from './call.ts';
import type { Route } from './node-server.ts';
import { serveFile } from './send-file.ts';
import { RequestError, refusalOf } from './status-codes.ts';

const SIGN_OF_LIFE_MS = 3000;
const SOURCES_MAX = 64;

export function fileRoutes(
  env: Env,
  store: FileStore,
  service: PeerService,
  sender: ThreadSender | undefined,
): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/files/:digest',
      access: 'peer',
      run: (call) => sendHeld(env, store, sender, call),
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

async function sendHeld(
  env: Env,
  store: FileStore,
  sender: ThreadSender | undefined,
  call: Call,
): Promise<void> {
  const digest = digestOf(call);
  if (!store.has(digest)) throw notHeld();
  try {
    await serveFile(call, store.path(digest), env.fs, sender);
  } catch (error) {
    if (!isSluiceError(error, 'FILE_NOT_FOUND')) throw error;
    store.forget(digest); // somebody has removed it
    throw notHeld();
  }
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
