/** Random rows and edits. */

import fc from 'fast-check';
import type {
  DatasetRow,
  Edit,
  FileId,
  ImportRow,
  IngestRow,
  KeyspaceRow,
  RangeTombstonesRow,
  TableRow,
  TreeId,
  TreeRow,
} from '../../src/manifest/rows.ts';
import type { Version } from '../../src/mvcc/version.ts';

const version = fc.integer({ min: 0, max: 2 ** 52 }).map((n) => n as Version);
const fileId = fc.integer({ min: 1, max: 30 }).map((n) => n as FileId);
const treeId = fc.integer({ min: 1, max: 6 }).map((n) => n as TreeId);
const name = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' });
const key = fc.uint8Array({ minLength: 1, maxLength: 300 });
const size = fc.nat({ max: Number.MAX_SAFE_INTEGER });

const prefix = fc.option(
  fc.record({ from: fc.uint8Array({ maxLength: 300 }), to: fc.uint8Array({ maxLength: 300 }) }),
  { nil: undefined },
);

export const tableRow: fc.Arbitrary<TableRow> = fc.record({
  id: fileId,
  tree: treeId,
  level: fc.nat({ max: 6 }),
  bytes: size,
  entries: size,
  deletes: size,
  smallest: key,
  largest: key,
  minVersion: version,
  maxVersion: version,
  globalVersion: fc.option(version, { nil: undefined }),
  source: fc.constantFrom('flush', 'ingest', 'commit', 'compaction'),
  ingestId: fc.option(name, { nil: undefined }),
  clearedThrough: fc.option(version, { nil: undefined }),
  prefix,
});

const keyspace: fc.Arbitrary<KeyspaceRow> = fc.record({
  name: fc.constantFrom('a', 'b', 'ключ', 'x'.repeat(300)),
  history: fc.array(fc.record({ version, tree: fc.option(treeId, { nil: null }) }), {
    minLength: 1,
    maxLength: 3,
  }),
});

const tree: fc.Arbitrary<TreeRow> = fc.record({
  id: treeId,
  keyspace: name,
  flushedThrough: version,
  keepsTombstones: fc.boolean(),
});

const ranges: fc.Arbitrary<RangeTombstonesRow> = fc.record({
  tree: treeId,
  version: fc.integer({ min: 0, max: 4 }).map((n) => n as Version),
  spans: fc.array(
    fc.record({
      from: fc.uint8Array({ maxLength: 300 }),
      to: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
    }),
    { maxLength: 3 },
  ),
});

const ingest: fc.Arbitrary<IngestRow> = fc.record({
  id: fc.constantFrom('one', 'two', 'drei'),
  version,
  timeMs: size,
  undo: fc.option(
    fc.record({
      tree: treeId,
      before: version,
      through: version,
      from: fc.uint8Array({ maxLength: 300 }),
      to: fc.option(key, { nil: undefined }),
    }),
    { nil: undefined },
  ),
  undoneAt: fc.option(version, { nil: undefined }),
  undoes: fc.option(name, { nil: undefined }),
  files: fc.array(
    fc.record({
      source: name,
      table: fileId,
      keyspace: name,
      level: fc.nat({ max: 6 }),
      version,
      entries: size,
      skipped: size,
      bytes: size,
      smallest: key,
      largest: key,
      sha256: fc.option(
        fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b).toString('hex')),
        { nil: undefined },
      ),
      prefix,
    }),
    { maxLength: 3 },
  ),
});

const dataset: fc.Arbitrary<DatasetRow> = fc.record({
  name: fc.constantFrom('a', 'b', 'ключ'),
  lastId: size,
  versions: fc.array(
    fc.record({
      id: size,
      tree: treeId,
      base: fc.option(size, { nil: undefined }),
      version,
      timeMs: size,
      ingestId: name,
      message: fc.option(fc.string(), { nil: undefined }),
    }),
    { maxLength: 3 },
  ),
  activations: fc.array(fc.record({ version, id: size }), { maxLength: 3 }),
});
const text = fc.option(fc.string(), { nil: undefined });

const importRow: fc.Arbitrary<ImportRow> = fc.record({
  id: fc.constantFrom('one', 'ключ'),
  state: fc.constantFrom('start', 'feeding', 'importing', 'imported', 'failed', 'paused', 'cancelled'),
  startedMs: size,
  spec: fc.string(),
  lanes: fc.array(
    fc.record({
      source: size,
      row: size,
      offset: size,
      state: text,
      document: text,
      rowsRead: size,
      rowsBad: size,
      rejectBytes: size,
      runs: size,
      ended: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
  runs: fc.array(
    fc.record({
      version: fc.option(version, { nil: undefined }),
      movable: fc.boolean(),
      files: fc.array(fc.record({ id: fileId, bytes: size, entries: size, smallest: key, largest: key }), {
        maxLength: 3,
      }),
    }),
    { maxLength: 3 },
  ),
  rowsDuplicate: size,
  bytesWritten: size,
  error: text,
  result: text,
});
const block = fc.integer({ min: 1, max: 9 }).map((n) => n as Version);

export const edit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 4, arbitrary: tableRow.map((table): Edit => ({ kind: 'addTable', table })) },
  { weight: 2, arbitrary: fileId.map((id): Edit => ({ kind: 'dropTable', id })) },
  keyspace.map((row): Edit => ({ kind: 'putKeyspace', keyspace: row })),
  fc.constantFrom('a', 'b').map((row): Edit => ({ kind: 'removeKeyspace', name: row })),
  tree.map((row): Edit => ({ kind: 'putTree', tree: row })),
  treeId.map((id): Edit => ({ kind: 'removeTree', id })),
  ranges.map((row): Edit => ({ kind: 'putRangeTombstones', row })),
  ranges.map(({ tree, version }): Edit => ({ kind: 'dropRangeTombstones', tree, version })),
  ingest.map((row): Edit => ({ kind: 'putIngest', ingest: row })),
  dataset.map((row): Edit => ({ kind: 'putDataset', dataset: row })),
  dataset.map((row): Edit => ({ kind: 'removeDataset', name: row.name })),
  importRow.map((row): Edit => ({ kind: 'putImport', row })),
  fc.tuple(block, version).map(([last, first]): Edit => ({ kind: 'addCommitBlock', block: { first, last } })),
  block.map((last): Edit => ({ kind: 'dropCommitBlock', last })),
  fc.tuple(block, size, size, key).map(
    ([version, revision, index, digest]): Edit => ({
      kind: 'addReplicaCommit',
      commit: { version, revision, index, digest },
    }),
  ),
  block.map((version): Edit => ({ kind: 'dropReplicaCommit', version })),
);

export function table(id: number, change: Partial<TableRow> = {}): TableRow {
  return {
    id: id as FileId,
    tree: 1 as TreeId,
    level: 0,
    bytes: 1000,
    entries: 10,
    deletes: 0,
    smallest: Uint8Array.of(id),
    largest: Uint8Array.of(id, 255),
    minVersion: 1 as Version,
    maxVersion: id as Version,
    globalVersion: undefined,
    source: 'flush',
    ingestId: undefined,
    ...change,
  };
}
