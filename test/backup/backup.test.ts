/** Backups: checked copies that share tables among themselves and nothing with the database; and back again. */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { listBackups, restoreBackup } from '../../src/index.ts';
import { restore } from '../../src/txn/backup/restore.ts';
import {
  envOf,
  memoryDirectory,
  openDatabase,
  outcomeOf,
  type TestOptions,
  type TextDb,
  TINY,
} from '../base/database.ts';
import { FaultyFileSystem, type Operation } from '../base/faulty-file-system.ts';
import { numbered, tableFiles, writeSst } from '../base/sst-files.ts';
import { contents, Load } from './load.ts';

async function filled(dir: string, options: TestOptions = TINY): Promise<TextDb> {
  const db = await openDatabase(join(dir, 'db'), { ...options, compaction: 'off' });
  db.keyspace('other');
  await db.ingest((await writeSst(join(dir, 'in.sst'), numbered(20, 80, 'k', 'file'))).path);
  await db.deleteRange({ gte: 'k000030', lt: 'k000040' });
  await db.keyspace('other').put('a', 'in memory');
  return db;
}

test('taken under load, each is the database at its version, and only new tables are copied', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), {
    ...TINY,
    levelBaseBytes: 1 << 15,
    targetFileBytes: 1 << 14,
  });
  const load = new Load(db, dir);
  const dest = join(dir, 'backups');
  const made = [];
  for (let i = 0; i < 4; i++) {
    const until = load.commits + 5;
    while (load.commits < until) await nodeEnv.clock.turn();
    made.push(await db.backup(dest));
  }
  await load.stop();
  await db.compactRange();
  made.push(await db.backup(dest), await db.backup(dest));
  expect(made.at(-1)).toMatchObject({ backup: 6, copiedTables: 0, tables: made.at(-2)?.tables });
  await db.deleteRange({});
  await db.compactRange(); // nothing is shared with the database
  for (const { backup, version } of made) {
    const path = join(dir, `restored${backup}`);
    expect(await restoreBackup(dest, path, { backup })).toMatchObject({ backup, version });
    const copy = await openDatabase(path, TINY);
    expect(copy.version).toBe(version);
    expect(await contents(copy)).toEqual(load.at(version));
    expect((await copy.verify({ full: true })).problems).toEqual([]);
    await copy.close();
  }
  const list = await listBackups(dest, { full: true });
  expect(list.map(({ backup, version, problems }) => ({ backup, version, problems }))).toEqual(
    made.map(({ backup, version }) => ({ backup, version, problems: [] })),
  );
});

test('older ones than wanted go, with the tables that only they had', async () => {
  const dir = memoryDirectory();
  const db = await filled(dir);
  const dest = join(dir, 'backups');
  for (let i = 0; i < 4; i++) {
    await db.put('k', `${i}`);
    await db.compactRange();
    await db.backup(dest, { keep: 2 });
  }
  expect((await listBackups(dest)).map(({ backup }) => backup)).toEqual([3, 4]);
  expect(readdirSync(join(dest, 'tables'))).toHaveLength(2 * tableFiles(db.path).length);
  expect(readdirSync(join(dest, 'backups')).sort()).toEqual([
    '000003',
    '000003.json',
    '000004',
    '000004.json',
  ]);
  await restoreBackup(dest, join(dir, 'restored'), { backup: 3 });
  expect(await (await openDatabase(join(dir, 'restored'))).get('k')).toBe('2');
});

describe('damage', () => {
  test('of a table is not backed up', async () => {
    const dir = memoryDirectory();
    const db = await filled(dir);
    const [name = ''] = tableFiles(db.path);
    const path = join(db.path, 'tables', name);
    const bytes = readFileSync(path);
    bytes.writeUInt8((bytes.at(10) ?? 0) ^ 1, 10);
    writeFileSync(path, bytes);
    await expect(db.backup(join(dir, 'backups'))).rejects.toMatchObject({
      code: 'CORRUPTION',
      message: expect.stringContaining(path),
    });
    expect(await listBackups(join(dir, 'backups'))).toEqual([]);
    expect(readdirSync(join(dir, 'backups/tables'))).toEqual([]);
  });

  test('of any file of a backup is found, and not restored', async () => {
    const dir = memoryDirectory();
    const db = await filled(dir);
    const dest = join(dir, 'backups');
    await db.backup(dest);
    const files = readdirSync(dest, { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile() && entry.name !== 'LOCK',
    );
    expect(files.length).toBe(4);
    for (const entry of files) {
      const path = join(entry.parentPath, entry.name);
      const whole = readFileSync(path);
      const bytes = Buffer.from(whole);
      bytes.writeUInt8((bytes.at(-9) ?? 0) ^ 4, bytes.length - 9);
      for (const damaged of [bytes, whole.subarray(0, -1), Buffer.concat([whole, Buffer.from('x')])]) {
        writeFileSync(path, damaged);
        // The newline at the end of a record, and what follows it, say nothing.
        if (entry.name.endsWith('.json') && damaged !== bytes) continue;
        const outcome = await outcomeOf(() => restoreBackup(dest, join(dir, 'restored')));
        expect(outcome, path).toBe(entry.name.endsWith('.json') ? 'CORRUPTION' : 'CHECKSUM_MISMATCH');
        expect(readdirSync(dir).sort()).toEqual(['backups', 'db', 'in.sst']);
        if (entry.name.endsWith('.json')) continue;
        const [summary] = await listBackups(dest, { full: true });
        expect(summary?.problems).toEqual([expect.stringContaining(path)]);
      }
      writeFileSync(path, whole);
    }
    await restoreBackup(dest, join(dir, 'restored'));
  });
});

test('a record that leads out of the backup or the database is none, though it is signed', async () => {
  const dir = memoryDirectory();
  const db = await filled(dir);
  const dest = join(dir, 'backups');
  await db.backup(dest);
  const path = join(dest, 'backups/000001.json');
  const [line = ''] = readFileSync(path, 'utf8').split('\n');
  for (const [from, to] of [
    ['"path":"wal/', '"path":"../../wal/'],
    ['"name":"tables/', '"name":"../tables/'],
    ['"path":"manifest/data.mdb"', '"path":"tables/000001.sst"'],
    ['"version":', '"version":"1","was":'],
  ] as const) {
    const forged = line.replace(from, to);
    expect(forged).not.toBe(line);
    writeFileSync(path, `${forged}\n${createHash('sha256').update(forged).digest('hex')}\n`);
    expect(await outcomeOf(() => restoreBackup(dest, join(dir, 'restored')))).toBe('CORRUPTION');
    expect(readdirSync(dir).sort()).toEqual(['backups', 'db', 'in.sst']);
  }
});

test('what it refuses', async () => {
  const dir = memoryDirectory();
  const db = await filled(dir);
  const dest = join(dir, 'backups');
  expect(await outcomeOf(() => db.backup(dir))).toBe('ALREADY_EXISTS');
  expect(await outcomeOf(() => db.backup(join(dir, 'no/where')))).toBe('FILE_NOT_FOUND');
  expect(await outcomeOf(() => db.backup(join(db.path, 'backups')))).toBe(
    'TypeError: dest must not be within the database itself',
  );
  expect(await outcomeOf(() => db.backup(dest, { keep: 0 }))).toMatch(/^TypeError: options.keep must be/);
  expect(await outcomeOf(() => restoreBackup(dest, join(dir, 'restored')))).toBe('FILE_NOT_FOUND');
  expect((await Promise.all([1, 2].map(() => outcomeOf(() => db.backup(dest))))).sort()).toEqual([
    'BUSY',
    'ok',
  ]);
  expect(await outcomeOf(() => restoreBackup(dest, join(dir, 'restored'), { backup: 2 }))).toBe(
    'FILE_NOT_FOUND',
  );
  expect(await outcomeOf(() => restoreBackup(dest, db.path))).toBe('ALREADY_EXISTS');
});

test('its signal ends it, and the end of the database does', async () => {
  const dir = memoryDirectory();
  const db = await filled(dir);
  const dest = join(dir, 'backups');
  await db.backup(dest);
  await db.put('k', 'new');
  await db.flush();
  const controller = new AbortController();
  const options = { signal: controller.signal, onProgress: () => controller.abort() };
  expect(await outcomeOf(() => db.backup(dest, options))).toBe('ABORTED');
  const closed = outcomeOf(() => db.backup(dest));
  await db.close();
  expect(await closed).toBe('CLOSED');
  expect((await listBackups(dest, { full: true })).map(({ backup, problems }) => [backup, problems])).toEqual(
    [[1, []]],
  );
  expect(readdirSync(join(dest, 'tables'))).toHaveLength(1);
  const restoring = new AbortController();
  const aborting = { signal: restoring.signal, onProgress: () => restoring.abort() };
  expect(await outcomeOf(() => restoreBackup(dest, join(dir, 'restored'), aborting))).toBe('ABORTED');
  expect(readdirSync(dir).sort()).toEqual(['backups', 'db', 'in.sst']);
});

const FAILING: readonly (readonly [errno: string, code: string, ops: readonly Operation[]])[] = [
  ['ENOSPC', 'NO_SPACE', ['open', 'mkdir', 'write', 'truncate', 'freeBytes']],
  ['EIO', 'IO', ['datasync', 'syncDirectory', 'read', 'rename', 'stat']],
];

test.each(FAILING)(
  '%s at any call: the backups before are whole, and the next one is made',
  async (errno, code, ops) => {
    const dir = memoryDirectory();
    const fs = new FaultyFileSystem(nodeEnv.fs);
    const db = await filled(dir, { ...TINY, env: envOf(fs) });
    const dest = join(dir, 'backups');
    await db.backup(dest);
    await db.put('k', 'new');
    await db.flush();
    let at = 0;
    for (; ; at++) {
      fs.calls.length = 0;
      fs.heal();
      fs.fail({ op: ops, path: /backups/, errno, after: at });
      const outcome = await outcomeOf(() => db.backup(dest));
      if (outcome === 'ok') break;
      // Of the sync after its record got its name: it is there, and may not survive a loss of power.
      const named = fs.calls.some(
        ({ op, path, failed }) => op === 'rename' && path.endsWith('.json.partial') && !failed,
      );
      expect(outcome, `call ${at}`).toBe(code);
      expect(await listBackups(dest, { full: true })).toHaveLength(named ? 2 : 1);
      if (named) break;
    }
    expect(at).toBeGreaterThan(10);
    fs.heal();
    expect(await db.backup(dest)).toMatchObject({ tables: 3 });
    for (at = 0; ; at++) {
      fs.heal();
      fs.fail({ op: ops, path: /backups|restored/, errno, after: at });
      const outcome = await outcomeOf(() => restore(envOf(fs), dest, join(dir, 'restored'), {}));
      if (outcome === 'ok') break;
      expect(outcome, `call ${at}`).toBe(code);
      expect(readdirSync(dir).filter((name) => name.startsWith('restored'))).toEqual([]);
    }
    expect(at).toBeGreaterThan(5);
    expect(await contents(await openDatabase(join(dir, 'restored')))).toEqual(await contents(db));
    expect(statSync(dest).isDirectory()).toBe(true);
  },
);
