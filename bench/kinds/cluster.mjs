/** A cluster of three nodes and three members of etcd, a process each, all on this machine and on one disk. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasEtcd, startEtcd } from '../cluster/etcd.mjs';
import { fresh, pathsOf } from '../files.mjs';

const NOT_YET = { rows: {}, notYet: 'etcd is not installed: apt-get install etcd-server' };
const CLIENTS = [1, 64, 512];
const MIB = 1 << 20;

class Node {
  #child = fork(new URL('../cluster/node.mjs', import.meta.url), { serialization: 'advanced' });

  async ask(name, question) {
    const answer = once(this.#child, 'message');
    this.#child.send([name, question]);
    const [{ result, error }] = await answer;
    if (error !== undefined) throw new Error(error);
    return result;
  }

  async end() {
    if (this.#child.exitCode !== null) return;
    this.#child.disconnect();
    await once(this.#child, 'exit');
  }
}

/** Runs `measure({ etcd, open })`, where `open(name)` makes a node of that name, or opens it again. */
async function withCluster(dir, measure) {
  mkdirSync(fresh(dir), { recursive: true });
  const etcd = await startEtcd(join(dir, 'etcd'));
  const nodes = [];
  const open = async (name) => {
    const node = new Node();
    nodes.push(node);
    mkdirSync(join(dir, name), { recursive: true });
    await node.ask('open', { dir: join(dir, name), node: name, etcd: etcd.hosts });
    return node;
  };
  try {
    return await measure({ etcd, open });
  } finally {
    await Promise.all(nodes.map((node) => node.end()));
    etcd.stop();
  }
}

/**
 * Durable puts of 16 + 100 bytes by 1, 64 and 512 clients in one node's process, and such puts to etcd itself from there; and transactions
 * that read a key and put it.
 */
export async function clusterCommits(_engine, { dir, measureMs }) {
  if (!hasEtcd()) return NOT_YET;
  return await withCluster(dir, async ({ etcd, open }) => {
    const nodes = [await open('a'), await open('b'), await open('c')];
    const [node] = nodes;
    const rows = {};
    await node.ask('commits', { clients: 64, ms: measureMs / 4 });
    for (const clients of CLIENTS) {
      const raw = await node.ask('rawPuts', { clients, ms: measureMs, etcd: etcd.hosts });
      const { rate, p50Ms, p99Ms } = await node.ask('commits', { clients, ms: measureMs });
      Object.assign(rows, {
        [`rate${clients}`]: rate,
        [`p50Ms${clients}`]: p50Ms,
        [`p99Ms${clients}`]: p99Ms,
        [`raw${clients}`]: raw.rate,
        [`factor${clients}`]: rate / raw.rate,
      });
    }
    const { rate, p50Ms, p99Ms } = await node.ask('transactions', { clients: 512, ms: measureMs });
    return { rows: { ...rows, transactionRate: rate, transactionP50Ms: p50Ms, transactionP99Ms: p99Ms } };
  });
}

const timed = async (task) => {
  const started = performance.now();
  await task();
  return performance.now() - started;
};

/** The bytes of all entries that the log has. */
async function logBytes(etcd) {
  const encode = (text) => Buffer.from(text).toString('base64');
  const range = { key: encode('sluice/bench/log/'), range_end: encode('sluice/bench/log0') };
  const { kvs = [] } = await etcd.post('kv/range', range);
  return kvs.reduce((sum, { value = '' }) => sum + Buffer.from(value, 'base64').length, 0);
}

/** An ingest that all three nodes have, beside the bytes of it sent to two nodes; what it costs the log, and readers. */
export async function clusterIngest(_engine, { dir, set }) {
  if (!hasEtcd()) return NOT_YET;
  const files = pathsOf(set);
  return await withCluster(dir, async ({ etcd, open }) => {
    const nodes = [await open('a'), await open('b'), await open('c')];
    const [a, b, c] = nodes;
    await a.ask('load', { commits: 10_000, clients: 64 });
    await Promise.all(nodes.map((node) => node.ask('caughtUp')));
    const ports = await Promise.all([b, c].map((node) => node.ask('receive')));
    const copyMs = await timed(() => a.ask('send', { files, ports }));
    for (const name of ['b', 'c']) rmSync(join(dir, name, 'received-0'), { force: true });

    /** Of the worst node. */
    const readsDuring = async (work) => {
      for (const node of nodes) await node.ask('startReads');
      await work();
      const all = [];
      for (const node of nodes) all.push(await node.ask('endReads'));
      const worst = (field) => Math.max(...all.map((one) => one[field]));
      return { p99Ms: worst('p99Ms'), lateP99Ms: worst('lateP99Ms') };
    };
    const idle = await readsDuring(() => sleep(Math.max(200, copyMs)));
    const before = await logBytes(etcd);
    let ingestMs = 0;
    const { p99Ms, lateP99Ms } = await readsDuring(async () => {
      ingestMs = await timed(async () => {
        await a.ask('ingest', { files });
        await Promise.all([b, c].map((node) => node.ask('caughtUp')));
      });
    });
    const bytesPerFile = ((await logBytes(etcd)) - before) / files.length;
    const toIdle = p99Ms / idle.p99Ms;
    const late = { lateP99Ms, idleLateP99Ms: idle.lateP99Ms };
    return { rows: { ingestMs, copyMs, toCopying: ingestMs / copyMs, bytesPerFile, p99Ms, toIdle, ...late } };
  });
}

/** A node that has missed commits and files, and one that is new. */
export async function clusterCatchUp(_engine, { dir, commits, set }) {
  if (!hasEtcd()) return NOT_YET;
  const files = pathsOf(set);
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  return await withCluster(dir, async ({ open }) => {
    const [a, , c] = [await open('a'), await open('b'), await open('c')];
    await c.ask('close');
    await c.end();
    await a.ask('load', { commits, clients: 512 });
    await a.ask('ingest', { files });
    const catchUpMs = await timed(async () => (await open('c')).ask('caughtUp'));
    const bootstrapMs = await timed(async () => (await open('d')).ask('caughtUp'));
    return {
      rows: {
        catchUpMs,
        catchUpRate: commits / (catchUpMs / 1000),
        bootstrapMs,
        bootstrapMB: bytes / MIB / (bootstrapMs / 1000),
      },
    };
  });
}
