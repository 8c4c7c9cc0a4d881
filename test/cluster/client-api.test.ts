/** What clients may ask: reads and conditional commits, status and metrics, over real sockets against a real database. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SluiceError } from '../../src/base/errors.ts';
import { localNode } from '../../src/cluster/api/local-node.ts';
import { ClusterClient } from '../../src/cluster/http/client.ts';
import { memoryDirectory, outcomeOf } from '../base/database.ts';
import { serveReplica, startApi } from './api-node.ts';
import { bearer, TOKEN } from './exchange-node.ts';
import { threeNodes } from './nodes.ts';

const bytes = (...values: number[]): Buffer => Buffer.from(values);

describe('reading', () => {
  test('keys, at one version, in the encoding asked for', async () => {
    const { db, client, ask } = await startApi();
    await db.put('a', 'é');
    await db.put(bytes(0, 255), bytes(200));
    expect(await ask('/v1/get', { keys: ['a', 'b'] })).toEqual({
      status: 200,
      body: { version: db.version, values: ['é', null] },
    });
    expect((await ask('/v1/get', { keys: ['00ff', '61'], encoding: 'hex' })).body).toMatchObject({
      values: ['c8', 'c3a9'],
    });
    expect((await ask('/v1/get', { keys: ['AP8='], encoding: 'base64' })).body).toMatchObject({
      values: ['yA=='],
    });
    // Not text: told, instead of a character in its place.
    expect((await ask('/v1/get', { keys: ['\u0000'] })).body).toMatchObject({ values: [null] });
    expect(await client.get(bytes(0, 255))).toEqual(bytes(200));
    expect(await client.get('nothing')).toBeUndefined();
    await db.put('binary', bytes(255));
    expect(await ask('/v1/get', { keys: ['binary'] })).toMatchObject({
      status: 400,
      body: { error: { message: 'encoding must be base64 or hex: what is to be answered is not UTF-8' } },
    });
  });

  test('of the past, and of other keyspaces', async () => {
    const { db, client, ask } = await startApi();
    const first = await db.put('k', 'old');
    const held = db.snapshot();
    onTestFinished(() => held.close());
    await db.put('k', 'new');
    await db.keyspace('other').put('k', 'elsewhere');
    expect(await client.get('k', { at: first })).toEqual(Buffer.from('old'));
    expect(await client.get('k', { keyspace: 'other', linearizable: true })).toEqual(
      Buffer.from('elsewhere'),
    );
    expect(await client.keyspaces()).toEqual(['default', 'other']);
    expect(await ask('/v1/get', { keys: ['k'], keyspace: 'none' })).toMatchObject({
      status: 404,
      body: { error: { code: 'KEYSPACE_NOT_FOUND' } },
    });
    expect((await ask('/v1/get', { keys: ['k'], at: 999_999 })).status).toBe(409);
    expect((await ask('/v1/get', { keys: ['k'], at: 1, linearizable: true })).status).toBe(400);
  });

  test('a scan is one snapshot, whatever its length, both ways and bounded', async () => {
    const { db, client } = await startApi();
    await db.batch(
      Array.from({ length: 3000 }, (_, i) => ({
        type: 'put' as const,
        key: `k${String(i).padStart(5, '0')}`,
        value: Buffer.alloc(700, i),
      })),
    );
    const seen: string[] = [];
    for await (const [key, value] of client.scan()) {
      // Not seen: the scan began before.
      if (seen.length === 0) await db.put('k00001x', 'later');
      seen.push(key.toString());
      expect(value.length).toBe(700);
    }
    expect(seen).toHaveLength(3000);
    expect(seen).toEqual([...seen].sort());
    const some: string[] = [];
    for await (const [key] of client.scan({
      gte: 'k00010',
      lt: 'k00020',
      reverse: true,
      limit: 3,
      values: false,
    }))
      some.push(key.toString());
    expect(some).toEqual(['k00019', 'k00018', 'k00017']);
  });

  test('a scan that is not whole is an error, not an end', async () => {
    const server = createServer((_, response) => {
      response.write('{"entries":[["YQ==","YQ=="]]}\n');
      setImmediate(() => response.end());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const client = new ClusterClient({
      urls: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`],
    });
    onTestFinished(() => client.close());
    const scan = client.scan();
    expect((await scan.next()).value).toEqual([Buffer.from('a'), Buffer.from('a')]);
    await expect(scan.next()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('whoever leaves a scan holds no snapshot', async () => {
    const { db, client } = await startApi();
    await db.batch(
      Array.from({ length: 200 }, (_, i) => ({
        type: 'put' as const,
        key: `k${i}`,
        value: Buffer.alloc(100_000),
      })),
    );
    for await (const _ of client.scan()) break;
    await expect.poll(() => db.stats().snapshots.open).toBe(0);
  });

  test('a scan that takes too long ends, and lets its snapshot go', async () => {
    const { db, server, client } = await startApi({ limits: { scanMs: 100 } });
    await db.batch(
      Array.from({ length: 400 }, (_, i) => ({
        type: 'put' as const,
        key: `k${i}`,
        value: Buffer.alloc(100_000),
      })),
    );
    const scan = client.scan();
    const taking = async (): Promise<void> => {
      await scan.next();
      // Nothing is taken until it is over.
      await expect.poll(() => db.stats().snapshots.open).toBe(0);
      for await (const _ of scan);
    };
    expect(await outcomeOf(taking)).toMatch(/^(UNAVAILABLE|LIMIT_EXCEEDED)$/);
    await expect.poll(() => db.stats().snapshots.open).toBe(0);
    await expect.poll(() => server.counters.underWay).toBe(0);
  });

  test('more than one answer may have: LIMIT_EXCEEDED', async () => {
    const { db, client } = await startApi({ limits: { answerBytes: 1000, items: 10 } });
    await db.put('k', Buffer.alloc(600));
    expect(await outcomeOf(() => client.getMany(['k', 'k']))).toBe('LIMIT_EXCEEDED');
    expect(await outcomeOf(() => client.getMany(Array(11).fill('k')))).toBe('LIMIT_EXCEEDED');
  });
});

describe('committing', () => {
  test('all or nothing, if the conditions hold', async () => {
    const { db, client, ask } = await startApi();
    const version = await client.commit({
      if: [
        { key: 'a', value: null },
        { key: 'b', exists: false },
      ],
      ops: [
        { type: 'put', key: 'a', value: '1' },
        { type: 'put', key: bytes(255), value: bytes(0, 254), keyspace: 'other' },
      ],
    });
    expect(version).toBe(db.version);
    expect(await db.get('a')).toEqual(Buffer.from('1'));
    expect(await db.keyspace('other').get(bytes(255))).toEqual(bytes(0, 254));
    const failed = client.commit({
      if: [
        { key: 'a', value: '1' },
        { key: 'a', value: '2' },
        { key: 'c', exists: true },
      ],
      ops: [{ type: 'del', key: 'a' }],
    });
    await expect(failed).rejects.toMatchObject({ code: 'CONDITION_FAILED', conditions: [1, 2] });
    expect(await db.get('a')).toEqual(Buffer.from('1'));
    expect(
      await ask('/v1/commit', { if: [{ key: 'a', exists: true }], ops: [{ type: 'deleteRange', gte: 'a' }] }),
    ).toMatchObject({ status: 200 });
    expect(await db.get('a')).toBeUndefined();
    expect(await client.put('p', 'q')).toBe(db.version);
    expect(await client.del('p')).toBe(db.version);
  });

  test('counting up from many clients loses nothing', async () => {
    const { client } = await startApi();
    await client.put('n', '0');
    const add = async (): Promise<void> => {
      for (;;) {
        const held = (await client.get('n')) ?? Buffer.alloc(0);
        try {
          await client.commit({
            if: [{ key: 'n', value: held }],
            ops: [{ type: 'put', key: 'n', value: String(Number(held.toString()) + 1) }],
          });
          return;
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 'CONDITION_FAILED')) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 20 }, add));
    expect((await client.get('n'))?.toString()).toBe('20');
  });

  test('a condition that fails on a node that is behind is asked again when it has caught up', async () => {
    const { db, client } = await startApi({
      node: (of) => ({
        ...localNode(of, 'behind'),
        catchUp: async () => void (await of.put('k', 'arrived')),
      }),
    });
    await client.commit({
      if: [{ key: 'k', value: 'arrived' }],
      ops: [{ type: 'put', key: 'done', value: '1' }],
    });
    expect(await db.get('done')).toEqual(Buffer.from('1'));
  });

  test('what waits for a node that lags ends in time, and says so; what does not wait is answered', async () => {
    const { db, client } = await startApi({
      limits: { catchUpMs: 20 },
      node: (of) => ({
        ...localNode(of, 'behind'),
        catchUp: (signal) =>
          new Promise((_, reject) =>
            signal.addEventListener('abort', () => reject(new SluiceError('ABORTED', 'given up'))),
          ),
      }),
    });
    await db.put('k', 'v');
    expect(await outcomeOf(() => client.get('k', { linearizable: true }))).toBe('UNAVAILABLE');
    expect((await client.get('k'))?.toString()).toBe('v');
    const batch = { if: [{ key: 'k', value: 'w' }], ops: [{ type: 'del', key: 'k' } as const] };
    expect(await outcomeOf(() => client.commit(batch))).toBe('UNAVAILABLE');
    expect((await client.get('k'))?.toString()).toBe('v');
  });

  test.each([
    [{ ops: [{ type: 'put', key: 'k' }] }, 'body.ops[0].value must be a string'],
    [
      { ops: [{ type: 'merge', key: 'k' }] },
      'body.ops[0].type must be one of put, del, deleteRange; got a string',
    ],
    [{ ops: [{ key: 'k' }] }, 'body.ops[0].type must be one of put, del, deleteRange; got nothing'],
    [{ ops: {} }, 'body.ops must be an array; got a object'],
    [{ ops: [], option: 1 }, 'body.option must not be there'],
    [{ if: [{ key: 'k' }], ops: [] }, 'body.if[0] must have either value or exists'],
    [{ if: [{ key: 'k', value: null, exists: true }] }, 'body.if[0] must have either value or exists'],
    [{ encoding: 'hex', ops: [{ type: 'del', key: 'zz' }] }, 'body.ops[0].key must be hex'],
    [{ encoding: 'latin1' }, 'body.encoding must be one of utf8, base64, hex'],
    [[], 'body must be an object; got an array'],
  ])('%j is refused: %s', async (body, message) => {
    const { db, ask } = await startApi();
    const before = db.version;
    const answer = await ask('/v1/commit', body);
    expect(answer).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining(message) } },
    });
    expect(db.version).toBe(before);
  });

  test('keys that no database takes', async () => {
    const { ask } = await startApi();
    expect(await ask('/v1/commit', { ops: [{ type: 'put', key: '', value: '' }] })).toMatchObject({
      status: 422,
      body: { error: { code: 'INVALID_KEY' } },
    });
  });

  test('an answer that is lost is an unknown outcome; a node that is not there is passed over', async () => {
    const { server } = await startApi();
    const silent = createServer((request) => request.socket.destroy());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const lost = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const make = (...urls: string[]): ClusterClient => {
      const made = new ClusterClient({ urls, token: TOKEN });
      onTestFinished(() => made.close());
      return made;
    };
    expect(await outcomeOf(() => make(lost, server.url).put('k', 'v'))).toBe('OUTCOME_UNKNOWN');
    expect(await outcomeOf(() => make(lost, server.url).get('k'))).toBe('ok'); // reading twice is no harm
    expect(await outcomeOf(() => make('http://127.0.0.1:1', server.url).put('k', 'v'))).toBe('ok');
    expect(await outcomeOf(() => make('http://127.0.0.1:1').put('k', 'v'))).toBe('UNAVAILABLE');
    const stranger = new ClusterClient({ urls: [server.url], token: `${TOKEN}-not` });
    expect(await outcomeOf(() => stranger.put('k', 'v'))).toBe('PERMISSION');
    stranger.close();
  });
});

test('status, health and metrics', async () => {
  const { db, server, client, ask } = await startApi();
  await db.put('k', 'v');
  expect(await client.status()).toMatchObject({ node: 'alone', condition: 'running', version: db.version });
  expect(await (await fetch(`${server.url}/healthz`)).json()).toEqual({ status: 'ok' });
  expect((await fetch(`${server.url}/metrics`)).status).toBe(401);
  await ask('/v1/nothing');
  const answer = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const text = await answer.text();
  // Every line is a comment or a sample, and every sample has its type told before.
  for (const line of text.trimEnd().split('\n'))
    expect(line).toMatch(
      /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+]+)$/,
    );
  expect(text).toContain(`\nsluicedb_version ${db.version}\n`);
  expect(text).toContain('\nsluicedb_up 1\n');
  expect(text).toMatch(/\nsluicedb_http_answers_total\{status="4xx"\} [1-9]/);
  expect(text).toContain('\nsluicedb_http_unauthorized_total 1\n');
});

test("metrics of a replica have what it keeps of its place in the log apart from the keyspaces'", async () => {
  const { a } = await threeNodes();
  await a.put('k', 'v');
  await a.flush();
  const { url } = await serveReplica(a, memoryDirectory());
  const text = await (await fetch(`${url}/metrics`, { headers: bearer() })).text();
  const { replica } = a.stats();
  expect(text).toContain(`\nsluicedb_replica_table_bytes ${replica?.bytes}\n`);
  expect(text).toContain(`\nsluicedb_replica_memtable_room_bytes ${replica?.memtableRoomBytes}\n`);
  expect(new Set(text.match(/keyspace="[^"]*"/g))).toEqual(new Set(['keyspace="default"']));
});

test('a node that is halted is not healthy, and says so without saying why to whoever shows no token', async () => {
  const { server, client } = await startApi({
    node: (db) => ({
      ...localNode(db, 'halted'),
      condition: () => 'halted',
      status: async () => ({
        ...(await localNode(db, 'halted').status()),
        condition: 'halted',
        error: 'secret',
      }),
    }),
  });
  const answer = await fetch(`${server.url}/healthz`);
  expect([answer.status, await answer.json()]).toEqual([503, { status: 'halted' }]);
  expect(await client.status()).toMatchObject({ condition: 'halted', error: 'secret' });
});

test('whether a node is healthy is told by it alone: the log is not asked, which may not answer', async () => {
  const { server } = await startApi({
    node: (db) => ({ ...localNode(db, 'cut'), status: () => new Promise(() => undefined) }),
  });
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
});
