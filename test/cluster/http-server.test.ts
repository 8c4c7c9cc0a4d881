/** What the server does with those who ask wrongly, slowly, or too much. Real sockets. */

import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ECHO, echoServer, post, raw } from './asking.ts';
import { bearer, sampleFile, startNode, startServer, TOKEN } from './exchange-node.ts';

describe('what is asked', () => {
  test('unknown paths, methods and malformed targets', async () => {
    const url = await echoServer();
    expect((await fetch(`${url}/nothing`, { headers: bearer() })).status).toBe(404);
    const wrongMethod = await fetch(`${url}/echo/a`, { headers: bearer() });
    expect([wrongMethod.status, wrongMethod.headers.get('allow')]).toEqual([405, 'POST']);
    for (const target of ['/echo/%ff', '*', 'echo', `/echo/%E0%A4%A`]) {
      const got = await raw(url, (socket) =>
        socket.end(
          `GET ${target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n\r\n`,
        ),
      );
      expect(got).toMatch(/^HTTP\/1\.1 40[04] /);
    }
  });

  test.each(['', '{', '[1,]', '\u0000'])('a body %j that is no JSON: 400', async (body) => {
    const url = await echoServer();
    expect((await post(`${url}/echo/a`, body)).status).toBe(400);
  });

  test('only digests that are held; no way out of the directory', async () => {
    const node = await startNode();
    const { url } = node.server;
    const file = sampleFile(1000);
    await node.exchange.hold(file.path, file);
    const get = (path: string, headers: Record<string, string> = {}) =>
      fetch(url + path, { headers: { ...bearer(), ...headers } });
    const whole = await get(`/files/${file.digest}`);
    expect(Buffer.from(await whole.arrayBuffer()).equals(file.content)).toBe(true);
    expect((await get(`/files/${'0'.repeat(64)}`)).status).toBe(404);
    for (const name of ['..%2f..%2fLOCK', '..%2f', file.digest.toUpperCase(), `${file.digest}%00`, 'a'])
      expect((await get(`/files/${name}`)).status).toBe(400);
    const dots = await raw(url, (socket) =>
      socket.end(
        `GET /files/../../LOCK HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n\r\n`,
      ),
    );
    expect(dots).toMatch(/^HTTP\/1\.1 404 /);
  });

  test.each([
    ['bytes=0-0', 206, 0, 1],
    ['bytes=990-', 206, 990, 1000],
    ['bytes=990-5000', 206, 990, 1000],
    ['bytes=1000-', 416, 0, 0],
    ['bytes=5-4', 416, 0, 0],
    ['bytes=-5', 400, 0, 0],
    ['bytes=0-1,5-6', 400, 0, 0],
    ['bytes=a-b', 400, 0, 0],
    ['items=0-1', 400, 0, 0],
    [`bytes=${'9'.repeat(30)}-`, 400, 0, 0],
  ])('range %s: %i', async (range, status, from, to) => {
    const node = await startNode();
    const file = sampleFile(1000);
    await node.exchange.hold(file.path, file);
    const answer = await fetch(`${node.server.url}/files/${file.digest}`, {
      headers: { ...bearer(), range },
    });
    expect(answer.status).toBe(status);
    const body = Buffer.from(await answer.arrayBuffer());
    if (status === 206) expect(body.equals(file.content.subarray(from, to))).toBe(true);
    if (status === 416) expect(answer.headers.get('content-range')).toBe('bytes */1000');
  });

  test('requests to fetch a file that are none', async () => {
    const node = await startNode();
    for (const body of ['null', '{}', '{"bytes":-1,"sources":[]}', '{"bytes":1,"sources":["file:///etc"]}'])
      expect((await post(`${node.server.url}/files/${'a'.repeat(64)}/stage`, body)).status).toBe(400);
  });

  test('a bug is told in the log, not to whoever asked', async () => {
    const server = await startServer();
    server.add([
      { ...ECHO, run: () => Promise.reject(new Error('the secret is 42')) },
      { ...ECHO, path: '/bug', run: () => Promise.reject(new TypeError('cannot read the secret')) },
    ]);
    for (const path of ['/echo/a', '/bug']) {
      const answer = await post(server.url + path, '{}');
      expect(answer.status).toBe(500);
      expect(await answer.text()).not.toContain('secret');
    }
  });
});

describe('how much', () => {
  test('headers that are too long: 431; too many: not all are read', async () => {
    const url = await echoServer({ limits: { headerBytes: 2000 } });
    const got = await raw(url, (socket) =>
      socket.write(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(5000)}\r\n\r\n`),
    );
    expect(got).toMatch(/^HTTP\/1\.1 431 /);
  });

  test('bodies that are too long: 413, told before they are read, or cut', async () => {
    const url = await echoServer({ limits: { bodyBytes: 100 } });
    expect((await post(`${url}/echo/a`, JSON.stringify('x'.repeat(98)))).status).toBe(200);
    expect((await post(`${url}/echo/a`, JSON.stringify('x'.repeat(99)))).status).toBe(413);
    const head = `POST /echo/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\n`;
    // Never sent: refused by what the header says. And without a length, as soon as it is too long.
    const declared = await raw(url, (socket) => socket.write(`${head}Content-Length: 101\r\n\r\n`));
    expect(declared).toMatch(/^HTTP\/1\.1 413 [\s\S]*connection: close/i);
    const chunk = `32\r\n${'x'.repeat(50)}\r\n`;
    const chunked = await raw(url, (socket) =>
      socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}`),
    );
    expect(chunked).toMatch(/^HTTP\/1\.1 413 /);
    const expecting = await raw(url, (socket) =>
      socket.write(`${head}Expect: 100-continue\r\nContent-Length: 101\r\n\r\n`),
    );
    expect(expecting).toMatch(/^HTTP\/1\.1 413 /); // not 100
  });

  test('a body that nobody wants is not waited for', async () => {
    const server = await startServer();
    server.add([{ ...ECHO, path: '/deaf', run: (call) => call.answer(200, {}) }]);
    const head = `POST /deaf HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\n`;
    // Ends though nothing of it ever comes.
    const got = await raw(server.url, (socket) => socket.write(`${head}Content-Length: 100000\r\n\r\n`));
    expect(got).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close/i);
  });

  test('whoever says 100-continue is told to go on, and answered', async () => {
    const url = await echoServer();
    const got = await raw(url, (socket) => {
      socket.write(
        `POST /echo/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\n` +
          'Connection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n',
      );
      socket.once('data', () => socket.write('{}'));
    });
    expect(got).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  });

  test('bodies of all requests together', async () => {
    const url = await echoServer({ limits: { bodyBytesTotal: 1000 } });
    const head = `POST /echo/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\n`;
    let finish = (): void => undefined;
    let waiting = (): void => undefined;
    const begun = new Promise<void>((resolve) => {
      waiting = resolve;
    });
    const first = raw(url, (socket) => {
      socket.write(`${head}Connection: close\r\nContent-Length: 900\r\n\r\n"`, () => waiting());
      finish = () => void socket.write(`${'x'.repeat(898)}"`);
    });
    await begun;
    const second = () => post(`${url}/echo/a`, JSON.stringify('y'.repeat(198))).then(({ status }) => status);
    await expect.poll(second).toBe(503);
    finish();
    expect(await first).toMatch(/^HTTP\/1\.1 200 /);
    await expect.poll(second).toBe(200);
  });

  test('requests under way, and connections', async () => {
    const server = await startServer({ limits: { requests: 2, connections: 4 } });
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let waiting = 0;
    server.add([
      {
        method: 'GET',
        path: '/wait',
        access: 'client',
        run: async (call) => {
          waiting++;
          await held;
          call.answer(200, {});
        },
      },
    ]);
    const get = () => fetch(`${server.url}/wait`, { headers: { ...bearer(), connection: 'close' } });
    const waits = [get(), get()];
    await expect.poll(() => waiting).toBe(2);
    const refused = await get();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    const idle = [1, 2, 3].map(() => raw(server.url, () => undefined));
    // One more than there may be is cut at once.
    await Promise.race(idle);
    release();
    expect(await Promise.all(waits.map(async (wait) => (await wait).status))).toEqual([200, 200]);
  });
});

test('requests that were sent one behind the other are over when their connection is', async () => {
  const server = await startServer();
  let [begun, told] = [0, 0];
  server.add([
    {
      method: 'GET',
      path: '/wait',
      access: 'client',
      run: (call) =>
        new Promise((resolve) => {
          begun++;
          call.signal.addEventListener('abort', () => {
            told++;
            resolve();
          });
        }),
    },
  ]);
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(`GET /wait HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`.repeat(20));
  await expect.poll(() => begun).toBe(20);
  socket.destroy();
  await expect.poll(() => server.counters.underWay).toBe(0);
  expect(told).toBe(20);
});

describe('how slowly', () => {
  test('whoever says nothing, or never ends his headers, is cut off', async () => {
    const url = await echoServer({ limits: { headersMs: 200 } });
    const drip = raw(url, (socket) => {
      socket.write('GET / HTTP/1.1\r\n');
      const timer = setInterval(() => socket.write('X: y\r\n'), 20);
      socket.on('close', () => clearInterval(timer));
    });
    // The answer may be lost to what is sent on against it.
    expect(await drip).toMatch(/^(HTTP\/1\.1 408 |$)/);
    await raw(url, () => undefined);
  });

  test('a body that drips: cut off when its time is over, though something comes all the time', async () => {
    const url = await echoServer({ limits: { bodyMs: 300 } });
    const drip = raw(url, (socket) => {
      socket.write(
        `POST /echo/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n`,
      );
      const timer = setInterval(() => socket.write(' '), 20);
      socket.on('close', () => clearInterval(timer));
    });
    expect(await drip).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  test('whoever takes nothing of a file is cut off, and holds it no longer', async () => {
    const node = await startNode({ limits: { stallMs: 200 } });
    const file = sampleFile(24 << 20);
    await node.exchange.hold(file.path, file);
    const { port } = new URL(node.server.url);
    const socket = connect(Number(port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    socket.write(`GET /files/${file.digest} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
    socket.pause();
    await expect.poll(() => node.server.counters.requests).toBe(1);
    await expect.poll(() => node.server.counters.underWay).toBe(0);
  });
});

test('closing answers what is under way, and takes nothing more', async () => {
  const server = await startServer();
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let began = false;
  server.add([
    {
      method: 'GET',
      path: '/wait',
      access: 'client',
      run: async (call) => {
        began = true;
        await held;
        call.answer(200, 'late');
      },
    },
  ]);
  const answer = fetch(`${server.url}/wait`, { headers: bearer() });
  await expect.poll(() => began).toBe(true);
  const closed = server.close(60_000);
  await expect(fetch(`${server.url}/wait`, { headers: bearer() })).rejects.toThrow();
  release();
  expect(await (await answer).json()).toBe('late');
  await closed;
});

test('closing cuts off what does not end in time', async () => {
  const server = await startServer();
  let stopped = false;
  server.add([
    {
      method: 'GET',
      path: '/wait',
      access: 'client',
      run: (call) =>
        new Promise((resolve) =>
          call.signal.addEventListener('abort', () => {
            stopped = true;
            resolve();
          }),
        ),
    },
  ]);
  const answer = fetch(`${server.url}/wait`, { headers: bearer() }).catch(() => 'cut');
  await expect.poll(() => server.counters.underWay).toBe(1);
  await server.close(10);
  expect(await answer).toBe('cut');
  expect(stopped).toBe(true);
});
