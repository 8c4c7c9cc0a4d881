/** All that clients may ask a node: /v1, /metrics, and /healthz for everybody. */

import type { Env } from '../../base/env/env.ts';
import { tellWhenDone } from '../http/file-routes.ts';
import type { NodeServer } from '../http/node-server.ts';
import { RequestError } from '../http/status-codes.ts';
import { Fields } from '../json-fields.ts';
import { AllowedPaths } from './allowed-paths.ts';
import { commitRoute } from './commit-route.ts';
import { DatasetRoutes } from './dataset-routes.ts';
import { ImportRoutes } from './import-routes.ts';
import { ingestRecordRoutes } from './ingest-record-routes.ts';
import { ingestRoutes } from './ingest-routes.ts';
import { keyspaceRoutes } from './keyspace-routes.ts';
import { metricsText } from './metrics.ts';
import { readRoutes } from './read-routes.ts';
import type { ServedNode } from './served-node.ts';
import { Uploads } from './uploads.ts';

export interface ClientApiSettings {
  readonly env: Env;
  /** For what clients upload; what is in it is removed. */
  readonly uploadDir: string;
  readonly server: NodeServer;
  readonly node: ServedNode;
  /** Below which clients may name files of this machine. */
  readonly ingestDirs: readonly string[];
  /** Files that came from other nodes, since the start. */
  readonly received: () => { readonly files: number; readonly bytes: number };
}

/** Answers from now on; returns how to end it, once the server is closed. */
export function serveClients(settings: ClientApiSettings): () => void {
  const { env, uploadDir, server, node } = settings;
  const allowed = new AllowedPaths(env.fs, settings.ingestDirs);
  const uploads = new Uploads(env, uploadDir);
  server.add(readRoutes(node, env.clock));
  server.add([commitRoute(node, env.clock)]);
  server.add(ingestRoutes(node, env, uploads, allowed));
  server.add(new ImportRoutes(node, allowed).routes());
  server.add(new DatasetRoutes(node, env, uploads, allowed).routes());
  server.add(ingestRecordRoutes(node, env.clock));
  server.add(keyspaceRoutes(node));
  server.add([
    {
      method: 'GET',
      path: '/v1/status',
      access: 'client',
      run: async (call) => call.answer(200, await node.status()),
    },
    {
      method: 'POST',
      path: '/v1/compare',
      access: 'client',
      run: async (call) => {
        const { compareContents } = node;
        if (compareContents === undefined) throw new RequestError(400, 'this database is in no cluster');
        await tellWhenDone(call, env.clock, () => compareContents(call.signal));
      },
    },
    {
      method: 'POST',
      path: '/v1/members/:node/forget',
      access: 'client',
      run: async (call) => {
        const { forgetNode } = node;
        if (forgetNode === undefined) throw new RequestError(400, 'this database is in no cluster');
        new Fields(await call.json(), 'body').end();
        const [forgotten = ''] = call.parameters;
        await forgetNode(forgotten);
        call.answer(200, { forgotten });
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      access: 'client',
      run: async (call) => {
        const text = metricsText({
          stats: node.db.stats(),
          status: await node.status(),
          http: server.counters,
          received: settings.received(),
        });
        call.text(200, 'text/plain; version=0.0.4; charset=utf-8', text);
      },
    },
    {
      method: 'GET',
      path: '/healthz',
      access: 'open',
      // No more than whether, and of this node's own knowledge: whoever asks may be anybody, and must not have etcd asked.
      run: (call) => {
        const condition = node.condition();
        const ok = condition === 'running' || condition === 'lagging';
        call.answer(ok ? 200 : 503, { status: ok ? 'ok' : condition });
      },
    },
  ]);
  return () => uploads.close();
}
