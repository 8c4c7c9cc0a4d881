/** What a node's server lets one caller, or all of them, take. */

import { checkOptions } from '../../base/arguments.ts';

export interface HttpLimits {
  readonly headerBytes: number;
  /** Until a request's headers are complete, and of a TLS handshake. */
  readonly headersMs: number;
  /** Of a JSON body. */
  readonly bodyBytes: number;
  /** Of all JSON bodies that are in memory at a time. */
  readonly bodyBytesTotal: number;
  /** From the first to the last byte of a JSON body. */
  readonly bodyMs: number;
  /** Whoever sends or takes nothing for so long, in a transfer, is cut off. */
  readonly stallMs: number;
  readonly connections: number;
  /** Requests under way, but for those for health. */
  readonly requests: number;
  /** Of one uploaded file. */
  readonly uploadBytes: number;
  /** Files that were uploaded and not ingested yet. */
  readonly uploads: number;
  /** After which they are removed. */
  readonly uploadMs: number;
  /** Of one answer that is not a stream. */
  readonly answerBytes: number;
  /** Of one scan, which holds a snapshot. */
  readonly scanMs: number;
  /** Until a node has applied what the log has, for a read that is linearizable. */
  readonly catchUpMs: number;
  /** Keys of one get, conditions and operations of one commit. */
  readonly items: number;
}

export const HTTP_LIMITS: HttpLimits = {
  headerBytes: 16 << 10,
  headersMs: 10_000,
  bodyBytes: 16 << 20,
  bodyBytesTotal: 256 << 20,
  bodyMs: 30_000,
  stallMs: 30_000,
  connections: 1024,
  requests: 768,
  uploadBytes: 2 ** 38,
  uploads: 1024,
  uploadMs: 3_600_000,
  answerBytes: 64 << 20,
  scanMs: 600_000,
  catchUpMs: 30_000,
  items: 100_000,
};

/** @throws TypeError for a limit that there is not, or that is no positive whole number */
export function httpLimits(given: unknown, argument: string): HttpLimits {
  if (given === undefined) return HTTP_LIMITS;
  checkOptions(given, argument);
  const limits: Record<string, number> = { ...HTTP_LIMITS };
  for (const [name, value] of Object.entries(given as object) as [string, unknown][]) {
    if (!Object.hasOwn(HTTP_LIMITS, name)) {
      throw new TypeError(
        `${argument}.${name} is no limit; there are ${Object.keys(HTTP_LIMITS).join(', ')}`,
      );
    }
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
      throw new TypeError(`${argument}.${name} must be a whole number from 1; got ${String(value)}`);
    limits[name] = value;
  }
  return { ...HTTP_LIMITS, ...limits };
}
