/** Which of its nodes a client asks, and what it says when it cannot know. Nodes that answer what they are told to. */

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { ClusterClient } from '../../src/cluster/http/client.ts';
import { outcomeOf } from '../base/database.ts';
import { freePorts } from '../fixtures/etcd.ts';
import { cluster } from './http-nodes.ts';

/** undefined: none, once the request is there. */
type Answer = { readonly status: number; readonly body: object } | undefined;

const error = (status: number, code: string): Answer => ({
  status,
  body: { error: { code, message: 'so' } },
});
const done = (body: object): Answer => ({ status: 200, body });

/** Answers one after the other, the last again and again; and what was asked. */
async function answering(...answers: Answer[]): Promise<{ readonly url: string; readonly asked: unknown[] }> {
  const asked: unknown[] = [];
  const answer = async (request: IncomingMessage): Promise<Answer> => {
    asked.push(JSON.parse(await textOf(request)));
    return answers[Math.min(asked.length, answers.length) - 1];
  };
  const server = createServer((request, response) => {
    void answer(request).then((told) => {
      if (told === undefined) request.socket.destroy();
      else
        response
          .writeHead(told.status, { 'content-type': 'application/json' })
          .end(JSON.stringify(told.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

function clientOf(...nodes: readonly { readonly url: string }[]): ClusterClient {
  const client = new ClusterClient({ urls: nodes.map(({ url }) => url) });
  onTestFinished(() => client.close());
  return client;
}

test.each([
  ['halted', error(503, 'HALTED')],
  ['being opened', error(503, 'BAD_REQUEST')],
  ['being closed', error(503, 'CLOSED')],
  ['cut from etcd', error(503, 'UNAVAILABLE')],
])(
  'a node that is %s is passed over, and the one that has answered is asked from then on',
  async (_, says) => {
    const [first, second] = [await answering(says), await answering(done({ version: 7 }))];
    const client = clientOf(first, second);
    expect([await client.put('k', 'v'), await client.put('k', 'w')]).toEqual([7, 7]);
    expect([first.asked.length, second.asked.length]).toEqual([1, 2]);
    expect(first.asked[0]).toEqual(second.asked[0]);
  },
);

test('where no node does it, the last says why', async () => {
  const client = clientOf(await answering(error(503, 'UNAVAILABLE')), await answering(error(503, 'HALTED')));
  expect(await outcomeOf(() => client.put('k', 'v'))).toBe('HALTED');
});

test('what was uploaded to one node is not looked for on another', async () => {
  const [first, second] = [await answering(error(503, 'BUSY')), await answering(error(404, 'BAD_REQUEST'))];
  expect(await outcomeOf(() => clientOf(first, second).ingest({ uploads: ['u'] }))).toBe('BUSY');
  expect(second.asked).toEqual([]);
});

test.each([
  error(503, 'HALTED'),
  error(503, 'UNAVAILABLE'),
  error(507, 'NO_SPACE'),
  error(401, 'BAD_REQUEST'),
  error(409, 'TOO_OLD'),
  error(409, 'CONFLICT'),
])('a commit without an answer, of which a node says %j, may have been made all the same', async (says) => {
  const nodes = [await answering(undefined), await answering(says)];
  expect(await outcomeOf(() => clientOf(...nodes).put('k', 'v'))).toBe('OUTCOME_UNKNOWN');
  expect(nodes.flatMap(({ asked }) => asked).slice(1)).toContainEqual(
    expect.objectContaining({ again: true }),
  );
});

test('a commit without an answer of which a node knows the version, or that its condition does not hold', async () => {
  const asking = async (says: Answer) => clientOf(await answering(undefined), await answering(says));
  expect(await (await asking(done({ version: 3 }))).put('k', 'v')).toBe(3);
  const refused = await asking({
    status: 409,
    body: { error: { code: 'CONDITION_FAILED', message: 'so', conditions: [0] } },
  });
  expect(await outcomeOf(() => refused.put('k', 'v'))).toBe('CONDITION_FAILED');
});

test('a node that is on its way up says so, whatever is asked and by whomever', async () => {
  const nodes = cluster();
  const [port = 0] = await freePorts(1);
  let open = (): void => undefined;
  const opening = new Promise<void>((resolve) => {
    open = resolve;
  });
  const started = nodes.start('a', { listen: `127.0.0.1:${port}` }, undefined, opening);
  const status = async (path: string) =>
    (await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined))?.status;
  await expect.poll(() => status('/healthz')).toBe(503);
  expect([await status('/v1/status'), await status('/nothing')]).toEqual([503, 503]);
  open();
  await started;
  expect([await status('/healthz'), await status('/v1/status'), await status('/nothing')]).toEqual([
    200, 401, 401,
  ]);
});
