/** Three members of etcd and three nodes as processes of this machine, or four; TLS, certificates and users between all of them. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import { openEtcdLog } from '../../../src/cluster/log/etcd/etcd-log.ts';
import type { SharedLog } from '../../../src/cluster/log/shared-log.ts';
import { ETCD_USER, EtcdCluster, freePorts, nodeTls, until } from '../../fixtures/etcd.ts';
import { FleetNode, type NodeState } from './node.ts';
import type { Run } from './node-process.ts';
import type { Marks } from './outcomes.ts';

const CLUSTER = 'fleet';
const NODES = ['a', 'b', 'c'];
/** All agree within this, however much they had to fetch. */
const AGREE_MS = 180_000;

export class Fleet {
  readonly etcd: EtcdCluster;
  /** As a node's, and no node's. */
  readonly log: SharedLog;
  readonly root: string;
  readonly nodes: FleetNode[] = [];
  #lives = 0;

  private constructor(root: string, etcd: EtcdCluster, log: SharedLog) {
    this.root = root;
    this.etcd = etcd;
    this.log = log;
  }

  static async start(): Promise<Fleet> {
    const root = mkdtempSync(join(tmpdir(), 'sluice-fleet-'));
    const etcd = await EtcdCluster.start({ tls: true });
    await etcd.askForUsers();
    const options = { hosts: etcd.hosts, tls: nodeTls(), auth: ETCD_USER };
    const fleet = new Fleet(root, etcd, await openEtcdLog(CLUSTER, options, nodeEnv));
    try {
      for (const name of NODES) await fleet.add(name);
    } catch (error) {
      await fleet.close();
      throw error;
    }
    return fleet;
  }

  /** A node more, on its way up from what the cluster has. */
  async add(name: string): Promise<FleetNode> {
    const [port = 0] = await freePorts(1);
    const etcdPorts = this.etcd.members.map((member) => member.port);
    const node = await FleetNode.make(name, this.root, CLUSTER, etcdPorts, port);
    for (const peer of this.nodes) {
      await node.route(peer);
      await peer.route(node);
    }
    this.nodes.push(node);
    await node.start();
    return node;
  }

  /** For good. */
  async remove(node: FleetNode): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1);
    await node.close();
    for (const peer of this.nodes) await peer.unroute(node);
    await this.log.forgetNode(node.name);
  }

  /** A run of clients that no other has: its numbers and its journal are its own. */
  newRun(base: Omit<Run, 'number' | 'journal' | 'seed'> & { readonly seed: number }): Run {
    const life = ++this.#lives;
    const journal = join(this.root, `epoch-${base.epoch}-life-${life}.jsonl`);
    return { ...base, seed: base.seed + 1000 * life, number: life * 1_000_000, journal };
  }

  /** All nodes have applied everything, and say the same of it: versions, contents, and at which versions transactions have committed. */
  async agreed(epoch: number): Promise<Marks> {
    await until('all nodes hold the same', () => this.#agree(epoch), AGREE_MS);
    const [first, ...others] = await Promise.all(this.nodes.map((node) => node.marks(epoch)));
    for (const other of others)
      if (JSON.stringify(other) !== JSON.stringify(first))
        throw new Error('the nodes have the same commits at different versions');
    return new Map(first);
  }

  async #agree(epoch: number): Promise<NodeState | undefined> {
    const states = await Promise.all(this.nodes.map((node) => node.state(epoch)));
    const [first] = states;
    if (first === undefined || new Set(states.map(({ version }) => version)).size > 1) return undefined;
    if (new Set(states.map(({ digest }) => digest)).size === 1) return first;
    const told = states.map(({ digest }, i) => `${this.nodes[i]?.name} ${digest}`).join(', ');
    throw new Error(`the nodes hold different things at version ${first.version}: ${told}`);
  }

  /** `keep`: what there is on disk of it, for whoever looks into a failure. */
  async close(keep = false): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close(keep)));
    await this.log.close();
    await this.etcd.stop();
    if (!keep) rmSync(this.root, { recursive: true, force: true });
  }
}
