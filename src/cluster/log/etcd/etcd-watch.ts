/**
 * One watch at one member of etcd, as a queue of its answers. etcd3's own `Watcher` is not used: it goes on by itself after what went
 * wrong, so that a reader cannot tell whether something is missing, and it reads on however slow the reader is.
 */

import type { Etcd3, IWatchCreateRequest, IWatchResponse } from 'etcd3';
import type { Clock } from '../../../base/env/env.ts';

const QUEUE_BYTES_MAX = 8 * 1024 * 1024;

type Stream = Awaited<ReturnType<Etcd3['watchClient']['watch']>>;

export class EtcdWatch {
  readonly #stream: Stream;
  readonly #queue: IWatchResponse[] = [];
  #queuedBytes = 0;
  #end: Error | undefined;
  #wake: (() => void) | undefined;

  private constructor(stream: Stream) {
    this.#stream = stream;
    stream.on('data', (answer) => {
      this.#queue.push(answer);
      this.#queuedBytes += bytesOf(answer);
      if (this.#queuedBytes > QUEUE_BYTES_MAX) flow(stream, 'pause');
      this.#wake?.();
    });
    stream.on('error', (error) => this.#ended(error));
    stream.on('end', () => this.#ended(new Error('14 UNAVAILABLE: the watch ended')));
  }

  static async open(client: Etcd3, request: IWatchCreateRequest): Promise<EtcdWatch> {
    const watch = new EtcdWatch(await client.watchClient.watch());
    watch.#stream.write({ create_request: request });
    return watch;
  }

  /** The next answer; undefined after `waitMs` without one. @throws what ended the watch, after all that came before */
  async next(clock: Clock, waitMs: number, signal: AbortSignal): Promise<IWatchResponse | undefined> {
    if (this.#queue.length === 0 && this.#end === undefined && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          cancel();
          signal.removeEventListener('abort', done);
          this.#wake = undefined;
          resolve();
        };
        const cancel = clock.after(waitMs, done);
        signal.addEventListener('abort', done);
        this.#wake = done;
      });
    }
    const answer = this.#queue.shift();
    if (answer !== undefined) {
      this.#queuedBytes -= bytesOf(answer);
      if (this.#queuedBytes <= QUEUE_BYTES_MAX / 2) flow(this.#stream, 'resume');
      return answer;
    }
    if (this.#end !== undefined && !signal.aborted) throw this.#end;
    return undefined;
  }

  cancel(): void {
    this.#end ??= new Error('1 CANCELLED: by us');
    this.#stream.cancel();
  }

  #ended(error: Error): void {
    this.#end ??= error;
    this.#wake?.();
  }
}

function bytesOf(answer: IWatchResponse): number {
  let bytes = 0;
  for (const { kv } of answer.events) bytes += kv.value.length;
  return bytes;
}

/** A call of gRPC is a stream of Node, of which etcd3's type tells nothing. */
function flow(stream: object, what: 'pause' | 'resume'): void {
  const method: unknown = Reflect.get(stream, what);
  if (typeof method === 'function') Reflect.apply(method, stream, []);
}
