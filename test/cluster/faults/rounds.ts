/**
 * Rounds of faults on a fleet under load. Each ends in quiet: all is set right, the nodes must hold the same, and the round's history,
 * of all clients of all lives of all nodes, must be strictly serializable. A commit that was acknowledged and is lost is one whose mark is
 * missing, and a write that the round's last read misses.
 */

import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../base/seeded-random.ts';
import { nameAgain } from '../../history/again.ts';
import { checkHistory } from '../../history/check-history.ts';
import type { RecordedTransaction } from '../../history/history.ts';
import { ETCD_FAULTS, FAULTS, type Fault, loseQuorum } from './faults.ts';
import { Fleet } from './fleet.ts';
import { readJournal } from './journal.ts';
import type { Run } from './node-process.ts';
import { type Marks, settled } from './outcomes.ts';
import { HAS_DIVERGED } from './scene.ts';

const CLIENTS_PER_NODE = 3;
const FAULTS_PER_ROUND = 7;

/** With another of etcd beside them, etcd would have lost more than it is made to lose. */
const OF_ETCD: ReadonlySet<Fault> = new Set([...ETCD_FAULTS, loseQuorum]);

export interface RoundTotals {
  rounds: number;
  transactions: number;
  committed: number;
  /** To their clients; each was told afterwards by its mark. */
  unknown: number;
  reads: number;
  readonly faults: Map<string, number>;
}

export class Rounds {
  readonly totals: RoundTotals = {
    rounds: 0,
    transactions: 0,
    committed: 0,
    unknown: 0,
    reads: 0,
    faults: new Map(),
  };
  readonly #fleet: Fleet;
  readonly #random: SeededRandom;
  readonly #tell: (line: string) => void;
  /** Faults that have not struck yet come first. */
  #left: Fault[] = [];

  private constructor(fleet: Fleet, random: SeededRandom, tell: (line: string) => void) {
    this.#fleet = fleet;
    this.#random = random;
    this.#tell = tell;
  }

  static async start(seed: number, tell: (line: string) => void): Promise<Rounds> {
    return new Rounds(await Fleet.start(), new SeededRandom(seed), tell);
  }

  /** Where journals and what the nodes have said are, while it is open. */
  get root(): string {
    return this.#fleet.root;
  }

  /** @throws with what is wrong */
  async next(timeIsUp: () => boolean): Promise<void> {
    const fleet = this.#fleet;
    const random = this.#random;
    const epoch = ++this.totals.rounds;
    const runs: Run[] = [];
    const newRun = (): Run => {
      const run = fleet.newRun({ seed: random.below(1e6), epoch, clients: CLIENTS_PER_NODE });
      runs.push(run);
      return run;
    };
    await fleet.nodes[0]?.ask('begin', newRun());
    for (const node of fleet.nodes) await node.startClients(newRun());
    for (let n = 0; n < FAULTS_PER_ROUND && (n === 0 || !timeIsUp()); n++) {
      await sleep(200 + random.below(800));
      const setRight = [];
      for (const fault of this.#pick()) {
        this.#tell(fault.name);
        appendFileSync(join(fleet.root, 'faults.log'), `${new Date().toISOString()} ${fault.name}\n`);
        setRight.push(await fault.strike({ fleet, random, newRun, epoch }));
        this.totals.faults.set(fault.name, (this.totals.faults.get(fault.name) ?? 0) + 1);
      }
      await sleep(200 + random.below(1_500));
      for (const each of random.chance(0.5) ? setRight : setRight.reverse()) await each();
    }
    await sleep(300);
    await Promise.all(fleet.nodes.map((node) => node.stopClients()));
    await fleet.agreed(epoch);
    await random.pick(fleet.nodes).ask('readAll', newRun());
    this.#check(runs, await fleet.agreed(epoch));
    for (const node of fleet.nodes.filter(({ name }) => name === 'd')) await fleet.remove(node);
  }

  /** `keep`: what is on disk of it stays. */
  async close(keep: boolean): Promise<void> {
    await this.#fleet.close(keep);
  }

  /** One; or one beside one of etcd. */
  #pick(): readonly Fault[] {
    if (this.#left.length === 0) this.#left = [...FAULTS];
    const [fault] = this.#left.splice(this.#random.below(this.#left.length), 1);
    if (fault === undefined) throw new Error('there are no faults');
    if (OF_ETCD.has(fault) || this.#random.chance(0.75)) return [fault];
    return [this.#random.pick(ETCD_FAULTS), fault];
  }

  #check(runs: readonly Run[], marks: Marks): void {
    for (const { name, said } of this.#fleet.nodes)
      if (HAS_DIVERGED.test(said)) throw new Error(`${name} had not what the others had, and said so`);
    const recorded: RecordedTransaction[] = [];
    for (const { journal } of runs) recorded.push(...readJournal(journal, recorded.length));
    const transactions = nameAgain(settled(recorded, marks));
    const report = checkHistory({ initial: new Map(), transactions });
    if (report.anomalies.length > 0) {
      const told = report.anomalies.map(({ name, explanation }) => `${name}: ${explanation}`).join('\n');
      throw new Error(`the history of round ${this.totals.rounds} is not strictly serializable:\n${told}`);
    }
    this.totals.transactions += report.transactions;
    this.totals.committed += report.committed;
    this.totals.unknown += recorded.filter(({ outcome }) => outcome === 'unknown').length;
    this.totals.reads += report.reads;
    if (report.committed === 0) throw new Error(`nothing was committed in round ${this.totals.rounds}`);
    for (const { journal } of runs)
      for (const path of [journal, `${journal}-files`]) rmSync(path, { recursive: true, force: true });
  }
}
