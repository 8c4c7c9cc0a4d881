/** `txn.ingest`: options, the answer to a retried id, and the staged layer's place among the statements. */

import { EMPTY_BYTES } from '../base/bytes.ts';
import type { EncodingName } from '../base/encoding.ts';
import { SluiceError } from '../base/errors.ts';
import type { StagedFile } from '../ingest/staging.ts';
import type { IngestedFileRow, IngestRow } from '../manifest/rows.ts';
import { type PrefixRewrite, samePrefix } from '../mvcc/prefix-rewrite.ts';
import type { KeySpan } from '../mvcc/range-tombstones.ts';
import type { Version } from '../mvcc/version.ts';
import type { CommitResult } from './committer.ts';
import { checkFiles, checkIngestOptions, type IngestOptions, keyspaceOf } from './ingest-options.ts';
import { applyPolicy, type SourceFile } from './ingest-policy.ts';
import { prefixRewrite } from './ingest-prefix.ts';
import { IngestLayer } from './overlay.ts';
import { deletedSpan } from './range-argument.ts';
import type { TransactionCore } from './transaction.ts';

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
  /** Attached. */
  readonly entries: number;
  /** Left out by `ifExists`. */
  readonly skipped: number;
  /** Of the file as it was given. */
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

export async function stageIngest(
  core: TransactionCore,
  files: string | readonly string[],
  options: IngestOptions,
  keyEncoding: EncodingName,
): Promise<IngestSummary> {
  const sources = checkFiles(files);
  checkIngestOptions(options, sources.length);
  const prefix = prefixRewrite(options.prefix);
  const replaced = replacedSpan(options.replace, keyEncoding);
  const { engine, overlay } = core;
  const keyspace = keyspaceOf(options, engine);
  const id = options.id ?? engine.newIngestId();
  // Asked before the files are: after a move they are gone, and the retry must still be answered.
  const earlier = engine.ingestOf(id);
  if (earlier !== undefined) {
    core.replayed.push(earlier);
    return replay(earlier, sources, prefix);
  }
  if (overlay.hasIngestOf(id)) {
    const message = `This transaction has an ingest ${id} already; give all its files in one call, or each call an id of its own`;
    throw new SluiceError('INGEST_ID_REUSED', message);
  }
  const policy = options.behind === true ? 'behind' : (options.ifExists ?? 'overwrite');
  core.openKeyspace(keyspace, options.create ?? true, policy === 'behind');
  if (policy !== 'overwrite') core.refuseSwapped(keyspace, 'An ingest that looks for keys which exist');
  const { statement, place } = overlay.reserveIngest(id);
  // Statements before this one that are being staged too.
  const before = [...core.staging];
  const { signal } = options;
  let staged: StagedFile[] = [];
  let given: SourceFile[];
  try {
    staged = await engine.staging.stage(sources, {
      keyspace,
      mode: options.mode ?? 'copy',
      verify: options.verify ?? 'blocks',
      sha256: options.sha256,
      prefix,
      signal,
      onProgress: options.onProgress,
    });
    if (policy !== 'overwrite') await Promise.allSettled(before);
    const own = overlay.before(place);
    if (own === undefined) throw undone();
    given = await applyPolicy(core, staged, { policy, keyspace, own, signal });
  } catch (error) {
    overlay.vacate(place);
    core.discardFiles(staged);
    throw error;
  }
  // Read by the conflict check; no commit names them.
  core.discardFiles(given.flatMap(({ file, attached }) => (file === attached ? [] : [file])));
  const { requireBottom = false, maxImpact, undoable = false } = options;
  const admission = { requireBottom, maxImpact };
  const layer = new IngestLayer(
    { id, keyspace, sources: given, replaced, admission, undoable, undoes: undefined, publishes: undefined },
    statement,
  );
  if (!overlay.fill(place, layer)) {
    core.discardFiles(layer.files.map(({ file }) => file));
    throw undone();
  }
  const summaries = given.map(({ file, attached }) => {
    const entries = attached?.entries ?? 0;
    return summary(file.source, { ...file, entries, skipped: file.entries - entries });
  });
  return { id, replayed: false, replayedVersion: undefined, files: summaries };
}

function undone(): SluiceError {
  const message = 'The transaction was rolled back or aborted while the files were being staged';
  return new SluiceError('CLOSED', message);
}

function replay(
  earlier: IngestRow,
  sources: readonly string[],
  prefix: PrefixRewrite | undefined,
): IngestSummary {
  const same =
    earlier.files.length === sources.length &&
    earlier.files.every((file, i) => file.source === sources[i] && samePrefix(file.prefix, prefix));
  if (!same) {
    const message = `The ingest id ${earlier.id} was used at version ${earlier.version} for other files, or under another prefix: ${earlier.files
      .map((file) => file.source)
      .join(', ')}`;
    throw new SluiceError('INGEST_ID_REUSED', message);
  }
  const files = earlier.files.map((file) => summary(file.source, file));
  return { id: earlier.id, replayed: true, replayedVersion: earlier.version, files };
}

function summary(
  source: string,
  file: Pick<IngestedFileRow, 'keyspace' | 'entries' | 'skipped' | 'bytes' | 'smallest' | 'largest'>,
): IngestFileSummary {
  return {
    file: source,
    keyspace: file.keyspace,
    entries: file.entries,
    skipped: file.skipped,
    bytes: file.bytes,
    smallest: Buffer.from(file.smallest),
    largest: Buffer.from(file.largest),
  };
}

function replacedSpan(replace: IngestOptions['replace'], keyEncoding: EncodingName): KeySpan | undefined {
  if (replace === undefined) return undefined;
  return replace === true ? { from: EMPTY_BYTES, to: undefined } : deletedSpan(replace, keyEncoding);
}
