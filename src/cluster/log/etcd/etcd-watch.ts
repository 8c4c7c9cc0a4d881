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

  /** The next answer; undefined after `waitMs` without one. @throws as `take` */
  async next(clock: Clock, waitMs: number, signal: AbortSignal): Promise<IWatchResponse | undefined> {
    await this.news(clock, waitMs, signal);
    return signal.aborted ? undefined : this.take();
  }

  /** An answer that is there. @throws what ended the watch, after all that came before */
  take(): IWatchResponse | undefined {
    const answer = this.#queue.shift();
    if (answer === undefined) {
      if (this.#end !== undefined) throw this.#end;
      return undefined;
    }
    this.#queuedBytes -= bytesOf(answer);
    if (this.#queuedBytes <= QUEUE_BYTES_MAX / 2) flow(this.#stream, 'resume');
    return answer;
  }

  /** Resolves with true when there may be an answer, or `wake` is called; with false after `waitMs`. */
  async news(clock: Clock, waitMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#queue.length > 0 || this.#end !== undefined || signal.aborted) return true;
    return await new Promise<boolean>((resolve) => {
      const done = (isNews: boolean): void => {
        cancel();
        signal.removeEventListener('abort', wake);
        this.#wake = undefined;
        resolve(isNews);
      };
      const wake = (): void => done(true);
      const cancel = clock.after(waitMs, () => done(false));
      signal.addEventListener('abort', wake);
      this.#wake = wake;
    });
  }

  /** Who waits for news looks again. */
  wake(): void {
    this.#wake?.();
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
