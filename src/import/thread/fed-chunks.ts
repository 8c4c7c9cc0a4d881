/** Bytes of a stream, which only the main thread can read, in the thread that parses them. */

import type { MessagePort } from 'node:worker_threads';
import { fromThreadError, type ThreadError } from '../../base/thread-error.ts';

export type ToFeeder = { readonly kind: 'next' };

export type FromFeeder =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'failed'; readonly error: ThreadError };

/** So many chunks are asked for before they are needed. */
const AHEAD = 4;

export async function* fedChunks(port: MessagePort): AsyncGenerator<Uint8Array, void, undefined> {
  const received: FromFeeder[] = [];
  let wake: () => void = () => undefined;
  port.on('message', (message: FromFeeder) => {
    received.push(message);
    wake();
  });
  const ask = (): void => port.postMessage({ kind: 'next' } satisfies ToFeeder);
  try {
    for (let i = 0; i < AHEAD; i++) ask();
    for (;;) {
      const message = received.shift();
      if (message === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      if (message.kind === 'end') return;
      if (message.kind === 'failed') throw fromThreadError(message.error);
      yield message.bytes;
      ask();
    }
  } finally {
    port.close();
  }
}
