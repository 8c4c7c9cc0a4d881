/** What the log has forgotten a replica gets from a peer, and nobody forgets what somebody may still ask for. */

import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ErrorCode, SluiceError } from '../../src/base/errors.ts';
import { outcomeOf } from '../base/database.ts';
import { writeSst } from '../base/sst-files.ts';
import { isThere, type TestCluster, type TextNode, threeNodes, until } from './nodes.ts';

const SMALL = { windowVersions: 16, announceMs: 5 } as const;

async function write(node: TextNode, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await node.put(`k${i % 7}`, `v${i}`);
}

async function trimmed(cluster: TestCluster, beyond: number): Promise<void> {
  await until('the log is trimmed', () => cluster.log.trimmed > beyond);
}

async function sameContent(one: TextNode, other: TextNode): Promise<void> {
  await Promise.all([one.caughtUp(), other.caughtUp()]);
  expect(other.version).toBe(one.version);
  expect(await other.contentDigest()).toBe(await one.contentDigest());
}

test('a replica that is behind the log, or new, or damaged, is made from a peer, and goes on', async () => {
  const { cluster, a, b } = await threeNodes(SMALL);
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['f', '1']]);
  await a.ingest(path, { undoable: true, id: 'in' });
  await cluster.node('c').caughtUp();
  await cluster.stop('c');
  const head = cluster.log.head;
  await write(a, 60);
  await trimmed(cluster, head + 5);
  const late = await cluster.open('c');
  await sameContent(a, late);
  const added = await cluster.open('d');
  await sameContent(a, added);
  await write(added, 3);
  await late.undoIngest('in');
  await sameContent(b, late);
  await cluster.stop('c');
  writeFileSync(join(cluster.dirOf('c'), 'db', 'manifest', 'data.mdb'), Buffer.alloc(32_768, 7));
  await sameContent(a, await cluster.open('c'));
  expect(readdirSync(cluster.dirOf('c')).sort()).toEqual(['cluster', 'db']);
});

test('a replica made from a peer knows what transactions conflict with that began before it was', async () => {
  const { cluster, a, b } = await threeNodes(SMALL);
  await write(a, 60);
  await trimmed(cluster, 10);
  const [hit, miss] = [a.begin(), a.begin()];
  await hit.get('read');
  await miss.get('other');
  hit.put('hit', '1');
  miss.put('miss', '1');
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['read', '1']]);
  await b.ingest(path);
  await cluster.stop('c');
  rmSync(cluster.dirOf('c'), { recursive: true });
  const c = await cluster.open('c');
  expect(await outcomeOf(() => hit.commit())).toBe('CONFLICT');
  expect(await outcomeOf(() => miss.commit())).toBe('ok');
  await sameContent(a, c);
});

test('where no peer can be reached a replica that needs one says so, and is as it was', async () => {
  const { cluster, a } = await threeNodes(SMALL);
  await cluster.node('c').caughtUp();
  await cluster.stop('c');
  const head = cluster.log.head;
  await write(a, 60);
  await trimmed(cluster, head + 5);
  cluster.exchange.cut.add('memory:a').add('memory:b');
  expect(await outcomeOf(() => cluster.open('c'))).toBe('UNAVAILABLE');
  cluster.exchange.cut.clear();
  await sameContent(a, await cluster.open('c'));
});

test('a peer that cannot give what is asked of it, whatever its reason, is passed over for the next', async () => {
  const { cluster, a, b } = await threeNodes(SMALL);
  await cluster.node('c').caughtUp();
  await cluster.stop('c');
  const head = cluster.log.head;
  await write(a, 60);
  await trimmed(cluster, head + 5);
  const asked: string[] = [];
  const failing = (node: string, code: ErrorCode): void => {
    const exchange = cluster.exchange.nodeAt(`memory:${node}`, 'memory:c');
    exchange.service.checkpoint = () => {
      asked.push(node);
      return Promise.reject(new SluiceError(code, 'its disk'));
    };
  };
  await b.caughtUp();
  failing('a', 'CORRUPTION');
  failing('b', 'IO');
  expect(await outcomeOf(() => cluster.open('c'))).toBe('UNAVAILABLE');
  expect(asked.sort()).toEqual(['a', 'b']);
  cluster.exchange.nodeAt('memory:b', 'memory:c').service.checkpoint = async (to) =>
    void (await b.checkpoint(to));
  await sameContent(a, await cluster.open('c'));
});

test('a node that goes on applying keeps the log; its files go when nobody asks for them any more', async () => {
  const { cluster, a, b, c } = await threeNodes(SMALL);
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['f', '1']]);
  await a.ingest(path);
  const held = (node: string): string[] => readdirSync(join(cluster.dirOf(node), 'cluster', 'files'));
  await Promise.all([b.caughtUp(), c.caughtUp()]);
  expect([held('a').length, held('b').length, held('c').length]).toEqual([1, 1, 1]);
  expect(cluster.log.trimmed).toBe(0);
  await write(b, 60);
  await until('no node holds the file', () => ['a', 'b', 'c'].every((node) => held(node).length === 0));
  await until('the log says so', () =>
    [...cluster.log.files.values()].every((holders) => holders.size === 0),
  );
  expect(await c.get('f')).toBe('1');
  await a.ingest(path);
  await sameContent(a, c);
});

test('a replica that lacks a file waits for it, is read meanwhile, and goes on when somebody gives it', async () => {
  const { cluster, a, b, c } = await threeNodes({ announceMs: 5 });
  await a.put('k', 'before');
  await c.caughtUp();
  cluster.exchange.cut.add('memory:c');
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['f', '1']]);
  await a.ingest(path);
  await b.put('k', 'after');
  await until('c waits', async () => (await c.status()).condition === 'lagging');
  expect([await c.get('k'), await c.get('f')]).toEqual(['before', undefined]);
  cluster.exchange.cut.clear();
  await sameContent(a, c);
});

test('a node that has lost a file does not count among those that hold it, until it has it again', async () => {
  const { cluster, a, b, c } = await threeNodes({ announceMs: 5 });
  const path = join(cluster.dir, 'in.sst');
  const { sha256 } = await writeSst(path, [['f', '1']]);
  await a.ingest(path);
  await Promise.all([b.caughtUp(), c.caughtUp()]);
  const holders = () => [...(cluster.log.files.get(sha256) ?? [])].sort();
  await until('all hold it', () => holders().length === 3);
  await cluster.stop('c');
  rmSync(cluster.dirOf('c'), { recursive: true });
  cluster.exchange.cut.add('memory:c');
  const again = await cluster.open('c');
  await until('c waits', async () => (await again.status()).condition === 'lagging');
  expect(holders()).toEqual(['a', 'b']);
  cluster.exchange.cut.clear();
  await sameContent(a, again);
  await until('c holds it', () => holders().length === 3);
});

test('a replica that waits for a file which all have let go of begins from a peer', async () => {
  const { cluster, a, b, c } = await threeNodes(SMALL);
  await a.put('k', 'before');
  await c.caughtUp();
  cluster.exchange.cut.add('memory:c');
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['f', '1']]);
  await a.ingest(path);
  const head = cluster.log.head;
  await until('c waits', async () => (await c.status()).condition === 'lagging');
  // As of a node that is paused: its announcement ends, and the entry is in its hands.
  cluster.log.cut('c');
  cluster.log.members.delete('c');
  await write(b, 60);
  await trimmed(cluster, head);
  await until('nobody holds it', () =>
    [...cluster.log.files.values()].every((holders) => holders.size === 0),
  );
  cluster.log.reconnect('c');
  cluster.exchange.cut.clear();
  await isThere(c, 'f', '1');
  await sameContent(a, c);
});

test('an ingest that only a minority could hold is not committed', async () => {
  const { cluster, b } = await threeNodes();
  await cluster.stop('a');
  const a = await cluster.open('a', { commitTimeoutMs: 200 });
  cluster.exchange.cut.add('memory:b').add('memory:c');
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['f', '1']]);
  const version = a.version;
  expect(await outcomeOf(() => a.ingest(path))).toBe('UNAVAILABLE');
  cluster.exchange.cut.clear();
  await b.put('k', '1');
  await a.caughtUp();
  expect(a.version).toBe(version + 1);
  await a.ingest(path);
  expect(await a.get('f')).toBe('1');
});

test('files of a transaction that was never committed go as well', async () => {
  const { cluster, b } = await threeNodes(SMALL);
  await cluster.stop('a');
  const a = await cluster.open('a', { commitTimeoutMs: 100 });
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['f', '1']]);
  cluster.log.fault = (node, { stagings }) => (node === 'a' && stagings.length > 0 ? 'refuse' : undefined);
  expect(await outcomeOf(() => a.ingest(path))).toBe('OUTCOME_UNKNOWN');
  const held = (node: string): string[] => readdirSync(join(cluster.dirOf(node), 'cluster', 'files'));
  expect(held('a').length).toBe(1);
  await write(b, 60);
  await until('no node holds the file', () => ['a', 'b', 'c'].every((node) => held(node).length === 0));
  expect(await b.get('f')).toBe(undefined);
});
