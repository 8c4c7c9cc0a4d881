/** Who may ask a node: tokens, certificates, hosts. */

import { text as textOf } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HttpConnections, HttpFailure } from '../../src/base/env/http.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { HTTP_LIMITS } from '../../src/cluster/http/limits.ts';
import { NodeServer } from '../../src/cluster/http/node-server.ts';
import { outcomeOf } from '../base/database.ts';
import { nodeCertificates, pem } from '../fixtures/certificates.ts';
import { ECHO, echoServer, post, raw } from './asking.ts';
import { bearer, startNode, startServer, TOKEN } from './exchange-node.ts';

const CLIENT_TOKEN = 'a-token-of-clients';

test('without the right token: 401, whether there is something or not', async () => {
  const url = await echoServer();
  for (const headers of [
    {},
    bearer(`${TOKEN}x`),
    bearer(TOKEN.slice(1)),
    bearer(''),
    { authorization: `Basic ${TOKEN}` },
    { authorization: TOKEN },
  ]) {
    for (const path of ['/echo/a', '/nothing', '/../../etc/passwd']) {
      const answer = await post(url + path, '{}', headers as Record<string, string>);
      expect(answer.status).toBe(401);
      expect(await answer.json()).toEqual({
        error: { code: 'BAD_REQUEST', message: 'a token is needed: authorization: Bearer …' },
      });
    }
  }
  expect((await post(`${url}/echo/a`, '{}')).status).toBe(200);
});

test('a client token opens the client API, not what nodes ask of each other', async () => {
  const node = await startNode({ access: { token: TOKEN, clientToken: CLIENT_TOKEN } });
  node.server.add([ECHO]);
  const { url } = node.server;
  expect((await post(`${url}/echo/a`, '{}', bearer(CLIENT_TOKEN))).status).toBe(200);
  for (const path of [`/files/${'a'.repeat(64)}/stage`, '/checkpoints'])
    expect((await post(url + path, '{}', bearer(CLIENT_TOKEN))).status).toBe(403);
});

test('without any token, only what names this machine as its host', async () => {
  const url = await echoServer({ access: {} });
  const { port } = new URL(url);
  expect((await post(`${url}/echo/a`, '{}', {})).status).toBe(200);
  const rebound = await raw(url, (socket) =>
    socket.end(`GET /echo/a HTTP/1.1\r\nHost: evil.example:${port}\r\nConnection: close\r\n\r\n`),
  );
  expect(rebound).toMatch(/^HTTP\/1\.1 401 /);
});

test('a page elsewhere cannot have a browser post: JSON must be said to be JSON', async () => {
  const url = await echoServer({ access: {} });
  const answer = await fetch(`${url}/echo/a`, { method: 'POST', body: '{}' }); // text/plain
  expect(answer.status).toBe(415);
});

test('nor what has no body, or any body: no page is answered where no token is asked for', async () => {
  const server = await startServer({ access: {} });
  let acted = 0;
  server.add([
    {
      method: 'POST',
      path: '/act',
      access: 'client',
      run: (call) => {
        acted++;
        call.answer(200, {});
      },
    },
  ]);
  for (const origin of ['https://evil.example', 'null', server.url]) {
    const got = await raw(server.url, (socket) =>
      socket.end(
        `POST /act HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: ${origin}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      ),
    );
    expect(got).toMatch(/^HTTP\/1\.1 401 /);
  }
  expect(acted).toBe(0);
  expect((await post(`${server.url}/act`, '', {})).status).toBe(200);
});

test.each(['0.0.0.0', '::', '192.0.2.1', 'node-1.example'])(
  'listening on %s without a token or mutual TLS is refused',
  async (host) => {
    expect(await outcomeOf(() => startServer({ host, access: {} }))).toMatch(
      /^TypeError: listen must be a loopback address \(127\.0\.0\.1\) unless there is a token or mutual TLS/,
    );
  },
);

test.each([['short'], ['spaces are not for headers'], ['nor-are-ümlauts-here']])(
  'a token %j is refused',
  async (token) => {
    expect(await outcomeOf(() => startServer({ access: { token } }))).toMatch(/^TypeError: token must be/);
  },
);

test('an address that is taken is told', async () => {
  const taken = await startServer();
  const second = new NodeServer({
    clock: nodeEnv.clock,
    listen: { host: '127.0.0.1', port: Number(new URL(taken.url).port) },
    tls: undefined,
    access: {},
    limits: HTTP_LIMITS,
    logger: undefined,
  });
  expect(await outcomeOf(() => second.listen())).toBe('UNAVAILABLE');
});

describe('with mutual TLS', () => {
  const tls = nodeCertificates();
  const ask = async (url: string, client: ConstructorParameters<typeof HttpConnections>[0]) => {
    const connections = new HttpConnections(client);
    onTestFinished(() => connections.close());
    const answer = await connections.request({
      method: 'POST',
      url: `${url}/echo/a`,
      headers: { 'content-type': 'application/json' },
      body: '{}',
      stallMs: 20_000,
    });
    return { status: answer.status, body: await textOf(answer.body as never) };
  };

  test('whoever has a certificate of the authority may ask; nobody else gets an answer', async () => {
    const url = await echoServer({ tls, access: {} });
    expect(url).toMatch(/^https:/);
    const { cert, key, ca } = tls;
    expect(await ask(url, { cert, key, ca })).toEqual({ status: 200, body: '{"name":"a","body":{}}' });
    for (const stranger of [{ ca }, { ca, cert: pem('stranger'), key: pem('stranger-key') }])
      await expect(ask(url, stranger)).rejects.toBeInstanceOf(HttpFailure);
  });

  test('a server that another authority has signed is not spoken to', async () => {
    const url = await echoServer({ tls: { cert: tls.cert, key: tls.key } });
    await expect(ask(url, { ca: pem('stranger') })).rejects.toBeInstanceOf(HttpFailure);
    expect((await ask(url, { ca: tls.ca })).status).toBe(401);
  });
});
