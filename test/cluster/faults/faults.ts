/** What goes wrong with a fleet, and how it is set right again. */

import { until } from '../../fixtures/etcd.ts';
import type { TcpProxy } from '../../fixtures/tcp-proxy.ts';
import { DEATHS } from './deaths.ts';
import { FILE_FAULTS } from './file-faults.ts';
import { backUp, type Fault, leaderOf, pickMember, pickNode, type Scene } from './scene.ts';

export type { Fault } from './scene.ts';

/** Of the node's announcement, and of as many commits as the window has. */
const TRIM_MS = 120_000;

const killNode: Fault = {
  name: 'a node is killed',
  async strike(scene) {
    const node = pickNode(scene);
    await node.kill();
    return () => node.restart(scene.newRun);
  },
};

const killAll: Fault = {
  name: 'all nodes are killed',
  async strike(scene) {
    const { nodes } = scene.fleet;
    await Promise.all(nodes.map((node) => node.kill()));
    return async () => {
      await Promise.all(nodes.map((node) => node.restart(scene.newRun)));
    };
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

/** Past the lease of its announcement. What of the log is on its way to it meanwhile reaches it afterwards, or does not. */
const leaveBehind: Fault = {
  name: 'the log is trimmed under a node that lags',
  async strike(scene) {
    const { log } = scene.fleet;
    const node = pickNode(scene);
    node.pause();
    if (scene.random.chance(0.5)) for (const proxy of node.toEtcd) proxy.cut();
    const head = await log.head();
    const isTrimmed = async () => (await log.trimmedThrough()) > head || undefined;
    await until(`the log is trimmed without ${node.name}`, isTrimmed, TRIM_MS);
    return async () => {
      for (const proxy of node.toEtcd) proxy.restore();
      node.resume();
      await backUp(node, scene, false);
    };
  },
};

const killMember = (who: string, pick: typeof leaderOf): Fault => ({
  name: `${who} of etcd is killed`,
  async strike(scene) {
    const member = await pick(scene);
    await member.kill();
    return async () => {
      member.start();
      await scene.fleet.etcd.healthy();
    };
  },
});

const pauseMember = (who: string, pick: typeof leaderOf): Fault => ({
  name: `${who} of etcd is paused`,
  async strike(scene) {
    const member = await pick(scene);
    member.pause();
    return async () => {
      member.resume();
      await scene.fleet.etcd.healthy();
    };
  },
});

export const loseQuorum: Fault = {
  name: 'two members of etcd are killed',
  async strike(scene) {
    const { etcd } = scene.fleet;
    const stays = pickMember(scene);
    const gone = etcd.members.filter((member) => member !== stays);
    await Promise.all(gone.map((member) => member.kill()));
    return async () => {
      for (const member of gone) member.start();
      await etcd.healthy();
    };
  },
};

const cut = (name: string, pick: (scene: Scene) => readonly TcpProxy[], answersToo: boolean): Fault => ({
  name,
  async strike(scene) {
    const proxies = pick(scene);
    const how = scene.random.pick([
      'cut',
      'halfOpen',
      ...(answersToo ? (['loseAnswers'] as const) : []),
    ] as const);
    for (const proxy of proxies) proxy[how]();
    return async () => {
      for (const proxy of proxies) proxy.restore();
    };
  },
});

const slowLinks: Fault = {
  name: 'the links of a node are slow',
  async strike(scene) {
    const node = pickNode(scene);
    const delayMs = 5 + scene.random.below(60);
    const proxies = [...node.toEtcd, ...node.toPeers, node.fromPeers];
    for (const proxy of proxies) proxy.delayMs = delayMs;
    return async () => {
      for (const proxy of proxies) proxy.delayMs = 0;
    };
  },
};

/** It stays until the round is over, and must hold what the others do. */
const addNode: Fault = {
  name: 'a node is added',
  async strike({ fleet, newRun, epoch }) {
    if (fleet.nodes.some(({ name }) => name === 'd')) return async () => undefined;
    const node = await fleet.add('d');
    await node.startClients(newRun());
    return async () => void (await node.state(epoch));
  },
};

const deaths = DEATHS.map(
  (death): Fault => ({
    name: `a proposer is killed ${death}`,
    async strike(scene) {
      const node = pickNode(scene);
      await node.die(death, scene.random.below(16));
      return () => node.restart(scene.newRun);
    },
  }),
);

/** Of one member: whatever happens to nodes may happen beside it. */
export const ETCD_FAULTS: readonly Fault[] = [
  killMember('a member', async (scene) => pickMember(scene)),
  killMember('the leader', leaderOf),
  pauseMember('a member', async (scene) => pickMember(scene)),
  pauseMember('the leader', leaderOf),
];

export const FAULTS: readonly Fault[] = [
  killNode,
  killAll,
  pauseNode,
  ...ETCD_FAULTS,
  loseQuorum,
  cut('a node is cut from etcd', (scene) => pickNode(scene).toEtcd, true),
  cut('a node is cut from its peers', (scene) => peersOf(scene, []), false),
  cut('a node is cut from all', (scene) => peersOf(scene, ['etcd']), false),
  slowLinks,
  addNode,
  leaveBehind,
  ...FILE_FAULTS,
  ...deaths,
];

function peersOf(scene: Scene, more: readonly 'etcd'[]): readonly TcpProxy[] {
  const node = pickNode(scene);
  return [...node.toPeers, node.fromPeers, ...(more.length > 0 ? node.toEtcd : [])];
}
