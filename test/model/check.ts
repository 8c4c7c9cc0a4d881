/**
 * Runs random histories. A failing one is shrunk and printed as JSON: keep it as a file in test/regressions/.
 *
 * `npm run soak:model -- --minutes 60` runs until the time is up; `--seed N` repeats one.
 */

import fc from 'fast-check';
import { type History, history } from './history.ts';

const MINUTE_MS = 60_000;
const soakMinutes = Number(process.env['SLUICE_SOAK_MINUTES'] ?? 0);
const soakSeed = process.env['SLUICE_SOAK_SEED'];

export const TIMEOUT_MS = (5 + soakMinutes) * MINUTE_MS;

export function checkHistories(
  numRuns: number,
  run: (history: History) => Promise<void>,
  part = 0,
): Promise<void> {
  return checkArbitrary(history, numRuns, run, part);
}

export async function checkArbitrary<T>(
  arbitrary: fc.Arbitrary<T>,
  numRuns: number,
  run: (history: T) => Promise<void>,
  part = 0,
): Promise<void> {
  const details = await fc.check(fc.asyncProperty(arbitrary, run), {
    numRuns: soakMinutes > 0 ? Number.MAX_SAFE_INTEGER : numRuns,
    ...(soakMinutes > 0 ? { interruptAfterTimeLimit: soakMinutes * MINUTE_MS } : {}),
    ...(soakSeed === undefined ? {} : { seed: Number(soakSeed) + part }),
  });
  if (soakMinutes > 0) process.stdout.write(`seed ${details.seed - part}: ${details.numRuns} histories\n`);
  if (!details.failed || details.counterexample === null) return;
  const place = `seed ${details.seed}, path ${details.counterexamplePath}`;
  throw new Error(`${place}: ${String(details.errorInstance)}\n${JSON.stringify(details.counterexample[0])}`);
}
