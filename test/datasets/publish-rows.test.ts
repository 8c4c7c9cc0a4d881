/** Rows of the program itself as versions of a dataset: sorted, written and published in one commit, or nothing. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, outcomeOf } from '../base/database.ts';
import { tableFiles } from '../base/sst-files.ts';

type Row = readonly [string, unknown];

async function* shuffled(from: number, to: number, value: unknown): AsyncGenerator<Row> {
  for (let n = to - 1; n >= from; n--) {
    if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    yield [`k${String((n * 7919) % to).padStart(6, '0')}`, value];
  }
}

test('rows in any order become a base, deltas go over it, and versions beyond keepVersions are dropped', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), { durability: 'os' });
  const feats = db.dataset('feats', { valueEncoding: 'json', keepVersions: 2 });
  const published = await feats.publish(shuffled(0, 1000, { score: 1 }), { message: 'nightly' });
  expect(published).toMatchObject({
    version: 1,
    kind: 'base',
    live: true,
    entries: 1000,
    message: 'nightly',
  });
  await feats.publish(
    [
      ['k000003', { score: 2 }],
      ['k000001', { score: 3 }],
      ['k000001', { score: 4 }],
    ],
    { kind: 'delta', version: 5 },
  );
  const hidden = await feats.publish(new Map([['a', [1]]]), { activate: false });
  expect(hidden).toMatchObject({ version: 6, live: false });
  expect(feats.versions().map(({ version, live }) => [version, live])).toEqual([
    [5, true],
    [6, false],
  ]);
  const live = db.keyspace('feats', { valueEncoding: 'json' });
  expect(await live.getMany(['k000001', 'k000002', 'k000003'])).toEqual([
    { score: 4 },
    { score: 1 },
    { score: 2 },
  ]);
  using view = feats.at(6);
  expect(await view.iterator().all()).toEqual([['a', [1]]]);
  expect((await db.verify({ full: true })).problems).toEqual([]);
});

test('rows that end in an error, are none or are aborted leave nothing behind', async () => {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), { durability: 'os' });
  const feats = db.dataset('feats');
  async function* failing(): AsyncGenerator<Row> {
    yield* shuffled(0, 50, 'v');
    throw new Error('the source is gone');
  }
  await expect(feats.publish(failing())).rejects.toThrow('the source is gone');
  expect(await outcomeOf(() => feats.publish(new Map<string, string>()))).toBe('BAD_INPUT');
  expect(await outcomeOf(() => feats.publish([['a', '1']], { kind: 'delta' }))).toBe(
    'DATASET_VERSION_NOT_FOUND',
  );
  const stop = new AbortController();
  async function* endless(): AsyncGenerator<Row> {
    for (let n = 0; ; n++) {
      if (n === 2000) stop.abort();
      yield* shuffled(n, n + 1, 'v');
    }
  }
  expect(await outcomeOf(() => feats.publish(endless(), { signal: stop.signal }))).toBe('ABORTED');
  expect(await outcomeOf(() => feats.publish([['a', '1']], { mode: 'link' }))).toMatch(
    /options.mode is for files/,
  );
  expect(await outcomeOf(() => feats.publish([['a', '1']], { kind: 'full' as 'base' }))).toMatch(
    /base or delta/,
  );
  expect([feats.versions(), tableFiles(join(dir, 'db'))]).toEqual([[], []]);
  expect(new Set(db.tasks().map(({ state }) => state))).toEqual(new Set(['cancelled']));
  expect(readdirSync(join(dir, 'db', 'staging'))).toEqual([]);
  await feats.publish([['a', '1']]);
  expect(feats.current).toBe(1);
});
