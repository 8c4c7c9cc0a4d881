import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { outcomeOf } from '../base/database.ts';
import { writeSst } from '../base/sst-files.ts';
import { sameOnAll } from './entries.ts';
import { ALL_KEPT, threeNodes } from './nodes.ts';

test('a keyspace is made by whatever is written to it first, and is then everywhere', async () => {
  const { a, b, c } = await threeNodes();
  const [onA, onB] = [a.keyspace('x'), b.keyspace('x')];
  expect(await onA.get('k')).toBe(undefined);
  await Promise.all([onA.put('k', 'a'), onB.put('l', 'b')]);
  await c.caughtUp();
  expect(c.keyspaces()).toEqual(['default', 'x']);
  expect(await c.keyspace('x', { create: false }).getMany(['k', 'l'])).toEqual(['a', 'b']);
  expect(new Set([a.version, b.version, c.version].map((version) => Math.sign(version))).size).toBe(1);
});

test('a dropped keyspace is gone on every node; who read it conflicts, who writes to it is told', async () => {
  const { a, b, c } = await threeNodes();
  const x = a.keyspace('x');
  await x.put('k', '1');
  await Promise.all([b.caughtUp(), c.caughtUp()]);
  const onB = b.keyspace('x');
  const txn = b.begin();
  await txn.keyspace(onB).get('k');
  txn.put('seen', '1');
  await c.dropKeyspace('x');
  await Promise.all([a.caughtUp(), b.caughtUp()]);
  expect(await outcomeOf(() => txn.commit())).toBe('CONFLICT');
  expect(await outcomeOf(() => onB.put('k', '2'))).toBe('KEYSPACE_NOT_FOUND');
  expect([a.keyspaces(), b.keyspaces(), c.keyspaces()]).toEqual([['default'], ['default'], ['default']]);
});

test('a node that has made a keyspace brings it back by no write once another has dropped it', async () => {
  const { a, b } = await threeNodes();
  const x = a.keyspace('x');
  await Promise.all([a.caughtUp(), b.caughtUp()]);
  expect(b.keyspaces()).toEqual(['default', 'x']);
  const txn = a.begin();
  txn.keyspace(x).put('k', '1');
  await b.dropKeyspace('x');
  await a.caughtUp();
  expect(await outcomeOf(() => txn.commit())).toBe('KEYSPACE_NOT_FOUND');
  expect(await outcomeOf(() => x.put('k', '1'))).toBe('KEYSPACE_NOT_FOUND');
  expect(a.keyspaces()).toEqual(['default']);
});

test('a write on its way to a keyspace that is dropped before it is refused on every node', async () => {
  const { cluster, a, b } = await threeNodes();
  await a.keyspace('x').put('k', '1');
  await b.caughtUp();
  const x = b.keyspace('x');
  cluster.log.delayMs = 20;
  const [dropped, put] = await Promise.all([
    outcomeOf(() => a.dropKeyspace('x')),
    outcomeOf(() => x.put('k', '2')),
  ]);
  expect(dropped).toBe('ok');
  expect(['ok', 'KEYSPACE_NOT_FOUND']).toContain(put);
  await Promise.all([a.caughtUp(), b.caughtUp()]);
  expect(await a.contentDigest()).toBe(await b.contentDigest());
});

test('what a cluster keeps to itself nobody reads or writes', async () => {
  const { a } = await threeNodes();
  await a.put('k', '1');
  expect(a.keyspaces()).toEqual(['default']);
  expect(() => a.keyspace('x', { create: false })).toThrow(/there are: "default"$/);
  expect(a.stats().transactions.active).toBe(0);
  expect(await outcomeOf(() => a.keyspace('~cluster'))).toMatch(/^TypeError/);
  const operation = { type: 'put', key: 'k', value: 'v', keyspace: '~cluster' } as const;
  expect(await outcomeOf(() => a.batch([operation]))).toMatch(/^TypeError/);
});

test('versions of a dataset are published, made live, rolled back and dropped on any node, alike on all', async () => {
  const { cluster, a, b, c } = await threeNodes(ALL_KEPT);
  const paths: string[] = [];
  for (const n of [1, 2, 3]) {
    const path = join(cluster.dir, `${n}.sst`);
    await writeSst(path, [
      ['common', `of ${n}`],
      [`only ${n}`, 'x'],
    ]);
    paths.push(path);
  }
  const [one = '', two = '', three = ''] = paths;
  expect((await a.dataset('d').publish(one)).version).toBe(1);
  await b.caughtUp();
  expect((await b.dataset('d').publish(two, { kind: 'delta' })).version).toBe(2);
  await c.caughtUp();
  expect((await c.dataset('d').publish(three, { activate: false })).version).toBe(3);
  const live = c.keyspace('d', { create: false });
  expect(await live.getMany(['common', 'only 1', 'only 2', 'only 3'])).toEqual(['of 2', 'x', 'x', undefined]);
  await c.dataset('d').activate(3);
  await a.caughtUp();
  expect(await a.keyspace('d', { create: false }).getMany(['common', 'only 1'])).toEqual(['of 3', undefined]);
  expect(await a.dataset('d').rollback()).toBe(2);
  await b.caughtUp();
  expect(await outcomeOf(() => b.dataset('d').drop(2))).toBe('DATASET_VERSION_LIVE');
  expect(await b.dataset('d').retain(1)).toEqual([1]);
  await Promise.all([a.caughtUp(), c.caughtUp()]);
  for (const node of [a, b, c]) {
    expect(
      node
        .dataset('d')
        .versions()
        .map(({ version, live: isLive }) => [version, isLive]),
    ).toEqual([
      [2, true],
      [3, false],
    ]);
  }
  await sameOnAll([a, b, c]);
});

test('an import through one node is there on the others, once', async () => {
  const { a, b, c } = await threeNodes({ compactionInline: false });
  const rows = Array.from({ length: 500 }, (_, i): [string, string] => [`k${(i * 7919) % 500}`, `v${i}`]);
  const task = a.import(rows, { into: 'imported' });
  const { version } = await task.done;
  await Promise.all([b.caughtUp(), c.caughtUp()]);
  expect([b.version, c.version]).toEqual([version, version]);
  let count = 0;
  for await (const _ of c.keyspace('imported').iterator()) count++;
  expect(count).toBe(500);
});

test('an import that is begun again on another node with its id commits once', async () => {
  const { cluster, a, b } = await threeNodes({ compactionInline: false });
  const source = join(cluster.dir, 'in.ndjson');
  const lines = Array.from({ length: 300 }, (_, i) => JSON.stringify({ k: `k${(i * 7) % 300}`, v: i }));
  writeFileSync(source, `${lines.join('\n')}\n`);
  const options = { id: 'once', into: 'x', format: 'jsonl', key: 'k', value: 'v' } as const;
  const first = await a.import(source, options).done;
  await b.caughtUp();
  expect(await b.import(source, options).done).toMatchObject({ version: first.version });
  expect(b.version).toBe(first.version);
  expect(b.ingests().map(({ id }) => id)).toEqual(['once']);
});
