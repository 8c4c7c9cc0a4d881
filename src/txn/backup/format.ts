/**
 * A backup directory: any number of backups of one database, which share the tables that they have in common.
 *
 *     DEST/LOCK                        one process at a time makes or removes backups
 *     DEST/tables/ID-NNNNNN.sst        table NNNNNN of the database ID; ids are never reused, so neither are names
 *     DEST/backups/NNNNNN/manifest/    of backup NNNNNN: its manifest
 *     DEST/backups/NNNNNN/wal/         … and log
 *     DEST/backups/NNNNNN.json         what it consists of; a backup is there when this file is
 *
 * The last is two lines: a JSON object (`BackupRecord`), and the SHA-256 of the first line in hex.
 */

import { createHash } from 'node:crypto';
import type { Env } from '../../base/env/env.ts';
import type { File, FileSystem } from '../../base/env/file-system.ts';
import { SluiceError, throwIfAborted } from '../../base/errors.ts';

const FORMAT = 1;
const CHUNK_BYTES = 1 << 20;
const RECORD_NAME = /^(\d{6,15})\.json$/;

export interface BackupFile {
  /** In the backup directory: 'tables/…', 'backups/…'. */
  readonly name: string;
  /** In the database: 'tables/000001.sst', 'manifest/data.mdb' … */
  readonly path: string;
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export interface BackupRecord {
  readonly format: number;
  readonly backup: number;
  /** The id of the database that it is of. */
  readonly database: string;
  readonly version: number;
  readonly createdMs: number;
  readonly files: readonly BackupFile[];
}

export function backupPaths(dest: string): { lock: string; tables: string; backups: string } {
  return { lock: `${dest}/LOCK`, tables: `${dest}/tables`, backups: `${dest}/backups` };
}

export function backupName(backup: number): string {
  return String(backup).padStart(6, '0');
}

/** Numbers of the backups in `dest`, ascending; none where there is no such directory. */
export function backupNumbers(fs: FileSystem, dest: string): number[] {
  const { backups } = backupPaths(dest);
  if (!fs.existsSync(backups)) return [];
  const numbers = fs.readdirSync(backups).map((name) => Number(RECORD_NAME.exec(name)?.[1] ?? Number.NaN));
  return numbers.filter((backup) => !Number.isNaN(backup)).sort((a, b) => a - b);
}

export function newRecord(record: Omit<BackupRecord, 'format'>): BackupRecord {
  return { format: FORMAT, ...record };
}

/** Durable when it resolves, and there whole or not at all. */
export function writeRecord(env: Env, dest: string, record: BackupRecord): void {
  const { backups } = backupPaths(dest);
  const path = `${backups}/${backupName(record.backup)}.json`;
  const line = JSON.stringify(record);
  const bytes = Buffer.from(`${line}\n${createHash('sha256').update(line).digest('hex')}\n`);
  const file = env.fs.openSync(`${path}.partial`, 'create');
  try {
    file.writeSync(bytes, 0, bytes.length, 0);
    file.datasyncSync();
  } finally {
    file.closeSync();
  }
  env.fs.renameSync(`${path}.partial`, path);
  env.fs.syncDirectorySync(backups);
}

/** @throws SluiceError CORRUPTION, UNSUPPORTED_FORMAT, FILE_NOT_FOUND */
export function readRecord(fs: FileSystem, dest: string, backup: number): BackupRecord {
  const path = `${backupPaths(dest).backups}/${backupName(backup)}.json`;
  const [line = '', digest = ''] = Buffer.from(readAll(fs, path)).toString('utf8').split('\n');
  if (createHash('sha256').update(line).digest('hex') !== digest) {
    throw new SluiceError('CORRUPTION', `${path} is damaged: use an older backup`);
  }
  const record = parsed(line);
  const format: unknown = record?.format;
  if (typeof format === 'number' && format > FORMAT) {
    const message = `${path} has the format ${format}, this SluiceDB knows ${FORMAT}; upgrade it`;
    throw new SluiceError('UNSUPPORTED_FORMAT', message);
  }
  if (record === undefined || !isRecord(record)) {
    throw new SluiceError('CORRUPTION', `${path} is not the record of a backup: use an older one`);
  }
  return record;
}

function parsed(line: string): Partial<BackupRecord> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

const NAME =
  /^(tables\/[0-9a-f]{32}-\d{6,15}\.sst|backups\/\d{6,15}\/(manifest\/data\.mdb|wal\/\d{6,15}\.wal))$/;
const PATH = /^(tables\/\d{6,15}\.sst|manifest\/data\.mdb|wal\/\d{6,15}\.wal)$/;

/** Whoever made it can sign it as well: a restore must not write where a path leads out of the database. */
function isRecord(record: Partial<BackupRecord>): record is BackupRecord {
  const { backup, database, version, createdMs, files } = record;
  if (![record.format, backup, version, createdMs].every((n) => Number.isSafeInteger(n))) return false;
  if (typeof database !== 'string' || !Array.isArray(files)) return false;
  const paths = new Set<unknown>(files.map((file: unknown) => (isFile(file) ? file.path : undefined)));
  return paths.size === files.length && !paths.has(undefined);
}

function isFile(file: unknown): file is BackupFile {
  const { name, path, bytes, sha256 }: Partial<BackupFile> =
    typeof file === 'object' && file !== null ? file : {};
  if (typeof name !== 'string' || typeof path !== 'string' || typeof sha256 !== 'string') return false;
  return NAME.test(name) && PATH.test(path) && Number.isSafeInteger(bytes) && /^[0-9a-f]{64}$/.test(sha256);
}

function readAll(fs: FileSystem, path: string): Uint8Array {
  const file = fs.openSync(path, 'read');
  try {
    const bytes = new Uint8Array(file.sizeSync());
    return bytes.subarray(0, file.readSync(bytes, 0, bytes.length, 0));
  } finally {
    file.closeSync();
  }
}

/** What a file has, and its digest. */
export type Digested = Pick<BackupFile, 'bytes' | 'sha256'>;

/** Reads the file at `from`; with `to`, writes a durable copy of it there, whose name the caller syncs. */
export async function digest(
  fs: FileSystem,
  from: string,
  to: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Digested> {
  const source = await fs.open(from, 'read');
  try {
    const target = to === undefined ? undefined : await fs.open(to, 'create');
    try {
      const read = await pump(source, target, signal);
      await target?.datasync();
      return read;
    } finally {
      target?.closeSync();
    }
  } finally {
    source.closeSync();
  }
}

async function pump(
  source: File,
  target: File | undefined,
  signal: AbortSignal | undefined,
): Promise<Digested> {
  const hash = createHash('sha256');
  const chunk = new Uint8Array(Math.max(1, Math.min(CHUNK_BYTES, source.sizeSync())));
  for (let bytes = 0; ; ) {
    throwIfAborted(signal);
    const n = await source.read(chunk, 0, chunk.length, bytes);
    if (n === 0) return { bytes, sha256: hash.digest('hex') };
    hash.update(chunk.subarray(0, n));
    await target?.write(chunk, 0, n, bytes);
    bytes += n;
  }
}
