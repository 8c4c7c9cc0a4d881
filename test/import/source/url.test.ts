/** Sources behind http, from servers that do what servers do. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import { ByteSource } from '../../../src/import/source/byte-source.ts';
import { UrlBytes } from '../../../src/import/source/url-bytes.ts';
import { SeededRandom } from '../../base/seeded-random.ts';

const bytes = Buffer.from(new SeededRandom(3).hex(200_000));

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** The URL of a server; `asked` are the ranges that it was asked for. */
async function serve(answer: Answer): Promise<{ url: string; asked: (string | undefined)[] }> {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.range);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/rows.csv`, asked };
}

/** Serves a document and its ranges; `cut`: the connection breaks after so many bytes of each response. */
const document =
  (content: Uint8Array, { etag = '"1"', cut = Number.POSITIVE_INFINITY, ranges = true } = {}): Answer =>
  (request, response) => {
    const from = ranges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
    if (from >= content.length) {
      response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
      return;
    }
    const range = { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` };
    response.writeHead(ranges && request.headers.range ? 206 : 200, {
      etag,
      'content-length': content.length - from,
      ...(ranges && request.headers.range ? range : {}),
    });
    if (content.length - from <= cut) response.end(content.subarray(from));
    else response.write(content.subarray(from, from + cut), () => response.destroy());
  };

function sourceOf(url: string, signalLimits = {}): ByteSource {
  const limits = { timeoutMs: 5000, attemptsMax: 3, pauseMs: 1, ...signalLimits };
  return new ByteSource(new UrlBytes(url, nodeEnv.clock, undefined, limits), 'auto');
}

async function all(source: ByteSource, from = 0, signal = new AbortController().signal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source.read(from, signal)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

describe('a document', () => {
  test('is read whole, and from an offset by a range', async () => {
    const { url, asked } = await serve(document(bytes));
    const source = sourceOf(url);
    expect((await all(source)).equals(bytes)).toBe(true);
    expect(source.storedBytes).toBe(bytes.length);
    expect(source.takenBytes).toBe(bytes.length);
    expect((await all(source, 1000)).equals(bytes.subarray(1000))).toBe(true);
    expect(await all(source, bytes.length)).toEqual(Buffer.alloc(0));
    expect(asked).toEqual([undefined, 'bytes=1000-', `bytes=${bytes.length}-`]);
    await expect(all(source, bytes.length + 1)).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  test('is read from an offset by a source that never saw its beginning', async () => {
    const { url } = await serve(document(bytes));
    expect((await all(sourceOf(url), 399_999)).equals(bytes.subarray(399_999))).toBe(true);
  });

  test('is read from an offset though the server knows no ranges', async () => {
    const { url } = await serve(document(bytes, { ranges: false }));
    const source = sourceOf(url);
    expect((await all(source, 250_000)).equals(bytes.subarray(250_000))).toBe(true);
    await expect(all(source, bytes.length + 1)).rejects.toThrow(/has changed/);
  });

  test('that is gzip is told by its content, from an offset too', async () => {
    const { url } = await serve(document(gzipSync(bytes)));
    expect((await all(sourceOf(url))).equals(bytes)).toBe(true);
    expect((await all(sourceOf(url), 300_000)).equals(bytes.subarray(300_000))).toBe(true);
  });

  test('that the server encodes on its way is read', async () => {
    const encoded = gzipSync(bytes);
    const { url, asked } = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': encoded.length });
      response.end(encoded);
    });
    const source = sourceOf(url);
    expect((await all(source)).equals(bytes)).toBe(true);
    expect(source.storedBytes).toBe(undefined);
    expect((await all(source, 1234)).equals(bytes.subarray(1234))).toBe(true);
    // A range would be one of the encoded bytes.
    expect(asked).toEqual([undefined, undefined]);
  });

  test('is found behind redirects', async () => {
    const { url } = await serve((request, response) => {
      if (request.url === '/there') document(bytes)(request, response);
      else response.writeHead(302, { location: '/there' }).end();
    });
    expect((await all(sourceOf(url))).equals(bytes)).toBe(true);
    const { url: circle } = await serve((_, response) => response.writeHead(301, { location: '/' }).end());
    await expect(all(sourceOf(circle))).rejects.toThrow(/redirect/);
  });

  test('that is empty has no bytes', async () => {
    const { url } = await serve((_, response) => response.writeHead(200, { 'content-length': 0 }).end());
    expect(await all(sourceOf(url))).toEqual(Buffer.alloc(0));
  });
});

describe('a connection that breaks', () => {
  test('is taken up where it broke', async () => {
    const { url, asked } = await serve(document(bytes, { cut: 90_000 }));
    expect((await all(sourceOf(url))).equals(bytes)).toBe(true);
    expect(asked.length).toBeGreaterThan(3);
    expect(asked.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ''))).toBe(true);
  });

  test('while a document changes ends the reading', async () => {
    let version = 0;
    const { url } = await serve((request, response) =>
      document(bytes, { etag: `"${version++}"`, cut: 90_000 })(request, response),
    );
    await expect(all(sourceOf(url))).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(/has changed while it was read/),
    });
  });

  test('each time before a byte came is given up, with the reason', async () => {
    const { url, asked } = await serve((request) => request.socket.destroy());
    await expect(all(sourceOf(url))).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringMatching(/could not be read from byte 0 on, in 3 attempts: fetch failed: /),
    });
    expect(asked.length).toBe(3);
  });

  test('that was never made is told', async () => {
    await expect(all(sourceOf('http://127.0.0.1:1/'))).rejects.toThrow(/127\.0\.0\.1:1/);
  });

  test('that stalls is given up after the time limit', async () => {
    const { url } = await serve((_, response) => void response.writeHead(200).write('a,b\n1,2\n'));
    await expect(all(sourceOf(url, { timeoutMs: 50 }))).rejects.toThrow(/nothing came for 50 ms/);
  });

  test('stops at an abort', async () => {
    const { url } = await serve((_, response) => void response.writeHead(200).write('a,b\n1,2\n'));
    const ending = new AbortController();
    const reading = all(sourceOf(url), 0, ending.signal);
    setTimeout(() => ending.abort(), 50);
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('a refusal', () => {
  for (const [status, code, attempts] of [
    [404, 'FILE_NOT_FOUND', 1],
    [403, 'PERMISSION', 1],
    [400, 'IO', 1],
    [503, 'IO', 3],
    [429, 'IO', 3],
  ] as [number, string, number][]) {
    test(`${status} is ${code}, after ${attempts} attempts`, async () => {
      const { url, asked } = await serve((_, response) => response.writeHead(status).end('no'));
      await expect(all(sourceOf(url))).rejects.toMatchObject({
        code,
        message: expect.stringContaining(`the server answers ${status}`),
      });
      expect(asked.length).toBe(attempts);
    });
  }

  test('that passes is forgotten', async () => {
    let refusals = 2;
    const { url } = await serve((request, response) => {
      if (refusals-- > 0) response.writeHead(503).end();
      else document(bytes)(request, response);
    });
    expect((await all(sourceOf(url))).equals(bytes)).toBe(true);
  });
});
