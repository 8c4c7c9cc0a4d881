/** `txn.ingest`: options, the answer to a retried id, and the staged layer's place among the statements. */

import { checkOptions, checkSignal } from '../base/arguments.ts';
import { SluiceError } from '../base/errors.ts';
import type { IngestMode, IngestVerify, StagedFile, StageProgress } from '../ingest/staging.ts';
import type { IngestRow } from '../manifest/rows.ts';
import type { Version } from '../mvcc/version.ts';
import { checkKeyspaceName } from './catalog.ts';
import type { CommitResult } from './committer.ts';
import { INGEST_FILES_MAX, IngestLayer, layerFiles } from './overlay.ts';
import { DEFAULT_KEYSPACE } from './record.ts';
import type { TransactionCore } from './transaction.ts';

export interface IngestOptions {
  /** The keyspace that the entries go to; the default one when absent. */
  readonly into?: string;
  /** 'copy' by default: a linked file could still be rewritten by its producer. */
  readonly mode?: IngestMode;
  /** 'blocks' by default: every block's checksum, order and contents. */
  readonly verify?: IngestVerify;
  /** Digests of the whole files, lower-case hex, in the order of the files; CHECKSUM_MISMATCH where one differs. */
  readonly sha256?: readonly string[];
  /** Makes a retry safe: a second ingest of this id does nothing and answers with the first one's result. */
  readonly id?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
}

/** What `db.ingest` resolves with. */
export interface IngestResult extends CommitResult {
  /** The one given, or a new one. */
  readonly id: string;
  /** True when an earlier commit already had this id: nothing was attached now, version and files are that commit's. */
  readonly replayed: boolean;
}

export interface IngestFileSummary {
  readonly file: string;
  readonly keyspace: string;
  readonly entries: number;
  readonly bytes: number;
  readonly smallest: Buffer;
  readonly largest: Buffer;
}

export interface IngestSummary {
  readonly id: string;
  /** True when an earlier commit already had this id: nothing was attached now. */
  readonly replayed: boolean;
  /** The version of that earlier commit; undefined unless replayed. */
  readonly replayedVersion: Version | undefined;
  readonly files: readonly IngestFileSummary[];
}

const MODES: readonly string[] = ['copy', 'link', 'move'];
const VERIFIES: readonly string[] = ['blocks', 'footer', 'none'];

export async function stageIngest(
  core: TransactionCore,
  files: string | readonly string[],
  options: IngestOptions,
): Promise<IngestSummary> {
  const sources = checkFiles(files);
  checkIngestOptions(options, sources.length);
  const { engine, overlay } = core;
  const keyspace = options.into ?? DEFAULT_KEYSPACE;
  const id = options.id ?? engine.newIngestId();
  // Asked before the files are: after a move they are gone, and the retry must still be answered.
  const earlier = engine.ingestOf(id);
  if (earlier !== undefined) {
    core.replayed.push(earlier);
    return replay(earlier, sources);
  }
  if (overlay.hasIngestOf(id)) {
    const message = `This transaction has an ingest ${id} already; give all its files in one call, or each call an id of its own`;
    throw new SluiceError('INGEST_ID_REUSED', message);
  }
  engine.ensureKeyspace(keyspace);
  const { statement, place } = overlay.reserveIngest(id);
  let staged: StagedFile[];
  try {
    staged = await engine.staging.stage(sources, {
      keyspace,
      mode: options.mode ?? 'copy',
      verify: options.verify ?? 'blocks',
      sha256: options.sha256,
      signal: options.signal,
      onProgress: options.onProgress,
    });
  } catch (error) {
    overlay.vacate(place);
    throw error;
  }
  if (!overlay.fill(place, new IngestLayer(id, layerFiles(staged), statement))) {
    engine.staging.discard(staged);
    throw new SluiceError(
      'CLOSED',
      'The transaction was rolled back or aborted while the files were being staged',
    );
  }
  const summaries = staged.map((file) => summary(file.source, file));
  return { id, replayed: false, replayedVersion: undefined, files: summaries };
}

function replay(earlier: IngestRow, sources: readonly string[]): IngestSummary {
  const same =
    earlier.files.length === sources.length && earlier.files.every((file, i) => file.source === sources[i]);
  if (!same) {
    const message = `The ingest id ${earlier.id} was used at version ${earlier.version} for other files: ${earlier.files
      .map((file) => file.source)
      .join(', ')}`;
    throw new SluiceError('INGEST_ID_REUSED', message);
  }
  const files = earlier.files.map((file) => summary(file.source, file));
  return { id: earlier.id, replayed: true, replayedVersion: earlier.version, files };
}

function summary(
  source: string,
  file: Pick<StagedFile, 'keyspace' | 'entries' | 'bytes' | 'smallest' | 'largest'>,
): IngestFileSummary {
  return {
    file: source,
    keyspace: file.keyspace,
    entries: file.entries,
    bytes: file.bytes,
    smallest: Buffer.from(file.smallest),
    largest: Buffer.from(file.largest),
  };
}

export function checkFiles(files: unknown): readonly string[] {
  const sources: unknown = typeof files === 'string' ? [files] : files;
  if (!Array.isArray(sources) || sources.length === 0) {
    throw new TypeError('files must be a path, or a non-empty array of paths');
  }
  for (const source of sources) {
    if (typeof source !== 'string' || source === '')
      throw new TypeError('each of files must be a non-empty path');
  }
  if (sources.length > INGEST_FILES_MAX)
    throw new TypeError(`files must be at most ${INGEST_FILES_MAX} paths`);
  return sources;
}

export function checkIngestOptions(options: IngestOptions, count: number): void {
  checkOptions(options);
  checkSignal(options.signal);
  const { into, mode, verify, sha256, id, onProgress } = options;
  if (into !== undefined) checkKeyspaceName(into, 'options.into');
  if (mode !== undefined && !MODES.includes(mode)) {
    throw new TypeError(`options.mode must be copy, link or move; got ${String(mode)}`);
  }
  if (verify !== undefined && !VERIFIES.includes(verify)) {
    throw new TypeError(`options.verify must be blocks, footer or none; got ${String(verify)}`);
  }
  if (id !== undefined && (typeof id !== 'string' || id === '')) {
    throw new TypeError('options.id must be a non-empty string');
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new TypeError('options.onProgress must be a function');
  }
  if (sha256 === undefined) return;
  if (!Array.isArray(sha256) || sha256.length !== count) {
    throw new TypeError('options.sha256 must be an array with one digest for each file');
  }
  for (const digest of sha256 as readonly unknown[]) {
    if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest)) {
      throw new TypeError('each of options.sha256 must be 64 lower-case hex digits');
    }
  }
}
