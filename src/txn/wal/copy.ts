/** Copying a part of the log into a log of another database, while the first may go on growing. */

import type { Env } from '../../base/env/env.ts';
import type { File } from '../../base/env/file-system.ts';
import { isSluiceError, SluiceError, throwIfAborted } from '../../base/errors.ts';
import { HEADER_BYTES, MARK_BYTES, saltOf, segmentName } from './format.ts';
import { LogBatch } from './log-batch.ts';
import { openUnlessGone } from './recovery.ts';
import { type OnRecord, walkSegment } from './segment-reader.ts';
import { Wal } from './wal.ts';

/** What is read and written between two turns of the event loop. */
const SLICE_BYTES = 2 << 20;

export interface Log {
  /** The directory of the segments. */
  readonly dir: string;
  /** 32 hex digits. */
  readonly databaseId: string;
}

export interface CopiedSegment {
  readonly id: number;
  /** To be whole so far; undefined: as far as it is whole, and not needed if it is gone. */
  readonly bytes: number | undefined;
}

export interface LogCopy {
  readonly env: Env;
  readonly from: Log;
  /** Of `from`, oldest first. The caller keeps them from being removed. */
  readonly segments: readonly CopiedSegment[];
  /** A new directory. */
  readonly to: Log;
  /** Whether the record goes along. */
  readonly wanted: (bytes: Uint8Array, payloadStart: number, payloadEnd: number) => boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * The new log is sealed, and durable with the names in its directory. Records are framed anew: salts tell the segments
 * of the two databases apart, and no segment is shared that either of them could write to (L2).
 *
 * @throws SluiceError CORRUPTION where a segment is not whole; NO_SPACE, IO, ABORTED
 */
export async function copyLog(copy: LogCopy): Promise<void> {
  const { env, from, to, wanted } = copy;
  const wal = Wal.open({ env, dir: to.dir, databaseId: to.databaseId }, () => undefined);
  const batch = new LogBatch();
  const keep = (bytes: Uint8Array, start: number, end: number): void => {
    if (!wanted(bytes, start, end)) return;
    const at = batch.begin(end - start);
    batch.bytes.set(bytes.subarray(start, end), at);
    batch.end(at + end - start);
  };
  const flush = async (): Promise<void> => {
    throwIfAborted(copy.signal);
    if (batch.records > 0) await wal.append(batch, false);
    batch.clear();
    await env.clock.turn();
  };
  try {
    for (const segment of copy.segments) {
      const file = openUnlessGone(env.fs, `${from.dir}/${segmentName(segment.id)}`);
      if (file !== undefined)
        await copySegment(file, segment, saltOf(from.databaseId, segment.id), keep, flush);
      else if (segment.bytes !== undefined) throw gone(from.dir, segment.id);
    }
    await wal.close();
  } catch (error) {
    await closeFailed(wal);
    throw plain(error);
  }
}

/** The error to tell is the one that came before. */
async function closeFailed(wal: Wal): Promise<void> {
  try {
    await wal.close();
  } catch (error) {
    if (!isSluiceError(error)) throw error;
  }
}

/** Nobody will reopen this log, so what it says of itself after a failed sync is of no use. */
function plain(error: unknown): unknown {
  const failedSync = isSluiceError(error, 'POISONED') || isSluiceError(error, 'OUTCOME_UNKNOWN');
  return failedSync && isSluiceError(error.cause) ? error.cause : error;
}

async function copySegment(
  file: File,
  { id, bytes = Number.POSITIVE_INFINITY }: CopiedSegment,
  salt: number,
  keep: OnRecord,
  flush: () => Promise<void>,
): Promise<void> {
  try {
    for (let position = HEADER_BYTES; position < bytes; ) {
      const until = Math.min(position + SLICE_BYTES, bytes);
      const end = walkSegment(file, id, salt, keep, position, until);
      await flush();
      position = end.sealed ? end.position + MARK_BYTES : end.position;
      if (!end.sealed && position >= until) continue;
      if (bytes === Number.POSITIVE_INFINITY || position >= bytes) return;
      const message = `The log segment ${file.path} is damaged at byte ${position} of ${bytes}: the record there is not whole`;
      throw new SluiceError('CORRUPTION', message);
    }
  } finally {
    file.closeSync();
  }
}

function gone(dir: string, id: number): SluiceError {
  return new SluiceError('CORRUPTION', `The log segment ${dir}/${segmentName(id)} is missing`);
}
