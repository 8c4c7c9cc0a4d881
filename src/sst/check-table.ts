/**
 * The check of a file before it is trusted: what an ingest and `sluice verify` run.
 *
 * 'blocks' looks at every entry: its checksum and place, order, type, size and version, its block's separator, and that the filter
 * admits it, since a filter that lies hides keys for good. 'checksums' is what RocksDB's verify_checksums_before_ingest does,
 * and the two ends: it finds damage, not a writer that was wrong.
 */

import type { File } from '../base/env/file-system.ts';
import { SluiceError, throwIfAborted } from '../base/errors.ts';
import { KEY_BYTES_MAX } from '../mvcc/internal-key.ts';
import { addedBytes } from '../mvcc/prefix-rewrite.ts';
import {
  type BlockCheckJob,
  type CheckedEntries,
  checkBlocks,
  type EntriesJob,
  endsEarly,
  NO_ENTRIES,
} from './check-blocks.ts';
import type { Table } from './table.ts';
import { type TableFacts, usesZstd } from './table-facts.ts';
import type { TableState } from './table-state.ts';

export type CheckDepth = 'blocks' | 'checksums' | 'footer' | 'none';

/** Where files are copied, digested and checked, if not on this thread. */
export interface CheckThreads {
  /** The same threads and another, on the core that is left to the event loop otherwise: for what takes tens of milliseconds. */
  readonly inBrief: CheckThreads;
  /** How many can work at a time. */
  readonly count: number;
  /** Less of a file is not worth another thread. */
  readonly partBytesMin: number;
  /** `onBytes` is told of bytes that are checked, as they are. @throws ABORTED, and what is wrong with a block. */
  run(
    job: BlockCheckJob,
    signal: AbortSignal | undefined,
    onBytes: (bytes: number) => void,
  ): Promise<CheckedEntries>;
  /** SHA-256 of a file, in lower-case hex. @throws ABORTED, IO */
  digest(path: string, signal: AbortSignal | undefined): Promise<string>;
  /** As `FileSystem.copy`. @throws ABORTED, NO_SPACE, IO … */
  copy(from: string, to: string, signal: AbortSignal | undefined): Promise<void>;
}

export interface CheckTableOptions {
  /**
   * 'blocks': everything. 'checksums': every block's checksum, and what 'footer' has. 'footer': footer, metaindex, properties,
   * index, filter, and the first and last entry. 'none': what opening checks. A block whose entries were not checked here is
   * checked when it is first read.
   */
  readonly verify: CheckDepth;
  /** A file to be given a version: every version in it must be 0 and every key there once. */
  readonly external: boolean;
  /** Absent: on this thread, a read at a time. */
  readonly threads?: CheckThreads | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((bytesDone: number, bytesTotal: number) => void) | undefined;
}

export interface CheckedFacts extends TableFacts {
  /** Of the entries, as in the file; undefined unless all were looked at, and there are any. */
  readonly versions: { readonly min: number; readonly max: number } | undefined;
}

/** Throws what is wrong with the file, naming place and cause; else says what it holds. */
export async function checkTable(table: Table, options: CheckTableOptions): Promise<CheckedFacts> {
  const { verify, external } = options;
  throwIfAborted(options.signal);
  await table.open();
  const state = table.openSync();
  state.retain();
  try {
    checkContents(state, external);
    const reads = verify === 'blocks' || verify === 'checksums';
    const parts = reads ? await checkData(table, state, verify, options) : [];
    const facts = table.facts;
    if (external) checkRangeVersions(facts);
    if ((verify === 'footer' || verify === 'checksums') && external) checkEnds(table);
    return { ...facts, versions: versionsOf(parts) };
  } finally {
    state.release();
  }
}

function refuse(path: string, what: string): SluiceError {
  return new SluiceError('UNSUPPORTED_FORMAT', `${path}: ${what}`);
}

function checkContents(state: TableState, external: boolean): void {
  const { facts, path } = state;
  if (facts.mergeOperands > 0)
    throw refuse(path, `${facts.mergeOperands} merge operands; only values and deletes are supported`);
  if (external && facts.externalVersion === undefined && !facts.own) {
    throw refuse(
      path,
      'not made for ingesting (no rocksdb.external_sst_file.version): write it with SstFileWriter or SstWriter',
    );
  }
  if (
    external &&
    facts.externalVersion !== undefined &&
    facts.externalVersion !== 1 &&
    facts.externalVersion !== 2
  ) {
    throw refuse(path, `external file version ${facts.externalVersion}; 1 and 2 are supported`);
  }
}

function checkRangeVersions({ path, rangeTombstones }: TableFacts): void {
  const wrong = rangeTombstones.find(({ version }) => version !== 0);
  if (wrong === undefined) return;
  throw refuse(path, `a range deletion has version ${wrong.version}; an external file has version 0 only`);
}

function checkEnds({ path, endVersions }: Table): void {
  endVersions.forEach((version, i) => {
    if (version === 0) return;
    const end = i === 0 ? 'first' : 'last';
    throw refuse(path, `its ${end} key has version ${version}; an external file has version 0 only`);
  });
}

async function checkData(
  { prefix }: Table,
  state: TableState,
  verify: 'blocks' | 'checksums',
  options: CheckTableOptions,
): Promise<CheckedEntries[]> {
  const { threads, signal, onProgress } = options;
  const total = state.facts.bytes;
  let done = 0;
  const onBytes = (bytes: number): void => {
    done += bytes;
    onProgress?.(Math.min(done, total), total);
  };
  const keyBytesMax = KEY_BYTES_MAX - Math.max(0, prefix === undefined ? 0 : addedBytes(prefix));
  const rules = verify === 'blocks' ? { external: options.external, keyBytesMax } : undefined;
  const parts = partsOf(state, threads).map(([from, to]) => jobOf(state, from, to, rules));
  const results: CheckedEntries[] = [];
  if (threads === undefined)
    for (const job of parts) results.push(await checkHere(state.file, job, signal, onBytes));
  else results.push(...(await allOf(parts.map((job) => threads.run(job, signal, onBytes)))));
  if (verify === 'blocks') checkCounts(state, results);
  onProgress?.(total, total);
  return results;
}

function versionsOf(parts: readonly CheckedEntries[]): CheckedFacts['versions'] {
  const max = Math.max(-1, ...parts.map((part) => part.maxVersion));
  return max < 0 ? undefined : { min: Math.min(...parts.map((part) => part.minVersion)), max };
}

/** All, or the first that failed in their order; none is under way any more when it rejects. */
async function allOf<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

function checkCounts({ path, facts }: TableState, parts: readonly CheckedEntries[]): void {
  for (const what of ['entries', 'deletes'] as const) {
    const held = parts.reduce((sum, part) => sum + part[what], 0);
    if (held === facts[what]) continue;
    throw new SluiceError('CORRUPTION', `${path}: holds ${held} ${what} but says ${facts[what]}`);
  }
}

/** Runs of blocks of about the same bytes, [from, to) each. */
function partsOf(state: TableState, threads: CheckThreads | undefined): [number, number][] {
  const { blocks } = state.index;
  const worth = Math.floor(state.facts.bytes / (threads?.partBytesMin ?? 1));
  const count = Math.max(1, Math.min(threads?.count ?? 1, worth));
  const parts: [number, number][] = [];
  for (let n = 0; n < count; n++) {
    const [from, to] = [Math.floor((blocks * n) / count), Math.floor((blocks * (n + 1)) / count)];
    if (to > from) parts.push([from, to]);
  }
  return parts;
}

function jobOf(
  state: TableState,
  from: number,
  to: number,
  rules: Pick<EntriesJob, 'external' | 'keyBytesMax'> | undefined,
): BlockCheckJob {
  const { path, checksumType, baseContext, dictionary, index, filter } = state;
  const joins = rules !== undefined && from > 0;
  const first = joins ? from - 1 : from;
  const keysAt = index.keyStart(first);
  const keysEnd = to === 0 ? 0 : (index.keyEnds[to - 1] as number);
  const keyEnds = index.keyEnds.slice(first, to);
  if (keysAt > 0) for (let i = 0; i < keyEnds.length; i++) keyEnds[i] = (keyEnds[i] as number) - keysAt;
  // Copies, each of its own buffer: they may be handed over to another thread.
  return {
    path,
    checksumType,
    baseContext,
    dictionary: rules === undefined ? undefined : dictionary?.slice(),
    offsets: index.offsets.slice(first, to),
    sizes: index.sizes.slice(first, to),
    entries: rules
      ? {
          ...rules,
          zstd: usesZstd(state.facts),
          separators: {
            keys: index.keys.slice(keysAt, keysEnd),
            keyEnds,
            versions: index.versions?.slice(first, to),
          },
          filter: filter?.bloom?.data.slice(),
          joins,
        }
      : undefined,
  };
}

async function checkHere(
  file: File,
  job: BlockCheckJob,
  signal: AbortSignal | undefined,
  onBytes: (bytes: number) => void,
): Promise<CheckedEntries> {
  const steps = checkBlocks(job);
  try {
    for (;;) {
      throwIfAborted(signal);
      const step = steps.next();
      if (step.done) return step.value;
      const { target, start, length, position } = step.value;
      const got = await file.read(target, start, length, position);
      if (got !== length) throw endsEarly(job.path, position + got);
      onBytes(length);
    }
  } finally {
    steps.return(NO_ENTRIES);
  }
}
