/** A node under which the log was trimmed is made anew from a peer by itself, while its callers hold the database. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { outcomeOf } from '../base/database.ts';
import { writeSst } from '../base/sst-files.ts';
import { sameOnAll } from './entries.ts';
import { ALL_KEPT, isThere, type TestCluster, type TextNode, threeNodes, until } from './nodes.ts';

const SMALL = { ...ALL_KEPT, windowVersions: 16, announceMs: 5 } as const;

/** As of a node that is paused for long: its announcement ends, and the log goes on without it until it is trimmed. */
async function leftBehind(cluster: TestCluster, behind: string, by: TextNode): Promise<void> {
  const head = cluster.log.head;
  cluster.log.cut(behind);
  cluster.log.members.delete(behind);
  for (let i = 0; i < 60; i++) await by.put(`k${i % 7}`, `v${i}`);
  await until('the log is trimmed', () => cluster.log.trimmed > head);
}

async function conditionOf(node: TextNode): Promise<string> {
  return (await node.status()).condition;
}

test('it goes on with what a peer has; what was begun before ends, and handles stay', async () => {
  const { cluster, a, b, c } = await threeNodes(SMALL);
  await a.put('k', '1');
  await a.keyspace('other').put('o', '1');
  await c.caughtUp();
  const other = c.keyspace('other');
  const [snapshot, txn, iterator] = [c.snapshot(), c.begin(), c.iterator()];
  await txn.get('k');
  txn.put('mine', '1');
  expect(await iterator.next()).toEqual(['k', '1']);
  const flushes: string[] = [];
  c.on(({ kind }) => void flushes.push(kind));
  await leftBehind(cluster, 'c', b);
  await a.keyspace('other').put('o', '2');
  await a.put('mark', '1');
  cluster.log.reconnect('c');
  await isThere(c, 'mark', '1');
  expect(await other.get('o')).toBe('2');
  expect(await conditionOf(c)).toBe('running');
  await sameOnAll([a, b, c]);
  expect(await outcomeOf(() => c.get('k', { snapshot }))).toBe('UNAVAILABLE');
  expect(await outcomeOf(() => txn.get('k'))).toBe('UNAVAILABLE');
  expect(await outcomeOf(() => txn.commit())).toBe('UNAVAILABLE');
  expect(await outcomeOf(() => iterator.next())).toBe('UNAVAILABLE');
  snapshot.close();
  txn.abort();
  await iterator.close();
  await c.put('k', '2');
  await c.flush();
  expect(flushes).toContain('flush');
  expect(await a.get('k', { linearizable: true })).toBe('2');
  await sameOnAll([a, b, c]);
  expect(readdirSync(cluster.dirOf('c')).sort()).toEqual(['cluster', 'db']);
});

test('made anew it knows what transactions conflict with that began on others before', async () => {
  const { cluster, a, b, c } = await threeNodes(SMALL);
  await leftBehind(cluster, 'c', b);
  const [hit, miss] = [a.begin(), a.begin()];
  await hit.get('read');
  await miss.get('other');
  hit.put('hit', '1');
  miss.put('miss', '1');
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['read', '1']]);
  await b.ingest(path);
  cluster.log.reconnect('c');
  await isThere(c, 'read', '1');
  expect(await outcomeOf(() => hit.commit())).toBe('CONFLICT');
  expect(await outcomeOf(() => miss.commit())).toBe('ok');
  await sameOnAll([a, b, c]);
});

test('while no peer can serve it is read, says what it waits for, and goes on when one can', async () => {
  const { cluster, a, b, c } = await threeNodes(SMALL);
  await a.put('k', 'before');
  await c.caughtUp();
  cluster.exchange.cut.add('memory:a').add('memory:b');
  await leftBehind(cluster, 'c', b);
  cluster.log.reconnect('c');
  await until('c is being made anew', async () => (await conditionOf(c)) === 'starting');
  expect(await c.get('k')).toBe('before');
  expect((await c.status()).error).toMatch(/log is kept from revision \d+ on/);
  expect(await outcomeOf(() => c.put('k', 'x'))).toBe('UNAVAILABLE');
  expect(await outcomeOf(() => c.get('k', { linearizable: true }))).toBe('UNAVAILABLE');
  cluster.exchange.cut.clear();
  await until('c is there', async () => (await conditionOf(c)) === 'running');
  await sameOnAll([a, b, c]);
});

test('closed amid that it is as it was, and opens from a peer', async () => {
  const { cluster, a, b, c } = await threeNodes(SMALL);
  await a.put('k', 'before');
  await c.caughtUp();
  cluster.exchange.cut.add('memory:a').add('memory:b');
  await leftBehind(cluster, 'c', b);
  cluster.log.reconnect('c');
  await until('c is being made anew', async () => (await conditionOf(c)) === 'starting');
  await cluster.stop('c');
  expect(await outcomeOf(() => c.get('k'))).toBe('CLOSED');
  cluster.exchange.cut.clear();
  await sameOnAll([a, b, await cluster.open('c')]);
});

test('an import that it ran goes on when it is resumed', async () => {
  const { cluster, a, b, c } = await threeNodes(SMALL);
  let give: (row: readonly [string, string]) => void = () => undefined;
  const row = new Promise<readonly [string, string]>((resolve) => {
    give = resolve;
  });
  async function* rows() {
    yield await row;
  }
  const begun = c.import(rows(), { id: 'feed', path: 'ingest' });
  await until('all know it', () => a.tasks().some(({ id }) => id === 'feed'));
  await leftBehind(cluster, 'c', b);
  cluster.log.reconnect('c');
  give(['row', '1']);
  expect(await outcomeOf(() => begun.done)).toBe('CLOSED');
  await until('c is there', async () => (await conditionOf(c)) === 'running');
  await c.caughtUp();
  expect(c.tasks().find(({ id }) => id === 'feed')).toMatchObject({ running: false });
  await c.resumeImport('feed', { source: [['row', '1']] }).done;
  await a.caughtUp();
  expect(await a.get('row')).toBe('1');
});
