/** A disk as a plan of a life wants it: slow and hasty by turns, with the planned faults, and off at the planned call. */

import type { Operation } from '../base/faulty-file-system.ts';
import type { SeededRandom } from '../base/seeded-random.ts';
import { type Fate, randomFate } from './disk.ts';
import { type Behaviour, CHANGES, type SimulatedCall, type SimulatedFailure } from './file-system.ts';
import type { LifePlan } from './scenario.ts';

export class PlannedBehaviour implements Behaviour {
  readonly failedSync: Fate;
  readonly #plan: LifePlan;
  readonly #random: SeededRandom;
  readonly #onCrash: () => void;
  readonly #counts = new Map<Operation, number>();
  #changes = 0;
  /** While it is false no fault is met and none is counted: what checks the database reads what is there. */
  faults = true;
  isBad = false;
  /** What it was to sync may be lost, whatever a crash makes of the rest. */
  hasFailedSync = false;

  /** @param onCrash is called at the call that the plan's crash is at */
  constructor(plan: LifePlan, random: SeededRandom, onCrash: () => void) {
    this.#plan = plan;
    this.#random = random;
    this.#onCrash = onCrash;
    this.failedSync = randomFate(random);
  }

  onCall({ op }: SimulatedCall): SimulatedFailure | undefined {
    if (CHANGES.has(op) && this.#changes++ === this.#plan.crash?.atCall) this.#onCrash();
    if (!this.faults) return undefined;
    const count = this.#counts.get(op) ?? 0;
    this.#counts.set(op, count + 1);
    for (const { op: failing, after, times, errno, writtenBytes } of this.#plan.faults) {
      if (failing !== op || count < after || count >= after + times) continue;
      this.isBad = true;
      this.hasFailedSync ||= op === 'datasync';
      return { errno, writtenBytes };
    }
    return undefined;
  }

  latencyMs(): number {
    const dice = this.#random.float();
    if (dice < 0.8) return dice;
    return this.#random.float() * (dice < 0.95 ? 20 : 300);
  }

  moved(wanted: number): number {
    return this.#random.chance(0.1) ? 1 + this.#random.below(wanted) : wanted;
  }
}
