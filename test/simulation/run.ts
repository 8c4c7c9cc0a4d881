/** Runs a scenario, life after life on one machine; throws at the first thing that must not be. */

import { isSluiceError } from '../../src/index.ts';
import type { TestOptions, TextDb } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { KEYSPACES } from '../model/history.ts';
import { State } from '../model/oracle.ts';
import { PlannedBehaviour } from './behaviour.ts';
import { EVERYTHING, type Fate, NOTHING_UNSYNCED, randomFate } from './disk.ts';
import type { SimulatedFileSystem } from './file-system.ts';
import { Journal, show } from './journal.ts';
import { contentOf, Life, OF_A_BAD_DISK } from './life.ts';
import { type Image, type Machine, withMachine } from './machine.ts';
import type { LifePlan, Scenario } from './scenario.ts';

export const OPTIONS: TestOptions = {
  memtableBytes: 4096,
  walSegmentBytes: 2048,
  blockBytes: 64,
  blockCacheBytes: 1 << 20,
  level0Trigger: 2,
  levelBaseBytes: 1 << 10,
  levelMultiplier: 2,
  targetFileBytes: 1 << 10,
  maxSubcompactions: 2,
};

/** Of real time: what takes longer waits for something that never comes. */
const STUCK_MS = 60_000;
/** A database that failed to open lets go of LMDB's environment a little later. */
const LET_GO_MS = 20;
/** Of simulated time: for what is done in the background. */
const SETTLE_MS = 1000;
const SETTLE_TRIES = 30;

const HEALTHY: LifePlan = { durability: 'fsync', lanes: [], faults: [], seed: 0 };

/** Of all scenarios, to see that they are worth running. */
export const counts = { lives: 0, crashes: 0, openCrashes: 0, badDisks: 0, commits: 0, unknown: 0 };

export async function runScenario({ lives }: Scenario): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('stuck: nothing is under way')), STUCK_MS);
  });
  const lived = withMachine(async (machine) => {
    const world = new World(machine);
    for (const plan of lives) await world.live(plan);
    await world.live(HEALTHY);
  });
  try {
    await Promise.race([lived, stuck]);
  } finally {
    clearTimeout(timer);
  }
}

class World {
  readonly #machine: Machine;
  /** Of the last life whose end is not explained yet. */
  #journal = new Journal(new State());
  readonly #failures: string[] = [];
  /** The newest of its commits may be lost. */
  #maybeLost = false;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  async live(plan: LifePlan): Promise<void> {
    const machine = this.#machine;
    const random = new SeededRandom(plan.seed);
    let image: Image | undefined;
    const stop = (fs: SimulatedFileSystem): void => {
      image ??= machine.image();
      fs.off = true;
    };
    const behaviour = new PlannedBehaviour(plan, random, () => stop(fs));
    const fs: SimulatedFileSystem = machine.fileSystem(behaviour);
    const db = await this.#open(fs, behaviour, plan, random);
    let life: Life | undefined;
    if (db !== undefined) {
      try {
        life = await this.#inhabit(fs, behaviour, plan, db);
        if (plan.crash !== undefined) stop(fs);
      } finally {
        await close(db, fs, behaviour);
      }
    }
    if (this.#failures.length > 0) throw new Error(this.#failures.join('; '));
    if (life !== undefined) this.#journal.checkReads();
    this.#count(behaviour, life !== undefined, image !== undefined);
    if (image !== undefined) {
      machine.restart(image, fateOf(plan.crash?.fate, random));
      const isKept = plan.crash?.fate === 'everything' && !behaviour.hasFailedSync;
      this.#maybeLost = this.#maybeLost || (plan.durability === 'os' && !isKept);
    }
    for (const { name, mustBeThere } of life?.inputs ?? []) {
      if (mustBeThere && !machine.isInputIntact(name)) throw new Error(`the input ${name} was lost`);
    }
  }

  #count(behaviour: PlannedBehaviour, lived: boolean, crashed: boolean): void {
    counts.lives++;
    if (crashed) counts.crashes++;
    if (!lived) counts.openCrashes++;
    if (behaviour.isBad) counts.badDisks++;
    if (!lived) return;
    counts.commits += this.#journal.commits;
    counts.unknown += this.#journal.unknown.length;
  }

  /** undefined: the machine stopped meanwhile. */
  async #open(
    fs: SimulatedFileSystem,
    behaviour: PlannedBehaviour,
    plan: LifePlan,
    random: SeededRandom,
  ): Promise<TextDb | undefined> {
    // What fails in the background nobody waits for: it must have met a fault, too.
    const log = (fields: object, message: string): void => {
      if (!fs.off && !behaviour.isBad) this.#failures.push(`${message}: ${Object.values(fields).join(', ')}`);
    };
    const logger = { debug: ignore, info: ignore, warn: log, error: log };
    const options = { ...OPTIONS, durability: plan.durability, logger };
    try {
      return await this.#machine.open(fs, random, options);
    } catch (error) {
      await new Promise((resolve) => setTimeout(resolve, LET_GO_MS));
      if (fs.off) return undefined;
      if (!behaviour.isBad || !isOfABadDisk(error)) throw error;
    }
    // L9: an open that fails has cost nothing.
    behaviour.faults = false;
    try {
      return await this.#machine.open(fs, random, options);
    } catch (error) {
      await new Promise((resolve) => setTimeout(resolve, LET_GO_MS));
      if (fs.off) return undefined;
      throw error;
    }
  }

  /** undefined: the machine stopped before it was known what the last life has left. */
  async #inhabit(
    fs: SimulatedFileSystem,
    behaviour: PlannedBehaviour,
    plan: LifePlan,
    db: TextDb,
  ): Promise<Life | undefined> {
    behaviour.faults = false;
    let found: State;
    try {
      for (const keyspace of KEYSPACES) db.keyspace(keyspace);
      found = await contentOf(db);
      await verify(this.#machine, db, plan === HEALTHY);
    } catch (error) {
      if (fs.off) return undefined;
      throw error;
    }
    if (this.#journal.explain(found, this.#maybeLost).length === 0) {
      throw new Error(`no history leaves what was found: ${this.#journal.describe(found)}`);
    }
    this.#journal = new Journal(found);
    this.#maybeLost = false;
    behaviour.faults = true;
    const mayFail = (code: string): boolean => behaviour.isBad && OF_A_BAD_DISK.has(code);
    const life = new Life({ machine: this.#machine, fs, db, journal: this.#journal, mayFail });
    const ends = await Promise.allSettled(plan.lanes.map((ops) => life.lane(ops)));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return life;
  }
}

function ignore(): void {
  // No news are good news.
}

function isOfABadDisk(error: unknown): boolean {
  return isSluiceError(error) && OF_A_BAD_DISK.has(error.code);
}

async function close(db: TextDb, fs: SimulatedFileSystem, behaviour: PlannedBehaviour): Promise<void> {
  try {
    await db.close();
  } catch (error) {
    if (!fs.off && !(behaviour.isBad && isOfABadDisk(error))) throw error;
  }
}

export function fateOf(fate: NonNullable<LifePlan['crash']>['fate'] | undefined, random: SeededRandom): Fate {
  switch (fate) {
    case 'nothing':
      return NOTHING_UNSYNCED;
    case 'anything':
      return randomFate(random);
    case 'everything':
    case undefined:
      return EVERYTHING;
  }
}

async function verify(machine: Machine, db: TextDb, alone: boolean): Promise<void> {
  // What range deletions hide whole is dropped a moment after the open.
  if (alone) await machine.schedule.sleep(SETTLE_MS);
  const tables = await verifiedTables(db);
  if (!alone) return;
  await noTableIsLeft(machine, db, tables);
  const before = show(await contentOf(db));
  await db.compactRange();
  if (show(await contentOf(db)) !== before) throw new Error(`a compaction has changed ${before}`);
}

async function verifiedTables(db: TextDb): Promise<number> {
  const { problems, tables } = await db.verify({ full: true });
  if (problems.length > 0) throw new Error(`verify: ${JSON.stringify(problems)}`);
  return tables;
}

/** A compaction under way has outputs that nothing names yet, and its inputs go a moment later: that passes, a leak stays. */
async function noTableIsLeft(machine: Machine, db: TextDb, tables: number): Promise<void> {
  let named = tables;
  let names = machine.names('db/tables');
  for (let tries = 0; names.length !== named; tries++) {
    if (tries === SETTLE_TRIES) throw new Error(`the manifest has ${named} tables, the disk ${names}`);
    await machine.schedule.sleep(SETTLE_MS);
    named = await verifiedTables(db);
    names = machine.names('db/tables');
  }
}
