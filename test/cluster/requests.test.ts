/** Requests that clients name and may send again, to any node: each is committed once. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { ClusterClient } from '../../src/cluster/http/client.ts';
import { memoryDirectory, outcomeOf } from '../base/database.ts';
import { serveReplica, startApi } from './api-node.ts';
import { sameOnAll } from './entries.ts';
import { bearer, TOKEN } from './exchange-node.ts';
import { ALL_KEPT, threeNodes } from './nodes.ts';

/** Has requests answered by a node, and breaks the connection before it hands the answer on. */
async function losingAnswers(url: string): Promise<{ readonly url: string; readonly lost: () => number }> {
  let lost = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const headers = { ...bearer(), 'content-type': 'application/json' };
      await fetch(url + request.url, { method: 'POST', headers, body: Buffer.concat(chunks) });
      lost++;
      response.socket?.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, lost: () => lost };
}

function clientOf(...urls: string[]): ClusterClient {
  const client = new ClusterClient({ urls, token: TOKEN });
  onTestFinished(() => client.close());
  return client;
}

const TAKE = {
  if: [{ key: 'owner', exists: false }],
  ops: [{ type: 'put', key: 'owner', value: 'ada' }],
} as const;

test('a commit whose answer is lost is asked for again of the next node, and is made once', async () => {
  const { a, b, c } = await threeNodes(ALL_KEPT);
  const [first, second] = [
    await serveReplica(a, memoryDirectory()),
    await serveReplica(b, memoryDirectory()),
  ];
  const broken = await losingAnswers(first.url);
  const client = clientOf(broken.url, second.url);
  // Without its id the second request would find that the first has taken it.
  const version = await client.commit(TAKE);
  expect(broken.lost()).toBe(1);
  await c.caughtUp();
  expect(c.version).toBe(version);
  expect(await outcomeOf(() => client.commit(TAKE))).toBe('CONDITION_FAILED');
  const lost = clientOf(broken.url);
  expect(await outcomeOf(() => lost.put('k', 'v'))).toBe('OUTCOME_UNKNOWN');
  await sameOnAll([a, b, c]);
  expect(c.version).toBe(version + 1);
});

test('of all requests of one id one is committed, on whichever nodes, at once or one after the other', async () => {
  const { cluster, a, b, c } = await threeNodes(ALL_KEPT);
  const clients = [];
  for (const node of [a, b, c]) clients.push((await serveReplica(node, memoryDirectory())).client);
  const requests = [
    { ops: [{ type: 'put', key: 'blind', value: 'v' }] },
    { ops: [{ type: 'deleteRange', gte: 'x' }] },
    TAKE,
  ] as const;
  for (const [n, request] of requests.entries()) {
    const before = a.version;
    const id = `request-${n}`;
    const commit = (client: ClusterClient): Promise<number> => client.commit(request, { id });
    const versions = await Promise.all([...clients, ...clients].map(commit));
    for (const client of clients) versions.push(await commit(client));
    expect(new Set(versions).size).toBe(1);
    await sameOnAll([a, b, c]);
    expect(a.version).toBe(before + 1);
  }
  const before = a.version;
  await cluster.stop('b');
  const again = await cluster.open('b');
  await again.caughtUp();
  const { client } = await serveReplica(again, memoryDirectory());
  for (const [n, request] of requests.entries()) await client.commit(request, { id: `request-${n}` });
  expect(again.version).toBe(before);
});

test('a request that comes after the window has passed is refused, not committed a second time', async () => {
  const { a, b, c } = await threeNodes({ ...ALL_KEPT, windowVersions: 16 });
  const late = b.begin();
  late.put('k', 'late');
  late.nameRequest('one');
  const first = a.begin();
  first.put('k', 'first');
  first.nameRequest('one');
  await first.commit();
  for (let i = 0; i < 20; i++) await a.put('other', String(i));
  await b.caughtUp();
  expect(await outcomeOf(() => late.commit())).toBe('TOO_OLD');
  await sameOnAll([a, b, c]);
  expect(await c.get('k')).toBe('first');
});

test('a database alone knows the ids of its process; one that was sent to another it does not take twice', async () => {
  const { client, ask } = await startApi();
  const commit = (body: object) =>
    ask('/v1/commit', { ops: [{ type: 'put', key: 'k', value: 'v' }], ...body });
  const one = await commit({ id: 'one' });
  expect(await commit({ id: 'one', again: true })).toEqual(one);
  expect(await commit({ id: 'one' })).toEqual(one);
  expect(await commit({ id: 'two', again: true })).toMatchObject({
    body: { error: { code: 'OUTCOME_UNKNOWN' } },
  });
  expect(await commit({ id: 'three four' })).toMatchObject({ status: 400 });
  expect(await outcomeOf(() => client.commit(TAKE, { id: 'one' }))).toBe('ok');
  expect(await client.get('owner')).toBeUndefined();
});
