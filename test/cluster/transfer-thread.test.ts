/** Large files are received by a thread of the process: this one is free meanwhile, and outlives it. */

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ThreadTransfers } from '../../src/cluster/files/thread-transfers.ts';
import { Child } from '../base/child.ts';
import { memoryDirectory, outcomeOf } from '../base/database.ts';
import { nodeCertificates } from '../fixtures/certificates.ts';
import { never, sampleFile, startNode } from './exchange-node.ts';

const MIB = 1 << 20;
const CLIENT = { token: undefined, tls: undefined, stallMs: 60_000 };

test('a file comes while this thread does nothing for it', async () => {
  const file = sampleFile(4 * MIB);
  const goOn = join(memoryDirectory(), 'go-on');
  const child = new Child(new URL('./serving-child.ts', import.meta.url));
  const source = String(await child.ask('serve', file.path, MIB, goOn));
  const b = await startNode();
  const pulling = b.exchange.pull(file, [source], never());
  await expect.poll(() => b.exchange.inFlight()[0]?.received ?? 0).toBeGreaterThan(0);
  writeFileSync(goOn, '');
  const partial = join(b.dir, 'cluster/partial', file.digest);
  const deadlineMs = performance.now() + 60_000;
  while (statSync(partial).size < file.bytes && performance.now() < deadlineMs);
  expect(statSync(partial).size).toBe(file.bytes);
  await pulling;
  expect(readFileSync(b.exchange.path(file.digest)).equals(file.content)).toBe(true);
});

test('where the thread is lost its transfers fail as if no node could be reached; the next go on', async () => {
  const file = sampleFile(2 * MIB);
  let requests = 0;
  const server = createServer((request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const rest = file.content.subarray(from);
    response.writeHead(from === 0 ? 200 : 206, {
      'content-length': rest.length,
      'content-range': `bytes ${from}-${file.bytes - 1}/${file.bytes}`,
    });
    if (requests++ === 0) response.write(rest.subarray(0, MIB));
    else response.end(rest);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const source = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const transfers = new ThreadTransfers(CLIENT, undefined);
  onTestFinished(() => transfers.close());
  const [lost, path] = [join(memoryDirectory(), 'lost'), join(memoryDirectory(), 'received')];
  const job = { file, path, target: '/file' };
  const first = transfers.begin({ ...job, path: lost }, [source], never());
  await expect.poll(() => first.progress).toEqual({ received: expect.any(Number), from: source });
  await expect.poll(() => first.progress.received).toBeGreaterThan(0);
  transfers.lost(new Error('out of memory'));
  expect(await outcomeOf(() => first.done)).toBe('UNAVAILABLE');
  await transfers.begin(job, [source], never()).done;
  expect(readFileSync(path).equals(file.content)).toBe(true);
});

test('the thread shows the node’s certificate', async () => {
  const tls = nodeCertificates();
  const { cert, key, ca } = tls;
  const file = sampleFile(2 * MIB);
  const [a, b, stranger] = [
    await startNode({ tls }),
    await startNode({ exchange: { tls: { cert, key, ca } } }),
    await startNode({ exchange: { tls: { ca } } }),
  ];
  await a.exchange.hold(file.path, file);
  await b.exchange.pull(file, [a.server.url], never());
  expect(b.exchange.has(file.digest)).toBe(true);
  expect(await outcomeOf(() => stranger.exchange.pull(file, [a.server.url], never()))).toBe('UNAVAILABLE');
});
