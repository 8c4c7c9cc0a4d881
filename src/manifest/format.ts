/**
 * How manifest rows are coded: one LMDB row each, in the unnamed database of `DIR/manifest/`.
 *
 *     key                              value: CRC-32 of key and array, u32 little-endian, then a MessagePack array
 *     "D"                              [formatVersion, id, comparator, createdMs]
 *     "C"                              [nextFileId, nextTreeId, lastVersion, visibleVersion, rows of the kinds below,
 *                                       oldestReadable | null (not before version 4)]
 *     "F" + file id, u64 big-endian    [tree, level, bytes, entries, deletes, smallest, largest, minVersion,
 *                                       maxVersion, globalVersion | null, source, ingestId | null,
 *                                       clearedThrough | null (not in version 1),
 *                                       [prefix in the file, prefix read] | null (not before version 5)]
 *     "K" + name, UTF-8                [[version, tree | null], …]
 *     "T" + tree id, u64 big-endian    [keyspace, flushedThrough, keepsTombstones (false where missing)]
 *     "R" + tree id, u64 big-endian    [[from, to | null], …]
 *         + version, u64 big-endian
 *     "I" + ingest id, UTF-8           [version, timeMs, [[source, table, keyspace, level, version, entries, bytes,
 *                                       smallest, largest, sha256 | null, skipped,
 *                                       [prefix in the file, prefix read] | null (not before version 5)], …],
 *                                       [tree, before, through, from, to | null] | null, undoneAt | null,
 *                                       undoes | null] (from skipped on: not before version 3)
 *     "S" + keyspace name, UTF-8       dataset-rows.ts
 *     "V" + last version, u64          [first version]
 *         big-endian
 *     "M" + import id, UTF-8           import-rows.ts
 *     "N" + import id, UTF-8           shared-import-row.ts
 *     "A" + version, u64 big-endian    [revision, index, digest]
 *
 * LMDB has no checksums: the CRC tells a damaged row, the count a lost one.
 *
 * Versions, ids and sizes are numbers, user keys are binary. A later minor change may append elements to an array:
 * readers ignore those that they do not know. Anything else raises the format version:
 *
 *     1   all but what follows
 *     2   "R", range tombstones: keys from `from` up to and without `to` (null: to the end), deleted at the version
 *     3   keepsTombstones in "T": compaction must not drop the tree's tombstones; versions in "I" that it must not drop
 *     4   "S", datasets: trees that no keyspace has. "V", commits of several versions; oldestReadable in "C", which
 *         compaction must move
 *     5   prefixes in "F": every key of the file begins with the first, which is read as the second; "M", imports, whose
 *         directories are swept but for what these rows name; "A", commits that a replica of a cluster has applied;
 *         "N", imports of all its nodes
 *
 * A version that is too new is refused. An older one is read as it is, and becomes this one when it is opened for writing.
 */

import { crc32 } from 'node:zlib';
import { unreachable } from '../base/assert.ts';
import { putFixed32 } from '../base/codec.ts';
import type { KeySpan } from '../mvcc/range-tombstones.ts';
import type { Version } from '../mvcc/version.ts';
import { datasetValues } from './dataset-rows.ts';
import { damaged, Fields, open, packr, unpack } from './fields.ts';
import { importValues } from './import-rows.ts';
import { ingestRow, ingestValues } from './ingest-row.ts';
import { prefixOf, prefixValues } from './prefix-row.ts';
import type {
  CommitBlockRow,
  Counters,
  DatabaseRow,
  Edit,
  FileId,
  IngestRow,
  KeyspaceRow,
  PointerChange,
  RangeTombstonesRow,
  ReplicaCommitRow,
  TableRow,
  TableSource,
  TreeId,
  TreeRow,
} from './rows.ts';
import { sharedImportValues } from './shared-import-row.ts';

export const FORMAT_VERSION = 5;
export const COMPARATOR = 'leveldb.BytewiseComparator';

/** LMDB takes keys up to 1,978 bytes. */
const NAME_BYTES_MAX = 1024;

export const DATABASE_KEY = Buffer.from('D');
export const COUNTERS_KEY = Buffer.from('C');

export type RowKind =
  | 'database'
  | 'counters'
  | 'table'
  | 'keyspace'
  | 'tree'
  | 'ranges'
  | 'ingest'
  | 'dataset'
  | 'commitBlock'
  | 'import'
  | 'sharedImport'
  | 'replicaCommit';

const KINDS: ReadonlyMap<string, RowKind> = new Map([
  ['D', 'database'],
  ['C', 'counters'],
  ['F', 'table'],
  ['K', 'keyspace'],
  ['T', 'tree'],
  ['R', 'ranges'],
  ['I', 'ingest'],
  ['S', 'dataset'],
  ['V', 'commitBlock'],
  ['M', 'import'],
  ['N', 'sharedImport'],
  ['A', 'replicaCommit'],
]);

/** An LMDB put, or with no value a remove. */
export interface Write {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

function row(key: Uint8Array, values: readonly unknown[]): Write {
  const packed = packr.pack(values);
  const value = new Uint8Array(4 + packed.length);
  value.set(packed, 4);
  putFixed32(value, 0, crc32(packed, crc32(key)));
  return { key, value };
}

function idKey(kind: string, id: number): Uint8Array {
  const key = Buffer.alloc(9);
  key.write(kind);
  key.writeBigUInt64BE(BigInt(id), 1);
  return key;
}

function rangesKey(tree: TreeId, version: Version): Uint8Array {
  const key = Buffer.alloc(17);
  key.set(idKey('R', tree));
  key.writeBigUInt64BE(BigInt(version), 9);
  return key;
}

function nameKey(kind: string, name: string, what: string): Uint8Array {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > NAME_BYTES_MAX) {
    throw new TypeError(`${what} must have 1 to ${NAME_BYTES_MAX} bytes as UTF-8; this has ${bytes}`);
  }
  return Buffer.from(kind + name);
}

export function encodeDatabase(d: DatabaseRow): Write {
  return row(DATABASE_KEY, [d.formatVersion, d.id, d.comparator, d.createdMs]);
}

/** @param rows how many rows there are beside this and the database row */
export function encodeCounters(c: Counters, rows: number): Write {
  const oldest = c.oldestReadable ?? null;
  return row(COUNTERS_KEY, [c.nextFileId, c.nextTreeId, c.lastVersion, c.visibleVersion, rows, oldest]);
}

/** Throws TypeError for a keyspace name or ingest id of wrong length. */
export function encodeEdit(edit: Exclude<Edit, { kind: 'counters' }>): Write {
  switch (edit.kind) {
    case 'addTable':
      return row(idKey('F', edit.table.id), tableValues(edit.table));
    case 'dropTable':
      return { key: idKey('F', edit.id), value: undefined };
    case 'putKeyspace': {
      const { name, history } = edit.keyspace;
      return row(
        nameKey('K', name, 'A keyspace name'),
        history.map(({ version, tree }) => [version, tree]),
      );
    }
    case 'removeKeyspace':
      return { key: nameKey('K', edit.name, 'A keyspace name'), value: undefined };
    case 'putTree':
      return row(idKey('T', edit.tree.id), [
        edit.tree.keyspace,
        edit.tree.flushedThrough,
        edit.tree.keepsTombstones,
      ]);
    case 'removeTree':
      return { key: idKey('T', edit.id), value: undefined };
    case 'putRangeTombstones': {
      const { tree, version, spans } = edit.row;
      return row(
        rangesKey(tree, version),
        spans.map(({ from, to }) => [from, to ?? null]),
      );
    }
    case 'dropRangeTombstones':
      return { key: rangesKey(edit.tree, edit.version), value: undefined };
    case 'putIngest': {
      return row(nameKey('I', edit.ingest.id, 'An ingest id'), ingestValues(edit.ingest));
    }
    case 'putDataset':
      return row(nameKey('S', edit.dataset.name, 'A keyspace name'), datasetValues(edit.dataset));
    case 'removeDataset':
      return { key: nameKey('S', edit.name, 'A keyspace name'), value: undefined };
    case 'addCommitBlock':
      return row(idKey('V', edit.block.last), [edit.block.first]);
    case 'dropCommitBlock':
      return { key: idKey('V', edit.last), value: undefined };
    case 'addReplicaCommit': {
      const { version, revision, index, digest } = edit.commit;
      return row(idKey('A', version), [revision, index, digest]);
    }
    case 'dropReplicaCommit':
      return { key: idKey('A', edit.version), value: undefined };
    case 'putImport':
      return row(nameKey('M', edit.row.id, 'An import id'), importValues(edit.row));
    case 'putSharedImport':
      return row(nameKey('N', edit.row.id, 'An import id'), sharedImportValues(edit.row));
    case 'removeSharedImport':
      return { key: nameKey('N', edit.id, 'An import id'), value: undefined };
    default:
      return unreachable(edit);
  }
}

function tableValues(t: TableRow): unknown[] {
  return [
    t.tree,
    t.level,
    t.bytes,
    t.entries,
    t.deletes,
    t.smallest,
    t.largest,
    t.minVersion,
    t.maxVersion,
    t.globalVersion ?? null,
    t.source,
    t.ingestId ?? null,
    t.clearedThrough ?? null,
    prefixValues(t.prefix),
  ];
}

export function kindOf(key: Uint8Array): RowKind {
  const kind = KINDS.get(String.fromCharCode(key[0] ?? 0));
  if (kind === undefined)
    throw damaged(`it has a row with the unknown key 0x${Buffer.from(key).toString('hex')}`);
  return kind;
}

function idOf<T extends number>(key: Uint8Array): T {
  if (key.length !== 9) throw damaged(`it has an id of ${key.length - 1} bytes`);
  return Number(Buffer.from(key).readBigUInt64BE(1)) as T;
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString('utf8', 1);
}

export function decodeDatabase(value: Uint8Array): DatabaseRow {
  const f = open('the database row', DATABASE_KEY, value);
  return { formatVersion: f.number(), id: f.text(), comparator: f.text(), createdMs: f.number() };
}

export function decodeCounters(value: Uint8Array): { counters: Counters; rows: number } {
  const f = open('the counters row', COUNTERS_KEY, value);
  const counters = {
    nextFileId: f.number<FileId>(),
    nextTreeId: f.number<TreeId>(),
    lastVersion: f.number<Version>(),
    visibleVersion: f.number<Version>(),
  };
  const rows = f.number();
  const oldestReadable = f.done ? undefined : (f.numberOrNull<Version>() ?? undefined);
  return { counters: { ...counters, oldestReadable }, rows };
}

export function decodeTable(key: Uint8Array, value: Uint8Array): TableRow {
  const id = idOf<FileId>(key);
  const what = `the row of table ${id}`;
  const f = open(what, key, value);
  return {
    id,
    tree: f.number<TreeId>(),
    level: f.number(),
    bytes: f.number(),
    entries: f.number(),
    deletes: f.number(),
    smallest: f.bytes(),
    largest: f.bytes(),
    minVersion: f.number<Version>(),
    maxVersion: f.number<Version>(),
    globalVersion: f.numberOrNull<Version>() ?? undefined,
    source: f.text<TableSource>(),
    ingestId: f.textOrNull() ?? undefined,
    clearedThrough: f.done ? undefined : (f.numberOrNull<Version>() ?? undefined),
    prefix: prefixOf(what, f),
  };
}

export function decodeKeyspace(key: Uint8Array, value: Uint8Array): KeyspaceRow {
  const name = nameOf(key);
  const what = `the row of keyspace ${name}`;
  const history: PointerChange[] = [];
  const changes = unpack(what, key, value);
  if (!Array.isArray(changes)) throw damaged(`${what} is not an array`);
  for (const change of changes) {
    const f = new Fields(what, change);
    history.push({ version: f.number<Version>(), tree: f.numberOrNull<TreeId>() });
  }
  return { name, history };
}

export function decodeTree(key: Uint8Array, value: Uint8Array): TreeRow {
  const id = idOf<TreeId>(key);
  const f = open(`the row of tree ${id}`, key, value);
  const [keyspace, flushedThrough] = [f.text(), f.number<Version>()];
  return { id, keyspace, flushedThrough, keepsTombstones: !f.done && f.flag() };
}

export function decodeRanges(key: Uint8Array, value: Uint8Array): RangeTombstonesRow {
  if (key.length !== 17) throw damaged(`it has a range tombstone with a key of ${key.length} bytes`);
  const tree = idOf<TreeId>(key.subarray(0, 9));
  const version = Number(Buffer.from(key).readBigUInt64BE(9)) as Version;
  const what = `the row of the range tombstones of tree ${tree} at version ${version}`;
  const spans = unpack(what, key, value);
  if (!Array.isArray(spans)) throw damaged(`${what} is not an array`);
  const decoded = spans.map((span: unknown): KeySpan => {
    const f = new Fields(what, span);
    return { from: f.bytes(), to: f.bytesOrNull() ?? undefined };
  });
  return { tree, version, spans: decoded };
}

export function decodeIngest(key: Uint8Array, value: Uint8Array): IngestRow {
  const id = nameOf(key);
  const what = `the row of ingest ${id}`;
  return ingestRow(id, what, open(what, key, value));
}

export function decodeCommitBlock(key: Uint8Array, value: Uint8Array): CommitBlockRow {
  const last = idOf<Version>(key);
  const f = open(`the row of the commit of the versions up to ${last}`, key, value);
  return { first: f.number<Version>(), last };
}

export function decodeReplicaCommit(key: Uint8Array, value: Uint8Array): ReplicaCommitRow {
  const version = idOf<Version>(key);
  const f = open(`the row of the replica's commit ${version}`, key, value);
  return { version, revision: f.number(), index: f.number(), digest: f.bytes() };
}
