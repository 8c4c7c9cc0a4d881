/** Asking a server over real sockets, rightly and wrongly. */

import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Route } from '../../src/cluster/http/node-server.ts';
import { bearer, type ServerOptions, startServer } from './exchange-node.ts';

/** Bytes over a connection of their own, and all that comes back until it is closed. */
export async function raw(url: string, send: (socket: Socket) => void): Promise<string> {
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let got = '';
  socket.on('data', (chunk: Buffer) => {
    got += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  socket.on('connect', () => send(socket));
  await closed;
  return got;
}

export const ECHO: Route = {
  method: 'POST',
  path: '/echo/:name',
  access: 'client',
  run: async (call) => call.answer(200, { name: call.parameters[0], body: await call.json() }),
};

export async function echoServer(options: ServerOptions = {}): Promise<string> {
  const server = await startServer(options);
  server.add([ECHO]);
  return server.url;
}

export function post(
  url: string,
  body: string,
  headers: Record<string, string> = bearer(),
): Promise<Response> {
  return fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
}
