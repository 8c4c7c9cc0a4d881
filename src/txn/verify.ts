/** `db.verify()`: the manifest against the files, the files against themselves, the levels against their rules. */

import { checkCallback, checkFlag, checkOptions, checkSignal } from '../base/arguments.ts';
import { compareBytes, EMPTY_BYTES, formatKey } from '../base/bytes.ts';
import { isSluiceError, throwIfAborted } from '../base/errors.ts';
import { sha256Of } from '../ingest/staging.ts';
import type { Tree } from '../levels/tree.ts';
import type { FileId, TableRow, TreeId } from '../manifest/rows.ts';
import type { Version } from '../mvcc/version.ts';
import { checkTable } from '../sst/check-table.ts';
import type { Engine } from './engine.ts';
import { keyString } from './read-set.ts';

export interface VerifyOptions {
  /** Read and check every block of every table, not only indexes and ends. */
  readonly full?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly tablesDone: number; readonly tablesTotal: number }) => void;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly tables: number;
  readonly entries: number;
  readonly bytes: number;
  /** One line each: what is wrong, in which file. */
  readonly problems: readonly string[];
}

/** A smaller table is checked on this thread in less time than another takes to start. */
const THREAD_BYTES_MIN = 4 << 20;

export async function verifyDatabase(engine: Engine, options: VerifyOptions): Promise<VerifyReport> {
  checkOptions(options);
  checkFlag(options.full, 'options.full');
  checkSignal(options.signal);
  checkCallback(options.onProgress, 'options.onProgress');
  const problems: string[] = [];
  let entries = 0;
  let bytes = 0;
  // In one turn, as flushes, ingests and compactions change manifest and trees together in one.
  const trees = [...engine.catalog.trees()];
  const rows = trees.flatMap((tree) => tree.rows());
  const releases = trees.flatMap((tree) => tree.rows().map((row) => tree.retain(tree.view.table(row))));
  checkManifest(engine.manifest.state.tables, rows, problems);
  const digests = options.full === true ? digestsOf(engine) : new Map<string, string>();
  const files: SharedFiles = { facts: new Map(), digests: new Map() };
  for (const tree of trees) checkLevels(tree, problems);
  checkTombstones(engine, trees, problems);
  try {
    for (const [i, row] of rows.entries()) {
      throwIfAborted(options.signal);
      await checkRow(engine, row, options, problems, files);
      await checkDigest(engine, row, digests.get(ingestedAs(row) ?? ''), options, problems, files);
      entries += row.entries;
      bytes += row.bytes;
      options.onProgress?.({ tablesDone: i + 1, tablesTotal: rows.length });
    }
    return { ok: problems.length === 0, tables: rows.length, entries, bytes, problems };
  } finally {
    for (const release of releases) release();
  }
}

/** Every table that the manifest names is in one tree, once, and as the manifest says; and no others are. */
function checkManifest(
  named: ReadonlyMap<FileId, TableRow>,
  rows: readonly TableRow[],
  problems: string[],
): void {
  const seen = new Set<FileId>();
  for (const row of rows) {
    const manifest = named.get(row.id);
    if (seen.has(row.id)) problems.push(`the table ${row.id} is in the trees twice`);
    else if (manifest === undefined) problems.push(`the manifest does not name the table ${row.id}`);
    else if (manifest.tree !== row.tree || manifest.level !== row.level)
      problems.push(
        `the table ${row.id} is in tree ${row.tree}, level ${row.level}; the manifest says ${manifest.tree}, ${manifest.level}`,
      );
    seen.add(row.id);
  }
  for (const id of named.keys())
    if (!seen.has(id)) problems.push(`no tree has the table ${id}, which the manifest names`);
}

/** The range tombstones of the trees are those of the manifest, and every tree that has some is there. */
function checkTombstones(engine: Engine, trees: readonly Tree[], problems: string[]): void {
  const left = new Map<TreeId, number>();
  for (const { tree, spans } of engine.manifest.state.ranges.values())
    left.set(tree, (left.get(tree) ?? 0) + spans.length);
  for (const { id, view } of trees) {
    const [held, named] = [view.levels.tombstones?.list.length ?? 0, left.get(id) ?? 0];
    if (held !== named) problems.push(`tree ${id} has ${held} range tombstones, the manifest says ${named}`);
    left.delete(id);
  }
  for (const id of left.keys())
    problems.push(`the manifest has range tombstones of tree ${id}, which is not there`);
}

/** L3: within levels 1 and below tables do not overlap. */
function checkLevels(tree: Tree, problems: string[]): void {
  const byLevel = new Map<number, TableRow[]>();
  for (const row of tree.rows()) byLevel.set(row.level, [...(byLevel.get(row.level) ?? []), row]);
  for (const [level, rows] of byLevel) {
    if (level === 0) continue;
    rows.sort((a, b) => compareBytes(a.smallest, b.smallest));
    for (let i = 1; i < rows.length; i++) {
      const [left, right] = [rows[i - 1] as TableRow, rows[i] as TableRow];
      if (compareBytes(left.largest, right.smallest) < 0) continue;
      problems.push(`tree ${tree.id}, level ${level}: the tables ${left.id} and ${right.id} overlap`);
    }
  }
}

/** Versions of a dataset are links to the same files: each is read once. By identity, and how its keys are read. */
interface SharedFiles {
  readonly facts: Map<string, Facts>;
  readonly digests: Map<string, string>;
}

async function checkRow(
  engine: Engine,
  row: TableRow,
  options: VerifyOptions,
  problems: string[],
  { facts }: SharedFiles,
): Promise<void> {
  const path = engine.tablePath(row.id);
  try {
    const { from, to } = row.prefix ?? { from: EMPTY_BYTES, to: EMPTY_BYTES };
    const prefixes = [from, to].map((bytes) => keyString(bytes, 0, bytes.length));
    const key = JSON.stringify([engine.env.fs.statSync(path).identity, row.source, ...prefixes]);
    const known = facts.get(key) ?? (await factsOf(engine, row, path, options));
    if (options.full === true) facts.set(key, known);
    for (const what of compare(row, known)) problems.push(`${path}: ${what}`);
  } catch (error) {
    if (!isSluiceError(error) || error.code === 'ABORTED' || error.code === 'CLOSED') throw error;
    problems.push(`${path}: ${error.code}: ${error.message}`);
  }
}

/**
 * In what the file at `path`, whole in itself, is not the table of the row.
 * @throws SluiceError CORRUPTION, CHECKSUM_MISMATCH … of a damaged file
 */
export async function differences(
  engine: Engine,
  row: TableRow,
  path: string,
  options: Pick<VerifyOptions, 'full' | 'signal'>,
): Promise<string[]> {
  return [...compare(row, await factsOf(engine, row, path, options))];
}

async function factsOf(
  engine: Engine,
  row: TableRow,
  path: string,
  options: Pick<VerifyOptions, 'full' | 'signal'>,
): Promise<Facts> {
  // A reader of its own: what is wrong with the file must not be hidden by blocks that are cached already.
  const table = engine.openTable(path, row.prefix);
  try {
    const { bytes, entries, smallest, largest, versions } = await checkTable(table, {
      verify: options.full === true ? 'blocks' : 'footer',
      external: row.source === 'ingest',
      threads: row.bytes < THREAD_BYTES_MIN ? undefined : engine.checkThreads,
      signal: options.signal,
      onProgress: undefined,
    });
    return { bytes, entries, smallest, largest, versions };
  } finally {
    table.dispose();
  }
}

/** Of tables that are ingested files as they were given, by what `ingestedAs` says of them. */
function digestsOf(engine: Engine): Map<string, string> {
  const digests = new Map<string, string>();
  for (const { id, files } of engine.manifest.state.ingests.values()) {
    for (const { version, smallest, skipped, sha256 } of files)
      if (sha256 !== undefined && skipped === 0) digests.set(placeInIngest(id, version, smallest), sha256);
  }
  return digests;
}

/** Which file of which ingest a table is. Its id does not tell: versions of datasets have it under others. */
function ingestedAs({ source, ingestId, globalVersion, smallest }: TableRow): string | undefined {
  if (source !== 'ingest' || ingestId === undefined || globalVersion === undefined) return undefined;
  return placeInIngest(ingestId, globalVersion, smallest);
}

/** Files of an ingest that overlap have versions of their own, and others begin with keys of their own. */
function placeInIngest(id: string, version: Version, smallest: Uint8Array): string {
  return `${version} ${keyString(smallest, 0, smallest.length)} ${id}`;
}

async function checkDigest(
  engine: Engine,
  { id }: TableRow,
  expected: string | undefined,
  { signal }: VerifyOptions,
  problems: string[],
  { digests }: SharedFiles,
): Promise<void> {
  if (expected === undefined) return;
  const path = engine.tablePath(id);
  try {
    const { identity } = engine.env.fs.statSync(path);
    const actual = digests.get(identity) ?? (await sha256Of(path, engine.env, engine.checkThreads, signal));
    digests.set(identity, actual);
    if (actual !== expected)
      problems.push(`${path}: its SHA-256 digest is ${actual}, it was ingested with ${expected}`);
  } catch (error) {
    if (!isSluiceError(error) || error.code === 'ABORTED') throw error;
    problems.push(`${path}: ${error.code}: ${error.message}`);
  }
}

interface Facts {
  readonly bytes: number;
  readonly entries: number;
  readonly smallest: Uint8Array | undefined;
  readonly largest: Uint8Array | undefined;
  readonly versions: { readonly min: number; readonly max: number } | undefined;
}

function* compare(row: TableRow, facts: Facts): Iterable<string> {
  if (facts.bytes !== row.bytes) yield `the file has ${facts.bytes} bytes, the manifest says ${row.bytes}`;
  if (facts.entries !== row.entries)
    yield `the file has ${facts.entries} entries, the manifest says ${row.entries}`;
  for (const end of ['smallest', 'largest'] as const) {
    const actual = facts[end];
    if (actual !== undefined && compareBytes(actual, row[end]) === 0) continue;
    const shown = actual === undefined ? 'none' : formatKey(actual);
    yield `its ${end} key is ${shown}, the manifest says ${formatKey(row[end])}`;
  }
  const { versions } = facts;
  // A global version is the manifest's alone: what the file says does not count.
  if (versions === undefined || row.globalVersion !== undefined) return;
  if (versions.min === row.minVersion && versions.max === row.maxVersion) return;
  yield `its versions are ${versions.min} to ${versions.max}, the manifest says ${row.minVersion} to ${row.maxVersion}`;
}
