/** L2 and failures: what a compaction does to the disk, and what it leaves when the disk fails it. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import type { DatabaseEvent } from '../../../src/index.ts';
import { envOf, memoryDirectory, openDatabase, openText, TINY } from '../../base/database.ts';
import { FaultyFileSystem } from '../../base/faulty-file-system.ts';

const BY_HAND = { ...TINY, compaction: 'off' as const, memtableBytes: 1 << 16 };

const tablesIn = (dir: string): string[] => readdirSync(join(dir, 'tables')).sort();

/** Three overlapping tables in level 0. */
async function threeTables(dir: string, fs: FaultyFileSystem) {
  const db = await openText(dir, { ...BY_HAND, env: envOf(fs) });
  for (let i = 0; i < 3; i++) {
    for (const key of ['a', 'b', 'c']) await db.put(key, `${key}${i}`.repeat(200));
    await db.flush();
  }
  return db;
}

test('L2: bytes, then names, then the edit; inputs go after it, and only when nobody reads them', async () => {
  const dir = memoryDirectory();
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const db = await threeTables(dir, fs);
  const inputs = tablesIn(dir);
  const reading = db.iterator();
  await reading.next();
  const before = fs.calls.length;
  await db.compactRange();
  const calls = fs.calls.slice(before).filter(({ path }) => path.includes('/tables'));
  const outputs = new Set(calls.filter(({ op }) => op === 'write').map(({ path }) => path));
  expect(outputs.size).toBeGreaterThan(0);
  const named = calls.findIndex(({ op }) => op === 'syncDirectory');
  for (const path of outputs) {
    const synced = calls.findIndex((call) => call.op === 'datasync' && call.path === path);
    const written = calls.findLastIndex((call) => call.op === 'write' && call.path === path);
    expect(written).toBeLessThan(synced);
    expect(synced).toBeLessThan(named);
  }
  expect(calls.some(({ op }) => op === 'unlink')).toBe(false);
  for (const input of inputs) expect(tablesIn(dir)).toContain(input);
  expect((await reading.all()).length).toBe(2);
  const stay = () => inputs.filter((input) => tablesIn(dir).includes(input));
  await expect.poll(stay, { timeout: 60_000 }).toEqual([]);
  await db.close();
});

for (const [op, errno, code] of [
  ['open', 'EMFILE', 'IO'],
  ['write', 'ENOSPC', 'NO_SPACE'],
  ['datasync', 'EIO', 'IO'],
  ['syncDirectory', 'EIO', 'IO'],
  ['read', 'EIO', 'IO'],
] as const) {
  test(`${errno} at ${op}: the caller is told ${code}, and all is as it was`, async () => {
    const dir = memoryDirectory();
    const fs = new FaultyFileSystem(nodeEnv.fs);
    const db = await threeTables(dir, fs);
    const before = tablesIn(dir);
    fs.fail({ op, path: /tables/, errno });
    await expect(db.compactRange()).rejects.toMatchObject({ code });
    expect(tablesIn(dir)).toEqual(before);
    expect(await db.get('b')).toBe('b2'.repeat(200));
    await db.compactRange();
    expect(db.stats().keyspaces[0]?.levels.map(({ entries }) => entries)).toEqual([0, 0, 0, 0, 0, 0, 3]);
    expect((await db.verify({ full: true })).problems).toEqual([]);
    await db.close();
    expect(tablesIn(dir).length).toBe(1);
  });
}

test('in the background a failure is told, and tried again until it succeeds', async () => {
  const dir = memoryDirectory();
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const db = await openDatabase(dir, { ...TINY, env: envOf(fs), memtableBytes: 1 << 16, level0Trigger: 3 });
  const failures: DatabaseEvent[] = [];
  db.on((event) => {
    if (event.kind === 'failure') failures.push(event);
  });
  fs.fail({ op: 'datasync', path: /tables/, errno: 'ENOSPC', after: 3 });
  for (let i = 0; i < 3; i++) {
    for (const key of ['a', 'b', 'c']) await db.put(key, `${key}${i}`.repeat(200));
    await db.flush();
  }
  await expect.poll(() => failures.length).toBe(1);
  expect(db.stats().compaction).toMatchObject({ failures: 1, lastError: expect.stringMatching(/./) });
  expect(await db.get('b')).toBe('b2'.repeat(200));
  await expect.poll(() => db.stats().compaction.merges).toBeGreaterThan(0);
  expect(db.stats().compaction.lastError).toBeUndefined();
  expect(await db.get('b')).toBe('b2'.repeat(200));
});

test('outputs of a compaction that never ended are swept at the next open', async () => {
  const dir = memoryDirectory();
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const db = await threeTables(dir, fs);
  // The failed output cannot be removed either, as after a crash.
  fs.fail({ op: 'datasync', path: /tables/, errno: 'EIO' });
  fs.fail({ op: 'unlink', path: /tables/, errno: 'EIO', times: 10 });
  const before = tablesIn(dir);
  await expect(db.compactRange()).rejects.toMatchObject({ code: 'IO' });
  const orphans = tablesIn(dir).filter((name) => !before.includes(name));
  expect(orphans.length).toBe(1);
  await db.close();
  const again = await openDatabase(dir, BY_HAND);
  for (const name of orphans) expect(existsSync(join(dir, 'tables', name))).toBe(false);
  expect(await again.get('b')).toBe('b2'.repeat(200));
});
