/** A dataset, as a client of a cluster's nodes has it. */

import { SluiceError } from '../../base/errors.ts';
import type { DatasetStatus, DatasetVersionStatus } from '../api/dataset-routes.ts';
import type { CallOptions } from './client.ts';
import type { ClientNodes } from './client-nodes.ts';
import { jsonBody, linesOf, parse } from './client-wire.ts';
import { errorOf } from './status-codes.ts';

/** As JSON; see docs/cluster.md for its fields. Either `files` or `uploads`. */
export interface ClientPublish {
  readonly files?: readonly string[];
  readonly uploads?: readonly string[];
  readonly kind?: 'base' | 'delta';
  readonly version?: number;
  readonly message?: string;
  readonly activate?: boolean;
  readonly keepVersions?: number;
  readonly [option: string]: unknown;
}

export interface ClientChange {
  readonly type: 'added' | 'changed' | 'removed';
  readonly key: Buffer;
  /** Undefined of what was removed, and without values. */
  readonly value: Buffer | undefined;
  /** Undefined of what was added, and without values. */
  readonly before: Buffer | undefined;
}

type ChangeLine = readonly [ClientChange['type'], string, string | null, string | null];

export class ClientDataset {
  readonly name: string;
  readonly #nodes: ClientNodes;

  /** For the client; users call `client.dataset(name)`. */
  constructor(nodes: ClientNodes, name: string) {
    this.#nodes = nodes;
    this.name = name;
  }

  /** Those that are kept, in the order in which they were published; with all that any node had published before the call. */
  async versions(options: CallOptions = {}): Promise<readonly DatasetVersionStatus[]> {
    const path = '/v1/datasets?linearizable=true';
    const answer = await this.#nodes.ask('GET', path, undefined, { ...options, again: true });
    const { datasets } = answer as { datasets: readonly DatasetStatus[] };
    return datasets.find(({ name }) => name === this.name)?.versions ?? [];
  }

  /** Files become a version, which is live unless `activate` is false. With a `version` a second call of one whose answer was lost is refused. */
  async publish(publish: ClientPublish, options: CallOptions = {}): Promise<DatasetVersionStatus> {
    // What was uploaded is on one node.
    const nodesMax = publish.uploads === undefined ? this.#nodes.count : 1;
    const answer = await this.#ask('publish', publish, { ...options, nodesMax });
    return (answer as { done: DatasetVersionStatus }).done;
  }

  /** Resolves with the version of the commit. @throws SluiceError DATASET_VERSION_NOT_FOUND */
  async activate(version: number, options: CallOptions = {}): Promise<number> {
    return ((await this.#ask('activate', { version }, options)) as { commit: number }).commit;
  }

  /** Makes the version live that was published before the live one. Resolves with its number. */
  async rollback(options: CallOptions = {}): Promise<number> {
    return ((await this.#ask('rollback', {}, options)) as { version: number }).version;
  }

  /** Keeps them no longer. @throws SluiceError DATASET_VERSION_LIVE, DATASET_VERSION_NOT_FOUND */
  async drop(versions: readonly number[], options: CallOptions = {}): Promise<readonly number[]> {
    return ((await this.#ask('drop', { versions }, options)) as { dropped: number[] }).dropped;
  }

  /** Drops all but the newest `keep` and the live one. Resolves with those that it has dropped. */
  async retain(keep: number, options: CallOptions = {}): Promise<readonly number[]> {
    return ((await this.#ask('drop', { keep }, options)) as { dropped: number[] }).dropped;
  }

  /** What changed from one version to another, in key order. It ends with an error where it is not whole. */
  async *diff(
    before: number,
    after: number,
    options: CallOptions & { readonly values?: boolean } = {},
  ): AsyncGenerator<ClientChange, void, undefined> {
    const { signal, ...read } = options;
    const question = { ...read, before, after, encoding: 'base64' };
    const { answer, url } = await this.#nodes.send('POST', this.#path('diff'), jsonBody(question), {
      signal,
      again: true,
    });
    try {
      for await (const line of linesOf(answer, url, signal)) {
        const told = parse(line) as { changes?: ChangeLine[]; end?: object } | undefined;
        if (told?.end !== undefined) return;
        if (told?.changes === undefined) throw errorOf(answer.status, told, url);
        for (const [type, key, value, old] of told.changes)
          yield { type, key: Buffer.from(key, 'base64'), value: bytesOf(value), before: bytesOf(old) };
      }
      throw new SluiceError('UNAVAILABLE', `${url} broke off a list of changes`);
    } finally {
      answer.destroy();
    }
  }

  #path(act: string): string {
    return `/v1/datasets/${encodeURIComponent(this.name)}/${act}`;
  }

  #ask(act: string, body: object, options: CallOptions & { readonly nodesMax?: number }): Promise<unknown> {
    return this.#nodes.ask('POST', this.#path(act), body, { ...options, again: false });
  }
}

function bytesOf(text: string | null): Buffer | undefined {
  return text === null ? undefined : Buffer.from(text, 'base64');
}
