/** Random compaction jobs over tables on disk, and what came of running them. */

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { compareBytes } from '../../../src/base/bytes.ts';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import { compact } from '../../../src/levels/compaction/compact.ts';
import {
  ALL_KEYS,
  type CompactionJob,
  type CompactionResult,
  type JobRange,
} from '../../../src/levels/compaction/job.ts';
import { Limiter } from '../../../src/levels/compaction/limiter.ts';
import type { KeyBounds } from '../../../src/levels/compaction/table-ranges.ts';
import { Workspace } from '../../../src/levels/compaction/workspace.ts';
import { tableName } from '../../../src/manifest/directory.ts';
import type { FileId, TableRow, TreeId } from '../../../src/manifest/rows.ts';
import type { EntryType } from '../../../src/mvcc/internal-key.ts';
import { type Version, versionOf } from '../../../src/mvcc/version.ts';
import type { CompressionKind } from '../../../src/sst/compression.ts';
import { createHeap, heapOf } from '../../../src/sst/heap.ts';
import { compareEntries, type Entry, keyArbitrary, settle, showCursor } from '../../mvcc/entries.ts';
import { tableAt, writeTable } from '../../sst/written-table.ts';

const treeId = 1 as TreeId;
const fileId = (n: number): FileId => n as FileId;
export const kernels = new Workspace(createHeap);
export const cursors = new Workspace((bytes) => heapOf(new Uint8Array(bytes)));

export interface Outcome {
  readonly result: CompactionResult;
  readonly files: readonly Buffer[];
  /** Of all outputs, as `show` shows them. */
  readonly entries: readonly string[];
}

export async function run(job: CompactionJob, workspace: Workspace): Promise<Outcome> {
  const written: FileId[] = [];
  const pathOf = (id: FileId): string => join(job.tablesDir, tableName(id));
  const host = {
    async newFileId(): Promise<FileId> {
      written.push(fileId(1000 + written.length));
      return fileId(999 + written.length);
    },
    async turn(): Promise<void> {},
  };
  const limiter = new Limiter(nodeEnv.clock);
  try {
    const result = await compact(job, host, { ...nodeEnv, limiter, workspace, sliceMs: 1000 });
    const files = written.map((id) => readFileSync(pathOf(id)));
    return {
      result: { ...result, bytesRead: 0 },
      files,
      entries: written.flatMap((id) => entriesIn(pathOf(id))),
    };
  } finally {
    for (const id of written) rmSync(pathOf(id), { force: true });
  }
}

function entriesIn(path: string): string[] {
  const table = tableAt(path);
  const cursor = table.cursor(undefined);
  const shown: string[] = [];
  settle(cursor, () => cursor.first());
  while (cursor.valid) {
    const { valueLength } = cursor;
    shown.push(`${showCursor(cursor).slice(0, 80)} ${valueLength}`);
    settle(cursor, () => cursor.next());
  }
  cursor.close();
  table.dispose();
  return shown;
}

/** Of tables: entries in internal order, and how they are written. */
interface TableSpec {
  readonly entries: readonly Entry[];
  readonly globalVersion: Version | undefined;
  readonly blockBytes: number;
  readonly compression: CompressionKind;
  /** Its file's keys begin with `from` in the place of so much of what they all begin with. */
  readonly prefix: { readonly from: Uint8Array; readonly bytes: number } | undefined;
}

function prefixOf({ entries, prefix }: TableSpec): TableRow['prefix'] {
  const [first, last] = [entries[0]?.key, entries.at(-1)?.key];
  if (prefix === undefined || first === undefined || last === undefined) return undefined;
  let common = 0;
  while (common < Math.min(first.length, last.length) - 1 && first[common] === last[common]) common++;
  return { from: prefix.from, to: first.slice(0, Math.min(prefix.bytes, common)) };
}

function rowOf(dir: string, id: number, table: TableSpec): TableRow {
  const { entries, globalVersion, blockBytes, compression } = table;
  const path = join(dir, tableName(fileId(id)));
  const prefix = prefixOf(table);
  const { from, to } = prefix ?? { from: Uint8Array.of(), to: Uint8Array.of() };
  const inFile = entries.map((entry) => ({
    ...entry,
    key: Uint8Array.of(...from, ...entry.key.subarray(to.length)),
  }));
  const built = writeTable(path, inFile, { blockBytes, compression, checksum: 'none' });
  const { bytes, deletes, minVersion, maxVersion } = built;
  const [smallest, largest] = [entries[0]?.key ?? from, entries.at(-1)?.key ?? from];
  return {
    ...{ id: fileId(id), tree: treeId, level: 0, bytes, entries: entries.length, deletes },
    ...{ smallest, largest, minVersion, maxVersion, globalVersion, source: 'ingest', ingestId: undefined },
    prefix,
  };
}

const valueArbitrary = fc
  .oneof(
    { weight: 40, arbitrary: fc.nat(200) },
    // Beyond a feed's room for a block, and beyond what can be staged at all.
    { weight: 1, arbitrary: fc.constantFrom(5000, 140_000, 270_000) },
  )
  .map((length) => new Uint8Array(length).map((_, i) => (i * i) >>> 3));

const longKeyArbitrary = fc.nat(300).map((n) => Uint8Array.from(Buffer.from(`a/longer/key/${n}`)));

const entryArbitrary = fc.record({
  key: fc.oneof(keyArbitrary, longKeyArbitrary),
  version: fc.integer({ min: 1, max: 40 }).map(versionOf),
  type: fc.constantFrom<EntryType>(0, 1, 1),
  value: valueArbitrary,
});

const formArbitrary = fc.record({
  blockBytes: fc.constantFrom(64, 300, 4096, 200_000),
  compression: fc.constantFrom<CompressionKind>('none', 'lz4', 'snappy', 'zstd'),
});

/** A run: tables that do not overlap; with a global version every key is there once. */
const runArbitrary = fc
  .record({
    entries: fc.array(entryArbitrary, { minLength: 1, maxLength: 120 }),
    cuts: fc.array(fc.nat(120), { maxLength: 2 }),
    globalVersion: fc.option(fc.integer({ min: 1, max: 40 }).map(versionOf), { nil: undefined }),
    form: formArbitrary,
    prefix: fc.option(
      fc.record({
        from: fc.constantFrom('', 'p', 'a/longer/prefix/', 'x'.repeat(300)).map((text) => Buffer.from(text)),
        bytes: fc.nat(12),
      }),
      { nil: undefined },
    ),
  })
  .map(({ entries, cuts, globalVersion, form, prefix }): TableSpec[] => {
    const sorted = [...entries].sort(compareEntries).filter((entry, i, all) => {
      const last = all[i - 1];
      if (last === undefined || compareBytes(last.key, entry.key) !== 0) return true;
      return globalVersion === undefined && last.version !== entry.version;
    });
    const ends = [...cuts, sorted.length].sort((a, b) => a - b);
    const tables: TableSpec[] = [];
    let from = 0;
    for (let end of ends) {
      const key = (i: number): Uint8Array => sorted[i]?.key ?? Uint8Array.of();
      // L3: never between two versions of one key.
      while (end > from && end < sorted.length && compareBytes(key(end - 1), key(end)) === 0) end++;
      const part = sorted.slice(from, end);
      from = Math.max(from, end);
      if (part.length > 0) tables.push({ entries: part, globalVersion, ...form, prefix });
    }
    return tables;
  });

const boundsArbitrary = fc
  .tuple(keyArbitrary, keyArbitrary)
  .map(([a, b]) => (compareBytes(a, b) <= 0 ? { smallest: a, largest: b } : { smallest: b, largest: a }));

export interface JobSpec {
  readonly runs: readonly TableSpec[][];
  readonly snapshots: number[];
  readonly horizon: Version;
  readonly keepVersions: number;
  readonly outside: readonly { bounds: KeyBounds; version: Version }[];
  readonly tombstones: readonly { span: KeyBounds; isOpen: boolean; version: Version }[];
  readonly grandparents: Uint8Array[];
  readonly targetFileBytes: number;
  readonly range: JobRange;
  readonly output: Pick<TableSpec, 'blockBytes' | 'compression'>;
}

export const jobArbitrary: fc.Arbitrary<JobSpec> = fc.record({
  runs: fc.array(runArbitrary, { minLength: 1, maxLength: 5 }),
  snapshots: fc.uniqueArray(fc.integer({ min: 1, max: 45 }), { maxLength: 4 }),
  horizon: fc.integer({ min: 0, max: 45 }).map(versionOf),
  keepVersions: fc.constantFrom(1, 1, 2, 3),
  outside: fc.array(
    fc.record({ bounds: boundsArbitrary, version: fc.integer({ min: 1, max: 40 }).map(versionOf) }),
    { maxLength: 3 },
  ),
  tombstones: fc.array(
    fc.record({
      span: boundsArbitrary,
      isOpen: fc.boolean(),
      version: fc.integer({ min: 1, max: 40 }).map(versionOf),
    }),
    { maxLength: 3 },
  ),
  grandparents: fc.array(keyArbitrary, { maxLength: 6 }),
  targetFileBytes: fc.constantFrom(300, 2000, 100_000),
  range: fc.oneof(
    { weight: 2, arbitrary: fc.constant(ALL_KEYS) },
    {
      weight: 1,
      arbitrary: boundsArbitrary.map(({ smallest, largest }) => ({ from: smallest, to: largest })),
    },
    { weight: 1, arbitrary: keyArbitrary.map((from) => ({ from, to: undefined })) },
  ),
  output: formArbitrary,
});

export function jobOf(dir: string, spec: JobSpec): CompactionJob {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  let id = 0;
  return {
    tree: treeId,
    tablesDir: dir,
    runs: spec.runs.map((run) => run.map((table) => rowOf(dir, ++id, table))),
    level: 5,
    range: spec.range,
    partsMax: 1,
    retention: {
      snapshots: spec.snapshots.sort((a, b) => a - b).map(versionOf),
      horizon: spec.horizon,
      keepVersions: spec.keepVersions,
      outside: spec.outside.map(({ bounds, version }) => ({ ...bounds, minVersion: version })),
    },
    rangeTombstones: spec.tombstones.map(({ span, isOpen, version }) => ({
      from: span.smallest,
      to: isOpen ? undefined : span.largest,
      version,
    })),
    builder: { external: false, ...spec.output },
    targetFileBytes: spec.targetFileBytes,
    grandparents: spec.grandparents.sort(compareBytes).map((largest) => ({ largest, bytes: 1500 })),
    bytesPerSecond: 0,
  };
}
