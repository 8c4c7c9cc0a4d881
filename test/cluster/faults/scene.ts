/** What a fault finds: the fleet, and how nodes are brought back. */

import type { SeededRandom } from '../../base/seeded-random.ts';
import type { EtcdMember } from '../../fixtures/etcd.ts';
import type { Fleet } from './fleet.ts';
import type { FleetNode } from './node.ts';
import type { Run } from './node-process.ts';

export interface Scene {
  readonly fleet: Fleet;
  readonly random: SeededRandom;
  /** A run of clients for the next life of a node. */
  readonly newRun: () => Run;
  readonly epoch: number;
}

export interface Fault {
  readonly name: string;
  /** Sets it going; what is returned ends it, and resolves when all are up again. */
  strike(scene: Scene): Promise<() => Promise<void>>;
}

/** As a node says it that holds something else than the others. */
export const HAS_DIVERGED = /at the same place of the log/;

export const pickNode = ({ fleet, random }: Scene): FleetNode => random.pick(fleet.nodes);
export const pickMember = ({ fleet, random }: Scene): EtcdMember => random.pick(fleet.etcd.members);

export async function leaderOf({ fleet }: Scene): Promise<EtcdMember> {
  const leader = fleet.etcd.members[await fleet.etcd.leader()];
  if (leader === undefined) throw new Error('etcd has no leader');
  return leader;
}

/**
 * What an operator does: starts it, and where it says that it cannot go on, starts it again; and where its files are damaged, makes it
 * anew from the others. That it holds something else than the others is never set right here: it is what this suite looks for.
 */
export async function backUp(node: FleetNode, scene: Scene, isDamaged: boolean): Promise<void> {
  try {
    if (!node.isUp) await node.restart(scene.newRun);
    await node.state(scene.epoch);
  } catch (error) {
    if (error instanceof Error && HAS_DIVERGED.test(error.message)) throw error;
    await node.kill();
    if (isDamaged) node.forget();
    await node.restart(scene.newRun);
    await node.state(scene.epoch);
  }
}
