/** What differs between two versions, however they share their files. */

import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, outcomeOf, TINY } from '../base/database.ts';
import { type Entry, numbered, writeSst } from '../base/sst-files.ts';

async function place() {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), TINY);
  let files = 0;
  const file = async (entries: readonly Entry[]): Promise<string> =>
    (await writeSst(join(dir, `${++files}.sst`), entries)).path;
  return { db, dir, file, feats: db.dataset('feats') };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

test('of a delta only its keys are looked at, and keys that are as they were are left out', async () => {
  const { db, feats, file } = await place();
  await feats.publish(await file(numbered(0, 1000)));
  await feats.publish(
    await file([
      ['k000003', 'new'],
      ['k000004', 'v4'],
      ['k000005', undefined],
      ['never', undefined],
      ['other', 'added'],
    ]),
    { kind: 'delta' },
  );
  await db.keyspace('feats').put('k000000', 'live, of no version');
  const before = db.stats().blockCache;
  expect(await all(feats.diff(1, 2))).toEqual([
    { type: 'changed', key: 'k000003', value: 'new', before: 'v3' },
    { type: 'removed', key: 'k000005', value: undefined, before: 'v5' },
    { type: 'added', key: 'other', value: 'added', before: undefined },
  ]);
  const after = db.stats().blockCache;
  // All of the base has more than two hundred blocks.
  expect(after.misses - before.misses).toBeLessThan(40);
  expect((await all(feats.diff(2, 1))).map(({ type }) => type)).toEqual(['changed', 'added', 'removed']);
  expect(await all(feats.diff(2, 2))).toEqual([]);
});

test('both versions stay while they are compared, and nothing stays after', async () => {
  const { db, feats, file } = await place();
  await feats.publish(await file(numbered(0, 600)));
  await feats.publish(await file(numbered(300, 900, 'k', 'w')));
  const diff = feats.diff(1, 2);
  expect(await diff.next()).toMatchObject({ value: { type: 'removed', key: 'k000000' } });
  await feats.drop(1);
  let [removed, changed, added] = [1, 0, 0];
  for await (const { type } of diff) {
    if (type === 'removed') removed++;
    else if (type === 'changed') changed++;
    else added++;
  }
  expect([removed, changed, added]).toEqual([300, 300, 300]);
  await expect.poll(() => db.stats().droppedGenerations).toEqual([]);
  const broken = feats.diff(2, 2);
  await broken.next();
  await broken.return(undefined);
  expect(db.stats().snapshots.open).toBe(0);
  await feats.publish(await file(numbered(0, 2, 'k', 'x')), { kind: 'delta' });
  const cut = AbortSignal.abort();
  expect(await outcomeOf(() => all(feats.diff(2, 3, { signal: cut })))).toBe('ABORTED');
  expect(await outcomeOf(() => feats.diff(1, 2).next())).toBe('DATASET_VERSION_NOT_FOUND');
});

test('random versions, against maps', async () => {
  const entries = fc.uniqueArray(fc.tuple(fc.nat({ max: 40 }), fc.boolean()), {
    minLength: 1,
    maxLength: 12,
    selector: ([key]) => key,
  });
  const versions = fc.array(fc.tuple(fc.boolean(), entries, fc.boolean()), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(versions, async (list) => {
      const { db, feats, file } = await place();
      const key = (n: number): string => `k${String(n).padStart(3, '0')}`;
      let content = new Map(numbered(0, 400, 'x') as [string, string][]);
      await feats.publish(await file([...content]));
      const contents = [content];
      for (const [i, [isBase, delta, compacted]] of list.entries()) {
        content = new Map(isBase ? [] : content);
        for (const [n, isPut] of delta) {
          if (isPut) content.set(key(n), `${i % 2}`);
          else content.delete(key(n));
        }
        const given = delta.map(([n, isPut]): Entry => [key(n), isPut ? `${i % 2}` : undefined]);
        await feats.publish(await file(given), { kind: isBase ? 'base' : 'delta' });
        contents.push(content);
        if (compacted) await db.compactRange();
      }
      for (const [from, to] of [
        [1, contents.length],
        [contents.length, 1],
        [contents.length - 1, contents.length],
      ] as const) {
        if (from < 1) continue;
        const [a, b] = [contents[from - 1], contents[to - 1]];
        const keys = [...new Set([...(a?.keys() ?? []), ...(b?.keys() ?? [])])].sort();
        const expected = keys
          .filter((each) => a?.get(each) !== b?.get(each))
          .map((each) => [each, a?.get(each), b?.get(each)]);
        const found = await all(feats.diff(from, to));
        expect(found.map(({ key: of, before, value }) => [of, before, value])).toEqual(expected);
      }
      await db.close();
    }),
    { numRuns: 40 },
  );
});
