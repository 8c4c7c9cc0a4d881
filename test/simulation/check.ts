/** Runs random scenarios. A failing one is shrunk and saved in test/regressions/simulation/. */

import { mkdirSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { runScenario } from './run.ts';
import { scenario } from './scenario.ts';

export const REGRESSIONS = new URL('../regressions/simulation/', import.meta.url);

/** Resolves with the seed. @throws Error that says where the scenario was saved */
export async function checkScenarios(numRuns: number, seed?: number): Promise<number> {
  const property = fc.asyncProperty(scenario, runScenario);
  const details = await fc.check(property, seed === undefined ? { numRuns } : { numRuns, seed });
  if (!details.failed || details.counterexample === null) return details.seed;
  const name = `seed-${details.seed}.json`;
  mkdirSync(REGRESSIONS, { recursive: true });
  writeFileSync(new URL(name, REGRESSIONS), `${JSON.stringify(details.counterexample[0])}\n`);
  const saved = `shrunk and saved as test/regressions/simulation/${name}`;
  // The path is long, and summaries cut what comes last.
  const place = `seed ${details.seed}, path ${details.counterexamplePath}`;
  throw new Error(`${String(details.errorInstance)}; ${saved}; ${place}`, { cause: details.errorInstance });
}
