/** Random lives under a seed: faults, crashes, and everything beside everything. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { test } from 'vitest';
import { counts, runScenario } from './run.ts';
import { parseScenario, scenario } from './scenario.ts';

const REGRESSIONS = new URL('../regressions/simulation/', import.meta.url);
const MINUTE_MS = 60_000;
/** Of `npm test`. */
const SEEDS = 200;
const minutes = Number(process.env['SLUICE_SOAK_MINUTES'] ?? 0);
const givenSeed = process.env['SLUICE_SOAK_SEED'];

test('scenarios that failed once pass', async () => {
  const names = readdirSync(REGRESSIONS).filter((name) => name.endsWith('.json'));
  for (const name of names) {
    await runScenario(parseScenario(readFileSync(new URL(name, REGRESSIONS), 'utf8')));
  }
});

test(
  `${SEEDS} random scenarios`,
  async () => {
    const details = await fc.check(fc.asyncProperty(scenario, runScenario), {
      numRuns: minutes > 0 ? Number.MAX_SAFE_INTEGER : SEEDS,
      ...(minutes > 0 ? { interruptAfterTimeLimit: minutes * MINUTE_MS } : {}),
      ...(givenSeed === undefined ? {} : { seed: Number(givenSeed) }),
    });
    const told = `seed ${details.seed}, ${details.numRuns} scenarios`;
    process.stdout.write(`simulation: ${told}: ${JSON.stringify(counts)}\n`);
    if (!details.failed || details.counterexample === null) return;
    const name = `seed-${details.seed}.json`;
    mkdirSync(REGRESSIONS, { recursive: true });
    writeFileSync(new URL(name, REGRESSIONS), `${JSON.stringify(details.counterexample[0])}\n`);
    const place = `seed ${details.seed}, path ${details.counterexamplePath}`;
    const saved = `shrunk and saved as test/regressions/simulation/${name}`;
    throw new Error(`${place}: ${String(details.errorInstance)}; ${saved}`, { cause: details.errorInstance });
  },
  (10 + minutes) * MINUTE_MS,
);
