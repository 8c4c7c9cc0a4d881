/**
 * `db.backup()`: what a checkpoint has (`../capture.ts`), as copies that share nothing with the database, each read and
 * checked once. A table that an earlier backup in the directory has is not copied again.
 */

import { dirname } from 'node:path';
import { checkCallback, checkOptions, checkSignal } from '../../base/arguments.ts';
import type { FileSystem } from '../../base/env/file-system.ts';
import { acquireLock, type Lock } from '../../base/env/lock.ts';
import { type ErrorCode, isSluiceError, SluiceError, throwIfAborted } from '../../base/errors.ts';
import { databasePaths, tableName } from '../../manifest/directory.ts';
import type { TableRow } from '../../manifest/rows.ts';
import type { Capture } from '../capture.ts';
import { type CheckpointProgress, targetPath, writeState } from '../checkpoint.ts';
import type { Engine } from '../engine.ts';
import { differences } from '../verify.ts';
import {
  type BackupFile,
  backupName,
  backupNumbers,
  backupPaths,
  digest,
  newRecord,
  readRecord,
  writeRecord,
} from './format.ts';
import { sweep } from './sweep.ts';

const DAMAGE: ReadonlySet<ErrorCode> = new Set([
  'CORRUPTION',
  'CHECKSUM_MISMATCH',
  'NOT_SORTED',
  'UNSUPPORTED_FORMAT',
  'COMPARATOR_MISMATCH',
]);

export interface BackupOptions {
  /** Older backups in the directory than the newest so many are removed when this one is done. Default: all stay. */
  readonly keep?: number;
  readonly signal?: AbortSignal;
  /** Called after each table. */
  readonly onProgress?: (progress: CheckpointProgress) => void;
}

export interface Backup {
  /** Absolute. */
  readonly path: string;
  /** Its number in the directory. */
  readonly backup: number;
  /** It holds every commit up to this, and nothing else. */
  readonly version: number;
  readonly tables: number;
  /** Tables that no earlier backup had. */
  readonly copiedTables: number;
  /** Of all its tables. */
  readonly bytes: number;
}

/** @param dir of the database */
export async function backup(
  engine: Engine,
  dir: string,
  target: unknown,
  options: BackupOptions,
): Promise<Backup> {
  checkOptions(options);
  const { keep = Number.POSITIVE_INFINITY } = options;
  if (keep !== Number.POSITIVE_INFINITY && !(Number.isInteger(keep) && keep >= 1)) {
    throw new TypeError(`options.keep must be a whole number from 1 on; got ${String(keep)}`);
  }
  checkSignal(options.signal);
  checkCallback(options.onProgress, 'options.onProgress');
  const dest = targetPath(target, dir, 'dest');
  engine.checkOpen();
  const { fs } = engine.env;
  const lock = openDirectory(fs, dest);
  try {
    sweep(fs, dest);
    const made = await engine.checkpoints.run(dir, options.signal, (taken, signal) =>
      new BackupRun(engine, dir, dest, { ...options, signal }).run(taken),
    );
    if (keep !== Number.POSITIVE_INFINITY) sweep(fs, dest, keep);
    return made;
  } finally {
    lock.release();
  }
}

/** Makes the directory, unless it is there and one of ours. */
function openDirectory(fs: FileSystem, dest: string): Lock {
  const paths = backupPaths(dest);
  const names = fs.existsSync(dest) ? fs.readdirSync(dest) : undefined;
  const foreign = names?.find((name) => !['LOCK', 'tables', 'backups'].includes(name));
  if (foreign !== undefined) {
    const message = `${dest} is no backup directory: it has ${foreign}. Give one that is, is empty, or does not exist`;
    throw new SluiceError('ALREADY_EXISTS', message);
  }
  if (!fs.existsSync(dirname(dest))) {
    throw new SluiceError('FILE_NOT_FOUND', `There is no directory to make ${dest} in; make it first`);
  }
  for (const path of [dest, paths.tables, paths.backups]) if (!fs.existsSync(path)) fs.mkdirSync(path);
  const lock = lockBackups(dest);
  try {
    fs.syncDirectorySync(dest);
    fs.syncDirectorySync(dirname(dest));
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

function lockBackups(dest: string): Lock {
  try {
    return acquireLock(backupPaths(dest).lock);
  } catch (cause) {
    if (!isSluiceError(cause, 'LOCKED')) throw cause;
    throw new SluiceError('BUSY', `Another backup to ${dest} is under way; wait for it`, { cause });
  }
}

class BackupRun {
  readonly #engine: Engine;
  readonly #dir: string;
  readonly #dest: string;
  readonly #options: BackupOptions & { readonly signal: AbortSignal };
  #copied = 0;

  constructor(
    engine: Engine,
    dir: string,
    dest: string,
    options: BackupOptions & { readonly signal: AbortSignal },
  ) {
    this.#engine = engine;
    this.#dir = dir;
    this.#dest = dest;
    this.#options = options;
  }

  async run(taken: Capture): Promise<Backup> {
    const { env } = this.#engine;
    const { signal } = this.#options;
    const { database } = taken.state;
    const before = backupNumbers(env.fs, this.#dest);
    const number = (before.at(-1) ?? 0) + 1;
    try {
      const tables = await this.#tables(taken, earlierTables(env.fs, this.#dest, before));
      const path = `backups/${backupName(number)}`;
      env.fs.mkdirSync(`${this.#dest}/${path}`);
      await writeState(env, this.#dir, `${this.#dest}/${path}`, taken, signal);
      env.fs.syncDirectorySync(`${this.#dest}/${path}`);
      const files = [...tables, ...(await this.#others(path))];
      throwIfAborted(signal);
      const { version } = taken;
      const createdMs = env.clock.nowMs();
      // From here on it is a backup.
      writeRecord(
        env,
        this.#dest,
        newRecord({ backup: number, database: database.id, version, createdMs, files }),
      );
      const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
      return {
        path: this.#dest,
        backup: number,
        version,
        tables: tables.length,
        copiedTables: this.#copied,
        bytes,
      };
    } catch (error) {
      this.#abandon();
      throw error;
    }
  }

  /** What cannot be removed now, the next backup removes. */
  #abandon(): void {
    try {
      sweep(this.#engine.env.fs, this.#dest);
    } catch (error) {
      if (!isSluiceError(error)) throw error;
    }
  }

  async #tables(taken: Capture, earlier: ReadonlyMap<string, BackupFile>): Promise<BackupFile[]> {
    const { fs } = this.#engine.env;
    const rows = taken.state.tables;
    const bytesTotal = [...rows.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    const files: BackupFile[] = [];
    let bytesDone = 0;
    for (const row of rows.values()) {
      throwIfAborted(this.#options.signal);
      const name = `tables/${taken.state.database.id}-${tableName(row.id)}`;
      const known = earlier.get(name);
      const there = known?.bytes === row.bytes && fs.existsSync(`${this.#dest}/${name}`);
      files.push(there ? known : await this.#copyTable(row, name));
      bytesDone += row.bytes;
      this.#options.onProgress?.({
        tablesDone: files.length,
        tablesTotal: rows.size,
        bytesDone,
        bytesTotal,
      });
    }
    await fs.syncDirectory(backupPaths(this.#dest).tables);
    return files;
  }

  /** Damage found now can be told; in the only backup it could not be mended. */
  async #copyTable(row: TableRow, name: string): Promise<BackupFile> {
    const { signal } = this.#options;
    const path = `tables/${tableName(row.id)}`;
    const to = `${this.#dest}/${name}`;
    const copied = await digest(this.#engine.env.fs, `${this.#dir}/${path}`, to, signal);
    const wrong = await this.#damage(row, to);
    if (wrong !== undefined) {
      const message = `The table ${this.#dir}/${path} cannot be backed up as it is damaged: ${wrong}`;
      throw new SluiceError('CORRUPTION', message);
    }
    this.#copied++;
    return { name, path, ...copied };
  }

  async #damage(row: TableRow, path: string): Promise<string | undefined> {
    try {
      const { signal } = this.#options;
      return (await differences(this.#engine, row, path, { full: true, signal }))[0];
    } catch (error) {
      if (!isSluiceError(error) || !DAMAGE.has(error.code)) throw error;
      return error.message;
    }
  }

  /** Manifest and log, which are of this backup alone. */
  async #others(path: string): Promise<BackupFile[]> {
    const { fs } = this.#engine.env;
    const { manifest, wal } = databasePaths(`${this.#dest}/${path}`);
    const names = ['manifest/data.mdb', ...fs.readdirSync(wal).map((name) => `wal/${name}`)];
    fs.unlinkSync(`${manifest}/lock.mdb`);
    const files: BackupFile[] = [];
    for (const name of names) {
      const read = await digest(fs, `${this.#dest}/${path}/${name}`, undefined, this.#options.signal);
      files.push({ name: `${path}/${name}`, path: name, ...read });
    }
    return files;
  }
}

/** By name. A backup whose record is damaged shares nothing any more. */
function earlierTables(fs: FileSystem, dest: string, backups: readonly number[]): Map<string, BackupFile> {
  const tables = new Map<string, BackupFile>();
  for (const number of backups) {
    for (const file of readRecord(fs, dest, number).files) {
      if (file.name.startsWith('tables/')) tables.set(file.name, file);
    }
  }
  return tables;
}
