/** Runs a scenario: three machines under one schedule, with a log and a network between them; throws at the first thing that must not be. */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { unreachable } from '../../../src/base/assert.ts';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import { ensureZstd } from '../../../src/sst/zstd.ts';
import { makeMemoryDirectory } from '../../base/database.ts';
import { SeededRandom } from '../../base/seeded-random.ts';
import type { Op } from '../../model/history.ts';
import { State } from '../../model/oracle.ts';
import { Journal } from '../../simulation/journal.ts';
import { Machine } from '../../simulation/machine.ts';
import { Schedule } from '../../simulation/schedule.ts';
import { SharedLock } from '../../simulation/shared-lock.ts';
import { counts } from './counts.ts';
import { lastLook } from './last-look.ts';
import { NodeHost } from './node-host.ts';
import type { World } from './node-process.ts';
import { type ClusterScenario, NODES, type Trouble } from './scenario.ts';
import { PeerNetwork } from './simulated-exchange.ts';
import { SimulatedLogHub } from './simulated-log.ts';
import { Trace } from './trace.ts';

/** Of real time: what takes longer waits for something that never comes. */
const STUCK_MS = 120_000;
/** Of simulated time, the same. */
const STUCK_SIMULATED_MS = 1_800_000;
const INPUTS_OF_A_NODE = 10_000;
const APPENDS = 3;
const DAMAGED_PIECES = 4;
const LAG_MS = 800;

/** Resolves with what has happened, if that is to be kept. */
export async function runClusterScenario(scenario: ClusterScenario, keepsTrace = false): Promise<Trace> {
  // The first to need it waits for real time.
  await ensureZstd();
  const root = makeMemoryDirectory();
  const schedule = new Schedule();
  const trace = new Trace(schedule, root, keepsTrace);
  counts.scenarios++;
  const running = new Running(scenario, root, schedule, trace);
  let timer: NodeJS.Timeout | undefined;
  try {
    const stuck = new Promise<never>((_, reject) => {
      const tell = (time: string): void => reject(new Error(`stuck for ${time}`));
      timer = setTimeout(tell, STUCK_MS, 'too long');
      schedule.after(STUCK_SIMULATED_MS, () => tell('half an hour'));
    });
    await Promise.race([running.run(), stuck]);
    return trace;
  } catch (error) {
    if (error instanceof Error) Object.assign(error, { trace: trace.lines });
    await running.abandon();
    throw error;
  } finally {
    clearTimeout(timer);
    schedule.end();
    rmSync(root, { recursive: true, force: true });
  }
}

class Running {
  readonly #scenario: ClusterScenario;
  readonly #schedule: Schedule;
  readonly #world: World;
  readonly #hosts: readonly NodeHost[];
  #ended: Promise<unknown> = Promise.resolve();

  constructor(scenario: ClusterScenario, root: string, schedule: Schedule, trace: Trace) {
    const { seed, windowVersions, keepsAll, lives, troubles } = scenario;
    this.#scenario = scenario;
    this.#schedule = schedule;
    const random = new SeededRandom(seed);
    const env = { ...nodeEnv, clock: schedule };
    this.#world = {
      log: new SimulatedLogHub(env, trace),
      network: new PeerNetwork(),
      journal: new Journal(new State()),
      lock: new SharedLock(),
      trace,
      windowVersions,
      keepsAll,
      isTroubled: troubles.length > 0 || lives.some((each) => each.length > 0),
      isCalm: false,
    };
    this.#hosts = NODES.map((name, i) => {
      const directory = join(root, name);
      mkdirSync(directory);
      const machine = new Machine(directory, schedule, i * INPUTS_OF_A_NODE);
      return new NodeHost(name, machine, this.#world, lives[i] ?? [], random.below(2 ** 31));
    });
  }

  async run(): Promise<void> {
    const hosted = Promise.all(this.#hosts.map((host) => host.run()));
    this.#ended = hosted.catch(() => undefined);
    // What fails on a node ends the run, whatever else waits for that node.
    const failed = hosted.then(() => new Promise<never>(() => undefined));
    await Promise.race([this.#story(), failed]);
    for (const host of this.#hosts) host.end();
    await hosted;
  }

  async #story(): Promise<void> {
    for (const trouble of this.#scenario.troubles) this.#plan(trouble);
    await Promise.all(this.#scenario.lanes.map(({ node, ops }) => this.#lane(node, ops)));
    this.#world.trace.note('all', 'is calm');
    this.#world.isCalm = true;
    this.#world.network.endTroubles();
    for (const name of NODES) this.#world.log.troubles(name).end();
    if (this.#scenario.endsWithRestart) for (const host of this.#hosts) host.restart(false, 0);
    await lastLook(this.#hosts, this.#world);
    counts.trims += this.#world.log.hub.trimmed > 0 ? 1 : 0;
  }

  /** What one node does not come to another life of it does. */
  async #lane(node: number, ops: readonly Op[]): Promise<void> {
    const host = this.#hosts[node];
    if (host === undefined) throw new Error(`there is no node ${node}`);
    const left = [...ops];
    const next = (): IteratorResult<Op> => {
      const value = left.shift();
      return value === undefined ? { done: true, value } : { done: false, value };
    };
    while (left.length > 0) {
      const { life } = await host.living();
      await life.lane({ [Symbol.iterator]: () => ({ next }) });
    }
  }

  #plan(trouble: Trouble): void {
    this.#schedule.after(trouble.atMs, () => {
      if (this.#world.isCalm) return;
      this.#world.trace.note(NODES[trouble.node] ?? '', trouble.kind);
      const end = this.#strike(trouble);
      this.#schedule.after(trouble.lastsMs, end);
    });
  }

  /** Returns how to end it. */
  #strike({ kind, node, lastsMs }: Trouble): () => void {
    const host = this.#hosts[node];
    if (host === undefined) throw new Error(`there is no node ${node}`);
    const { log, network } = this.#world;
    const troubles = log.troubles(host.name);
    switch (kind) {
      case 'cut':
        troubles.isCut = true;
        return () => {
          troubles.isCut = false;
        };
      case 'alone':
        network.cut.add(host.name);
        return () => network.cut.delete(host.name);
      case 'lag':
        troubles.lagMs = LAG_MS;
        return () => {
          troubles.lagMs = 0;
        };
      case 'refused':
      case 'lost':
      case 'late':
        troubles[kind] = APPENDS;
        return () => {
          troubles[kind] = 0;
        };
      case 'damage':
        network.damages.set(host.name, DAMAGED_PIECES);
        return () => network.damages.delete(host.name);
      case 'stop':
      case 'wipe':
        host.restart(kind === 'wipe', lastsMs);
        return () => undefined;
      default:
        return unreachable(kind);
    }
  }

  /** After a failure: nothing of it may go on beside what is run next. */
  async abandon(): Promise<void> {
    for (const host of this.#hosts) host.powerOff();
    let timer: NodeJS.Timeout | undefined;
    const given = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ABANDONED_MS);
    });
    await Promise.race([this.#ended, given]);
    clearTimeout(timer);
  }
}

/** Of real time. */
const ABANDONED_MS = 2000;
