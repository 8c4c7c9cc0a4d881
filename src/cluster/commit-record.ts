/**
 * Committing a record that is more than puts, by the local committer. Its files are here, and one may not be what it was when it came:
 * this node's disk has lost or damaged it. Others have it, so it is fetched anew, and the record applied then.
 */

import { isSluiceError } from '../base/errors.ts';
import type { CommitResult } from '../txn/committer.ts';
import type { Engine } from '../txn/engine.ts';
import { isDecided } from './outcome.ts';
import { type PathOf, reconstruct } from './reconstruct.ts';
import type { LogRecord, RecordLayer } from './record/log-record.ts';

/** A file that is damaged again and again is none to wait for. */
const TRIES_MAX = 3;

export interface CommitRecordParts {
  readonly engine: Engine;
  /** Resolves once the files are here: pulls those that are not. */
  readonly bring: (record: LogRecord, revision: number) => Promise<void>;
  /** As `bring`, of those that are not what they were; false: all are. */
  readonly mend: (record: LogRecord, revision: number) => Promise<boolean>;
  readonly pathOf: PathOf;
}

/** @param hasVersion whether it has got one: then it is not to be tried again */
export async function commitRecord(
  parts: CommitRecordParts,
  record: LogRecord,
  layers: readonly RecordLayer[],
  revision: number,
  hasVersion: () => boolean,
): Promise<CommitResult> {
  await parts.bring(record, revision);
  for (let tried = 1; ; tried++) {
    try {
      return await commitOnce(parts, record, layers, hasVersion);
    } catch (error) {
      if (hasVersion() || tried === TRIES_MAX || !mayBeOfFile(error)) throw error;
      parts.engine.logger?.warn({ err: error }, 'a record could not be applied: its files are looked at');
      if (!(await parts.mend(record, revision))) throw error;
    }
  }
}

async function commitOnce(
  { engine, pathOf }: CommitRecordParts,
  record: LogRecord,
  layers: readonly RecordLayer[],
  hasVersion: () => boolean,
): Promise<CommitResult> {
  const { transaction, layers: merged, discard, close } = await reconstruct(engine, record, layers, pathOf);
  try {
    return await engine.committer.apply({
      transaction,
      layers: merged,
      timeMs: record.timeMs,
      begun: () => undefined,
    });
  } catch (error) {
    if (isDecided(error) || !hasVersion()) discard();
    throw error;
  } finally {
    close();
  }
}

function mayBeOfFile(error: unknown): boolean {
  return (
    isSluiceError(error, 'CORRUPTION') ||
    isSluiceError(error, 'CHECKSUM_MISMATCH') ||
    isSluiceError(error, 'FILE_NOT_FOUND') ||
    isSluiceError(error, 'UNSUPPORTED_FORMAT')
  );
}
