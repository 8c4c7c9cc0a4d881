/** A node of a cluster with clients of its own, as a process: asked, paused and killed by `node.ts`. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import { isSluiceError } from '../../../src/base/errors.ts';
import type { ClusterDb } from '../../../src/cluster/cluster-db.ts';
import { NodeFileExchange } from '../../../src/cluster/files/node-file-exchange.ts';
import { HTTP_LIMITS } from '../../../src/cluster/http/limits.ts';
import { NodeServer } from '../../../src/cluster/http/node-server.ts';
import { openEtcdLog } from '../../../src/cluster/log/etcd/etcd-log.ts';
import { openCluster } from '../../../src/cluster/open-cluster.ts';
import { answer } from '../../base/child-answers.ts';
import { FaultyFileSystem } from '../../base/faulty-file-system.ts';
import { SeededRandom } from '../../base/seeded-random.ts';
import { Recorder } from '../../history/recorder.ts';
import { Client, everything, Names } from '../../history/workload.ts';
import { FileJournal } from './journal.ts';

export interface NodeSetup {
  readonly node: string;
  readonly dir: string;
  readonly cluster: string;
  readonly etcd: readonly string[];
  readonly port: number;
  /** Through a proxy. */
  readonly url: string;
}

export interface Run {
  readonly seed: number;
  readonly epoch: number;
  readonly number: number;
  readonly clients: number;
  readonly journal: string;
}

/** Flushes, compactions and many small tables within seconds. */
const SMALL = {
  memtableBytes: 64 * 1024,
  blockBytes: 512,
  blockCacheBytes: 1 << 20,
  targetFileBytes: 16 * 1024,
};
const TOKEN = 'token-of-the-fault-suite';
/** What is wrong, for whoever reads the node's log after a failure. */
const say = (record: unknown, message?: string): void => {
  const err = (record as { err?: unknown }).err;
  const why = err instanceof Error ? ` ${err.stack}` : JSON.stringify(record);
  process.stderr.write(`${Date.now()} ${message ?? ''}${why}\n`);
};
const silent = (): void => undefined;
const LOGGER = { debug: silent, info: silent, warn: say, error: say };
const fs = new FaultyFileSystem(nodeEnv.fs);
const env = { ...nodeEnv, fs };
let db: ClusterDb<'utf8', 'utf8'> | undefined;
let running: { readonly stop: () => void; readonly ended: Promise<unknown> } | undefined;

process.on('disconnect', () => process.exit(0));

async function open(setup: NodeSetup): Promise<void> {
  const { node, dir, cluster, etcd, port, url } = setup;
  const server = new NodeServer({
    clock: env.clock,
    listen: { host: '127.0.0.1', port },
    tls: undefined,
    access: { token: TOKEN },
    limits: HTTP_LIMITS,
    logger: undefined,
  });
  await server.listen();
  const log = await openEtcdLog(cluster, { hosts: etcd }, env);
  db = await openCluster<'utf8', 'utf8'>({
    ...SMALL,
    keyEncoding: 'utf8',
    valueEncoding: 'utf8',
    env,
    dir,
    node,
    log,
    logger: LOGGER,
    windowVersions: 400,
    announceMs: 300,
    files: async (root, service) =>
      new NodeFileExchange({
        env,
        dir: root,
        service,
        server,
        url,
        token: TOKEN,
        tls: undefined,
        stallMs: 3_000,
      }),
  });
}

function opened(): ClusterDb<'utf8', 'utf8'> {
  if (db === undefined) throw new Error('not open');
  return db;
}

/** What an answer may be while something is wrong; a client goes on with another transaction. */
const PASSING = new Set([
  'UNAVAILABLE',
  'ABORTED',
  'OUTCOME_UNKNOWN',
  'TOO_OLD',
  'CONFLICT',
  'NO_SPACE',
  'HALTED',
  'POISONED',
]);

function start(run: Run): void {
  const at = opened();
  const journal = new FileJournal(run.journal, () => at.caughtUp());
  const names = new Names(run.epoch, run.number);
  let isOver = false;
  const clients = Array.from({ length: run.clients }, async (_, i) => {
    const dir = join(`${run.journal}-files`, String(i));
    mkdirSync(dir, { recursive: true });
    const recorder = new Recorder(`${run.journal} ${i}`, true, journal);
    const client = new Client(new SeededRandom(run.seed + i), names, recorder, dir, false);
    while (!isOver) {
      try {
        await client.once(at);
      } catch (error) {
        if (!isSluiceError(error) || !PASSING.has(error.code)) throw error;
        await sleep(50);
      }
    }
  });
  const ended = Promise.all(clients).finally(() => journal.close());
  ended.catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(4);
  });
  running = { stop: () => (isOver = true), ended };
}

answer({
  open,
  start,
  stop: async () => {
    running?.stop();
    await running?.ended;
    running = undefined;
  },
  /** Its version and the digest of all that it holds, once it has applied what the log has. */
  state: async () => {
    await opened().caughtUp();
    const snapshot = opened().snapshot();
    try {
      return { version: snapshot.version, digest: await opened().contentDigest({ snapshot }) };
    } finally {
      snapshot.close();
    }
  },
  status: () => opened().status(),
  /** Registers hold nothing and lists are others: the beginning of an epoch. */
  clear: async () => await opened().deleteRange({ gte: 'a', lt: 'z' }),
  /** As the last transaction of an epoch. */
  readAll: async ({ epoch, journal }: Run) => {
    const file = new FileJournal(journal, () => opened().caughtUp());
    const recorder = new Recorder(`${journal} end`, true, file);
    await recorder.snapshot(opened(), (reader) => reader.scan(everything(epoch)));
    file.close();
  },
  fillDisk: () => {
    fs.fail({ op: ['write', 'datasync'], path: /\/db\//, errno: 'ENOSPC', times: Number.POSITIVE_INFINITY });
    fs.freeBytes = 0;
  },
  close: async () => await opened().close(),
});
