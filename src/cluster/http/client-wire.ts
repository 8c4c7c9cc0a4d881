/** What the client sends and reads: bytes as base64 in JSON, answers as lines. */

import type { HttpAnswer } from '../../base/env/http.ts';
import { SluiceError, throwIfAborted } from '../../base/errors.ts';
import type { Bytes, ClientCondition, ClientWrite } from './client.ts';

/** Of one line, where a value may stand. */
const LINE_BYTES_MAX = 128 << 20;

export interface Body {
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
}

export function jsonBody(question: unknown): Body {
  const body = JSON.stringify(question);
  return { body, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } };
}

export function base64(bytes: Bytes): string {
  return Buffer.from(typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes).toString('base64');
}

export function encodedBounds(bounds: Readonly<Record<string, Bytes | undefined>>): Record<string, string> {
  const given = Object.entries(bounds).flatMap(([name, bound]) =>
    bound === undefined ? [] : [[name, base64(bound)] as const],
  );
  return Object.fromEntries(given);
}

export function encodedCondition(condition: ClientCondition): object {
  const key = base64(condition.key);
  if ('exists' in condition) return { ...condition, key };
  return { ...condition, key, value: condition.value === null ? null : base64(condition.value) };
}

export function encodedWrite(write: ClientWrite): object {
  switch (write.type) {
    case 'put':
      return { ...write, key: base64(write.key), value: base64(write.value) };
    case 'del':
      return { ...write, key: base64(write.key) };
    default: {
      const { gt, gte, lt, lte, ...rest } = write;
      return { ...rest, ...encodedBounds({ gt, gte, lt, lte }) };
    }
  }
}

export async function* linesOf(
  answer: HttpAnswer,
  url: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<string, void, undefined> {
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer.body) {
      let from = 0;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
        pieces.push(chunk.subarray(from, at));
        yield Buffer.concat(pieces).toString('utf8');
        pieces = [];
        bytes = 0;
        from = at + 1;
      }
      if (from === chunk.length) continue;
      bytes += chunk.length - from;
      if (bytes > LINE_BYTES_MAX)
        throw new SluiceError('LIMIT_EXCEEDED', `${url} answers more than ${LINE_BYTES_MAX} bytes`);
      pieces.push(chunk.subarray(from));
    }
  } catch (cause) {
    throwIfAborted(signal);
    if (cause instanceof SluiceError) throw cause;
    throw new SluiceError('UNAVAILABLE', `${url} broke off its answer`, { cause });
  }
  if (pieces.length > 0) yield Buffer.concat(pieces).toString('utf8');
}

export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isBroken(error: unknown): boolean {
  return error instanceof SluiceError && error.code === 'UNAVAILABLE';
}

/** Not what tells of an import that has failed, or of a node that is halted, which have an `error` too. */
export function isError(body: unknown): boolean {
  if (typeof body !== 'object' || body === null || !('error' in body)) return false;
  return typeof body.error === 'object' && !('id' in body);
}

export function isWorking(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'working' in body;
}

export function outcomeUnknown(url: string, cause: unknown): SluiceError {
  const message = `${url} has taken the request and not answered: whether it was done is not known; look before you repeat it`;
  return new SluiceError('OUTCOME_UNKNOWN', message, { cause });
}
