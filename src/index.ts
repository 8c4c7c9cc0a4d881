/** SluiceDB: an embedded, transactional key-value store in which attaching files is a step of a transaction. */

export type { EncodingName } from './base/encoding.ts';
export { type ConflictCause, type ErrorCode, isSluiceError, SluiceError } from './base/errors.ts';
export { Decimal, decodeTuple, encodeTuple, type TupleElement, tupleRange } from './base/tuple.ts';
export type { Db } from './db.ts';
export type { CompactionMode, DbOptions, Durability } from './db-options.ts';
export { open } from './import/open.ts';
export type {
  ByteStream,
  ColumnName,
  ColumnType,
  Duplicates,
  EntryIterable,
  FormatName,
  ImportIngestOptions,
  ImportOptions,
  ImportPath,
  ImportPhase,
  ImportProgress,
  ImportPublish,
  ImportResult,
  ImportSource,
  ImportState,
  ImportTask,
  ImportTaskInfo,
  KeySpec,
  ResumeOptions,
  SourceCompression,
  ValueSpec,
} from './import-options.ts';
export type { IngestMode } from './ingest/adopt-file.ts';
export type { BytesColumn, EntryBatch, EntryColumns } from './ingest/entry-batches.ts';
export { type Compression, type SstFile, SstWriter, type SstWriterOptions } from './ingest/sst-writer.ts';
export type { IngestVerify, StageProgress } from './ingest/staging.ts';
export type { Backup, BackupOptions } from './txn/backup/backup.ts';
export {
  type BackupSummary,
  listBackups,
  type Restored,
  type RestoreOptions,
  restoreBackup,
} from './txn/backup/restore.ts';
export type { Batch, SluiceCursor } from './txn/batch-cursor.ts';
export type { Checkpoint, CheckpointOptions, CheckpointProgress } from './txn/checkpoint.ts';
export type { CommitResult, IngestedFile } from './txn/committer.ts';
export type { CompactRange } from './txn/compact-range.ts';
export type { Dataset, DatasetOptions, DatasetVersion } from './txn/dataset/dataset.ts';
export type { DatasetChange, DiffOptions } from './txn/dataset/diff.ts';
export type { DatasetRows, PublishOptions } from './txn/dataset/publish.ts';
export type { TransactionDataset } from './txn/dataset/transaction-dataset.ts';
export type { DatasetView } from './txn/dataset/view.ts';
export type { DatasetWatch, WatchedDataset, WatchOptions } from './txn/dataset/watch.ts';
export type { Logger } from './txn/engine.ts';
export type { DatabaseEvent, EventListener } from './txn/events.ts';
export type { IngestPlan } from './txn/explain.ts';
export type { IngestOptions, MaxImpact } from './txn/ingest-options.ts';
export type { IngestPrefix } from './txn/ingest-prefix.ts';
export type { IngestFileSummary, IngestResult, IngestSummary } from './txn/ingest-statement.ts';
export type { IngestRecord, IngestRecordFile } from './txn/ingests.ts';
export type { SluiceIterator } from './txn/iterator.ts';
export type {
  BatchOperation,
  DeleteRangeOperation,
  DelOperation,
  Keyspace,
  PutOperation,
} from './txn/keyspace.ts';
export type { KeyspaceOptions } from './txn/keyspace-options.ts';
export type {
  CursorOptions,
  EncodingOptions,
  GetOptions,
  IteratorOptions,
  RangeOptions,
} from './txn/readable.ts';
export type { TransactionOptions } from './txn/retry.ts';
export type { Snapshot, SnapshotOptions } from './txn/snapshot.ts';
export type { DatabaseStats } from './txn/stats.ts';
export type { BeginOptions, Savepoint, Transaction, TransactionKeyspace } from './txn/transaction.ts';
export type { UndoOptions } from './txn/undo.ts';
export type { VerifyOptions, VerifyReport } from './txn/verify.ts';
