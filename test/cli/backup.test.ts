/** checkpoint, backup, restore. */

import { readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryDirectory, openDatabase } from '../base/database.ts';
import { numbered, writeSst } from '../base/sst-files.ts';
import { sluice, sluiceJson } from './run.ts';

async function filled(): Promise<{ dir: string; path: string }> {
  const dir = memoryDirectory();
  const path = join(dir, 'db');
  await writeSst(join(dir, 'in.sst'), numbered(0, 100));
  await sluice(['ingest', path, join(dir, 'in.sst')]);
  await sluice(['put', path, 'k000007', 'changed']);
  return { dir, path };
}

describe('checkpoint', () => {
  test('makes a database, and tells what is in it', async () => {
    const { dir, path } = await filled();
    const copy = join(dir, 'copy');
    const { code, out } = await sluice(['checkpoint', path, copy]);
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^\S+\/copy: version \d+, 1 table \([\d.]+ KiB\)\n$/),
    ]);
    expect((await sluice(['scan', copy])).out).toBe((await sluice(['scan', path])).out);
    const again = await sluice(['checkpoint', path, copy]);
    expect([again.code, again.err]).toEqual([3, expect.stringMatching(/^error ALREADY_EXISTS: /)]);
    expect(await sluiceJson(['checkpoint', path, `${copy}2`])).toMatchObject([
      { tables: 1, linkedTables: 1 },
    ]);
  });

  test('works beside a process that writes', async () => {
    const { dir, path } = await filled();
    const db = await openDatabase(path);
    const locked = await sluice(['checkpoint', path, join(dir, 'copy')]);
    expect(locked.err).toMatch(/^error LOCKED: .* --readonly\n$/);
    await db.put('more', 'of it');
    await expect.poll(() => sluice(['get', path, 'more', '--readonly'])).toMatchObject({ out: 'of it\n' });
    expect((await sluice(['checkpoint', path, join(dir, 'copy'), '--readonly'])).code).toBe(0);
    expect((await sluice(['get', join(dir, 'copy'), 'more'])).out).toBe('of it\n');
  });
});

describe('backup, backups, restore', () => {
  test('there and back', async () => {
    const { dir, path } = await filled();
    const [dest, back] = [join(dir, 'backups'), join(dir, 'back')];
    const first = await sluice(['backup', path, dest]);
    expect([first.code, first.out]).toEqual([
      0,
      expect.stringMatching(/^Backup 1: version \d+, 1 table \([\d.]+ KiB\), 1 of them new here\n$/),
    ]);
    const before = (await sluice(['scan', path])).out;
    await sluice(['put', path, 'k000008', 'later']);
    expect(await sluiceJson(['backup', path, dest])).toMatchObject([
      { backup: 2, tables: 1, copiedTables: 0 },
    ]);
    const list = await sluice(['backups', dest, '--full']);
    expect([list.code, list.out.match(/no damage found/g)?.length]).toEqual([0, 2]);
    expect((await sluice(['restore', dest, back, '--backup', '1'])).code).toBe(0);
    expect((await sluice(['scan', back])).out).toBe(before);
    await sluice(['restore', dest, `${back}2`]);
    expect((await sluice(['scan', `${back}2`])).out).toBe((await sluice(['scan', path])).out);
    expect(await sluiceJson(['backup', path, dest, '--keep', '1'])).toMatchObject([{ backup: 3 }]);
    expect(await sluiceJson(['backups', dest])).toMatchObject([{ backup: 3 }]);
  });

  test('damage has the exit code 1 when looked for, and 3 when restored', async () => {
    const { dir, path } = await filled();
    const dest = join(dir, 'backups');
    await sluice(['backup', path, dest]);
    const [table = ''] = readdirSync(join(dest, 'tables'));
    truncateSync(join(dest, 'tables', table), 100);
    expect(await sluice(['backups', dest])).toMatchObject({ code: 0 });
    const found = await sluice(['backups', dest, '--full']);
    expect([found.code, found.out]).toEqual([
      1,
      expect.stringMatching(/\.sst has 100 bytes, not \d+\n.*damaged\n$/),
    ]);
    const restored = await sluice(['restore', dest, join(dir, 'back')]);
    expect([restored.code, restored.err]).toEqual([3, expect.stringMatching(/^error CHECKSUM_MISMATCH: /)]);
    expect((await sluice(['backups', join(dir, 'nowhere')])).code).toBe(1);
    expect((await sluice(['backup', path, dest, '--keep', '0'])).code).toBe(2);
  });
});
