/** Random lives under a seed: faults, crashes, and everything beside everything. */

import { expect, test } from 'vitest';
import { LENGTH } from '../base/length.ts';
import { simulation } from './check.ts';
import { counts } from './run.ts';

const SCENARIOS = LENGTH > 1 ? 400 : 150;

test('scenarios that failed once pass', () => simulation.checkSaved());

test(`${SCENARIOS} random scenarios`, async () => {
  const before = counts.lives;
  const seed = await simulation.check(SCENARIOS);
  process.stdout.write(`simulation: seed ${seed}: ${JSON.stringify(counts)}\n`);
  expect(counts.lives - before).toBeGreaterThan(SCENARIOS);
}, 1_800_000);
