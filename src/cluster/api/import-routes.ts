/** Imports over HTTP: of files below the directories that the node's configuration allows. Those started here are remembered when they have ended. */

import { isSluiceError, SluiceError } from '../../base/errors.ts';
import type {
  ColumnType,
  ImportIngestOptions,
  ImportOptions,
  ImportProgress,
  ImportPublish,
  ImportResult,
  ImportTask,
  ImportTaskInfo,
  KeySpec,
  ValueSpec,
} from '../../import-options.ts';
import type { Call } from '../http/call.ts';
import type { Route } from '../http/node-server.ts';
import { RequestError } from '../http/status-codes.ts';
import { Fields } from '../json-fields.ts';
import type { AllowedPaths } from './allowed-paths.ts';
import { ingestOptionsOf } from './ingest-routes.ts';
import { checkItems } from './read-routes.ts';
import type { ServedNode } from './served-node.ts';

/** That have ended. */
const REMEMBERED_MAX = 1000;

/** What is told of an import. */
export interface ImportStatus {
  readonly id: string;
  readonly state: string;
  /** Of a cluster: the node that runs it, or has run it. */
  readonly node?: string;
  /** False where no node is at it; `resume` goes on with it unless it is imported or cancelled. */
  readonly running: boolean;
  /** ISO 8601. */
  readonly started?: string;
  readonly into?: string;
  readonly sources?: readonly string[];
  /** As far as it is durable. */
  readonly rowsRead?: number;
  readonly rowsBad?: number;
  /** Of one that this node has run since it started. */
  readonly progress?: ImportProgress;
  readonly result?: ImportResult;
  readonly error?: { readonly code: string; readonly message: string };
}

interface Running {
  readonly task: ImportTask;
  result: ImportResult | undefined;
  error: { code: string; message: string } | undefined;
}

export class ImportRoutes {
  readonly #node: ServedNode;
  readonly #allowed: AllowedPaths;
  readonly #tasks = new Map<string, Running>();

  constructor(node: ServedNode, allowed: AllowedPaths) {
    this.#node = node;
    this.#allowed = allowed;
  }

  routes(): readonly Route[] {
    const access = 'client';
    return [
      { method: 'POST', path: '/v1/imports', access, run: (call) => this.#start(call) },
      {
        method: 'GET',
        path: '/v1/imports',
        access,
        run: (call) => call.answer(200, { imports: this.#all() }),
      },
      {
        method: 'GET',
        path: '/v1/imports/:id',
        access,
        run: (call) => call.answer(200, this.#status(idOf(call))),
      },
      { method: 'POST', path: '/v1/imports/:id/pause', access, run: (call) => this.#pause(call) },
      { method: 'POST', path: '/v1/imports/:id/resume', access, run: (call) => this.#resume(call) },
      { method: 'POST', path: '/v1/imports/:id/cancel', access, run: (call) => this.#cancel(call) },
    ];
  }

  async #start(call: Call): Promise<void> {
    const body = new Fields(await call.json(), 'body');
    const source = body.texts('source');
    if (source === undefined || source.length === 0) throw body.wrong('source', 'an array of paths', source);
    checkItems(source.length, call);
    const options = importOptionsOf(body);
    const paths = source.map((path) => {
      const real = this.#allowed.source(path);
      // The import would take it for a pattern, which leads elsewhere.
      if (/[*?[\]{}!]/.test(real)) throw new TypeError('body.source must be paths, not patterns');
      return real;
    });
    const task = this.#node.db.import(paths, options);
    this.#remember(task);
    call.answer(200, this.#status(task.id));
  }

  async #pause(call: Call): Promise<void> {
    await this.#running(call).task.pause();
    call.answer(200, this.#status(idOf(call)));
  }

  #resume(call: Call): void {
    const id = idOf(call);
    // It may be another node's, or a program's: what it reads here is asked for by this client.
    const { sources = [] } = this.#node.db.tasks().find((one) => one.id === id) ?? {};
    for (const source of sources) this.#allowed.source(source);
    const task = this.#node.db.resumeImport(id);
    this.#remember(task);
    call.answer(200, this.#status(task.id));
  }

  async #cancel(call: Call): Promise<void> {
    const id = idOf(call);
    const running = this.#tasks.get(id);
    if (running === undefined) await this.#node.cancelImport(id);
    else await running.task.cancel();
    call.answer(200, this.#status(id));
  }

  #running(call: Call): Running {
    const id = idOf(call);
    const running = this.#tasks.get(id);
    if (running !== undefined) return running;
    throw new SluiceError('IMPORT_NOT_FOUND', `The import ${id} does not run on this node`);
  }

  #remember(task: ImportTask): void {
    const running: Running = { task, result: undefined, error: undefined };
    this.#tasks.delete(task.id);
    this.#tasks.set(task.id, running);
    task.done.then(
      (result) => {
        running.result = result;
      },
      (error: unknown) => {
        // What a client may know of it; the node's log has the rest.
        running.error = isSluiceError(error)
          ? { code: error.code, message: error.message }
          : { code: 'INTERNAL', message: 'the import failed for a bug' };
      },
    );
    for (const [id, { result, error }] of this.#tasks) {
      if (this.#tasks.size <= REMEMBERED_MAX) break;
      if (result !== undefined || error !== undefined) this.#tasks.delete(id);
    }
  }

  #all(): readonly ImportStatus[] {
    const ids = new Set([...this.#node.db.tasks().map(({ id }) => id), ...this.#tasks.keys()]);
    return [...ids].map((id) => this.#status(id));
  }

  #status(id: string): ImportStatus {
    const running = this.#tasks.get(id);
    const kept = this.#node.db.tasks().find((one) => one.id === id);
    const told = kept === undefined ? {} : toldOf(kept);
    if (running !== undefined) {
      const { task, result, error } = running;
      return {
        id,
        state: task.state,
        ...told,
        running: kept?.running ?? (result === undefined && error === undefined),
        progress: task.progress(),
        ...(result !== undefined && { result }),
        ...(error !== undefined && { error }),
      };
    }
    if (kept === undefined) throw new SluiceError('IMPORT_NOT_FOUND', `There is no import ${id}`);
    const { state, result, error } = kept;
    return {
      id,
      state,
      ...told,
      running: kept.running,
      ...(result !== undefined && { result }),
      ...(error !== undefined && { error: { code: 'FAILED', message: error } }),
    };
  }
}

function toldOf({ node, started, into, sources, rowsRead, rowsBad }: ImportTaskInfo): Partial<ImportStatus> {
  const told = { started: started.toISOString(), into, sources, rowsRead, rowsBad };
  return node === undefined ? told : { node, ...told };
}

function idOf(call: Call): string {
  const [id = ''] = call.parameters;
  if (id === '') throw new RequestError(400, 'an import has an id');
  return id;
}

/** Those of ImportOptions that JSON can say, but for what names files. They are checked by the import itself. */
function importOptionsOf(body: Fields): ImportOptions {
  const ingest = body.object('ingest');
  const publish = body.object('publish');
  const given = {
    into: body.text('into'),
    format: body.choice('format', ['csv', 'tsv', 'text', 'jsonl', 'sequencefile', 'parquet', 'sst']),
    compression: body.choice('compression', ['auto', 'none', 'gzip', 'zstd']),
    key: body.value('key') as KeySpec | undefined,
    value: body.value('value') as ValueSpec | undefined,
    types: body.value('types') as Readonly<Record<string, ColumnType>> | undefined,
    separator: body.text('separator'),
    quote: body.value('quote') as string | undefined,
    escape: body.text('escape'),
    comment: body.text('comment'),
    skipLines: body.count('skipLines'),
    header: body.value('header') as boolean | readonly string[] | undefined,
    nullText: body.value('nullText') as string | undefined,
    writables: body.choice('writables', ['text', 'bytes', 'serialized']),
    presorted: body.flag('presorted'),
    duplicates: body.choice('duplicates', ['last', 'first', 'error']),
    onBadRow: body.choice('onBadRow', ['fail', 'skip']),
    maxBadRows: body.value('maxBadRows') as number | undefined,
    path: body.choice('path', ['auto', 'ingest', 'put']),
    id: body.text('id'),
    ingest: ingest && nestedIngest(ingest),
    publish: publish && publishOf(publish),
  };
  body.end();
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function nestedIngest(fields: Fields): ImportIngestOptions {
  const options = ingestOptionsOf(fields);
  fields.end();
  return options;
}

function publishOf(fields: Fields): ImportPublish {
  const dataset = fields.requiredText('dataset');
  const given = {
    dataset,
    kind: fields.choice('kind', ['base', 'delta']),
    version: fields.count('version'),
    message: fields.text('message'),
    activate: fields.flag('activate'),
    keepVersions: fields.count('keepVersions'),
  };
  fields.end();
  return { ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)), dataset };
}
