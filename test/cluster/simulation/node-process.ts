/** A process of a node on its machine, from its start to its end: what it reaches of the world, and how that ends when the machine stops. */

import type { Env } from '../../../src/base/env/env.ts';
import type { ClusterDb } from '../../../src/cluster/cluster-db.ts';
import { openCluster } from '../../../src/cluster/open-cluster.ts';
import type { TestOptions } from '../../base/database.ts';
import type { SeededRandom } from '../../base/seeded-random.ts';
import { PlannedBehaviour } from '../../simulation/behaviour.ts';
import type { SimulatedCall, SimulatedFailure, SimulatedFileSystem } from '../../simulation/file-system.ts';
import type { Journal } from '../../simulation/journal.ts';
import type { Image, Machine } from '../../simulation/machine.ts';
import { OPTIONS } from '../../simulation/run.ts';
import type { SharedLock } from '../../simulation/shared-lock.ts';
import { ALL_KEPT } from '../nodes.ts';
import { counts } from './counts.ts';
import type { NodeLife } from './scenario.ts';
import { type PeerNetwork, SimulatedExchange } from './simulated-exchange.ts';
import { SimulatedLog, type SimulatedLogHub } from './simulated-log.ts';
import type { Trace } from './trace.ts';

export type TextNode = ClusterDb<'utf8', 'utf8'>;

const COMMIT_TIMEOUT_MS = 1500;
const ANNOUNCE_MS = 150;
const MADE_ANEW = 'this replica is made anew from a peer';

/** What all nodes have in common. */
export interface World {
  readonly log: SimulatedLogHub;
  readonly network: PeerNetwork;
  readonly journal: Journal;
  readonly lock: SharedLock;
  readonly trace: Trace;
  readonly windowVersions: number;
  readonly keepsAll: boolean;
  /** Something is done to the cluster, besides what its lanes ask for. */
  readonly isTroubled: boolean;
  /** From now on nothing is done to it any more. */
  isCalm: boolean;
}

/** Tells of every call, and does nothing any more once the world is calm. */
class NodeBehaviour extends PlannedBehaviour {
  onEach: (call: SimulatedCall) => void = () => undefined;
  isCalm: () => boolean = () => false;

  override onCall(call: SimulatedCall): SimulatedFailure | undefined {
    this.onEach(call);
    return this.isCalm() ? undefined : super.onCall(call);
  }
}

export class NodeProcess {
  readonly fs: SimulatedFileSystem;
  readonly behaviour: PlannedBehaviour;
  /** As the machine's disk was when it stopped. */
  image: Image | undefined;
  readonly #name: string;
  readonly #machine: Machine;
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #env: Env;
  #log: SimulatedLog | undefined;
  #exchange: SimulatedExchange | undefined;

  constructor(name: string, machine: Machine, world: World, plan: NodeLife, random: SeededRandom) {
    this.#name = name;
    this.#machine = machine;
    this.#world = world;
    this.#random = random;
    const behaviour = new NodeBehaviour({ ...plan, durability: 'os', lanes: [], seed: 0 }, random, () =>
      this.stop(),
    );
    behaviour.onEach = ({ op, path }) => this.#note(`${op} ${path.slice(machine.root.length)}`);
    behaviour.isCalm = () => world.isCalm;
    this.behaviour = behaviour;
    this.fs = machine.fileSystem(behaviour);
    this.#env = machine.env(this.fs, random);
  }

  #note(what: string): void {
    this.#world.trace.note(this.#name, what);
  }

  /** The machine stops: nothing that the process still does reaches anybody. */
  stop(): void {
    if (this.fs.off) return;
    this.#note('stops');
    this.image = this.#machine.image();
    this.fs.off = true;
    if (this.#log !== undefined) this.#log.off = true;
    this.#exchange?.leave();
  }

  async open(): Promise<TextNode> {
    const { network, log, windowVersions, keepsAll } = this.#world;
    this.#log = new SimulatedLog(log, this.#name, this.#random);
    const tell = (fields: object, message: string): void => this.#tell(message, fields);
    const options: TestOptions = { ...OPTIONS, ...(keepsAll && ALL_KEPT), durability: 'os' };
    return openCluster<'utf8', 'utf8'>({
      ...options,
      keyEncoding: 'utf8',
      valueEncoding: 'utf8',
      logger: { debug: tell, info: tell, warn: tell, error: tell },
      env: this.#env,
      dir: this.#machine.root,
      node: this.#name,
      log: this.#log,
      files: async (dir, service) => {
        const [env, random, node] = [this.#env, this.#random, this.#name];
        this.#exchange = new SimulatedExchange({ network, env, random, node, dir, service });
        return this.#exchange;
      },
      windowVersions,
      commitTimeoutMs: COMMIT_TIMEOUT_MS,
      announceMs: ANNOUNCE_MS,
    });
  }

  #tell(message: string, fields: object): void {
    if (message === MADE_ANEW) counts.bootstraps++;
    this.#note(`${message}: ${Object.values(fields).join(', ')}`);
  }
}
