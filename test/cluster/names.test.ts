/** Names of nodes: one process has one at a time. */

import { cpSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MemoryLog } from '../../src/cluster/log/memory-log.ts';
import { memoryDirectory, outcomeOf } from '../base/database.ts';
import { TestCluster, threeNodes, until } from './nodes.ts';

test('a second node under the name of one that lives is refused; the name is free once that is closed', async () => {
  const { cluster, a } = await threeNodes();
  const elsewhere = new TestCluster(memoryDirectory());
  const asA = () =>
    elsewhere.open('a', { log: new MemoryLog(cluster.log, 'a'), files: cluster.exchange.opener('a2') });
  expect(await outcomeOf(asA)).toBe('LOCKED');
  expect((await a.status()).condition).toBe('running');
  await a.put('k', 'v');
  await cluster.stop('a');
  const taken = await asA();
  await taken.caughtUp();
  expect(await taken.get('k')).toBe('v');
  await elsewhere.close();
});

test('of two copies of one directory the one that was opened last goes on', async () => {
  const { cluster, a, b } = await threeNodes();
  await a.put('k', 'v');
  await cluster.stop('a');
  const copies = new TestCluster(memoryDirectory());
  cpSync(cluster.dirOf('a'), copies.dirOf('a'), { recursive: true });
  const first = await cluster.open('a');
  const second = await copies.open('a', {
    log: new MemoryLog(cluster.log, 'a'),
    files: cluster.exchange.opener('a2'),
  });
  await until('the first has halted', async () => (await first.status()).condition === 'halted');
  expect((await first.status()).error).toMatch(/another node.*named a/i);
  expect(await outcomeOf(() => first.put('k', 'w'))).toBe('HALTED');
  await second.put('k', 'x');
  expect(await b.get('k', { linearizable: true })).toBe('x');
  await copies.close();
});
