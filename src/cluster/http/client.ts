/** A client of a cluster's nodes, over HTTP: the same calls to any of them. */

import { checkOptions } from '../../base/arguments.ts';
import type { ClientTls } from '../../base/env/http.ts';
import { nodeEnv } from '../../base/env/node-env.ts';
import { isSluiceError, SluiceError, throwIfAborted } from '../../base/errors.ts';
import type { DatasetStatus } from '../api/dataset-routes.ts';
import type { ImportStatus } from '../api/import-routes.ts';
import type { IngestStatus } from '../api/ingest-record-routes.ts';
import type { NodeStatus } from '../api/served-node.ts';
import type { ContentComparison } from '../contents.ts';
import { ClientDataset } from './client-dataset.ts';
import { ClientNodes } from './client-nodes.ts';
import {
  base64,
  encodedBounds,
  encodedCondition,
  encodedWrite,
  jsonBody,
  linesOf,
  parse,
} from './client-wire.ts';
import { errorOf } from './status-codes.ts';

export interface ClusterClientOptions {
  /** Of nodes, `http://127.0.0.1:7001`: the first that can be reached is asked, and stays the one. */
  readonly urls: readonly string[];
  readonly token?: string;
  readonly tls?: ClientTls;
  /** A connection may be silent so long, in a request or an answer; 60,000. */
  readonly timeoutMs?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface CommitOptions extends CallOptions {
  /** 1 to 64 letters, digits, `.`, `_` and `-`: of all commits of this id, by any node, one is made. Kept for as many versions as the cluster's window has. */
  readonly id?: string;
}

export interface ReadOptions extends CallOptions {
  readonly keyspace?: string;
  /** Wait until the node has applied all that was committed anywhere before the call. */
  readonly linearizable?: boolean;
  /** A past version, which must be kept. */
  readonly at?: number;
}

export interface ScanOptions extends ReadOptions {
  readonly gt?: Bytes;
  readonly gte?: Bytes;
  readonly lt?: Bytes;
  readonly lte?: Bytes;
  readonly reverse?: boolean;
  readonly limit?: number;
  /** False: keys alone. */
  readonly values?: boolean;
}

/** Text is UTF-8. */
export type Bytes = string | Uint8Array;

/** `value: null`: it is not there. */
export type ClientCondition =
  | { readonly keyspace?: string; readonly key: Bytes; readonly value: Bytes | null }
  | { readonly keyspace?: string; readonly key: Bytes; readonly exists: boolean };

export type ClientWrite =
  | { readonly type: 'put'; readonly keyspace?: string; readonly key: Bytes; readonly value: Bytes }
  | { readonly type: 'del'; readonly keyspace?: string; readonly key: Bytes }
  | {
      readonly type: 'deleteRange';
      readonly keyspace?: string;
      readonly gt?: Bytes;
      readonly gte?: Bytes;
      readonly lt?: Bytes;
      readonly lte?: Bytes;
    };

export interface ClientBatch {
  /** All must hold, or nothing is written: CONDITION_FAILED, a `ConditionFailed`. */
  readonly if?: readonly ClientCondition[];
  readonly ops: readonly ClientWrite[];
  /** Of conditions and operations that do not say. */
  readonly keyspace?: string;
}

export interface UploadedFile {
  readonly upload: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** As JSON; see docs/cluster.md for its fields. Either `files` or `uploads`. */
export interface ClientIngest {
  readonly files?: readonly string[];
  readonly uploads?: readonly string[];
  readonly into?: string;
  readonly id?: string;
  readonly sha256?: readonly string[] | true;
  readonly [option: string]: unknown;
}

export interface ClientIngestResult {
  readonly id: string;
  readonly replayed: boolean;
  readonly version: number;
  readonly ingested: readonly unknown[];
}

export interface ClientImport {
  readonly source: readonly string[];
  readonly into?: string;
  readonly format?: string;
  readonly id?: string;
  readonly [option: string]: unknown;
}

const TIMEOUT_MS = 60_000;

export class ClusterClient implements AsyncDisposable {
  readonly #nodes: ClientNodes;

  /** @throws TypeError */
  constructor(options: ClusterClientOptions) {
    checkOptions(options);
    const { urls, token, tls, timeoutMs = TIMEOUT_MS } = options;
    if (!Array.isArray(urls) || urls.length === 0)
      throw new TypeError('options.urls must be an array of URLs');
    for (const url of urls as readonly unknown[]) {
      if (typeof url !== 'string' || !URL.canParse(url) || !/^https?:/.test(url))
        throw new TypeError(`each of options.urls must be an http(s) URL; got ${String(url)}`);
    }
    if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1)
      throw new TypeError('options.timeoutMs must be a whole number from 1');
    this.#nodes = new ClientNodes(urls, token, tls, timeoutMs);
  }

  async get(key: Bytes, options: ReadOptions = {}): Promise<Buffer | undefined> {
    const { values } = await this.getMany([key], options);
    return values[0];
  }

  /** All at one version. */
  async getMany(
    keys: readonly Bytes[],
    options: ReadOptions = {},
  ): Promise<{ readonly version: number; readonly values: readonly (Buffer | undefined)[] }> {
    const { signal, ...read } = options;
    const question = { ...read, keys: keys.map(base64), encoding: 'base64' };
    const answer = (await this.#nodes.ask('POST', '/v1/get', question, { signal, again: true })) as {
      version: number;
      values: (string | null)[];
    };
    const values = answer.values.map((value) => (value === null ? undefined : Buffer.from(value, 'base64')));
    return { version: answer.version, values };
  }

  /** In key order, at one version. Where the node cannot go on it ends with an error, never early. */
  async *scan(
    options: ScanOptions = {},
  ): AsyncGenerator<readonly [key: Buffer, value: Buffer], void, undefined> {
    const { signal, gt, gte, lt, lte, ...read } = options;
    const bounds = { gt, gte, lt, lte };
    const question = { ...read, ...encodedBounds(bounds), encoding: 'base64' };
    const { answer, url } = await this.#nodes.send('POST', '/v1/scan', jsonBody(question), {
      signal,
      again: true,
    });
    try {
      for await (const line of linesOf(answer, url, signal)) {
        const told = parse(line) as { entries?: [string, string?][]; end?: object } | undefined;
        if (told?.end !== undefined) return;
        if (told?.entries === undefined) throw errorOf(answer.status, told, url);
        for (const [key, value = ''] of told.entries)
          yield [Buffer.from(key, 'base64'), Buffer.from(value, 'base64')];
      }
      throw new SluiceError('UNAVAILABLE', `${url} broke off a scan`);
    } finally {
      answer.destroy();
    }
  }

  /**
   * One transaction. Resolves with its version. It has an id, of its own unless one is given: where an answer is lost it is asked for again,
   * of the next node too, and committed once. In a cluster, that is: a database alone knows its ids while its process lives.
   *
   * @throws SluiceError CONDITION_FAILED, CONFLICT; OUTCOME_UNKNOWN when no node could tell what became of it
   */
  async commit(batch: ClientBatch, options: CommitOptions = {}): Promise<number> {
    const { id = nodeEnv.random.hex(16), signal } = options;
    const question = {
      encoding: 'base64',
      id,
      ...(batch.keyspace !== undefined && { keyspace: batch.keyspace }),
      if: (batch.if ?? []).map(encodedCondition),
      ops: batch.ops.map(encodedWrite),
    };
    let unknown: unknown;
    for (let attempt = 0; attempt <= this.#nodes.count; attempt++) {
      const again = attempt > 0 && { again: true };
      try {
        const answer = await this.#nodes.ask(
          'POST',
          '/v1/commit',
          { ...question, ...again },
          { signal, again: false },
        );
        return (answer as { version: number }).version;
      } catch (error) {
        throwIfAborted(signal);
        if (!isUnknown(error, attempt > 0)) throw error;
        unknown ??= error;
        this.#nodes.passOver();
      }
    }
    throw unknown;
  }

  put(
    key: Bytes,
    value: Bytes,
    options: CommitOptions & { readonly keyspace?: string } = {},
  ): Promise<number> {
    const { keyspace, ...call } = options;
    return this.commit(
      { ops: [{ type: 'put', key, value }], ...(keyspace !== undefined && { keyspace }) },
      call,
    );
  }

  del(key: Bytes, options: CommitOptions & { readonly keyspace?: string } = {}): Promise<number> {
    const { keyspace, ...call } = options;
    return this.commit({ ops: [{ type: 'del', key }], ...(keyspace !== undefined && { keyspace }) }, call);
  }

  /** Sends an SST file; `ingest` names it by what this resolves with, on the same node, within an hour. */
  async upload(
    file: Uint8Array | AsyncIterable<Uint8Array>,
    options: CallOptions & { readonly sha256?: string } = {},
  ): Promise<UploadedFile> {
    const { sha256, signal } = options;
    const query = sha256 === undefined ? '' : `?sha256=${encodeURIComponent(sha256)}`;
    const headers: Record<string, string | number> = { 'content-type': 'application/octet-stream' };
    if (file instanceof Uint8Array) headers['content-length'] = file.length;
    const sent = await this.#nodes.send(
      'POST',
      `/v1/uploads${query}`,
      { body: file, headers },
      { signal, again: false },
    );
    return (await this.#nodes.json(sent, signal)) as UploadedFile;
  }

  /** Give an `id`, and a call whose answer is lost can be made again without harm. */
  async ingest(ingest: ClientIngest, options: CallOptions = {}): Promise<ClientIngestResult> {
    const again = ingest.id !== undefined && ingest.uploads === undefined;
    // What was uploaded is on one node.
    const nodesMax = ingest.uploads === undefined ? this.#nodes.count : 1;
    const { done } = (await this.#nodes.ask('POST', '/v1/ingest', ingest, {
      ...options,
      again,
      nodesMax,
    })) as {
      done: ClientIngestResult;
    };
    return done;
  }

  async import(given: ClientImport, options: CallOptions = {}): Promise<ImportStatus> {
    return (await this.#nodes.ask('POST', '/v1/imports', given, {
      ...options,
      again: false,
    })) as ImportStatus;
  }

  async imports(options: CallOptions = {}): Promise<readonly ImportStatus[]> {
    const { imports } = (await this.#nodes.ask('GET', '/v1/imports', undefined, {
      ...options,
      again: true,
    })) as {
      imports: readonly ImportStatus[];
    };
    return imports;
  }

  async importStatus(id: string, options: CallOptions = {}): Promise<ImportStatus> {
    const path = `/v1/imports/${encodeURIComponent(id)}`;
    return (await this.#nodes.ask('GET', path, undefined, { ...options, again: true })) as ImportStatus;
  }

  async changeImport(
    id: string,
    change: 'pause' | 'resume' | 'cancel',
    options: CallOptions = {},
  ): Promise<ImportStatus> {
    const path = `/v1/imports/${encodeURIComponent(id)}/${change}`;
    return (await this.#nodes.ask('POST', path, undefined, { ...options, again: false })) as ImportStatus;
  }

  async keyspaces(options: CallOptions = {}): Promise<readonly string[]> {
    const answer = await this.#nodes.ask('GET', '/v1/keyspaces', undefined, { ...options, again: true });
    return (answer as { keyspaces: readonly string[] }).keyspaces;
  }

  /** Made where there is none; there on the node that is asked when it resolves. */
  async makeKeyspace(
    name: string,
    options: CallOptions & { readonly allowIngestBehind?: boolean } = {},
  ): Promise<void> {
    const { signal, ...keyspace } = options;
    await this.#nodes.ask('POST', '/v1/keyspaces', { name, ...keyspace }, { signal, again: true });
  }

  /** With all it holds. @throws SluiceError KEYSPACE_NOT_FOUND */
  async dropKeyspace(name: string, options: CallOptions = {}): Promise<void> {
    const path = `/v1/keyspaces/${encodeURIComponent(name)}`;
    await this.#nodes.ask('DELETE', path, undefined, { ...options, again: false });
  }

  /** All, by name, as the node that is asked has them. `linearizable`: with what any node had published before the call. */
  async datasets(
    options: CallOptions & { readonly linearizable?: boolean } = {},
  ): Promise<readonly DatasetStatus[]> {
    const { signal, linearizable } = options;
    const path = `/v1/datasets${linearizable === true ? '?linearizable=true' : ''}`;
    const answer = await this.#nodes.ask('GET', path, undefined, { signal, again: true });
    return (answer as { datasets: readonly DatasetStatus[] }).datasets;
  }

  dataset(name: string): ClientDataset {
    return new ClientDataset(this.#nodes, name);
  }

  /** What was ever ingested, oldest first. */
  async ingests(options: CallOptions = {}): Promise<readonly IngestStatus[]> {
    const answer = await this.#nodes.ask('GET', '/v1/ingests', undefined, { ...options, again: true });
    return (answer as { ingests: readonly IngestStatus[] }).ingests;
  }

  /** As of a database. Resolves with its version. @throws SluiceError UNDO_CONFLICT, UNDO_IMPOSSIBLE, INGEST_NOT_FOUND */
  async undoIngest(id: string, options: CallOptions = {}): Promise<number> {
    const path = `/v1/ingests/${encodeURIComponent(id)}/undo`;
    const answer = await this.#nodes.ask('POST', path, {}, { ...options, again: false });
    return (answer as { done: { version: number } }).done.version;
  }

  async releaseIngest(id: string, options: CallOptions = {}): Promise<void> {
    const path = `/v1/ingests/${encodeURIComponent(id)}/release`;
    await this.#nodes.ask('POST', path, {}, { ...options, again: true });
  }

  /** One that is gone for good. @throws SluiceError BUSY while it lives */
  async forgetNode(node: string, options: CallOptions = {}): Promise<void> {
    const path = `/v1/members/${encodeURIComponent(node)}/forget`;
    await this.#nodes.ask('POST', path, {}, { ...options, again: true });
  }

  async status(options: CallOptions = {}): Promise<NodeStatus> {
    return (await this.#nodes.ask('GET', '/v1/status', undefined, { ...options, again: true })) as NodeStatus;
  }

  /** Has all nodes compute what they hold at one place of the log, and compares; see `compareContents` of a node's database. */
  async compareContents(options: CallOptions = {}): Promise<ContentComparison> {
    const { done } = (await this.#nodes.ask('POST', '/v1/compare', undefined, {
      ...options,
      again: true,
    })) as {
      done: ContentComparison;
    };
    return done;
  }

  close(): void {
    this.#nodes.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

/** Of a commit that was sent before only a condition that does not hold tells that it was not made, and will not be. */
function isUnknown(error: unknown, again: boolean): boolean {
  return again ? !isSluiceError(error, 'CONDITION_FAILED') : isSluiceError(error, 'OUTCOME_UNKNOWN');
}
