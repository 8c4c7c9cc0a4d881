/** Three replicas under one seed: crashes, faults of disks and of what is between them, and everything beside everything. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LENGTH } from '../../base/length.ts';
import { SEED } from '../../base/seed.ts';
import { counts } from './counts.ts';
import { runClusterScenario } from './run.ts';
import { clusterScenario } from './scenario.ts';
import { clusterSimulation } from './simulation.ts';

const SCENARIOS = LENGTH > 1 ? 60 : 10;

test('scenarios that failed once pass', () => clusterSimulation.checkSaved());

test(`${SCENARIOS} random scenarios`, async () => {
  const seed = await clusterSimulation.check(SCENARIOS);
  process.stdout.write(`cluster simulation: seed ${seed}: ${JSON.stringify(counts)}\n`);
  expect(counts.scenarios).toBeGreaterThanOrEqual(SCENARIOS);
  for (const what of ['commits', 'unknown', 'crashes', 'badDisks', 'trims'] as const)
    expect(counts[what], what).toBeGreaterThan(0);
}, 1_800_000);

test('a scenario is the same each time', async () => {
  for (const scenario of fc.sample(clusterScenario, { numRuns: 3, seed: SEED })) {
    const [{ lines: first = [] }, { lines: second = [] }] = [
      await runClusterScenario(scenario, true),
      await runClusterScenario(scenario, true),
    ];
    const other = first.findIndex((line, i) => line !== second[i]);
    expect(second[other]).toBe(first[other]);
    expect(second.length).toBe(first.length);
    expect(first.length).toBeGreaterThan(200);
  }
});
