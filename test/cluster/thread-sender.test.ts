/** Large files are sent by a thread at a port of its own, to who follows there; a node's address remains one. */

import { mkdirSync, readdirSync, readFileSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { FileFacts } from '../../src/cluster/files/file-exchange.ts';
import { ThreadSender } from '../../src/cluster/files/thread-sender.ts';
import type { SenderServer } from '../../src/cluster/files/transfer-messages.ts';
import { HTTP_LIMITS } from '../../src/cluster/http/limits.ts';
import { FOLLOWS } from '../../src/cluster/http/send-file.ts';
import { checkThreads } from '../../src/sst/check-threads.ts';
import { outcomeOf } from '../base/database.ts';
import { nodeCertificates } from '../fixtures/certificates.ts';
import {
  bearer,
  type ExchangeNode,
  type NodeOptions,
  never,
  type Sample,
  sampleFile,
  startNode,
  TOKEN,
} from './exchange-node.ts';

const MIB = 1 << 20;
const FILE_BYTES = 5 * MIB;

function senderAt(port: number, options: NodeOptions = {}): SenderServer {
  const { access = { token: TOKEN }, tls } = options;
  return { listen: { host: '127.0.0.1', port }, tls, access, limits: HTTP_LIMITS };
}

/** A node that holds a file which its thread would send. */
async function holder(
  options: NodeOptions = {},
  port = 0,
): Promise<{ readonly node: ExchangeNode; readonly file: Sample }> {
  const sender = senderAt(port, options);
  const node = await startNode({ ...options, exchange: { ...options.exchange, sender } });
  const file = sampleFile(FILE_BYTES);
  await node.exchange.hold(file.path, file);
  return { node, file };
}

const answersOf = ({ server }: ExchangeNode): object => Object.fromEntries(server.counters.answers);

/** Where a node sends who asks for the file. */
async function locationOf({ server }: ExchangeNode, { digest }: FileFacts): Promise<string> {
  const answer = await fetch(`${server.url}/files/${digest}`, {
    headers: { ...bearer(), [FOLLOWS]: '1' },
    redirect: 'manual',
  });
  expect(answer.status).toBe(307);
  return answer.headers.get('location') ?? '';
}

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const MUTUAL_TLS: NodeOptions = { tls: nodeCertificates(), access: {} };

test.each([
  ['over HTTP', {}],
  ['over mutual TLS', MUTUAL_TLS],
] as [string, NodeOptions][])(
  '%s a large file comes from the other port, from its beginning and behind what there is',
  async (_, options) => {
    const { node: a, file } = await holder(options);
    for (const received of [0, 500_000]) {
      const b = await startNode({ exchange: { tls: options.tls } });
      writeFileSync(join(b.dir, 'cluster/partial', file.digest), file.content.subarray(0, received));
      await b.exchange.pull(file, [a.server.url], never());
      expect(readFileSync(b.exchange.path(file.digest)).equals(file.content)).toBe(true);
    }
    expect(answersOf(a)).toEqual({ '3xx': 2 });
  },
);

test('large files of a checkpoint come from there too; their digests are made by threads that check files', async () => {
  const content = sampleFile(FILE_BYTES).content;
  const checkpoint = async (to: string): Promise<void> => {
    mkdirSync(to);
    writeFileSync(join(to, 'table'), content);
  };
  const { node: a } = await holder({ service: { checkpoint } });
  const digested = vi.spyOn(checkThreads, 'digest');
  onTestFinished(() => digested.mockRestore());
  const b = await startNode();
  const target = join(b.dir, 'fetched');
  await b.exchange.fetchCheckpoint(a.server.url, target, never());
  expect(readFileSync(join(target, 'table')).equals(content)).toBe(true);
  expect(digested).toHaveBeenCalledOnce();
  // The table, and the original that the node holds.
  expect(answersOf(a)).toMatchObject({ '3xx': 2 });
  expect(readdirSync(join(a.dir, 'cluster/checkpoints'))).toEqual([]);
});

test('who does not say that he follows, and who wants little of it, is answered at the address that he asked', async () => {
  const { node: a, file } = await holder();
  const url = `${a.server.url}/files/${file.digest}`;
  const whole = await fetch(url, { headers: bearer(), redirect: 'manual' });
  expect(Buffer.from(await whole.arrayBuffer()).equals(file.content)).toBe(true);
  const headers = { ...bearer(), [FOLLOWS]: '1', range: `bytes=${4 * MIB}-` };
  const end = await fetch(url, { headers, redirect: 'manual' });
  expect(end.status).toBe(206);
  expect(Buffer.from(await end.arrayBuffer()).equals(file.content.subarray(4 * MIB))).toBe(true);
});

test('a key is good for one request, of who may ask', async () => {
  const { node: a, file } = await holder();
  const location = await locationOf(a, file);
  expect(location).not.toContain(a.server.url);
  for (const headers of [{}, bearer('another-token-altogether')])
    expect((await fetch(location, { headers })).status).toBe(401);
  const sent = await fetch(location, { headers: bearer() });
  expect(Buffer.from(await sent.arrayBuffer()).equals(file.content)).toBe(true);
  expect((await fetch(location, { headers: bearer() })).status).toBe(404);
  const guessed = new URL(`/transfers/${'0'.repeat(32)}`, location);
  expect((await fetch(guessed, { headers: bearer() })).status).toBe(404);
  const other = new URL(`/files/${file.digest}`, location);
  expect((await fetch(other, { headers: bearer() })).status).toBe(404);
});

test('a file that somebody has removed: 404 at the address, and the node knows', async () => {
  const { node: a, file } = await holder();
  unlinkSync(a.exchange.path(file.digest));
  const headers = { ...bearer(), [FOLLOWS]: '1' };
  expect((await fetch(`${a.server.url}/files/${file.digest}`, { headers })).status).toBe(404);
  expect(a.exchange.has(file.digest)).toBe(false);
});

test('where the other port cannot be reached the address serves; it is tried once', async () => {
  const file = sampleFile(FILE_BYTES);
  const asked: boolean[] = [];
  const port = await serve((request, response) => {
    const follows = request.headers[FOLLOWS] !== undefined;
    asked.push(follows);
    if (follows) response.writeHead(307, { location: 'http://127.0.0.1:1/transfers/key' }).end();
    else response.writeHead(200, { 'content-length': file.bytes }).end(file.content);
  });
  const b = await startNode();
  for (let i = 0; i < 2; i++) {
    await b.exchange.pull(file, [`http://127.0.0.1:${port}`], never());
    expect(b.exchange.has(file.digest)).toBe(true);
    b.exchange.drop(file.digest);
  }
  expect(asked).toEqual([true, false, false]);
});

test('nobody is followed to another host: the token goes where it was meant to', async () => {
  const file = sampleFile(FILE_BYTES);
  let strangers = 0;
  const stranger = await serve((_request, response) => {
    strangers++;
    response.end();
  });
  const port = await serve((request, response) => {
    if (request.headers[FOLLOWS] === undefined)
      response.writeHead(200, { 'content-length': file.bytes }).end(file.content);
    else response.writeHead(307, { location: `http://localhost:${stranger}/` }).end();
  });
  const b = await startNode();
  await b.exchange.pull(file, [`http://127.0.0.1:${port}`], never());
  expect(b.exchange.has(file.digest)).toBe(true);
  expect(strangers).toBe(0);
});

test('a port that is taken: the address serves, and the log says so', async () => {
  const taken = await serve((_request, response) => response.end());
  const warned: string[] = [];
  const none = (): void => undefined;
  const warn = (_fields: object, message: string): void => void warned.push(message);
  const logger = { debug: none, info: none, warn, error: none };
  const { node: a, file } = await holder({ exchange: { logger } }, taken);
  const b = await startNode();
  await b.exchange.pull(file, [a.server.url], never());
  expect(b.exchange.has(file.digest)).toBe(true);
  expect(answersOf(a)).toEqual({ '2xx': 1 });
  expect(warned).toEqual(['large files are sent by the main thread']);
});

test('where others than this machine could ask without showing who they are: refused', async () => {
  const sender = { ...senderAt(0), listen: { host: '0.0.0.0', port: 0 }, access: {} };
  expect(await outcomeOf(() => startNode({ exchange: { sender } }))).toMatch(/^TypeError: listen must be/);
});

test('a node that closes cuts what it sends, and does not wait for keys that nobody used', async () => {
  const { node: a } = await holder();
  // More than sockets hold: it is not all sent before somebody takes it.
  const file = { digest: 'a'.repeat(64), bytes: 64 * MIB };
  const path = join(a.dir, 'large');
  writeFileSync(path, '');
  truncateSync(path, file.bytes);
  await a.exchange.hold(path, file);
  const sent = await fetch(await locationOf(a, file), { headers: bearer() });
  const unused = await locationOf(a, file);
  await a.exchange.close();
  await expect(sent.arrayBuffer()).rejects.toThrow();
  await expect(fetch(unused, { headers: bearer() })).rejects.toThrow();
});

test('where the thread is lost its files are nobody’s any more, and the next are sent by another', async () => {
  const file = sampleFile(FILE_BYTES);
  const sender = new ThreadSender(senderAt(0), nodeEnv.random, undefined);
  onTestFinished(() => sender.close(0));
  const first = await sender.lend(file.path);
  sender.lost(new Error('out of memory'));
  await first?.returned;
  const second = await sender.lend(file.path);
  const sent = await fetch(`http://127.0.0.1:${second?.port}${second?.target}`, { headers: bearer() });
  expect(Buffer.from(await sent.arrayBuffer()).equals(file.content)).toBe(true);
  await second?.returned;
});
