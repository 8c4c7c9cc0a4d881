/** Runs random scenarios. A failing one is shrunk and saved, to be run first from then on. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { runScenario } from './run.ts';
import { parseScenario, scenario } from './scenario.ts';

interface Kind<S> {
  /** Below test/regressions. */
  readonly saved: string;
  readonly scenario: fc.Arbitrary<S>;
  readonly run: (scenario: S) => Promise<unknown>;
}

export class Simulation<S> {
  readonly #kind: Kind<S>;
  readonly #saved: URL;

  constructor(kind: Kind<S>) {
    this.#kind = kind;
    this.#saved = new URL(`../regressions/${kind.saved}/`, import.meta.url);
    mkdirSync(this.#saved, { recursive: true });
  }

  async checkSaved(): Promise<void> {
    for (const name of readdirSync(this.#saved).filter((each) => each.endsWith('.json')))
      await this.#kind.run(parseScenario<S>(readFileSync(new URL(name, this.#saved), 'utf8')));
  }

  /** Resolves with the seed. @throws Error that says where the scenario was saved */
  async check(numRuns: number, seed?: number): Promise<number> {
    const property = fc.asyncProperty(this.#kind.scenario, async (each) => void (await this.#kind.run(each)));
    const details = await fc.check(property, seed === undefined ? { numRuns } : { numRuns, seed });
    if (!details.failed || details.counterexample === null) return details.seed;
    const name = `seed-${details.seed}.json`;
    writeFileSync(new URL(name, this.#saved), `${JSON.stringify(details.counterexample[0])}\n`);
    const saved = `shrunk and saved as test/regressions/${this.#kind.saved}/${name}`;
    // The path is long, and summaries cut what comes last.
    const place = `seed ${details.seed}, path ${details.counterexamplePath}`;
    throw new Error(`${String(details.errorInstance)}; ${saved}; ${place}`, { cause: details.errorInstance });
  }
}

export const simulation = new Simulation({ saved: 'simulation', scenario, run: runScenario });
