/** Runs random histories. A failing one is shrunk and printed as JSON: keep it as a file in test/regressions/. */

import fc from 'fast-check';
import { type History, history } from './history.ts';

export const TIMEOUT_MS = 600_000;

/** Resolves with how many were run. @throws Error with the seed and the shrunk history */
export function checkHistories(
  numRuns: number,
  run: (history: History) => Promise<void>,
  seed?: number,
): Promise<number> {
  return checkArbitrary(history, numRuns, run, seed);
}

export async function checkArbitrary<T>(
  arbitrary: fc.Arbitrary<T>,
  numRuns: number,
  run: (history: T) => Promise<void>,
  seed?: number,
): Promise<number> {
  const property = fc.asyncProperty(arbitrary, run);
  const details = await fc.check(property, seed === undefined ? { numRuns } : { numRuns, seed });
  if (!details.failed || details.counterexample === null) return details.numRuns;
  const place = `seed ${details.seed}, path ${details.counterexamplePath}`;
  throw new Error(`${place}: ${String(details.errorInstance)}\n${JSON.stringify(details.counterexample[0])}`);
}
