/** Rows of SST files: what a reader of the file alone would see. */

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { SstReader } from '../../../src/import/format/sst-reader.ts';
import { openText } from '../../base/database.ts';
import { numbered, tableFiles, writeSst } from '../../base/sst-files.ts';
import { temporaryDirectory } from '../../base/temporary-directory.ts';
import { sluice } from '../../cli/run.ts';
import { bytesSource, collectRows, type Read } from './collect-rows.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/rocksdb/', import.meta.url));

function read(path: string, from?: Read['end']): Promise<Read> {
  return collectRows(new SstReader(), bytesSource(Buffer.alloc(0), 1, path), from);
}

test("entries of our writer's files, without those that are deletes; reading goes on at any of them", async () => {
  const path = join(temporaryDirectory(), 'a.sst');
  const entries = numbered(0, 3000);
  await writeSst(path, [...entries, ['k000007', undefined]], { blockBytes: 512 });
  const whole = await read(path);
  expect([whole.error, whole.bad]).toEqual([undefined, []]);
  expect(whole.rows).toEqual(entries.filter(([key]) => key !== 'k000007'));
  for (const at of [0, 1, 7, 1500, 2998]) {
    const from = JSON.parse(JSON.stringify(whole.positions[at])) as Read['end'];
    expect(from.row).toBe(at);
    const rest = await read(path, from);
    expect(rest.rows).toEqual(whole.rows.slice(at));
    expect(rest.positions[0]).toEqual(from);
    expect(rest.end).toEqual(whole.end);
  }
  expect((await read(path, whole.end)).rows).toEqual([]);
});

test.each(['v7.8/v_base.sst', 'v7.8/v_partitioned.sst', 'v11.8/v_fv7_zstd.sst'])(
  'of RocksDB: %s',
  async (file) => {
    const { rows, error } = await read(fixtures + file);
    expect(error).toBeUndefined();
    const entries = readFileSync(`${fixtures}entries.bin`).toString('latin1');
    expect(rows.map(([key, value]) => key + value).join('') === entries).toBe(true);
    expect(rows).toHaveLength(2000);
  },
);

test('range deletions hide what is older in the file; points of an external file stand over them', async () => {
  const { rows, error } = await read(`${fixtures}ranges/ranges.sst`);
  expect(error).toBeUndefined();
  const { out } = await sluice(['sst', 'dump', `${fixtures}ranges/ranges.sst`]);
  const puts = out
    .split('\n')
    .filter((line) => !line.includes('\\T(') && !line.endsWith('\\N') && line !== '');
  expect(rows.map(([key, value]) => `${key}\t${value}`)).toEqual(puts);
  expect(puts).toHaveLength(6);
  expect(await read(`${fixtures}ranges/ranges-only.sst`)).toMatchObject({ rows: [], error: undefined });
});

test('of several versions of a key the newest, if it is no delete', async () => {
  const dir = temporaryDirectory();
  const db = await openText(join(dir, 'db'), { compaction: 'off' });
  const held = [];
  for (const value of ['1', '2', '3']) {
    for (const key of ['a', 'b', 'c', 'd']) await db.put(key, `${key}${value}`);
    held.push(db.snapshot());
  }
  await db.del('b');
  held.push(db.snapshot());
  await db.flush();
  const [table = ''] = tableFiles(join(dir, 'db'));
  copyFileSync(join(dir, 'db/tables', table), join(dir, 'copy.sst'));
  for (const snapshot of held) snapshot.close();
  await db.close();
  expect(await read(join(dir, 'copy.sst'))).toMatchObject({
    error: undefined,
    rows: [
      ['a', 'a3'],
      ['c', 'c3'],
      ['d', 'd3'],
    ],
  });
});

test('what cannot be read is said', async () => {
  const dir = temporaryDirectory();
  const path = join(dir, 'a.sst');
  await writeSst(path, numbered(0, 2000), { blockBytes: 512 });
  const bytes = readFileSync(path);
  const changed = Buffer.from(bytes);
  changed.writeUInt8(changed.readUInt8(5000) ^ 1, 5000);
  writeFileSync(join(dir, 'changed.sst'), changed);
  const damaged = await read(join(dir, 'changed.sst'));
  expect(damaged.error).toMatchObject({ code: 'BAD_INPUT', message: expect.stringContaining('changed.sst') });
  expect(damaged.rows.length).toBeLessThan(2000);
  writeFileSync(join(dir, 'short.sst'), bytes.subarray(0, 4000));
  expect((await read(join(dir, 'short.sst'))).error).toMatchObject({ code: 'BAD_INPUT' });
  expect((await read(`${fixtures}v7.8/v_ops.sst`)).error).toMatchObject({
    message: expect.stringMatching(/[Mm]erge/),
  });
  expect((await read(join(dir, 'none.sst'))).error).toMatchObject({ code: 'FILE_NOT_FOUND' });
  const stream = await collectRows(new SstReader(), bytesSource(bytes, 100));
  expect(stream.error).toMatchObject({ code: 'BAD_INPUT', message: expect.stringMatching(/local file/) });
});
