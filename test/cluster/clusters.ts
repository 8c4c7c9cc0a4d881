/** The kinds of clusters that suites run against: one process' log, and nodes that speak HTTP to each other over an etcd of three members. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { EncodingName } from '../../src/base/encoding.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { ClusterDb } from '../../src/cluster/cluster-db.ts';
import type { ClusterOptions } from '../../src/cluster/cluster-options.ts';
import { MemoryExchangeHub } from '../../src/cluster/files/memory-exchange.ts';
import { DEFAULT_TIMING, type EtcdTiming } from '../../src/cluster/log/etcd/etcd-hosts.ts';
import { openEtcdLog } from '../../src/cluster/log/etcd/etcd-log.ts';
import { MemoryLog, MemoryLogHub } from '../../src/cluster/log/memory-log.ts';
import type { SharedLog } from '../../src/cluster/log/shared-log.ts';
import { openCluster } from '../../src/cluster/open-cluster.ts';
import { openNodeOn } from '../../src/cluster/open-node.ts';
import type { InternalOptions } from '../../src/db-options.ts';
import { makeMemoryDirectory } from '../base/database.ts';
import { LENGTH } from '../base/length.ts';
import { EtcdCluster } from '../fixtures/etcd.ts';
import { TOKEN } from './exchange-node.ts';
import { GatedLog, type LogGate } from './log-gate.ts';

export type NodeOptions<KE extends EncodingName, VE extends EncodingName> = Omit<
  ClusterOptions<KE, VE>,
  'dir' | 'node' | 'log' | 'files'
> &
  InternalOptions & { readonly gate?: LogGate };

/** Opens a node of the cluster in this directory, which begins with the first. */
export type OpenNode = <KE extends EncodingName, VE extends EncodingName>(
  dir: string,
  node: string,
  options: NodeOptions<KE, VE>,
) => Promise<ClusterDb<KE, VE>>;

interface ClusterKind {
  readonly name: string;
  /** Of a suite that runs in parts, every so manieth: all in the long form, but for what costs too much of it. */
  readonly every: number;
  readonly start: () => Promise<{ readonly open: OpenNode; readonly stop: () => Promise<void> }>;
}

class MemoryClusters {
  readonly #hubs = new Map<string, { readonly log: MemoryLogHub; readonly files: MemoryExchangeHub }>();

  open: OpenNode = (dir, node, options) => {
    const hub = this.#hubs.get(dir) ?? {
      log: new MemoryLogHub(nodeEnv),
      files: new MemoryExchangeHub(nodeEnv),
    };
    this.#hubs.set(dir, hub);
    const { gate, ...own } = options;
    const [log, files] = [gated(new MemoryLog(hub.log, node), gate), hub.files.opener(node)];
    return openCluster({ announceMs: 20, ...own, dir: join(dir, node), node, log, files });
  };
}

function gated(log: SharedLog, gate: LogGate | undefined): SharedLog {
  return gate === undefined ? log : new GatedLog(log, gate);
}

const IN_MEMORY: ClusterKind = {
  name: 'on a log in memory',
  every: LENGTH > 1 ? 1 : 6,
  start: async () => ({ open: new MemoryClusters().open, stop: async () => undefined }),
};

/** Nothing is cut or killed here: what does not answer is this machine, which is busy. */
const PATIENT: EtcdTiming = { ...DEFAULT_TIMING, attemptMs: 60_000, callMs: 240_000 };

const ON_ETCD: ClusterKind = {
  name: 'on etcd',
  every: 8,
  start: async () => {
    const parent = makeMemoryDirectory();
    const etcd = await EtcdCluster.start({ parent });
    const names = new Map<string, string>();
    const open: OpenNode = async <KE extends EncodingName, VE extends EncodingName>(
      dir: string,
      node: string,
      options: NodeOptions<KE, VE>,
    ) => {
      const { gate, ...given } = options;
      const patience = { announceMs: 100, commitTimeoutMs: PATIENT.callMs };
      const own = { ...patience, token: TOKEN, ...given, dir: join(dir, node), node };
      const name = names.get(dir) ?? `roaming-${names.size}`;
      names.set(dir, name);
      const log = async () => gated(await openEtcdLog(name, { hosts: etcd.hosts }, nodeEnv, PATIENT), gate);
      // It serves bytes over HTTP, whatever the encodings here.
      return (await openNodeOn(own, log, nodeEnv)).db as unknown as ClusterDb<KE, VE>;
    };
    const stop = async (): Promise<void> => {
      await etcd.stop();
      rmSync(parent, { recursive: true, force: true });
    };
    return { open, stop };
  },
};

/** Etcd in the long form alone. */
export const CLUSTERS: readonly ClusterKind[] = LENGTH > 1 ? [IN_MEMORY, ON_ETCD] : [IN_MEMORY];

/** Within `describe`: starts what clusters of this kind need, before its tests. */
export function openingNodes({ start }: ClusterKind): OpenNode {
  let started: Awaited<ReturnType<ClusterKind['start']>> | undefined;
  beforeAll(async () => {
    started = await start();
  });
  afterAll(() => started?.stop());
  return (dir, node, options) => {
    if (started === undefined) throw new Error('it is not started');
    return started.open(dir, node, options);
  };
}
