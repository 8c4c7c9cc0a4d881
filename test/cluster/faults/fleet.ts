/** Three members of etcd and three nodes as processes of this machine, or four. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EtcdCluster, freePorts, until } from '../../fixtures/etcd.ts';
import { FleetNode } from './node.ts';
import type { Run } from './node-process.ts';

const NODES = ['a', 'b', 'c'];

export class Fleet {
  readonly etcd: EtcdCluster;
  readonly root: string;
  readonly nodes: FleetNode[] = [];
  #lives = 0;

  private constructor(root: string, etcd: EtcdCluster) {
    this.root = root;
    this.etcd = etcd;
  }

  static async start(): Promise<Fleet> {
    const root = mkdtempSync(join(tmpdir(), 'sluice-fleet-'));
    const fleet = new Fleet(root, await EtcdCluster.start());
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
    const node = await FleetNode.make(name, this.root, 'fleet', etcdPorts, port);
    this.nodes.push(node);
    await node.start();
    return node;
  }

  async remove(node: FleetNode): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1);
    await node.close();
    node.forget();
  }

  /** A run of clients that no other has: its numbers and its journal are its own. */
  newRun(base: Omit<Run, 'number' | 'journal' | 'seed'> & { readonly seed: number }): Run {
    const life = ++this.#lives;
    const journal = join(this.root, `epoch-${base.epoch}-life-${life}.jsonl`);
    return { ...base, seed: base.seed + 1000 * life, number: life * 1_000_000, journal };
  }

  /** All nodes have applied everything, and say the same of it. */
  async agreed(): Promise<{ readonly version: number; readonly digest: string }> {
    return await until(
      'all nodes hold the same',
      async () => {
        const states = [];
        for (const node of this.nodes) states.push(await node.state());
        const [first] = states;
        if (first === undefined || new Set(states.map(({ version }) => version)).size > 1) return undefined;
        const digests = new Set(states.map(({ digest }) => digest));
        if (digests.size > 1) {
          const told = states.map(({ digest }, i) => `${this.nodes[i]?.name} ${digest}`).join(', ');
          throw new Error(`the nodes hold different things at version ${first.version}: ${told}`);
        }
        return first;
      },
      180_000,
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
    await this.etcd.stop();
    rmSync(this.root, { recursive: true, force: true });
  }
}
