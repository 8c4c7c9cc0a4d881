/** What goes wrong with a fleet, and how it is set right again. */

import { closeSync, openSync, readdirSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SeededRandom } from '../../base/seeded-random.ts';
import type { EtcdMember } from '../../fixtures/etcd.ts';
import type { Fleet } from './fleet.ts';
import type { FleetNode } from './node.ts';
import type { Run } from './node-process.ts';

export interface Scene {
  readonly fleet: Fleet;
  readonly random: SeededRandom;
  /** A run of clients for the next life of a node. */
  readonly nextRun: (run: Run) => Run;
}

export interface Fault {
  readonly name: string;
  /** Sets it going; what is returned ends it, and resolves when all are up again. */
  strike(scene: Scene): Promise<() => Promise<void>>;
}

const pickNode = ({ fleet, random }: Scene): FleetNode => random.pick(fleet.nodes);

/** Any, or the one that leads. */
async function pickMember({ fleet, random }: Scene): Promise<EtcdMember> {
  if (random.chance(0.5)) return random.pick(fleet.etcd.members);
  const leader = fleet.etcd.members[await fleet.etcd.leader()];
  return leader ?? random.pick(fleet.etcd.members);
}

const killNode: Fault = {
  name: 'a node is killed',
  async strike(scene) {
    const node = pickNode(scene);
    await node.kill();
    return () => node.restart(scene.nextRun);
  },
};

const pauseNode: Fault = {
  name: 'a node is paused',
  async strike(scene) {
    const node = pickNode(scene);
    node.pause();
    return async () => node.resume();
  },
};

/** Past the lease of its announcement: the others trim the log without it. */
const pauseNodeLong: Fault = {
  name: 'a node is paused until the log is trimmed without it',
  async strike(scene) {
    const node = pickNode(scene);
    node.pause();
    await sleep(14_000);
    return async () => {
      node.resume();
      await backUp(node, scene, false);
    };
  },
};

const killMember: Fault = {
  name: 'a member of etcd is killed',
  async strike(scene) {
    const member = await pickMember(scene);
    await member.kill();
    return async () => {
      member.start();
      await scene.fleet.etcd.healthy();
    };
  },
};

const pauseMember: Fault = {
  name: 'a member of etcd is paused',
  async strike(scene) {
    const member = await pickMember(scene);
    member.pause();
    return async () => {
      member.resume();
      await scene.fleet.etcd.healthy();
    };
  },
};

const cutFromEtcd: Fault = {
  name: 'a node is cut from etcd',
  async strike(scene) {
    const { toEtcd } = pickNode(scene);
    const how = scene.random.pick(['cut', 'halfOpen', 'loseAnswers'] as const);
    for (const proxy of toEtcd) proxy[how]();
    return async () => {
      for (const proxy of toEtcd) proxy.restore();
    };
  },
};

const cutFromPeers: Fault = {
  name: 'a node is cut from its peers',
  async strike(scene) {
    const { fromPeers } = pickNode(scene);
    fromPeers[scene.random.pick(['cut', 'halfOpen'] as const)]();
    return async () => fromPeers.restore();
  },
};

const slowLinks: Fault = {
  name: 'the links of a node are slow',
  async strike(scene) {
    const { toEtcd, fromPeers } = pickNode(scene);
    const delayMs = 5 + scene.random.below(60);
    for (const proxy of [...toEtcd, fromPeers]) proxy.delayMs = delayMs;
    return async () => {
      for (const proxy of [...toEtcd, fromPeers]) proxy.delayMs = 0;
    };
  },
};

const damageFile: Fault = {
  name: "a node's file is damaged or gone",
  async strike(scene) {
    const node = pickNode(scene);
    await node.kill();
    const tables = join(node.dir, 'db', 'tables');
    const files = readdirSync(tables).filter((file) => file.endsWith('.sst'));
    if (files.length > 0) damage(join(tables, scene.random.pick(files)), scene.random);
    return () => backUp(node, scene, true);
  },
};

const loseDirectory: Fault = {
  name: "a node's directory is gone",
  async strike(scene) {
    const node = pickNode(scene);
    await node.kill();
    node.forget();
    return () => node.restart(scene.nextRun);
  },
};

const fillDisk: Fault = {
  name: "a node's disk is full",
  async strike(scene) {
    const node = pickNode(scene);
    await node.ask('fillDisk');
    return () => node.restart(scene.nextRun);
  },
};

const addNode: Fault = {
  name: 'a node is added, and leaves',
  async strike({ fleet }) {
    if (fleet.nodes.some(({ name }) => name === 'd')) return async () => undefined;
    const node = await fleet.add('d');
    return async () => {
      await node.state();
      await fleet.remove(node);
    };
  },
};

function damage(path: string, random: SeededRandom): void {
  const { size } = statSync(path);
  const how = random.below(3);
  if (how === 0) rmSync(path);
  else if (how === 1) truncateSync(path, random.below(size));
  else {
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.from([random.below(256), 255, 0, random.below(256)]), 0, 4, random.below(size));
    closeSync(file);
  }
}

/**
 * What an operator does: starts it, and where it says that it cannot go on, starts it again; and where its files are damaged, makes it
 * anew from the others. That it holds something else than the others is never set right here: it is what this suite looks for.
 */
async function backUp(node: FleetNode, scene: Scene, isDamaged: boolean): Promise<void> {
  try {
    if (!node.isUp) await node.restart(scene.nextRun);
    await node.state();
  } catch (error) {
    if (error instanceof Error && error.message.includes('has not the same commits')) throw error;
    await node.kill();
    if (isDamaged) node.forget();
    await node.restart(scene.nextRun);
  }
}

export const FAULTS: readonly Fault[] = [
  killNode,
  killNode,
  pauseNode,
  killMember,
  pauseMember,
  cutFromEtcd,
  cutFromPeers,
  slowLinks,
  damageFile,
  loseDirectory,
  fillDisk,
  addNode,
  pauseNodeLong,
];
