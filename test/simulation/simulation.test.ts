/** Random lives under a seed: faults, crashes, and everything beside everything. */

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LENGTH } from '../base/length.ts';
import { checkScenarios, REGRESSIONS } from './check.ts';
import { counts, runScenario } from './run.ts';
import { parseScenario } from './scenario.ts';

const SCENARIOS = LENGTH > 1 ? 400 : 150;

test('scenarios that failed once pass', async () => {
  const names = readdirSync(REGRESSIONS).filter((name) => name.endsWith('.json'));
  for (const name of names) {
    await runScenario(parseScenario(readFileSync(new URL(name, REGRESSIONS), 'utf8')));
  }
});

test(`${SCENARIOS} random scenarios`, async () => {
  const before = counts.lives;
  const seed = await checkScenarios(SCENARIOS);
  process.stdout.write(`simulation: seed ${seed}: ${JSON.stringify(counts)}\n`);
  expect(counts.lives - before).toBeGreaterThan(SCENARIOS);
}, 1_800_000);
