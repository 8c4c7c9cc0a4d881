/** Files between nodes: held, fetched in pieces, gone on with after a kill, never taken for right when they are not. */

import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Child } from '../base/child.ts';
import { memoryDirectory, outcomeOf } from '../base/database.ts';
import { type ExchangeNode, never, type Sample, sampleFile, startNode } from './exchange-node.ts';

const MIB = 1 << 20;

/** A server that gives files as `answer` says. */
async function peer(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What a right node would answer. */
function ranged(content: Buffer, request: IncomingMessage, response: ServerResponse): Buffer {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const rest = content.subarray(from);
  response.writeHead(from === 0 ? 200 : 206, {
    'content-length': rest.length,
    'content-range': `bytes ${from}-${content.length - 1}/${content.length}`,
  });
  return rest;
}

/** Bytes one by one would take the test's time. */
function expectStored({ dir }: ExchangeNode, { digest, content }: Sample): void {
  expect(readFileSync(join(dir, 'cluster/files', digest)).equals(content)).toBe(true);
}

const partials = ({ dir }: ExchangeNode): string[] => readdirSync(join(dir, 'cluster/partial'));

test('a held file is a link to what was held, survives it, and is served to others', async () => {
  const [a, b] = [await startNode(), await startNode()];
  const file = sampleFile(3 * MIB + 17);
  await a.exchange.hold(file.path, file);
  expect(statSync(a.exchange.path(file.digest)).ino).toBe(statSync(file.path).ino);
  await a.exchange.hold(file.path, file); // again: nothing
  unlinkSync(file.path);
  expect(a.exchange.digests()).toEqual([file.digest]);
  await b.exchange.pull(file, [a.server.url], never());
  expectStored(b, file);
  expect(b.exchange.has(file.digest)).toBe(true);
  expect([...partials(a), ...partials(b)]).toEqual([]);
  expect(b.exchange.inFlight()).toEqual([]);
});

test('a file whose length is not what was told is not held', async () => {
  const a = await startNode();
  const file = sampleFile(1000);
  expect(await outcomeOf(() => a.exchange.hold(file.path, { ...file, bytes: 999 }))).toBe('CORRUPTION');
  expect(a.exchange.has(file.digest)).toBe(false);
});

test('what is dropped is gone; what is held is there after a restart', async () => {
  const a = await startNode();
  const [first, second] = [sampleFile(1000, 1), sampleFile(2000, 2)];
  for (const file of [first, second]) await a.exchange.hold(file.path, file);
  a.exchange.drop(first.digest);
  const again = await startNode({ dir: a.dir });
  expect(again.exchange.digests()).toEqual([second.digest]);
  expect(readdirSync(join(a.dir, 'cluster/files'))).toEqual([second.digest]);
});

test('a transfer that breaks off goes on from another node where it stood', async () => {
  const file = sampleFile(2 * MIB);
  const asked: (string | undefined)[] = [];
  const cut = await peer((request, response) => {
    asked.push(request.headers.range);
    const rest = ranged(file.content, request, response);
    response.write(rest.subarray(0, MIB), () => response.destroy());
  });
  const [a, b] = [await startNode(), await startNode()];
  await a.exchange.hold(file.path, file);
  await b.exchange.pull(file, [cut, a.server.url], never());
  expectStored(b, file);
  expect(asked[0]).toBeUndefined();
  expect(asked.slice(1).every((range) => /^bytes=\d+-$/.test(range ?? ''))).toBe(true);
});

test('what a killed process has fetched is not fetched again', async () => {
  const file = sampleFile(2 * MIB);
  const a = await startNode();
  const left = join(a.dir, 'cluster/partial', file.digest);
  writeFileSync(left, file.content.subarray(0, 1_500_000));
  const again = await startNode({ dir: a.dir });
  const asked: (string | undefined)[] = [];
  const source = await peer((request, response) => {
    asked.push(request.headers.range);
    response.end(ranged(file.content, request, response));
  });
  await again.exchange.pull(file, [source], never());
  expect(asked).toEqual(['bytes=1500000-']);
  expectStored(again, file);
  expect(existsSync(left)).toBe(false);
});

test('a process killed in the middle of a transfer: the next goes on behind what is on the disk', async () => {
  const file = sampleFile(4 * MIB);
  const asked: (string | undefined)[] = [];
  const source = await peer((request, response) => {
    asked.push(request.headers.range);
    const rest = ranged(file.content, request, response);
    // Three quarters, and then nothing, until the process is gone.
    if (asked.length === 1) response.write(rest.subarray(0, 3 * MIB));
    else response.end(rest);
  });
  const dir = join(memoryDirectory(), 'node');
  const child = new Child(new URL('./pull-child.ts', import.meta.url));
  const pulling = child
    .ask('pull', dir, file.digest, file.bytes, source)
    .catch((error: unknown) => String(error));
  const partial = join(dir, 'cluster/partial', file.digest);
  await expect.poll(() => (existsSync(partial) ? statSync(partial).size : 0)).toBeGreaterThan(2 * MIB);
  await child.kill();
  expect(await pulling).toContain('SIGKILL');
  const left = statSync(partial).size;
  const b = await startNode({ dir });
  expect(b.exchange.has(file.digest)).toBe(false);
  await b.exchange.pull(file, [source], never());
  expect(asked).toEqual([undefined, `bytes=${left}-`]);
  expectStored(b, file);
});

test('what was left of a transfer is wrong: it is fetched anew, from the same node', async () => {
  const file = sampleFile(MIB);
  const [a, b] = [await startNode(), await startNode()];
  await a.exchange.hold(file.path, file);
  // As a loss of power leaves it: the length without the bytes.
  writeFileSync(join(b.dir, 'cluster/partial', file.digest), Buffer.alloc(500_000));
  await b.exchange.pull(file, [a.server.url], never());
  expectStored(b, file);
});

test('a node that sends wrong bytes is found out, whoever sent the others', async () => {
  const file = sampleFile(2 * MIB);
  const wrong = Buffer.from(file.content);
  wrong[123_456] = (wrong[123_456] ?? 0) ^ 1;
  let lies = 0;
  const liar = await peer((request, response) => {
    lies++;
    const rest = ranged(wrong, request, response);
    // Only the beginning, so that the good node completes what is wrong.
    if (lies === 1) response.write(rest.subarray(0, MIB), () => response.destroy());
    else response.end(rest);
  });
  const [a, b] = [await startNode(), await startNode()];
  await a.exchange.hold(file.path, file);
  await b.exchange.pull(file, [liar, a.server.url], never());
  expectStored(b, file);
});

test('where every node sends wrong bytes nothing is held, and each is told by name', async () => {
  const file = sampleFile(300_000);
  const wrong = Buffer.alloc(file.bytes);
  const liars = [
    await peer((request, response) => response.end(ranged(wrong, request, response))),
    await peer((request, response) => response.end(ranged(wrong, request, response))),
  ];
  const b = await startNode();
  const failure = await b.exchange.pull(file, liars, never()).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'UNAVAILABLE' });
  for (const liar of liars) expect(String(failure)).toContain(`${liar} sends bytes that have another digest`);
  expect(b.exchange.has(file.digest)).toBe(false);
});

test.each([
  ['more bytes than the file has', (content: Buffer) => Buffer.concat([content, Buffer.alloc(1)])],
  ['a shorter file', (content: Buffer) => content.subarray(1)],
])('%s: refused', async (_, change) => {
  const file = sampleFile(300_000);
  const other = await peer((request, response) =>
    response.end(ranged(change(file.content), request, response)),
  );
  const ending = await peer((_request, response) => {
    response.writeHead(200, { 'content-length': file.bytes });
    response.write(file.content.subarray(1), () => response.destroy());
  });
  const b = await startNode();
  expect(await outcomeOf(() => b.exchange.pull(file, [other], never()))).toBe('UNAVAILABLE');
  expect(await outcomeOf(() => b.exchange.pull(file, [ending], never()))).toBe('UNAVAILABLE');
  expect(b.exchange.has(file.digest)).toBe(false);
});

test('nodes that do not hold it, do not answer, or want another token: UNAVAILABLE, with the reasons', async () => {
  const file = sampleFile(1000);
  const [empty, stranger, b] = [
    await startNode(),
    await startNode({ access: { token: 'another-token-altogether' } }),
    await startNode(),
  ];
  await stranger.exchange.hold(file.path, file);
  const sources = [empty.server.url, stranger.server.url, 'http://127.0.0.1:1'];
  const failure = String(await b.exchange.pull(file, sources, never()).catch((error: unknown) => error));
  expect(failure).toContain(`${empty.server.url} answers 404`);
  expect(failure).toContain(`${stranger.server.url} answers 401`);
  expect(failure).toContain('ECONNREFUSED');
});

test('several callers are one transfer, which ends when the last has gone', async () => {
  const file = sampleFile(2 * MIB);
  let requests = 0;
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = await peer((request, response) => {
    requests++;
    const rest = ranged(file.content, request, response);
    response.write(rest.subarray(0, MIB));
    void held.then(() => response.end(rest.subarray(MIB)));
  });
  const b = await startNode();
  const [first, second] = [new AbortController(), new AbortController()];
  const pulls = [first, second].map(({ signal }) => outcomeOf(() => b.exchange.pull(file, [slow], signal)));
  await expect.poll(() => b.exchange.inFlight()[0]?.received ?? 0).toBeGreaterThan(0);
  first.abort();
  expect(await pulls[0]).toBe('ABORTED');
  expect(b.exchange.inFlight()).toMatchObject([{ digest: file.digest, bytes: file.bytes, from: slow }]);
  second.abort();
  expect(await pulls[1]).toBe('ABORTED');
  await expect.poll(() => b.exchange.inFlight()).toEqual([]);
  // And one that comes after goes on.
  const third = outcomeOf(() => b.exchange.pull(file, [slow], never()));
  release();
  expect(await third).toBe('ok');
  expect(requests).toBe(2);
  expectStored(b, file);
});

test('no more transfers run at a time than allowed', async () => {
  let running = 0;
  let most = 0;
  const files = Array.from({ length: 6 }, (_, i) => sampleFile(50_000, i + 1));
  const source = await peer((request, response) => {
    running++;
    most = Math.max(most, running);
    const file = files.find(({ digest }) => request.url === `/files/${digest}`);
    setImmediate(() => {
      running--;
      response.end(ranged(file?.content ?? Buffer.alloc(0), request, response));
    });
  });
  const b = await startNode({ exchange: { limits: { transfers: 2 } } });
  await Promise.all(files.map((file) => b.exchange.pull(file, [source], never())));
  expect([...b.exchange.digests()].sort()).toEqual(files.map(({ digest }) => digest).sort());
  expect(most).toBeLessThanOrEqual(2);
});

test('all transfers together keep to the rate', async () => {
  const slept: number[] = [];
  const { nodeEnv } = await import('../../src/base/env/node-env.ts');
  let nowMs = 0;
  const clock = {
    ...nodeEnv.clock,
    monotonicMs: () => nowMs,
    sleep: async (ms: number) => {
      slept.push(ms);
      nowMs += ms;
    },
  };
  const [a, b] = [
    await startNode(),
    await startNode({
      env: { ...nodeEnv, clock },
      exchange: { limits: { transfers: 2, bytesPerSecond: MIB } },
    }),
  ];
  const files = [sampleFile(2 * MIB, 1), sampleFile(2 * MIB, 2)];
  for (const file of files) await a.exchange.hold(file.path, file);
  await Promise.all(files.map((file) => b.exchange.pull(file, [a.server.url], never())));
  // 4 MiB at 1 MiB a second, but for the tenth of a second that may be taken at once.
  expect(nowMs).toBeGreaterThanOrEqual(3900);
  expect(slept.length).toBeGreaterThan(4);
});

test('no room: NO_SPACE before a byte is asked for', async () => {
  const { nodeEnv } = await import('../../src/base/env/node-env.ts');
  const fs = Object.assign(Object.create(nodeEnv.fs) as typeof nodeEnv.fs, { freeBytesSync: () => 1000 });
  const b = await startNode({ env: { ...nodeEnv, fs } });
  const file = sampleFile(5000);
  expect(await outcomeOf(() => b.exchange.pull(file, ['http://127.0.0.1:1'], never()))).toBe('NO_SPACE');
});

test('ask has a peer fetch a file; what fails it there is told here', async () => {
  const [a, b] = [await startNode(), await startNode()];
  const file = sampleFile(200_000);
  await a.exchange.hold(file.path, file);
  await a.exchange.ask(b.server.url, file, [a.server.url], never());
  expectStored(b, file);
  const other = { ...sampleFile(10, 9) };
  expect(await outcomeOf(() => a.exchange.ask(b.server.url, other, [a.server.url], never()))).toBe(
    'UNAVAILABLE',
  );
});

test('who leaves while a peer fetches for him ends that', async () => {
  let began = (): void => undefined;
  const staging = new Promise<void>((resolve) => {
    began = resolve;
  });
  let ended: (() => void) | undefined;
  const stopped = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const [a, b] = [
    await startNode(),
    await startNode({
      service: {
        stage: (_file, _sources, signal) => {
          began();
          return new Promise((_, reject) =>
            signal.addEventListener('abort', () => {
              ended?.();
              reject(signal.reason);
            }),
          );
        },
      },
    }),
  ];
  const leaving = new AbortController();
  const asked = outcomeOf(() => a.exchange.ask(b.server.url, sampleFile(10), [], leaving.signal));
  await staging;
  leaving.abort();
  expect(await asked).toBe('ABORTED');
  await stopped;
});

test('a held file that somebody removed is not served, and can be fetched again', async () => {
  const [a, b] = [await startNode(), await startNode()];
  const file = sampleFile(5000);
  for (const { exchange } of [a, b]) await exchange.hold(file.path, file);
  unlinkSync(a.exchange.path(file.digest));
  const c = await startNode();
  await c.exchange.pull(file, [a.server.url, b.server.url], never());
  expect(a.exchange.has(file.digest)).toBe(false);
  await a.exchange.pull(file, [b.server.url], never());
  expectStored(a, file);
});

test('what a crash left in partial/ goes at the next start, but for beginnings of files', () => {
  const dir = join(memoryDirectory(), 'db');
  const partial = join(dir, 'cluster/partial');
  mkdirSync(partial, { recursive: true });
  const file = sampleFile(100);
  linkSync(file.path, join(partial, `${file.digest}.0011223344556677`));
  writeFileSync(join(partial, file.digest), 'begun');
  return startNode({ dir }).then(() => {
    expect(readdirSync(partial)).toEqual([file.digest]);
  });
});
