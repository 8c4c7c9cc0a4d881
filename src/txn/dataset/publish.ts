/** Publishing: files become a version of a dataset, which is live from the same commit on. */

import { checkFlag } from '../../base/arguments.ts';
import { SluiceError } from '../../base/errors.ts';
import type { IngestMode } from '../../ingest/adopt-file.ts';
import type { IngestVerify, StageProgress } from '../../ingest/staging.ts';
import { checkFiles, checkIngestOptions } from '../ingest-options.ts';
import { type IngestPrefix, prefixRewrite } from '../ingest-prefix.ts';
import { IngestLayer } from '../overlay.ts';
import type { TransactionCore } from '../transaction.ts';
import { checkVersionId, liveAt, requireVersion } from './rows.ts';
import type { PublishedVersion } from './swap-layer.ts';

export interface PublishOptions {
  /**
   * 'base' (default): the version has what the files have, and nothing else. 'delta': it has what the live version has, and
   * over that the files; what was written to the keyspace since stays live, and in no version.
   */
  readonly kind?: 'base' | 'delta';
  /** Its number; by default one more than the highest ever given. */
  readonly version?: number;
  readonly message?: string;
  /** False: it is kept, and not live until it is activated. */
  readonly activate?: boolean;
  /** Of a delta: the version that it goes on, by default the live one; another only with `activate: false`. */
  readonly on?: number;
  /** As of `IngestOptions`. */
  readonly mode?: IngestMode;
  readonly verify?: IngestVerify;
  readonly sha256?: readonly string[] | true;
  readonly prefix?: IngestPrefix;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
}

/** Of the program itself, as [key, value] by the dataset's encodings, in any order; of one key the last counts. */
export type DatasetRows = Iterable<readonly [unknown, unknown]> | AsyncIterable<readonly [unknown, unknown]>;

/** An array is of rows if its first element is none of a path. */
export function isRows(source: string | readonly string[] | DatasetRows): source is DatasetRows {
  if (typeof source !== 'object' || source === null) return false;
  if (Array.isArray(source)) return source.length > 0 && typeof source[0] !== 'string';
  return Symbol.iterator in source || Symbol.asyncIterator in source;
}

/** What is said of files has no meaning for rows. @throws TypeError */
export function checkRowsPublish(options: PublishOptions): void {
  const { kind, version, message, activate, signal, ...ofFiles } = options;
  const [given] = Object.entries(ofFiles).filter(([, value]) => value !== undefined);
  if (given !== undefined) throw new TypeError(`options.${given[0]} is for files; publish rows without it`);
  checkVersionOptions({ kind, version, message, activate });
}

export function checkPublish(files: string | readonly string[], options: PublishOptions): readonly string[] {
  const sources = checkFiles(files);
  const { kind, version, message, activate, on, ...others } = options;
  checkIngestOptions(others, sources.length);
  checkVersionOptions({ kind, version, message, activate });
  if (on !== undefined) checkVersionId(on, 'options.on');
  if (on !== undefined && (kind !== 'delta' || activate !== false)) {
    throw new TypeError("options.on must be left out but for kind: 'delta' with activate: false");
  }
  return sources;
}

type VersionOptions = {
  readonly [K in 'kind' | 'version' | 'message' | 'activate']: PublishOptions[K] | undefined;
};

function checkVersionOptions({ kind, version, message, activate }: VersionOptions): void {
  if (kind !== undefined && kind !== 'base' && kind !== 'delta') {
    throw new TypeError(`options.kind must be base or delta; got ${String(kind)}`);
  }
  if (version !== undefined) checkVersionId(version, 'options.version');
  checkFlag(activate, 'options.activate');
  if (message !== undefined && typeof message !== 'string') {
    throw new TypeError('options.message must be a string');
  }
}

/** L8: all that grows with the files' bytes is done when this resolves. REQUIRES: `checkPublish`ed. */
export async function stagePublish(
  core: TransactionCore,
  name: string,
  sources: readonly string[],
  options: PublishOptions & { readonly keepVersions: number | undefined; readonly id?: string },
): Promise<void> {
  const { engine, overlay } = core;
  const id = options.id ?? engine.newIngestId();
  const publishes: PublishedVersion = {
    id: options.version,
    message: options.message,
    activate: options.activate ?? true,
    on: options.kind === 'delta' ? treeOn(core, name, options.on) : undefined,
    keepVersions: options.keepVersions,
  };
  const { statement, place } = overlay.reserveIngest(id);
  const staged = await engine.staging.stage(sources, {
    keyspace: name,
    mode: options.mode ?? 'copy',
    verify: options.verify ?? 'blocks',
    sha256: options.sha256,
    prefix: prefixRewrite(options.prefix),
    signal: options.signal,
    onProgress: options.onProgress,
  });
  const parts = {
    id,
    keyspace: name,
    sources: staged.map((file) => ({ file, attached: file })),
    replaced: undefined,
    admission: { requireBottom: false, maxImpact: undefined },
    undoable: false,
    undoes: undefined,
    publishes,
  };
  if (overlay.fill(place, new IngestLayer(parts, statement))) return;
  core.discardFiles(staged);
  throw new SluiceError('CLOSED', 'The publication was aborted while its files were being staged');
}

function treeOn(core: TransactionCore, name: string, on: number | undefined): PublishedVersion['on'] {
  const { catalog } = core.engine;
  const row = catalog.dataset(name);
  const id = on ?? liveAt(row, core.snapshotVersion);
  if (id === undefined) {
    const message = `The dataset ${JSON.stringify(name)} has no live version that a delta could go on; publish a base first`;
    throw new SluiceError('DATASET_VERSION_NOT_FOUND', message);
  }
  const tree = catalog.tree(requireVersion(row, name, id, core.snapshotVersion).tree);
  if (tree === undefined) throw new SluiceError('CORRUPTION', `The manifest lacks the tree of version ${id}`);
  return { id, tree };
}
