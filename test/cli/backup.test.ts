/** checkpoint, backup, restore. */

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
