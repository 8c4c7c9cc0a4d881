/** One machine of the cluster, life after life of its node: opened, crashed, halted, closed, wiped, and opened again. */

import { isSluiceError } from '../../../src/base/errors.ts';
import { removeTree } from '../../../src/cluster/files/directory-tree.ts';
import { SeededRandom } from '../../base/seeded-random.ts';
import { Life, OF_A_BAD_DISK } from '../../simulation/life.ts';
import type { Machine } from '../../simulation/machine.ts';
import { fateOf } from '../../simulation/run.ts';
import { counts } from './counts.ts';
import { NodeProcess, type TextNode, type World } from './node-process.ts';
import type { NodeLife } from './scenario.ts';

const WATCHED_MS = 50;
const AGAIN_MS = 200;

/** Where something was done to the cluster. */
const OF_TROUBLE: ReadonlySet<string> = new Set(['UNAVAILABLE', 'OUTCOME_UNKNOWN', 'CLOSED', 'HALTED']);
/** Another lane has dropped it. */
const OF_OTHERS: ReadonlySet<string> = new Set(['KEYSPACE_NOT_FOUND']);
/** It is opened again, and begins from a peer. */
const LEFT_BEHIND = /log is kept from revision \d+ on/;

const HEALTHY: NodeLife = { faults: [], crash: undefined, downMs: 0 };

/** A node that is open. */
export interface Living {
  readonly db: TextNode;
  readonly life: Life;
  isOver: boolean;
}

export class NodeHost {
  readonly name: string;
  readonly machine: Machine;
  readonly #world: World;
  readonly #plans: NodeLife[];
  readonly #random: SeededRandom;
  readonly #lives: Life[] = [];
  #process: NodeProcess | undefined;
  #living: Living | undefined;
  #waiting: (() => void)[] = [];
  /** What is to become of the present life. */
  #asked: { readonly wipe: boolean; readonly downMs: number } | undefined;
  #isEnding = false;

  constructor(name: string, machine: Machine, world: World, plans: readonly NodeLife[], seed: number) {
    this.name = name;
    this.machine = machine;
    this.#world = world;
    this.#plans = [...plans];
    this.#random = new SeededRandom(seed);
  }

  /** Resolves with the node that is open now, or next. */
  async living(): Promise<Living> {
    for (;;) {
      if (this.#living !== undefined && !this.#living.isOver) return this.#living;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** As `living`, of one that has neither halted nor stopped. */
  async steady(): Promise<Living> {
    for (;;) {
      const living = await this.living();
      const { condition } = await living.db.status();
      if (condition !== 'halted' && this.#process?.fs.off === false && !living.isOver) return living;
      await this.machine.schedule.sleep(WATCHED_MS);
    }
  }

  /** Closes it, and opens it again after a while. */
  restart(wipe: boolean, downMs: number): void {
    this.#asked = { wipe, downMs };
    if (this.#living !== undefined) this.#living.isOver = true;
  }

  /** The present life is the last. */
  end(): void {
    this.#isEnding = true;
  }

  /** Nothing of it goes on. */
  powerOff(): void {
    this.end();
    this.#process?.stop();
  }

  /** Life after life. @throws at what may not be */
  async run(): Promise<void> {
    while (!this.#isEnding)
      await this.#live((this.#world.isCalm ? undefined : this.#plans.shift()) ?? HEALTHY);
    for (const { name, mustBeThere } of this.#lives.flatMap(({ inputs }) => inputs))
      if (mustBeThere && !this.machine.isInputIntact(name)) throw new Error(`the input ${name} was lost`);
  }

  async #live(plan: NodeLife): Promise<void> {
    const { machine, name } = this;
    const random = new SeededRandom(this.#random.below(2 ** 31));
    const running = new NodeProcess(name, machine, this.#world, plan, random);
    this.#process = running;
    counts.lives++;
    const db = await this.#open(running);
    if (db !== undefined) await this.#inhabit(db, running);
    if (running.behaviour.isBad) counts.badDisks++;
    if (running.image !== undefined) {
      counts.crashes++;
      machine.restart(running.image, fateOf(plan.crash?.fate, random));
    }
    const { wipe, downMs } = this.#asked ?? { wipe: false, downMs: plan.downMs };
    this.#asked = undefined;
    if (wipe) this.#wipe();
    if (!this.#isEnding && !this.#world.isCalm) await machine.schedule.sleep(downMs);
  }

  /** As an operator does: until it opens. undefined: the machine has stopped meanwhile. */
  async #open(running: NodeProcess): Promise<TextNode | undefined> {
    const { behaviour, fs } = running;
    for (;;) {
      try {
        const db = await running.open();
        if (!fs.off) return db;
        await db.close().catch(() => undefined);
        return undefined;
      } catch (error) {
        // LMDB's environment is let go of a little later.
        await this.machine.schedule.sleep(AGAIN_MS);
        if (fs.off) return undefined;
        const isOfDisk = behaviour.isBad && isSluiceError(error) && OF_A_BAD_DISK.has(error.code);
        const passes = isSluiceError(error, 'UNAVAILABLE') || isSluiceError(error, 'TRIMMED');
        if (!isOfDisk && !(this.#world.isTroubled && passes)) throw error;
        if (isOfDisk) behaviour.faults = false;
      }
    }
  }

  async #inhabit(db: TextNode, running: NodeProcess): Promise<void> {
    const { behaviour, fs } = running;
    const { journal, lock, isTroubled } = this.#world;
    const { machine } = this;
    const living: Living = {
      db,
      isOver: this.#asked !== undefined,
      life: new Life({
        machine,
        fs,
        db,
        journal,
        mayFail: (code) =>
          OF_OTHERS.has(code) ||
          (isTroubled && OF_TROUBLE.has(code)) ||
          (behaviour.isBad && OF_A_BAD_DISK.has(code)),
        cluster: { lock, isOver: () => living.isOver, caughtUp: () => db.caughtUp() },
      }),
    };
    this.#lives.push(living.life);
    this.#living = living;
    for (const resolve of this.#waiting.splice(0)) resolve();
    try {
      await this.#watch(living, running);
    } finally {
      living.isOver = true;
      await this.#close(db, running);
    }
  }

  /** Until its end. */
  async #watch(living: Living, { fs, behaviour }: NodeProcess): Promise<void> {
    for (let version = 0; !fs.off && !living.isOver && !this.#isEnding; ) {
      const now = living.db.version;
      if (now < version) throw new Error(`${this.name} went back from version ${version} to ${now}`);
      version = now;
      const { condition, error = '' } = await living.db.status();
      if (condition === 'halted' && !fs.off) {
        counts.halts++;
        if (!behaviour.isBad && !LEFT_BEHIND.test(error))
          throw new Error(`${this.name} has halted: ${error}`);
        if (error.includes('at the same place of the log')) throw new Error(`${this.name}: ${error}`);
        behaviour.faults = false;
        return;
      }
      await this.machine.schedule.sleep(WATCHED_MS);
    }
  }

  async #close(db: TextNode, { fs, behaviour }: NodeProcess): Promise<void> {
    try {
      await db.close();
    } catch (error) {
      const isOfDisk = behaviour.isBad && isSluiceError(error) && OF_A_BAD_DISK.has(error.code);
      if (!fs.off && !isOfDisk && !isSluiceError(error, 'HALTED')) throw error;
    }
  }

  /** All but its inputs. */
  #wipe(): void {
    const fs = this.machine.fileSystem();
    for (const name of ['db', 'db.new', 'db.old', 'db.new.fetching', 'cluster'])
      removeTree(fs, `${this.machine.root}/${name}`);
    fs.syncDirectorySync(this.machine.root);
  }
}
