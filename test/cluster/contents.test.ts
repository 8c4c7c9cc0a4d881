/** What replicas hold, compared at one place of the log: on demand, by one call. */

import { expect, test } from 'vitest';
import { TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { outcomeOf } from '../base/database.ts';
import { clientOf, cluster } from './http-nodes.ts';
import { type TextNode, threeNodes, until } from './nodes.ts';
import { engineOf } from './tree-entries.ts';

/** Behind the log's back, as a fault of the disk or of ours would: on this replica alone. */
function tamper(db: TextNode): void {
  const engine = engineOf(db);
  const bytes = Buffer.from('only here');
  engine.catalog
    .newest('default')
    ?.insert(bytes, 0, bytes.length, engine.visible, TYPE_VALUE, bytes, 0, bytes.length);
}

test('replicas that hold the same say so, while others write', async () => {
  const { a, b, c } = await threeNodes();
  for (let i = 0; i < 200; i++) await a.put(`k${i}`, String(i));
  const writing = Promise.all(Array.from({ length: 200 }, (_, i) => b.put(`w${i}`, String(i))));
  const [one, two] = await Promise.all([a.compareContents(), c.compareContents()]);
  await writing;
  for (const { same, nodes } of [one, two]) {
    expect(same).toBe(true);
    expect(nodes.map(({ node }) => node)).toEqual(['a', 'b', 'c']);
    expect(new Set(nodes.map(({ digest }) => digest)).size).toBe(1);
  }
  const { nodes, version } = await a.compareContents();
  expect(version).toBe(a.version);
  expect(nodes[0]?.digest).toBe(await b.contentDigest());
});

test('one that holds something else halts, the others go on; made anew it is right again', async () => {
  const { cluster: nodes, a, b, c } = await threeNodes();
  await a.put('k', 'v');
  await Promise.all([b.caughtUp(), c.caughtUp()]);
  tamper(c);
  const { same, nodes: told } = await a.compareContents();
  expect(same).toBe(false);
  const [first, second, third] = told.map(({ digest }) => digest);
  expect(first).toBe(second);
  expect(third).not.toBe(first);
  await until('c has halted', async () => (await c.status()).condition === 'halted');
  expect((await c.status()).error).toMatch(/does not hold the same as a, b .* sluice cluster repair/);
  expect(await outcomeOf(() => c.put('x', 'y'))).toBe('HALTED');
  expect(await outcomeOf(() => c.compareContents())).toBe('HALTED');
  await a.put('after', 'v');
  await b.caughtUp();
  // It has nothing to tell, and does not hold up the others.
  expect((await b.compareContents()).same).toBe(true);
  await nodes.close();
});

test('over HTTP; whoever waits may leave', async () => {
  const running = cluster();
  const [a] = [await running.start('a'), await running.start('b'), await running.start('c')];
  const client = clientOf(a);
  await client.put('k', 'v');
  const { same, nodes, version } = await client.compareContents();
  expect({ same, version }).toEqual({ same: true, version: a.db.version });
  expect(nodes.map(({ node, condition }) => [node, condition])).toEqual([
    ['a', 'running'],
    ['b', 'running'],
    ['c', 'running'],
  ]);
  const leaving = AbortSignal.abort();
  expect(await outcomeOf(() => client.compareContents({ signal: leaving }))).toBe('ABORTED');
});
