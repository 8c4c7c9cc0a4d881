/** Both shared logs, for tests that hold each to the same contract: that of one process, and etcd of three members. */

import { afterAll, beforeAll } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { openEtcdLog } from '../../src/cluster/log/etcd/etcd-log.ts';
import { MemoryLog, MemoryLogHub } from '../../src/cluster/log/memory-log.ts';
import type { LogEntry, MemberState, SharedLog } from '../../src/cluster/log/shared-log.ts';
import { EtcdCluster } from '../fixtures/etcd.ts';

/** Opens a node's log of the cluster of this test. */
type OpenLog = (node: string) => Promise<SharedLog>;

interface Implementation {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A cluster of its own for each test. */
  cluster(): OpenLog;
}

function inMemory(): Implementation {
  return {
    name: 'MemoryLog',
    start: async () => undefined,
    stop: async () => undefined,
    cluster: () => {
      const hub = new MemoryLogHub(nodeEnv);
      return async (node) => new MemoryLog(hub, node);
    },
  };
}

function inEtcd(): Implementation {
  let etcd: EtcdCluster | undefined;
  let clusters = 0;
  return {
    name: 'EtcdLog',
    start: async () => {
      etcd = await EtcdCluster.start();
    },
    stop: async () => await etcd?.stop(),
    cluster: () => {
      const name = `contract-${clusters++}`;
      return async () => await openEtcdLog(name, { hosts: etcd?.hosts ?? [] }, nodeEnv);
    },
  };
}

export const id = (n: number): string => n.toString(16).padStart(32, '0');
export const bytes = (text: string): Uint8Array => Buffer.from(text);
export const text = (entry: LogEntry): string => Buffer.from(entry.bytes).toString();
export const DIGESTS = ['a', 'b', 'c'].map((c) => c.repeat(64));
export const SETTINGS = { clusterId: 'one', replicas: 3, windowVersions: 1000 };

export function member(node: string, appliedRevision = 0): MemberState {
  const state = { condition: 'running', appliedRevision, appliedVersion: 7, digest: 'ff' } as const;
  return { node, session: `of ${node}`, home: node, beat: 0, url: undefined, ...state };
}

export async function appended(
  log: SharedLog,
  n: number,
  content: string,
  stagings: readonly string[] = [],
): Promise<number> {
  const result = await log.append({ id: id(n), bytes: bytes(content), stagings });
  if ('missing' in result) throw new Error(`missing: ${result.missing.join()}`);
  return result.revision;
}

/** The first `count` entries after `after`. */
export async function take(log: SharedLog, after: number, count: number): Promise<LogEntry[]> {
  const enough = new AbortController();
  const taken: LogEntry[] = [];
  if (count === 0) return taken;
  for await (const entry of log.read(after, enough.signal)) {
    taken.push(entry);
    if (taken.length === count) break;
  }
  return taken;
}

/** What a test opens logs with, each time of a new cluster. */
export interface OpenLogs {
  one(): Promise<SharedLog>;
  /** Of nodes 'a' and 'b'. */
  two(): Promise<readonly [SharedLog, SharedLog]>;
}

export const LOGS = [inMemory(), inEtcd()];

/** For a suite over `LOGS`: starts the implementation before it, and ends it, with all that was opened, after it. */
export function openLogs(implementation: Implementation): OpenLogs {
  const opened: SharedLog[] = [];
  beforeAll(() => implementation.start(), 120_000);
  afterAll(async () => {
    await Promise.all(opened.map((log) => log.close()));
    await implementation.stop();
  });
  const openAs = async (openLog: OpenLog, node: string): Promise<SharedLog> => {
    const log = await openLog(node);
    opened.push(log);
    return log;
  };
  return {
    one: async () => await openAs(implementation.cluster(), 'a'),
    two: async () => {
      const openLog = implementation.cluster();
      return [await openAs(openLog, 'a'), await openAs(openLog, 'b')];
    },
  };
}
