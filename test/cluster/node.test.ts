/** Whole nodes in one process: a log in memory, real directories, real HTTP between them and from clients. */

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ClientTls } from '../../src/base/env/http.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { ClusterDb } from '../../src/cluster/cluster-db.ts';
import { ClusterClient } from '../../src/cluster/http/client.ts';
import type { NodeOptions, RunningNode } from '../../src/cluster/open-node.ts';
import { repairReplica } from '../../src/cluster/repair.ts';
import { outcomeOf } from '../base/database.ts';
import { numbered, writeSst } from '../base/sst-files.ts';
import { nodeCertificates, pem } from '../fixtures/certificates.ts';
import { clientOf, cluster } from './http-nodes.ts';

test('what one node commits and ingests for clients the others read, at the same version', async () => {
  const nodes = cluster();
  const [a, b, c] = [await nodes.start('a'), await nodes.start('b'), await nodes.start('c')];
  const [one, two, three] = [clientOf(a), clientOf(b), clientOf(c)];
  const first = await one.commit({ ops: [{ type: 'put', key: 'k', value: 'v' }] });
  expect(await two.getMany(['k'], { linearizable: true })).toMatchObject({ values: [Buffer.from('v')] });
  const path = join(nodes.dir, 'rows.sst');
  await writeSst(path, numbered(0, 2000));
  const { version } = await two.ingest({ files: [path], into: 'rows', id: 'rows' });
  expect(version).toBeGreaterThan(first);
  for (const client of [one, two, three]) {
    const { values } = await client.getMany(['k000000', 'k001999'], { keyspace: 'rows', linearizable: true });
    expect(values.map(String)).toEqual(['v0', 'v1999']);
  }
  // Told again it is the same ingest, on whatever node.
  expect(await three.ingest({ files: [path], into: 'rows', id: 'rows' })).toMatchObject({
    replayed: true,
    version,
  });
  await Promise.all([a, b, c].map(({ db }) => db.caughtUp()));
  const digests = await Promise.all([a, b, c].map(({ db }) => db.contentDigest()));
  expect(new Set(digests).size).toBe(1);
  const status = await three.status();
  expect(status).toMatchObject({ node: 'c', condition: 'running', lag: { revisions: 0 } });
  expect(status.members.map(({ node, url }) => [node, url])).toEqual([
    ['a', a.url],
    ['b', b.url],
    ['c', c.url],
  ]);
});

test('conditions hold over the whole cluster: of many who count up through all nodes none is lost', async () => {
  const nodes = cluster();
  const all = [await nodes.start('a'), await nodes.start('b'), await nodes.start('c')];
  const clients = all.map((node) => clientOf(node));
  await clients[0]?.put('n', '0');
  const add = async (client: ClusterClient): Promise<void> => {
    for (;;) {
      const value = (await client.get('n', { linearizable: true })) ?? Buffer.alloc(0);
      const next = String(Number(value.toString()) + 1);
      const outcome = await outcomeOf(() =>
        client.commit({ if: [{ key: 'n', value }], ops: [{ type: 'put', key: 'n', value: next }] }),
      );
      if (outcome === 'ok') return;
      expect(['CONDITION_FAILED', 'CONFLICT']).toContain(outcome);
    }
  };
  await Promise.all(clients.flatMap((client) => [add(client), add(client), add(client)]));
  for (const client of clients) expect(String(await client.get('n', { linearizable: true }))).toBe('9');
});

test('an upload to one node is ingested on all; a client goes on with the next node when one is gone', async () => {
  const nodes = cluster();
  const [a, b, c] = [await nodes.start('a'), await nodes.start('b'), await nodes.start('c')];
  const client = clientOf(a, b, c);
  const path = join(nodes.dir, 'rows.sst');
  const { sha256 } = await writeSst(path, numbered(0, 500));
  const { upload } = await client.upload(readFileSync(path), { sha256 });
  await client.ingest({ uploads: [upload] });
  await nodes.stop('a');
  expect(String(await client.get('k000499', { linearizable: true }))).toBe('v499');
  await client.put('after', 'the first has gone');
  const again = await nodes.start('a');
  expect(String(await clientOf(again).get('after', { linearizable: true }))).toBe('the first has gone');
});

test('an import through a node reaches all, and its rows are the same everywhere', async () => {
  const nodes = cluster();
  const [a, b] = [await nodes.start('a'), await nodes.start('b'), await nodes.start('c')];
  const rows = Array.from({ length: 5000 }, (_, i) => `${(i * 7919) % 5000},name ${i}`).join('\n');
  writeFileSync(join(nodes.dir, 'rows.csv'), `id,name\n${rows}\n`);
  const [one, two] = [clientOf(a), clientOf(b)];
  const source = [join(nodes.dir, 'rows.csv')];
  const { id } = await one.import({
    source,
    into: 'rows',
    key: 'id',
    value: 'name',
    path: 'ingest',
    id: 'import-1',
  });
  await expect.poll(async () => (await one.importStatus(id)).result?.rowsLoaded).toBe(5000);
  expect(String(await two.get('42', { keyspace: 'rows', linearizable: true }))).toMatch(/^name \d+$/);
});

test('a new node, and one whose directory is lost, begin from a peer over HTTP once the log is trimmed', async () => {
  const nodes = cluster();
  const options = { windowVersions: 16 };
  const [a, b] = [await nodes.start('a', options), await nodes.start('b', options)];
  const client = clientOf(a, b);
  const path = join(nodes.dir, 'rows.sst');
  await writeSst(path, numbered(0, 500));
  await client.ingest({ files: [path], into: 'rows' });
  for (let i = 0; i < 60; i++) await client.put(`p${i}`, String(i));
  await expect.poll(() => nodes.hub.trimmed).toBeGreaterThan(20);
  const c = await nodes.start('c', options);
  expect(String(await clientOf(c).get('k000499', { keyspace: 'rows', linearizable: true }))).toBe('v499');
  expect(String(await clientOf(c).get('p59', { linearizable: true }))).toBe('59');
  await nodes.stop('b');
  rmSync(join(nodes.dir, 'b/db'), { recursive: true });
  const again = await nodes.start('b', options);
  expect(String(await clientOf(again).get('p59', { linearizable: true }))).toBe('59');
  await Promise.all([a, c, again].map(({ db }) => db.caughtUp()));
  const digests = await Promise.all([a, c, again].map(({ db }) => db.contentDigest()));
  expect(new Set(digests).size).toBe(1);
});

test('with mutual TLS and no token: files, checkpoints and clients go the same ways, and strangers none', async () => {
  const tls = nodeCertificates();
  const nodes = cluster();
  const start = (name: string): Promise<RunningNode<ClusterDb>> =>
    nodes.start(name, { windowVersions: 16 }, { tls });
  const [a, b] = [await start('a'), await start('b')];
  expect(a.url).toMatch(/^https:/);
  const clientWith = (own: ClientTls, ...urls: string[]): ClusterClient => {
    const client = new ClusterClient({ urls, tls: own });
    onTestFinished(() => client.close());
    return client;
  };
  const client = clientWith(tls, a.url, b.url);
  const path = join(nodes.dir, 'rows.sst');
  await writeSst(path, numbered(0, 500));
  await client.ingest({ files: [path], into: 'rows' });
  for (let i = 0; i < 60; i++) await client.put(`p${i}`, String(i));
  await expect.poll(() => nodes.hub.trimmed).toBeGreaterThan(20);
  const c = await start('c');
  const read = { keyspace: 'rows', linearizable: true } as const;
  expect(String(await clientWith(tls, c.url).get('k000499', read))).toBe('v499');
  for (const own of [{ ca: tls.ca }, { ca: tls.ca, cert: pem('stranger'), key: pem('stranger-key') }])
    expect(await outcomeOf(() => clientWith(own, a.url).get('k'))).toBe('UNAVAILABLE');
});

test('repair makes a replica anew, and puts back what there was where it cannot', async () => {
  const nodes = cluster();
  const [a] = [await nodes.start('a'), await nodes.start('b'), await nodes.start('c')];
  await clientOf(a).put('k', 'v');
  const dir = join(nodes.dir, 'c');
  expect(await outcomeOf(() => repairReplica(nodeEnv, dir, async () => undefined))).toBe('LOCKED');
  await nodes.stop('c');
  const failing = repairReplica(nodeEnv, dir, () => Promise.reject(new Error('no peer')));
  await expect(failing).rejects.toThrow('no peer');
  const damaged = join(dir, 'cluster/files', 'a'.repeat(64));
  writeFileSync(damaged, 'not what its name says');
  const { damagedFiles } = await repairReplica(nodeEnv, dir, async () => {
    const again = await nodes.start('c');
    await again.db.caughtUp();
    await nodes.stop('c');
  });
  expect(damagedFiles).toEqual(['a'.repeat(64)]);
  const c = await nodes.start('c');
  expect(String(await clientOf(c).get('k', { linearizable: true }))).toBe('v');
});

test('options that are wrong are told before anything is opened', async () => {
  const nodes = cluster();
  for (const [options, message] of [
    [{ listen: '7001' }, /^TypeError: options\.listen must be HOST:PORT/],
    [
      { listen: '0.0.0.0:0' },
      /^TypeError: options\.advertise must be given where options\.listen is 0\.0\.0\.0/,
    ],
    [{ advertise: 'ftp://a' }, /^TypeError: options\.advertise must be an http\(s\) URL/],
    [{ token: 'short' }, /^TypeError: token must be at least 16 characters/],
    [{ limits: { bodies: 1 } }, /^TypeError: options\.limits\.bodies is no limit/],
    [{ pulls: { bytesPerSecond: 1 } }, /^TypeError: options\.pulls\.bytesPerSecond must be 0, no limit/],
    [{ tls: { cert: 'a', key: 'b' } }, /^TypeError: options\.tls\.cert must be PEM text/],
    [{ ingestDirs: ['relative'] }, /^TypeError: ingestDirs must be absolute paths/],
    [{ node: 'a/b' }, /^TypeError: options\.node must be/],
  ] as [Partial<NodeOptions>, RegExp][])
    expect(await outcomeOf(() => nodes.start('wrong', options))).toMatch(message);
});
