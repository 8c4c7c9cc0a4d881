/** From a backup to a database again, and looking at what is in a backup directory. */

import { resolve } from 'node:path';
import { checkCallback, checkOptions, checkSignal } from '../../base/arguments.ts';
import type { Env } from '../../base/env/env.ts';
import { nodeEnv } from '../../base/env/node-env.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import { databasePaths } from '../../manifest/directory.ts';
import { PartialDirectory } from '../../manifest/partial-directory.ts';
import { type BackupFile, type BackupRecord, backupNumbers, digest, readRecord } from './format.ts';

export interface RestoreOptions {
  /** Its number; the newest when absent. */
  readonly backup?: number;
  readonly signal?: AbortSignal;
  /** Called after each file. */
  readonly onProgress?: (progress: { readonly bytesDone: number; readonly bytesTotal: number }) => void;
}

export interface Restored {
  /** Absolute. */
  readonly path: string;
  readonly backup: number;
  readonly version: number;
  /** Of all files. */
  readonly bytes: number;
}

export interface BackupSummary {
  readonly backup: number;
  readonly version: number;
  readonly createdMs: number;
  readonly tables: number;
  /** Of all files; those that others share are counted in each. */
  readonly bytes: number;
  /** One line each: what is wrong, in which file. Undefined: nobody looked. */
  readonly problems: readonly string[] | undefined;
}

/**
 * Makes a database at `dir`, which must not exist, from a backup in the directory `source`. Every file is compared with
 * its digest as it is copied.
 *
 * @throws SluiceError CHECKSUM_MISMATCH, CORRUPTION, FILE_NOT_FOUND, ALREADY_EXISTS, BUSY, NO_SPACE, ABORTED; TypeError
 */
export async function restoreBackup(
  source: string,
  dir: string,
  options: RestoreOptions = {},
): Promise<Restored> {
  return restore(nodeEnv, source, dir, options);
}

/** `restoreBackup` in another environment. */
export async function restore(
  env: Env,
  source: unknown,
  target: unknown,
  options: RestoreOptions,
): Promise<Restored> {
  checkOptions(options);
  checkSignal(options.signal);
  checkCallback(options.onProgress, 'options.onProgress');
  const [from, path] = [pathOf(source, 'source'), pathOf(target, 'dir')];
  const record = chosen(env, from, options.backup);
  const bytesTotal = bytesOf(record);
  const partial = new PartialDirectory(env.fs, path);
  try {
    const { manifest, wal, tables } = databasePaths(partial.path);
    for (const directory of [manifest, wal]) env.fs.mkdirSync(directory);
    let bytesDone = 0;
    for (const file of record.files) {
      const copied = await digest(
        env.fs,
        `${from}/${file.name}`,
        `${partial.path}/${file.path}`,
        options.signal,
      );
      const wrong = problem(from, file, copied);
      if (wrong !== undefined) throw new SluiceError('CHECKSUM_MISMATCH', `${wrong}; use another backup`);
      bytesDone += file.bytes;
      options.onProgress?.({ bytesDone, bytesTotal });
    }
    for (const directory of [manifest, wal, tables]) env.fs.syncDirectorySync(directory);
    partial.finish();
    return { path, backup: record.backup, version: record.version, bytes: bytesTotal };
  } catch (error) {
    partial.abandon();
    throw error;
  }
}

/**
 * The backups in a directory, oldest first; with `full`, every byte of each is compared with its digest.
 *
 * @throws SluiceError CORRUPTION, UNSUPPORTED_FORMAT of what says which files there are; ABORTED
 */
export async function listBackups(
  source: string,
  options: { readonly full?: boolean; readonly signal?: AbortSignal } = {},
): Promise<BackupSummary[]> {
  checkOptions(options);
  checkSignal(options.signal);
  const from = pathOf(source, 'source');
  const summaries: BackupSummary[] = [];
  /** Shared files are read once. */
  const read = new Map<string, Promise<string | undefined>>();
  const look = (file: BackupFile): Promise<string | undefined> => {
    const known = read.get(file.name) ?? problemOf(nodeEnv, from, file, options.signal);
    read.set(file.name, known);
    return known;
  };
  for (const backup of backupNumbers(nodeEnv.fs, from)) {
    const record = readRecord(nodeEnv.fs, from, backup);
    const problems: string[] = [];
    for (const file of options.full === true ? record.files : []) {
      const wrong = await look(file);
      if (wrong !== undefined) problems.push(wrong);
    }
    const { version, createdMs, files } = record;
    const tables = files.filter(({ name }) => name.startsWith('tables/')).length;
    const bytes = bytesOf(record);
    summaries.push({
      backup,
      version,
      createdMs,
      tables,
      bytes,
      problems: options.full ? problems : undefined,
    });
  }
  return summaries;
}

async function problemOf(
  env: Env,
  from: string,
  file: BackupFile,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    return problem(from, file, await digest(env.fs, `${from}/${file.name}`, undefined, signal));
  } catch (error) {
    if (!isSluiceError(error) || error.code === 'ABORTED') throw error;
    return error.message;
  }
}

function problem(
  from: string,
  file: BackupFile,
  read: { bytes: number; sha256: string },
): string | undefined {
  if (read.bytes !== file.bytes) return `${from}/${file.name} has ${read.bytes} bytes, not ${file.bytes}`;
  if (read.sha256 === file.sha256) return undefined;
  return `${from}/${file.name} has the SHA-256 digest ${read.sha256}, not ${file.sha256}`;
}

function bytesOf({ files }: BackupRecord): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

function chosen(env: Env, from: string, wanted: number | undefined): BackupRecord {
  const backups = backupNumbers(env.fs, from);
  const backup = wanted ?? backups.at(-1);
  if (backup !== undefined && backups.includes(backup)) return readRecord(env.fs, from, backup);
  const there = backups.length === 0 ? 'It has none' : `It has ${backups.join(', ')}`;
  const what = wanted === undefined ? 'no backup' : `no backup ${String(wanted)}`;
  throw new SluiceError('FILE_NOT_FOUND', `There is ${what} in ${from}. ${there}`);
}

function pathOf(path: unknown, argument: string): string {
  if (typeof path === 'string' && path !== '') return resolve(path);
  throw new TypeError(`${argument} must be a non-empty path`);
}
