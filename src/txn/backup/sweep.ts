/** Removing from a backup directory what no backup of it names. */

import type { FileSystem } from '../../base/env/file-system.ts';
import { databasePaths } from '../../manifest/directory.ts';
import { backupName, backupNumbers, backupPaths, readRecord } from './format.ts';

/**
 * Removes what backups that came to no end have left; and first all backups but the newest `keep`. REQUIRES: the lock.
 * @throws SluiceError CORRUPTION where a record is damaged: then nothing is removed, as it may name anything
 */
export function sweep(fs: FileSystem, dest: string, keep = Number.POSITIVE_INFINITY): void {
  const { tables, backups } = backupPaths(dest);
  const there = backupNumbers(fs, dest);
  const kept = keep === Number.POSITIVE_INFINITY ? there : there.slice(-keep);
  const records = kept.map((backup) => readRecord(fs, dest, backup));
  const gone = there.slice(0, there.length - kept.length);
  for (const backup of gone) fs.unlinkSync(`${backups}/${backupName(backup)}.json`);
  // What it consists of goes only after it.
  if (gone.length > 0) fs.syncDirectorySync(backups);
  const named = new Set(records.flatMap(({ files }) => files.map(({ name }) => name)));
  for (const name of fs.readdirSync(tables))
    if (!named.has(`tables/${name}`)) fs.unlinkSync(`${tables}/${name}`);
  const names = new Set(kept.flatMap((backup) => [backupName(backup), `${backupName(backup)}.json`]));
  for (const name of fs.readdirSync(backups)) {
    if (names.has(name)) continue;
    if (fs.statSync(`${backups}/${name}`).isDirectory) removeState(fs, `${backups}/${name}`);
    else fs.unlinkSync(`${backups}/${name}`);
  }
}

function removeState(fs: FileSystem, path: string): void {
  const { manifest, wal } = databasePaths(path);
  for (const directory of [manifest, wal]) {
    if (!fs.existsSync(directory)) continue;
    for (const name of fs.readdirSync(directory)) fs.unlinkSync(`${directory}/${name}`);
    fs.rmdirSync(directory);
  }
  fs.rmdirSync(path);
}
