/** A node of a cluster with clients of its own, as a process: asked, paused and killed by `node.ts`. */

import { createHash } from 'node:crypto';
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
import { SeededRandom } from '../../base/seeded-random.ts';
import { nodeCertificates } from '../../fixtures/certificates.ts';
import { ETCD_USER, nodeTls } from '../../fixtures/etcd.ts';
import { Recorder } from '../../history/recorder.ts';
import { Client, everything, Names } from '../../history/workload.ts';
import { engineOf, entriesOf } from '../tree-entries.ts';
import { DatasetClient, datasetOf, PUBLISHED } from './dataset-client.ts';
import { type Death, Doom, DyingFileSystem, DyingLog } from './deaths.ts';
import { FileJournal } from './journal.ts';
import { RoutedLog } from './passed-log.ts';

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

type TextCluster = ClusterDb<'utf8', 'utf8'>;

/** Flushes, compactions and many small tables within seconds. */
const SMALL = {
  memtableBytes: 64 * 1024,
  blockBytes: 512,
  blockCacheBytes: 1 << 20,
  targetFileBytes: 16 * 1024,
};
/** What is wrong, for whoever reads the node's log after a failure. */
const say = (record: unknown, message?: string): void => {
  const err = (record as { err?: unknown }).err;
  const why = err instanceof Error ? ` ${err.stack}` : JSON.stringify(record);
  process.stderr.write(`${Date.now()} ${message ?? ''}${why}\n`);
};
const silent = (): void => undefined;
const LOGGER = { debug: silent, info: silent, warn: say, error: say };
const doom = new Doom();
const fs = new DyingFileSystem(nodeEnv.fs, doom);
const env = { ...nodeEnv, fs };
const routes = new Map<string, string>();
let db: TextCluster | undefined;
let running: Running | undefined;

process.on('disconnect', () => process.exit(0));

async function open(setup: NodeSetup, routesToPeers: readonly [string, string][]): Promise<void> {
  const { node, dir, cluster, etcd, port, url } = setup;
  for (const [peer, route] of routesToPeers) routes.set(peer, route);
  const tls = nodeCertificates();
  const server = new NodeServer({
    clock: env.clock,
    listen: { host: '127.0.0.1', port },
    tls,
    access: {},
    limits: HTTP_LIMITS,
    logger: undefined,
  });
  await server.listen();
  const log = await openEtcdLog(cluster, { hosts: etcd, tls: nodeTls(), auth: ETCD_USER }, env);
  db = await openCluster<'utf8', 'utf8'>({
    ...SMALL,
    keyEncoding: 'utf8',
    valueEncoding: 'utf8',
    env,
    dir,
    node,
    log: new RoutedLog(new DyingLog(log, doom), routes),
    logger: LOGGER,
    windowVersions: 400,
    announceMs: 300,
    files: async (root, service) =>
      new NodeFileExchange({ env, dir: root, service, server, url, token: undefined, tls, stallMs: 3_000 }),
  });
}

function opened(): TextCluster {
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

/** The clients of one life of this node. */
class Running {
  readonly #db: TextCluster;
  readonly #run: Run;
  readonly #journal: FileJournal;
  readonly #names: Names;
  readonly #clients: Promise<void>[] = [];
  #isOver = false;

  constructor(at: TextCluster, run: Run) {
    this.#db = at;
    this.#run = run;
    this.#journal = new FileJournal(run.journal, `w${run.epoch}-${run.number}-`, at, () =>
      doom.reached('before its client is told'),
    );
    this.#names = new Names(run.epoch, run.number);
    for (let i = 0; i < run.clients; i++) {
      const { random, recorder, dir } = this.#client(i);
      const client = new Client(random, this.#names, recorder, dir);
      this.#go(() => client.once(at));
    }
    const { random, recorder, dir } = this.#client(run.clients);
    const client = new DatasetClient(random, this.#names, recorder, dir, run.epoch);
    this.#go(() => client.once(at));
  }

  /** One that ingests until the process is dead. */
  die(death: Death, calls: number): void {
    const { random, recorder, dir } = this.#client(this.#run.clients + 1);
    const client = new Client(random, this.#names, recorder, dir);
    doom.expect(death, calls);
    this.#go(() => client.ingestAlone(this.#db));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    this.#journal.close();
  }

  #client(i: number): { readonly random: SeededRandom; readonly recorder: Recorder; readonly dir: string } {
    const { journal, seed } = this.#run;
    const dir = join(`${journal}-files`, String(i));
    mkdirSync(dir, { recursive: true });
    return {
      random: new SeededRandom(seed + i),
      recorder: new Recorder(`${journal} ${i}`, true, this.#journal),
      dir,
    };
  }

  #go(once: () => Promise<void>): void {
    const going = (async () => {
      while (!this.#isOver) {
        try {
          await once();
        } catch (error) {
          if (!isSluiceError(error) || !PASSING.has(error.code)) throw error;
          await sleep(50);
        }
      }
    })();
    this.#clients.push(going);
    going.catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(4);
    });
  }
}

/** What its clients do in one go, between runs. */
async function recorded(
  { epoch, number, journal: path }: Run,
  act: (recorder: Recorder, names: Names) => Promise<void>,
) {
  const journal = new FileJournal(path, `w${epoch}-${number}-`, opened(), silent);
  try {
    await act(new Recorder(`${path} alone`, true, journal), new Names(epoch, number));
  } finally {
    journal.close();
  }
}

/** Of kept versions of datasets, which are nowhere among the keyspaces. */
async function versionsDigest(name: string): Promise<string> {
  const hash = createHash('sha256');
  const dataset = opened().dataset(name);
  for (const { version, commit, message } of dataset.versions()) {
    const view = dataset.at(version);
    try {
      hash.update(JSON.stringify([version, commit, message, await view.iterator().all()]));
    } finally {
      view.close();
    }
  }
  return hash.digest('hex');
}

/** All that says of transactions of an epoch that they have committed, with their versions. */
async function marks(epoch: number): Promise<[string, number][]> {
  const engine = engineOf(opened());
  const found: [string, number][] = [];
  const tree = engine.catalog.newest('default');
  if (tree === undefined) return found;
  for await (const { key, version } of entriesOf(engine, tree)) {
    const mark = key.toString();
    if (mark.startsWith(`w${epoch}-`)) found.push([mark, version]);
  }
  for (const { message, commit } of opened().dataset(datasetOf(epoch)).versions())
    found.push([`${PUBLISHED}${message}`, commit]);
  return found;
}

answer({
  open,
  route: (peer: string, route: string) => {
    routes.set(peer, route);
  },
  start: (run: Run) => {
    running = new Running(opened(), run);
  },
  stop: async () => {
    await running?.stop();
    running = undefined;
  },
  die: (death: Death, calls: number) => {
    if (running === undefined) throw new Error('it has no clients');
    running.die(death, calls);
  },
  /** Its reads may fail from now on. */
  expectDamage: () => {
    for (const code of ['CORRUPTION', 'CHECKSUM_MISMATCH', 'FILE_NOT_FOUND', 'IO']) PASSING.add(code);
  },
  /** Its version and the digest of all that it holds, once it has applied what the log has. */
  state: async (epoch: number) => {
    await opened().caughtUp();
    const snapshot = opened().snapshot();
    try {
      const content = await opened().contentDigest({ snapshot });
      return { version: snapshot.version, digest: `${content} ${await versionsDigest(datasetOf(epoch))}` };
    } finally {
      snapshot.close();
    }
  },
  marks,
  status: () => opened().status(),
  /** A read of its own, of the past or not. */
  read: async () => (await opened().iterator({ limit: 5 }).all()).length,
  /** The beginning of an epoch: registers hold nothing, lists and the dataset are others. */
  begin: async (run: Run) => {
    await opened().caughtUp();
    await opened().deleteRange({ gte: 'a', lt: 'z' });
    const before = datasetOf(run.epoch - 1);
    if (opened().keyspaces().includes(before)) await opened().dropKeyspace(before);
    const dir = `${run.journal}-files`;
    mkdirSync(dir, { recursive: true });
    await recorded(run, async (recorder, names) => {
      const client = new DatasetClient(new SeededRandom(run.seed), names, recorder, dir, run.epoch);
      await client.publish(opened(), 'base');
    });
  },
  /** As the last transaction of an epoch. */
  readAll: async (run: Run) =>
    await recorded(run, async (recorder, names) => {
      const client = new DatasetClient(new SeededRandom(run.seed), names, recorder, '', run.epoch);
      await recorder.snapshot(opened(), async (reader) => {
        await reader.scan(everything(run.epoch));
        await client.read(opened(), reader);
      });
    }),
  /** Where no disk of its own can be had. */
  fillDisk: () => {
    fs.fail({ op: ['write', 'datasync'], path: /\/db\//, errno: 'ENOSPC', times: Number.POSITIVE_INFINITY });
    fs.freeBytes = 0;
  },
  close: async () => await opened().close(),
});
