/** Ingests over HTTP: of files that were uploaded, or that lie below a directory that the node's configuration allows. */

import type { Env } from '../../base/env/env.ts';
import type { IngestOptions } from '../../txn/ingest-options.ts';
import type { Call } from '../http/call.ts';
import { tellWhenDone } from '../http/file-routes.ts';
import type { Route } from '../http/node-server.ts';
import { RequestError } from '../http/status-codes.ts';
import { Fields } from '../json-fields.ts';
import type { AllowedPaths } from './allowed-paths.ts';
import { checkItems, rangeOf } from './read-routes.ts';
import type { ServedNode } from './served-node.ts';
import { encodingOf, type TextEncoding, toBytes } from './text-encoding.ts';
import type { Uploads } from './uploads.ts';

export function ingestRoutes(
  node: ServedNode,
  env: Env,
  uploads: Uploads,
  allowed: AllowedPaths,
): readonly Route[] {
  const access = 'client';
  return [
    {
      method: 'POST',
      path: '/v1/uploads',
      access,
      run: async (call) => call.answer(200, await uploads.receive(call)),
    },
    {
      method: 'DELETE',
      path: '/v1/uploads/:id',
      access,
      run: (call) => {
        if (!uploads.drop(call.parameters[0] ?? '')) throw new RequestError(404, 'there is no such upload');
        call.answer(200, {});
      },
    },
    {
      method: 'POST',
      path: '/v1/ingest',
      access,
      run: async (call) => {
        const ingest = await requestOf(call, node, uploads, allowed);
        await tellWhenDone(call, env.clock, ingest);
      },
    },
  ];
}

async function requestOf(
  call: Call,
  { db }: ServedNode,
  uploads: Uploads,
  allowed: AllowedPaths,
): Promise<() => Promise<object>> {
  const body = new Fields(await call.json(), 'body');
  const [files, uploaded] = [body.texts('files'), body.texts('uploads')];
  const options = { ...ingestOptionsOf(body), signal: call.signal };
  body.end();
  if ((files === undefined) === (uploaded === undefined))
    throw new TypeError('body must have either files or uploads');
  checkItems((files ?? uploaded ?? []).length, call);
  if (files !== undefined) {
    const paths = files.map((path) => allowed.file(path));
    return () => db.ingest(paths, { ...options, mode: 'copy' });
  }
  // Ours alone: nobody writes to one any more.
  return () => uploads.taking(uploaded ?? [], (paths) => db.ingest(paths, { ...options, mode: 'link' }));
}

/** Those of IngestOptions that JSON can say. */
export function ingestOptionsOf(body: Fields): IngestOptions {
  const prefix = body.object('prefix');
  const replace = body.value('replace') === true ? true : body.object('replace');
  const impact = body.object('maxImpact');
  const encoding = encodingOf(body);
  const given = {
    into: body.text('into'),
    create: body.flag('create'),
    verify: body.choice('verify', ['blocks', 'checksums', 'footer', 'none']),
    sha256: body.value('sha256') === true ? (true as const) : body.texts('sha256'),
    id: body.text('id'),
    ifExists: body.choice('ifExists', ['overwrite', 'keep', 'fail']),
    behind: body.flag('behind'),
    undoable: body.flag('undoable'),
    requireBottom: body.flag('requireBottom'),
    replace: replace instanceof Fields ? replaceOf(replace, encoding) : replace,
    prefix: prefix && prefixOf(prefix, encoding),
    maxImpact: impact && maxImpactOf(impact),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function replaceOf(fields: Fields, encoding: TextEncoding): ReturnType<typeof rangeOf> {
  const range = rangeOf(fields, encoding);
  fields.end();
  return range;
}

export function prefixOf(fields: Fields, encoding: TextEncoding): { from: Buffer; to: Buffer } {
  const bytes = (name: string): Buffer =>
    toBytes(fields.value(name) ?? '', encoding, `${fields.path}.${name}`);
  const prefix = { from: bytes('from'), to: bytes('to') };
  fields.end();
  return prefix;
}

function maxImpactOf(fields: Fields): NonNullable<IngestOptions['maxImpact']> {
  const level0Tables = fields.count('level0Tables');
  const pendingCompactionBytes = fields.count('pendingCompactionBytes');
  fields.end();
  return {
    ...(level0Tables !== undefined && { level0Tables }),
    ...(pendingCompactionBytes !== undefined && { pendingCompactionBytes }),
  };
}
