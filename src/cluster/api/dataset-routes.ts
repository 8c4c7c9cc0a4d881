/** Datasets over HTTP: their versions, publishing one, making another live, what differs between two. */

import type { Env } from '../../base/env/env.ts';
import { isSluiceError, throwIfAborted } from '../../base/errors.ts';
import type { Dataset, DatasetVersion } from '../../txn/dataset/dataset.ts';
import type { PublishOptions } from '../../txn/dataset/publish.ts';
import type { Call } from '../http/call.ts';
import { tellWhenDone } from '../http/file-routes.ts';
import type { Route } from '../http/node-server.ts';
import { RequestError } from '../http/status-codes.ts';
import { Fields } from '../json-fields.ts';
import type { AllowedPaths } from './allowed-paths.ts';
import { prefixOf } from './ingest-routes.ts';
import { LineAnswer, withinScanTime } from './line-answer.ts';
import { checkItems } from './read-routes.ts';
import type { ServedNode } from './served-node.ts';
import { encodingOf, toText } from './text-encoding.ts';
import type { Uploads } from './uploads.ts';

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;

/** As `dataset.versions()` tells it. */
export interface DatasetVersionStatus {
  readonly version: number;
  readonly kind: 'base' | 'delta';
  readonly base?: number;
  readonly live: boolean;
  /** ISO 8601. */
  readonly time: string;
  readonly commit: number;
  readonly message?: string;
  readonly ingest: string;
  readonly files: readonly {
    readonly file: string;
    readonly bytes: number;
    readonly entries: number;
    readonly sha256?: string;
  }[];
  readonly tables: number;
  readonly bytes: number;
  readonly entries: number;
}

export interface DatasetStatus {
  readonly name: string;
  readonly versions: readonly DatasetVersionStatus[];
}

export class DatasetRoutes {
  readonly #node: ServedNode;
  readonly #env: Env;
  readonly #uploads: Uploads;
  readonly #allowed: AllowedPaths;

  constructor(node: ServedNode, env: Env, uploads: Uploads, allowed: AllowedPaths) {
    this.#node = node;
    this.#env = env;
    this.#uploads = uploads;
    this.#allowed = allowed;
  }

  routes(): readonly Route[] {
    const route = (method: Route['method'], path: string, run: (call: Call) => Promise<void>): Route => ({
      method,
      path: `/v1/datasets${path}`,
      access: 'client',
      run,
    });
    return [
      route('GET', '', (call) => this.#list(call)),
      route('POST', '/:name/publish', (call) => this.#publish(call)),
      route('POST', '/:name/activate', (call) => this.#activate(call)),
      route('POST', '/:name/rollback', (call) => this.#rollback(call)),
      route('POST', '/:name/drop', (call) => this.#drop(call)),
      route('POST', '/:name/diff', (call) => this.#diff(call)),
    ];
  }

  #dataset(call: Call, keepVersions?: number): Dataset {
    const [name = ''] = call.parameters;
    return this.#node.db.dataset(name, { ...BYTES, ...(keepVersions !== undefined && { keepVersions }) });
  }

  async #list(call: Call): Promise<void> {
    const { db, catchUp } = this.#node;
    if (call.query.get('linearizable') === 'true') await catchUp(call.signal);
    const datasets = db
      .datasets()
      .map((name): DatasetStatus => ({ name, versions: db.dataset(name).versions().map(toldOf) }));
    call.answer(200, { datasets });
  }

  async #publish(call: Call): Promise<void> {
    const body = new Fields(await call.json(), 'body');
    const [files, uploaded] = [body.texts('files'), body.texts('uploads')];
    const keepVersions = body.count('keepVersions', 1);
    const options = { ...publishOptionsOf(body), signal: call.signal };
    body.end();
    if ((files === undefined) === (uploaded === undefined))
      throw new TypeError('body must have either files or uploads');
    checkItems((files ?? uploaded ?? []).length, call);
    const dataset = this.#dataset(call, keepVersions);
    const publish = async (paths: readonly string[], mode: 'copy' | 'link'): Promise<object> => {
      if (options.kind === 'delta') await this.#node.catchUp(call.signal);
      return toldOf(await dataset.publish(paths, { ...options, mode }));
    };
    const paths = files?.map((path) => this.#allowed.file(path));
    await tellWhenDone(call, this.#env.clock, () =>
      paths === undefined
        ? this.#uploads.taking(uploaded ?? [], (own) => publish(own, 'link'))
        : publish(paths, 'copy'),
    );
  }

  async #activate(call: Call): Promise<void> {
    const body = new Fields(await call.json(), 'body');
    const version = body.count('version', 1);
    body.end();
    if (version === undefined) throw body.wrong('version', 'a whole number from 1', undefined);
    await this.#node.catchUp(call.signal);
    const commit = await this.#dataset(call).activate(version);
    call.answer(200, { version, commit });
  }

  async #rollback(call: Call): Promise<void> {
    new Fields(await call.json(), 'body').end();
    await this.#node.catchUp(call.signal);
    call.answer(200, { version: await this.#dataset(call).rollback() });
  }

  async #drop(call: Call): Promise<void> {
    const body = new Fields(await call.json(), 'body');
    const versions = body.list('versions');
    const keep = body.count('keep', 1);
    body.end();
    if ((versions === undefined) === (keep === undefined))
      throw new TypeError('body must have either versions or keep');
    checkItems(versions?.length ?? 0, call);
    await this.#node.catchUp(call.signal);
    const dataset = this.#dataset(call);
    if (keep !== undefined) {
      call.answer(200, { dropped: await dataset.retain(keep) });
      return;
    }
    const ids = (versions ?? []).filter((version): version is number => typeof version === 'number');
    if (ids.length !== versions?.length) throw body.wrong('versions', 'an array of whole numbers', versions);
    const dropped: number[] = [];
    for (const version of ids) {
      try {
        await dataset.drop(version);
      } catch (error) {
        // What was dropped before it is told by asking for the list.
        if (dropped.length === 0 || !isSluiceError(error)) throw error;
        throw new RequestError(409, `dropped ${dropped.join(', ')}; ${version} was not: ${error.message}`);
      }
      dropped.push(version);
    }
    call.answer(200, { dropped });
  }

  /** Lines of changes, each [type, key, value, before], without values where they were not asked for or there is none. */
  async #diff(call: Call): Promise<void> {
    const body = new Fields(await call.json(), 'body');
    const [before, after] = [body.count('before', 1), body.count('after', 1)];
    const encoding = encodingOf(body);
    const values = body.flag('values') ?? true;
    body.end();
    if (before === undefined || after === undefined)
      throw new TypeError('body must have before and after, versions of the dataset');
    const textOf = (bytes: Buffer | undefined): string | null =>
      bytes === undefined || !values ? null : toText(bytes, encoding);
    await withinScanTime(call, this.#env.clock, async (signal) => {
      const answer = new LineAnswer(call, 'changes', signal);
      let count = 0;
      for await (const change of this.#dataset(call).diff(before, after, { signal })) {
        throwIfAborted(signal);
        count++;
        const key = toText(change.key, encoding);
        if (answer.add([change.type, key, textOf(change.value), textOf(change.before)])) await answer.send();
      }
      await answer.end({ count });
    });
  }
}

function publishOptionsOf(body: Fields): PublishOptions {
  const prefix = body.object('prefix');
  const encoding = encodingOf(body);
  const given = {
    kind: body.choice('kind', ['base', 'delta']),
    version: body.count('version', 1),
    on: body.count('on', 1),
    message: body.text('message'),
    activate: body.flag('activate'),
    verify: body.choice('verify', ['blocks', 'checksums', 'footer', 'none']),
    sha256: body.value('sha256') === true ? (true as const) : body.texts('sha256'),
    prefix: prefix && prefixOf(prefix, encoding),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function toldOf({ base, message, time, files, ...version }: DatasetVersion): DatasetVersionStatus {
  return {
    ...version,
    ...(base !== undefined && { base }),
    ...(message !== undefined && { message }),
    time: time.toISOString(),
    files: files.map(({ file, bytes, entries, sha256 }) => ({
      file,
      bytes,
      entries,
      ...(sha256 !== undefined && { sha256 }),
    })),
  };
}
