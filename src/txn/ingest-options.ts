/** The options of an ingest, and what is refused of them before anything is done. */

import { checkFlag, checkOptions, checkSignal } from '../base/arguments.ts';
import type { EncodingName } from '../base/encoding.ts';
import type { IngestMode } from '../ingest/adopt-file.ts';
import type { IngestVerify, StageProgress } from '../ingest/staging.ts';
import { checkKeyspaceName } from './catalog.ts';
import type { Engine } from './engine.ts';
import { type IngestPrefix, prefixRewrite } from './ingest-prefix.ts';
import { Keyspace } from './keyspace.ts';
import { INGEST_FILES_MAX } from './overlay.ts';
import type { RangeOptions } from './readable.ts';
import { DEFAULT_KEYSPACE } from './record.ts';

export type IfExists = 'overwrite' | 'keep' | 'fail';

/** Bounds on what the keyspace's levels look like with the files in them. What does not go past a bound because of them passes. */
export interface MaxImpact {
  readonly level0Tables?: number;
  /** An estimate of the bytes that compactions then have to write. */
  readonly pendingCompactionBytes?: number;
}

export interface IngestOptions {
  /** The keyspace that the entries go to, by name or as `db.keyspace()` has it; the default one when absent. */
  readonly into?: string | Keyspace<EncodingName, EncodingName>;
  /** Make the keyspace when there is none of that name; true by default, as for `db.keyspace()`. With false: KEYSPACE_NOT_FOUND. */
  readonly create?: boolean;
  /** 'copy' by default: a linked file could still be rewritten by its producer. */
  readonly mode?: IngestMode;
  /** 'blocks' by default: every block's checksum, order and contents. 'checksums': only what storage may have damaged. */
  readonly verify?: IngestVerify;
  /**
   * Digests of the whole files, lower-case hex, in the order of the files; CHECKSUM_MISMATCH where one differs. `true`:
   * they are made. Either way they are kept, and `verify({ full: true })` checks them as long as the file is a table.
   */
  readonly sha256?: readonly string[] | true;
  /**
   * The files' keys are read with this before them, or instead of what they begin with: `{ from: 'a/', to: 'b/' }`. Nothing
   * is rewritten, so it costs what the ingest costs without it. PREFIX_MISMATCH names the first key without `from`.
   */
  readonly prefix?: IngestPrefix;
  /** Makes a retry safe: a second ingest of this id does nothing and answers with the first one's result. */
  readonly id?: string;
  /**
   * What becomes of keys that exist, as the transaction sees them: 'overwrite' (default); 'keep' attaches only the others;
   * 'fail' throws KEY_EXISTS when there are any. Guarded by the conflict check, so it is true at the commit too.
   */
  readonly ifExists?: IfExists;
  /**
   * As `ifExists: 'keep'`, but a key that was deleted counts as one that exists, however long ago: the files go behind all
   * that the keyspace ever held. It must have been made with `allowIngestBehind`, and is, when there is none.
   */
  readonly behind?: boolean;
  /**
   * What the keyspace held, or the range, is deleted in the same commit, before the files: at the cost of one entry,
   * whatever is there. Keys are in the database's key encoding.
   */
  readonly replace?: true | RangeOptions<EncodingName>;
  /**
   * What the ingest changes can be undone by `undoIngest`, until it is, or until `releaseIngest`. Until then compaction keeps
   * what was there before, as it would for a snapshot of the keyspace.
   */
  readonly undoable?: boolean;
  /** The commit fails with NOT_BOTTOM_LEVEL unless every file goes to the lowest level. */
  readonly requireBottom?: boolean;
  /** The commit fails with IMPACT_EXCEEDED where the files would give compaction more to do than this. */
  readonly maxImpact?: MaxImpact;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
}

const MODES: readonly string[] = ['copy', 'link', 'move'];
const VERIFIES: readonly string[] = ['blocks', 'checksums', 'footer', 'none'];
const IF_EXISTS: readonly string[] = ['overwrite', 'keep', 'fail'];

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
  if (into !== undefined && !(into instanceof Keyspace)) checkKeyspaceName(into, 'options.into');
  checkFlag(options.create, 'options.create');
  if (mode !== undefined && !MODES.includes(mode)) {
    throw new TypeError(`options.mode must be copy, link or move; got ${String(mode)}`);
  }
  if (verify !== undefined && !VERIFIES.includes(verify)) {
    throw new TypeError(`options.verify must be blocks, checksums, footer or none; got ${String(verify)}`);
  }
  if (id !== undefined && (typeof id !== 'string' || id === '')) {
    throw new TypeError('options.id must be a non-empty string');
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new TypeError('options.onProgress must be a function');
  }
  prefixRewrite(options.prefix);
  checkPolicies(options);
  if (sha256 === undefined || sha256 === true) return;
  if (!Array.isArray(sha256) || sha256.length !== count) {
    throw new TypeError('options.sha256 must be true, or an array with one digest for each file');
  }
  for (const digest of sha256 as readonly unknown[]) {
    if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest)) {
      throw new TypeError('each of options.sha256 must be 64 lower-case hex digits');
    }
  }
}

/** The name of `into`. @throws TypeError when it is another database's */
export function keyspaceOf({ into }: IngestOptions, engine: Engine): string {
  if (!(into instanceof Keyspace)) return into ?? DEFAULT_KEYSPACE;
  into.checkOwner(engine);
  return into.name;
}

function checkPolicies(options: IngestOptions): void {
  const { ifExists, behind, replace, requireBottom, maxImpact } = options;
  checkFlag(behind, 'options.behind');
  checkFlag(options.undoable, 'options.undoable');
  if (ifExists !== undefined && !IF_EXISTS.includes(ifExists)) {
    throw new TypeError(`options.ifExists must be overwrite, keep or fail; got ${String(ifExists)}`);
  }
  if (behind === true && (ifExists !== undefined || replace !== undefined)) {
    throw new TypeError(
      'options.behind must stand alone: it is a policy of its own; leave out options.ifExists and options.replace',
    );
  }
  if (replace !== undefined && (ifExists ?? 'overwrite') !== 'overwrite') {
    throw new TypeError(
      `options.replace must be left out, as it leaves nothing for options.ifExists: '${ifExists}' to see`,
    );
  }
  if (replace !== undefined && replace !== true && (typeof replace !== 'object' || replace === null)) {
    throw new TypeError('options.replace must be true or an object with gt, gte, lt or lte');
  }
  checkFlag(requireBottom, 'options.requireBottom');
  if (maxImpact !== undefined) checkMaxImpact(maxImpact);
}

function checkMaxImpact(maxImpact: MaxImpact): void {
  checkOptions(maxImpact, 'options.maxImpact');
  for (const [name, bound] of Object.entries(maxImpact)) {
    if (name !== 'level0Tables' && name !== 'pendingCompactionBytes') {
      throw new TypeError(
        `options.maxImpact.${name} is no bound; there are level0Tables and pendingCompactionBytes`,
      );
    }
    if (typeof bound !== 'number' || !(bound >= 0)) {
      throw new TypeError(`options.maxImpact.${name} must be a number from 0; got ${String(bound)}`);
    }
  }
}
