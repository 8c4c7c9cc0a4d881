/** The layout of a database directory, and the question whether one may be opened or made at a path. */

import type { FileSystem } from '../base/env/file-system.ts';
import { SluiceError } from '../base/errors.ts';
import type { FileId } from './rows.ts';

export interface DatabasePaths {
  /** Held by the one writing process. */
  readonly lock: string;
  readonly manifest: string;
  readonly wal: string;
  readonly tables: string;
  readonly staging: string;
  readonly imports: string;
}

export function databasePaths(dir: string): DatabasePaths {
  return {
    lock: `${dir}/LOCK`,
    manifest: `${dir}/manifest`,
    wal: `${dir}/wal`,
    tables: `${dir}/tables`,
    staging: `${dir}/staging`,
    imports: `${dir}/imports`,
  };
}

export function tableName(id: FileId): string {
  return `${String(id).padStart(6, '0')}.sst`;
}

/** undefined for a file that is not a table. */
export function tableIdOf(name: string): FileId | undefined {
  const digits = /^(\d{6,15})\.sst$/.exec(name)?.[1];
  return digits === undefined ? undefined : (Number(digits) as FileId);
}

export const OWN_NAMES: ReadonlySet<string> = new Set([
  'LOCK',
  'manifest',
  'wal',
  'tables',
  'staging',
  'imports',
]);

export interface OpenChoice {
  readonly readOnly: boolean;
  readonly createIfMissing: boolean;
  readonly errorIfExists: boolean;
}

/**
 * Whether the database at `dir` is there ('open') or is to be made ('create'). Changes nothing, so it can come before
 * the lock is taken: a directory that is someone else's must not even get a LOCK file.
 *
 * Throws NOT_A_DATABASE, or ALREADY_EXISTS with errorIfExists, or CORRUPTION for a database without its manifest.
 */
export function checkDirectory(fs: FileSystem, dir: string, choice: OpenChoice): 'open' | 'create' {
  const paths = databasePaths(dir);
  if (fs.existsSync(`${paths.manifest}/data.mdb`)) {
    if (choice.errorIfExists) {
      throw new SluiceError(
        'ALREADY_EXISTS',
        `There is a database at ${dir} already, and errorIfExists is set`,
      );
    }
    return 'open';
  }
  if (fs.existsSync(dir)) checkVacant(fs, dir);
  if (choice.readOnly || !choice.createIfMissing) {
    const why = choice.readOnly ? 'a readOnly open makes none' : 'createIfMissing is false';
    throw new SluiceError('NOT_A_DATABASE', `There is no database at ${dir}, and ${why}`);
  }
  return 'create';
}

/** Nothing in `dir` but what a creation that was cut short leaves: our own directories, empty. */
export function checkVacant(fs: FileSystem, dir: string): void {
  if (!fs.statSync(dir).isDirectory) {
    throw new SluiceError('NOT_A_DATABASE', `${dir} is a file; a database is a directory`);
  }
  const foreign = fs.readdirSync(dir).find((name) => !OWN_NAMES.has(name));
  if (foreign !== undefined) {
    throw new SluiceError(
      'NOT_A_DATABASE',
      `${dir} is not a SluiceDB database, and not empty (it has ${foreign}), so none is made there. Give another path`,
    );
  }
  const { wal, tables } = databasePaths(dir);
  for (const path of [wal, tables]) {
    if (fs.existsSync(path) && fs.readdirSync(path).length > 0) {
      throw new SluiceError(
        'CORRUPTION',
        `The database at ${dir} has lost its manifest: ${path} has files that nothing names. ` +
          'Restore the directory manifest/ from a backup',
      );
    }
  }
}
