/** Names of nodes: one process has one at a time. */

import { cpSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { OpenFileExchange } from '../../src/cluster/files/file-exchange.ts';
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

test('a node that is started a second time is refused, and the first goes on', async () => {
  const { cluster, a } = await threeNodes({ announceMs: 5 });
  let swept = 0;
  const files: OpenFileExchange = (dir, service) => {
    swept++;
    return cluster.exchange.opener('again')(dir, service);
  };
  const again = () => cluster.open('a', { log: new MemoryLog(cluster.log, 'a'), files });
  // Should the second take the name only for a moment, the first could find that out, and would halt.
  const sessions = new Set<string | undefined>();
  const beats = new Set<number | undefined>();
  cluster.log.listen(() => {
    sessions.add(cluster.log.members.get('a')?.session);
    beats.add(cluster.log.members.get('a')?.beat);
  });
  expect(await outcomeOf(again)).toBe('LOCKED');
  expect(swept).toBe(0);
  await until('the first has announced itself again', () => beats.size > 2);
  expect(sessions.size).toBe(1);
  expect((await a.status()).condition).toBe('running');
  await a.put('k', 'v');
  await cluster.stop('a');
  expect(await (await again()).get('k')).toBe('v');
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
