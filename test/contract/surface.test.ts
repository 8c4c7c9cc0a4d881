/** The public API as it is, so that a change to it is seen, and told in README and CHANGELOG. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import * as clusterApi from '../../src/cluster/index.ts';
import * as api from '../../src/index.ts';
import { memoryDirectory, openDatabase, type TextDb } from '../base/database.ts';
import { TestCluster } from '../cluster/nodes.ts';
import { parse, walk } from '../tidy/syntax.ts';

/** For the parts of the database among themselves. */
const INTERNAL = new Set([
  'catchUp',
  'constructor',
  'engine',
  'keyspaceName',
  'checkOpen',
  'openCheck',
  'source',
  'snapshotFor',
  'checkOwner',
]);

/** Node.js 20 calls its stand-ins `nodejs.dispose`. */
function symbolName({ description = '' }: symbol): string {
  return `[${description.replace('nodejs.', 'Symbol.')}]`;
}

function membersOf(object: object): string {
  const names = new Set<string>();
  for (
    let at: object | null = object;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    for (const name of Reflect.ownKeys(at)) names.add(typeof name === 'symbol' ? symbolName(name) : name);
  }
  return [...names]
    .filter((name) => !INTERNAL.has(name))
    .sort()
    .join(' ');
}

function errorCodes(): string[] {
  const text = readFileSync('src/base/errors.ts', 'utf8');
  const union = text.slice(
    text.indexOf('export type ErrorCode'),
    text.indexOf(';', text.indexOf("'UNSUPPORTED")),
  );
  return [...union.matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map(([, code = '']) => code);
}

function exportedNames(path: string, entry: object): string[] {
  const exported: string[] = [];
  walk(parse({ path, text: readFileSync(path, 'utf8') }), (node, parent) => {
    if (node.type !== 'ExportSpecifier') return;
    const name = String((node['exported'] as unknown as { name: string }).name);
    const typeOnly = node['exportKind'] === 'type' || parent?.['exportKind'] === 'type';
    const value: unknown = Reflect.get(entry, name);
    const kind = typeof value === 'function' && /^class\b/.test(String(value)) ? 'class' : typeof value;
    exported.push(typeOnly ? `type ${name}` : `${kind} ${name}`);
  });
  return exported.sort();
}

/** Lines of values, and one of types. @throws where what is exported is not what the file says */
function exportsOf(path: string, entry: object): string {
  const names = exportedNames(path, entry);
  const types = names.filter((name) => name.startsWith('type ')).map((name) => name.slice(5));
  const values = names.filter((name) => !name.startsWith('type '));
  expect(Object.keys(entry).sort()).toEqual(values.map((line) => line.split(' ')[1]).sort());
  return [...values, `types ${types.join(' ')}`].join('\n');
}

/** One of each that a database gives out, all closed again, and their members. */
function membersOfAll(db: TextDb): Record<string, string> {
  const [txn, snapshot, iterator, cursor] = [db.begin(), db.snapshot(), db.iterator(), db.cursor()];
  const [keyspace, txnKeyspace] = [db.keyspace('x'), txn.keyspace('x')];
  const objects = { db, keyspace, txn, txnKeyspace, snapshot, iterator, cursor };
  const members = Object.entries(objects).map(([name, object]) => [name, membersOf(object)]);
  for (const open of [txn, snapshot, iterator, cursor]) open[Symbol.dispose]();
  return Object.fromEntries(members) as Record<string, string>;
}

test('what the package exports', () => {
  expect(exportsOf('src/index.ts', api)).toMatchInlineSnapshot(`
    "class Decimal
    class SluiceError
    class SstWriter
    function decodeTuple
    function encodeTuple
    function isSluiceError
    function listBackups
    function open
    function restoreBackup
    function tupleRange
    types Backup BackupOptions BackupSummary Batch BatchOperation BeginOptions ByteStream BytesColumn Checkpoint CheckpointOptions CheckpointProgress ColumnName ColumnType CommitResult CompactRange CompactionMode Compression ConflictCause CursorOptions DatabaseEvent DatabaseStats Dataset DatasetChange DatasetOptions DatasetRows DatasetVersion DatasetView DatasetWatch Db DbOptions DelOperation DeleteRangeOperation DiffOptions Duplicates Durability EncodingName EncodingOptions EntryBatch EntryColumns EntryIterable ErrorCode EventListener FormatName GetOptions ImportIngestOptions ImportOptions ImportPath ImportPhase ImportProgress ImportPublish ImportResult ImportSource ImportState ImportTask ImportTaskInfo IngestFileSummary IngestMode IngestOptions IngestPlan IngestPrefix IngestRecord IngestRecordFile IngestResult IngestSummary IngestVerify IngestedFile IteratorOptions KeySpec Keyspace KeyspaceOptions Logger MaxImpact PublishOptions PutOperation RangeOptions RestoreOptions Restored ResumeOptions Savepoint SluiceCursor SluiceIterator Snapshot SnapshotOptions SourceCompression SstFile SstWriterOptions StageProgress Transaction TransactionDataset TransactionKeyspace TransactionOptions TupleElement UndoOptions ValueSpec VerifyOptions VerifyReport WatchOptions WatchedDataset"
  `);
});

test('what its objects have', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'));
  await using writer = new api.SstWriter(join(dir, 'a.sst'));
  const all = { ...membersOfAll(db), writer: membersOf(writer) };
  const lines = Object.entries(all).map(([name, members]) => `${name}: ${members}`);
  lines.push(
    `error: ${membersOf(new api.SluiceError('IO', '')).replace(/ (message|name|stack|toString)/g, '')}`,
  );
  expect(lines.join('\n')).toMatchInlineSnapshot(`
    "db: [Symbol.asyncDispose] backup batch begin checkpoint close compactRange cursor dataset datasets del deleteRange dropKeyspace explainIngest flush get getMany getSync has import ingest ingests iterator keyEncoding keys keyspace keyspaces name on path put readOnly refresh releaseIngest resumeImport snapshot stats tasks transaction undoIngest valueEncoding values verify version watchDatasets
    keyspace: batch cursor del deleteRange get getMany getSync has iterator keyEncoding keys name put valueEncoding values
    txn: [Symbol.asyncDispose] [Symbol.dispose] abort commit cursor dataset del deleteRange get getMany getSync has ingest iterator keyEncoding keys keyspace nameRequest put result rollbackTo savepoint state undoIngest valueEncoding values version
    txnKeyspace: cursor del deleteRange get getMany getSync has iterator keyEncoding keys put valueEncoding values
    snapshot: [Symbol.asyncDispose] [Symbol.dispose] close closed version
    iterator: [Symbol.asyncDispose] [Symbol.asyncIterator] [Symbol.dispose] all close next nextv seek
    cursor: [Symbol.asyncDispose] [Symbol.asyncIterator] [Symbol.dispose] close nextBatch nextBatchSync seek
    writer: [Symbol.asyncDispose] [Symbol.dispose] abort del entries finish path put putBatch
    error: code conflict keyCount keys retryable"
  `);
});

test("what a cluster's node has: all that a database has, and this", async () => {
  expect(exportsOf('src/cluster/index.ts', clusterApi)).toMatchInlineSnapshot(`
    "class ClusterClient
    class ConditionFailed
    function openCluster
    types Bytes CallOptions ClientBatch ClientCondition ClientImport ClientIngest ClientIngestResult ClientWrite ClusterClientOptions ClusterDb ClusterStatus CommitOptions ContentComparison EtcdOptions FileInFlight HttpLimits HttpOptions ImportStatus MemberCondition MemberState NodeOptions NodeStatus NodeTls PullLimits ReadOptions ReplicaLag ScanOptions UploadedFile"
  `);
  const alone = membersOfAll(await openDatabase(join(memoryDirectory(), 'db')));
  const cluster = new TestCluster(memoryDirectory());
  onTestFinished(() => cluster.close());
  const { db, ...others } = membersOfAll(await cluster.open('a'));
  expect(others).toEqual({ ...alone, db: undefined });
  const [theirs, ours] = [new Set(db?.split(' ')), new Set(alone['db']?.split(' '))];
  expect([...ours].filter((name) => !theirs.has(name))).toEqual([]);
  expect([...theirs].filter((name) => !ours.has(name)).join(' ')).toMatchInlineSnapshot(
    `"cancelImport caughtUp compareContents condition contentDigest forgetNode requestVersion status"`,
  );
});

test('error codes: these, each thrown somewhere, each in the README with whether to retry', () => {
  const codes = errorCodes();
  expect(codes.join(' ')).toMatchInlineSnapshot(
    `"ABORTED ALREADY_EXISTS BAD_INPUT BUSY CHECKSUM_MISMATCH CLOSED COMPARATOR_MISMATCH CONDITION_FAILED CONFLICT CORRUPTION DATASET_VERSION_EXISTS DATASET_VERSION_LIVE DATASET_VERSION_NOT_FOUND DIVERGED FILE_NOT_FOUND HALTED IMPACT_EXCEEDED IMPORT_ID_REUSED IMPORT_NOT_FOUND INGEST_BEHIND_NOT_ALLOWED INGEST_ID_REUSED INGEST_NOT_FOUND INVALID_KEY INVALID_VALUE IO KEYSPACE_NOT_FOUND KEY_EXISTS LIMIT_EXCEEDED LOCKED NOT_A_DATABASE NOT_BOTTOM_LEVEL NOT_SORTED NO_SPACE OUTCOME_UNKNOWN PERMISSION POISONED PREFIX_MISMATCH READ_ONLY SOURCE_GONE TOO_NEW TOO_OLD TRIMMED UNAVAILABLE UNDO_CONFLICT UNDO_IMPOSSIBLE UNSUPPORTED_FORMAT"`,
  );
  const readme = readFileSync('README.md', 'utf8');
  const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| (yes|no) \|/gm)].map(([, code, retry]) => [
    code,
    retry,
  ]);
  const expected = codes.map((code) => {
    const { retryable } = new api.SluiceError(code as api.ErrorCode, '');
    return [code, retryable ? 'yes' : 'no'];
  });
  expect(rows).toEqual(expected);
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('errors.ts'))
    .map((path) => readFileSync(`src/${path}`, 'utf8'))
    .join('\n');
  expect(codes.filter((code) => !sources.includes(`'${code}'`))).toEqual([]);
});
