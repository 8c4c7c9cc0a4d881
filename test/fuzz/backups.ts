/** Hostile records of backups, signed: a typed error, or one that names no file outside the backup and the database. */

import { createHash } from 'node:crypto';
import { normalize } from 'node:path';
import { SluiceError } from '../../src/base/errors.ts';
import { backupNumbers, readRecord } from '../../src/txn/backup/format.ts';
import { Dice } from './dice.ts';
import { MemoryFiles } from './memory-files.ts';
import { scramble } from './table-lies.ts';

const WRONG: readonly unknown[] = [
  null,
  -1,
  1e300,
  '',
  '../../x',
  '/etc/passwd',
  'tables/../../x.sst',
  'wal/..',
  'manifest/data.mdb/../../../x',
  'tables/a\0b',
  [],
  {},
  true,
  'tables/000001.sst',
];

export function makeBackup(seed: number): Uint8Array {
  const dice = new Dice(seed);
  const sha256 = 'ab'.repeat(32);
  const files: Record<string, unknown>[] = [
    { name: `tables/${'cd'.repeat(16)}-000001.sst`, path: 'tables/000001.sst', bytes: 10, sha256 },
    { name: 'backups/000001/manifest/data.mdb', path: 'manifest/data.mdb', bytes: 10, sha256 },
    { name: 'backups/000001/wal/000001.wal', path: 'wal/000001.wal', bytes: 10, sha256 },
  ];
  const record: Record<string, unknown> = {
    format: 1,
    backup: 1,
    database: 'cd'.repeat(16),
    version: 7,
    createdMs: 1,
    files,
  };
  for (let n = dice.below(3); n > 0; n--) {
    const object = dice.chance(0.7) ? dice.pick(files) : record;
    object[dice.pick(Object.keys(object))] = dice.pick(WRONG);
  }
  let line = Buffer.from(JSON.stringify(record));
  if (dice.chance(0.2)) line = Buffer.from(scramble(line, dice));
  const signed = createHash('sha256').update(line.toString('utf8')).digest('hex');
  return Buffer.concat([line, Buffer.from(`\n${signed}\n`)]);
}

export async function tryBackup(bytes: Uint8Array): Promise<string> {
  const fs = new MemoryFiles();
  fs.set('dest/backups/000001.json', bytes);
  try {
    for (const backup of backupNumbers(fs, 'dest')) {
      for (const { name, path, bytes: size } of readRecord(fs, 'dest', backup).files) {
        for (const inside of [name, path]) {
          if (normalize(inside) !== inside || inside.startsWith('..') || inside.startsWith('/'))
            throw new Error(`names ${inside}`);
        }
        if (!/^(tables|manifest|wal)\/[^/\0]+$/.test(path)) throw new Error(`would write ${path}`);
        if (!Number.isSafeInteger(size)) throw new Error(`has ${size} bytes`);
      }
    }
    return 'ok';
  } catch (error) {
    if (error instanceof SluiceError) return error.code;
    throw error;
  }
}
