/** A node that begins: the database of another, over HTTP, while that one goes on. */

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { CheckpointListing } from '../../src/cluster/http/checkpoint-routes.ts';
import { memoryDirectory, openDatabase, outcomeOf, type TextDb } from '../base/database.ts';
import { numbered, writeSst } from '../base/sst-files.ts';
import {
  bearer,
  type ExchangeNode,
  type NodeOptions,
  never,
  sampleFile,
  startNode,
} from './exchange-node.ts';

interface DatabaseNode extends ExchangeNode {
  readonly db: TextDb;
}

/** A node with a database of some tables and puts, and one original file held. */
async function databaseNode(options: NodeOptions = {}): Promise<DatabaseNode> {
  const dir = join(memoryDirectory(), 'node');
  mkdirSync(dir);
  const db = await openDatabase(join(dir, 'db'));
  const node = await startNode({
    dir,
    service: { checkpoint: (to) => db.checkpoint(to).then(() => {}) },
    ...options,
  });
  const path = join(memoryDirectory(), 'a.sst');
  const { sha256, bytes } = await writeSst(path, numbered(0, 5000));
  await db.ingest(path, { mode: 'link' });
  await node.exchange.hold(path, { digest: sha256, bytes });
  await db.put('put', 'before');
  return { ...node, db };
}

const leftovers = (dir: string): string[] => readdirSync(join(dir, '..'));

test('a checkpoint arrives whole, with the originals; what came after it stays there', async () => {
  const [a, b] = [await databaseNode(), await startNode()];
  const target = join(memoryDirectory(), 'fetched');
  await b.exchange.fetchCheckpoint(a.server.url, target, never());
  await a.db.put('put', 'after');
  const fetched = await openDatabase(target);
  expect(await fetched.get('put')).toBe('before');
  expect(await fetched.keys().all()).toEqual(await a.db.keys().all());
  expect(await fetched.verify({ full: true })).toMatchObject({ problems: [] });
  const held = a.exchange.digests();
  expect(readdirSync(join(b.dir, 'cluster/files'))).toEqual(held);
  // An original that is a table too came once.
  const inodes = [...readdirSync(join(target, 'tables')).map((name) => join(target, 'tables', name))]
    .concat(held.map((digest) => b.exchange.path(digest)))
    .map((path) => statSync(path).ino);
  expect(new Set(inodes).size).toBeLessThan(inodes.length);
  // Nothing is left of it on either side.
  await expect.poll(() => readdirSync(`${a.dir}/cluster/checkpoints`)).toEqual([]);
  expect(leftovers(target)).toEqual(['fetched']);
});

test('a table that is an original comes by the digest that is known of it: it is not read once more, and damage is found', async () => {
  const [a, b] = [await databaseNode(), await startNode()];
  const [digest = ''] = a.exchange.digests();
  const answer = await fetch(`${a.server.url}/checkpoints`, { method: 'POST', headers: bearer() });
  const { done } = (await answer.json()) as { done: CheckpointListing };
  const place = done.files.findIndex(({ sha256 }) => sha256 === digest);
  expect(done.files[place]?.name).toMatch(/^tables\//);
  expect(done.files.filter(({ sameAs }) => sameAs === place).map(({ name }) => name)).toEqual([
    `cluster/files/${digest}`,
  ]);
  const original = a.exchange.path(digest);
  const bytes = readFileSync(original);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  writeFileSync(original, bytes); // the table's too
  const target = join(memoryDirectory(), 'fetched');
  const failure = await b.exchange.fetchCheckpoint(a.server.url, target, never()).catch(String);
  expect(failure).toContain('sends bytes that have another digest');
  expect(leftovers(target)).toEqual([]);
});

test('who is told to stop leaves nothing behind, on either side', async () => {
  const a = await databaseNode();
  const b = await startNode({ exchange: { limits: { bytesPerSecond: 1000 } } });
  const target = join(memoryDirectory(), 'fetched');
  const stopping = new AbortController();
  const fetching = outcomeOf(() => b.exchange.fetchCheckpoint(a.server.url, target, stopping.signal));
  await expect.poll(() => existsSync(`${target}.fetching`)).toBe(true);
  stopping.abort();
  expect(await fetching).toBe('ABORTED');
  expect(leftovers(target)).toEqual([]);
  await expect.poll(() => readdirSync(`${a.dir}/cluster/checkpoints`)).toEqual([]);
});

test('what a killed fetch left is removed by the next; a directory that is there is not touched', async () => {
  const [a, b] = [await databaseNode(), await startNode()];
  const target = join(memoryDirectory(), 'fetched');
  mkdirSync(`${target}.fetching/tables`, { recursive: true });
  writeFileSync(`${target}.fetching/tables/000001.sst`, 'half');
  await b.exchange.fetchCheckpoint(a.server.url, target, never());
  expect(existsSync(`${target}.fetching`)).toBe(false);
  expect(await outcomeOf(() => b.exchange.fetchCheckpoint(a.server.url, target, never()))).toBe(
    'ALREADY_EXISTS',
  );
});

test('a killed process leaves no checkpoints: the next removes them', async () => {
  const dir = join(memoryDirectory(), 'db');
  mkdirSync(`${dir}/cluster/checkpoints/0123/tables`, { recursive: true });
  writeFileSync(`${dir}/cluster/checkpoints/0123/tables/000001.sst`, '');
  await startNode({ dir });
  expect(existsSync(`${dir}/cluster/checkpoints`)).toBe(false);
});

test('a peer that has none, cannot be reached, or is this node itself', async () => {
  const [a, b] = [
    await startNode({ service: { checkpoint: () => Promise.reject(new Error('bug')) } }),
    await startNode(),
  ];
  for (const url of [a.server.url, 'http://127.0.0.1:1', b.server.url]) {
    const target = join(memoryDirectory(), 'fetched');
    expect(await outcomeOf(() => b.exchange.fetchCheckpoint(url, target, never()))).toBe('UNAVAILABLE');
    expect(leftovers(target)).toEqual([]);
  }
});

test.each([
  ['../escaped'],
  ['/absolute'],
  ['tables/../../escaped'],
  ['.hidden'],
  ['a//b'],
  ['tables/'],
  ['nul\u0000'],
])('a peer that names a file %j is not listened to', async (name) => {
  const server = createServer((request, response) => {
    const listing = { done: { id: 'ab'.repeat(16), files: [{ name, bytes: 0 }] } };
    response.end(request.method === 'POST' ? `${JSON.stringify(listing)}\n` : '{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const b = await startNode();
  const target = join(memoryDirectory(), 'fetched');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await outcomeOf(() => b.exchange.fetchCheckpoint(url, target, never()))).toBe('UNAVAILABLE');
  expect(leftovers(target)).toEqual([]);
});

test('there are two checkpoints at a time at most; unknown ones and places in them: 404', async () => {
  const a = await databaseNode();
  const ask = (method: string, path: string) => fetch(a.server.url + path, { method, headers: bearer() });
  const made = [await ask('POST', '/checkpoints'), await ask('POST', '/checkpoints')];
  const ids = await Promise.all(
    made.map(async (one) => (JSON.parse((await one.text()).trim()) as { done: { id: string } }).done.id),
  );
  expect((await ask('POST', '/checkpoints')).status).toBe(503);
  const [id = ''] = ids;
  expect((await ask('GET', `/checkpoints/${id}/0`)).status).toBe(200);
  for (const path of [`${id}/999999`, `${id}/-1`, `${id}/x`, `${id}/..%2f..%2fLOCK`, `${'0'.repeat(32)}/0`])
    expect((await ask('GET', `/checkpoints/${path}`)).status).toBe(404);
  expect((await ask('DELETE', `/checkpoints/${id}`)).status).toBe(200);
  expect((await ask('DELETE', `/checkpoints/${id}`)).status).toBe(404);
  expect((await ask('POST', '/checkpoints')).status).toBe(200);
});

test('a held file that is no link to a table comes by its digest', async () => {
  const [a, b] = [await databaseNode(), await startNode()];
  const other = sampleFile(70_000, 5);
  await a.exchange.hold(other.path, other);
  const target = join(memoryDirectory(), 'fetched');
  await b.exchange.fetchCheckpoint(a.server.url, target, never());
  expect(readdirSync(join(b.dir, 'cluster/files')).sort()).toEqual([...a.exchange.digests()].sort());
});
