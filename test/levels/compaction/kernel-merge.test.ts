/** The merge kernel against the merge by cursors: the same tables to the byte, whatever the inputs and the rule. */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBytes } from '../../../src/base/bytes.ts';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import { isSluiceError, type SluiceError } from '../../../src/base/errors.ts';
import { compact } from '../../../src/levels/compaction/compact.ts';
import type { CompactionJob, CompactionResult } from '../../../src/levels/compaction/job.ts';
import { Limiter } from '../../../src/levels/compaction/limiter.ts';
import { Workspace } from '../../../src/levels/compaction/workspace.ts';
import { tableName } from '../../../src/manifest/directory.ts';
import type { FileId, TableRow, TreeId } from '../../../src/manifest/rows.ts';
import type { EntryType } from '../../../src/mvcc/internal-key.ts';
import { type Version, versionOf } from '../../../src/mvcc/version.ts';
import type { CompressionKind } from '../../../src/sst/compression.ts';
import { createHeap, heapOf } from '../../../src/sst/heap.ts';
import { ensureZstd } from '../../../src/sst/zstd.ts';
import { temporaryDirectory } from '../../base/temporary-directory.ts';
import { compareEntries, type Entry, keyArbitrary } from '../../mvcc/entries.ts';
import { writeTable } from '../../sst/written-table.ts';

const treeId = 1 as TreeId;
const fileId = (n: number): FileId => n as FileId;
const kernels = new Workspace(createHeap);
const cursors = new Workspace((bytes) => heapOf(new Uint8Array(bytes)));

interface Outcome {
  readonly result: CompactionResult;
  readonly files: readonly Buffer[];
}

async function run(job: CompactionJob, workspace: Workspace): Promise<Outcome> {
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
    return { result: { ...result, bytesRead: 0 }, files: written.map((id) => readFileSync(pathOf(id))) };
  } finally {
    for (const id of written) rmSync(pathOf(id), { force: true });
  }
}

/** Of tables: entries in internal order, and how they are written. */
interface TableSpec {
  readonly entries: readonly Entry[];
  readonly globalVersion: Version | undefined;
  readonly blockBytes: number;
  readonly compression: CompressionKind;
}

function rowOf(dir: string, id: number, table: TableSpec): TableRow {
  const { entries, globalVersion, blockBytes, compression } = table;
  const path = join(dir, tableName(fileId(id)));
  const built = writeTable(path, entries, { blockBytes, compression, checksum: 'none' });
  const { bytes, deletes, smallest, largest, minVersion, maxVersion } = built;
  return {
    ...{ id: fileId(id), tree: treeId, level: 0, bytes, entries: entries.length, deletes },
    ...{ smallest, largest, minVersion, maxVersion, globalVersion, source: 'ingest', ingestId: undefined },
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
  })
  .map(({ entries, cuts, globalVersion, form }): TableSpec[] => {
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
      if (part.length > 0) tables.push({ entries: part, globalVersion, ...form });
    }
    return tables;
  });

const boundsArbitrary = fc
  .tuple(keyArbitrary, keyArbitrary)
  .map(([a, b]) => (compareBytes(a, b) <= 0 ? { smallest: a, largest: b } : { smallest: b, largest: a }));

const jobArbitrary = fc.record({
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
  output: formArbitrary,
});

type JobSpec = typeof jobArbitrary extends fc.Arbitrary<infer T> ? T : never;

function jobOf(dir: string, spec: JobSpec): CompactionJob {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  let id = 0;
  return {
    tree: treeId,
    tablesDir: dir,
    runs: spec.runs.map((run) => run.map((table) => rowOf(dir, ++id, table))),
    level: 5,
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

async function runOrRefuse(job: CompactionJob, workspace: Workspace): Promise<Outcome | SluiceError> {
  try {
    return await run(job, workspace);
  } catch (error) {
    if (isSluiceError(error)) return error;
    throw error;
  }
}

function expectSame(a: Outcome | SluiceError, b: Outcome | SluiceError): void {
  if (a instanceof Error) throw a;
  if (b instanceof Error) throw b;
  expect(a.result).toEqual(b.result);
  expect(a.files.map((file, i) => file.equals(b.files[i] ?? Buffer.of()))).toEqual(b.files.map(() => true));
}

test('kernels and cursors write the same tables', async () => {
  await ensureZstd();
  const dir = join(temporaryDirectory(), 'tables');
  await fc.assert(
    fc.asyncProperty(jobArbitrary, async (spec) => {
      const job = jobOf(dir, spec);
      const byKernels = await runOrRefuse(job, kernels);
      const byCursors = await runOrRefuse(job, cursors);
      // One version of a key in two inputs is refused by both, each in its own words.
      if (!(byKernels instanceof Error && byCursors instanceof Error)) expectSame(byKernels, byCursors);
    }),
    { numRuns: 80 },
  );
});

/** Damage without a checksum to show it: what a check of blocks lets pass must come out the same, or be refused. */
test('damaged inputs are refused, or merged alike', async () => {
  const dir = join(temporaryDirectory(), 'tables');
  const flips = fc.array(fc.record({ at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) }), {
    minLength: 1,
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(jobArbitrary, flips, async (spec, damage) => {
      const job = jobOf(dir, spec);
      const row = job.runs[0]?.[0];
      if (row === undefined) return;
      const path = join(dir, tableName(row.id));
      const file = readFileSync(path);
      // Data blocks come first; index and metadata are not what this is about.
      const dataBytes = Math.max(1, file.length - 1500);
      for (const { at, mask } of damage) file[at % dataBytes] = (file[at % dataBytes] ?? 0) ^ mask;
      writeFileSync(path, file);
      const byKernels = await runOrRefuse(job, kernels);
      if (!(byKernels instanceof Error)) expectSame(byKernels, await runOrRefuse(job, cursors));
    }),
    { numRuns: 80 },
  );
});
