// Runs random scenarios on a simulated disk for a time: npm run simulate -- --minutes 60 [--seed 1]

import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new TypeError(`--minutes must be a positive number; got ${values.minutes}`);
const env = { ...process.env, SLUICE_SOAK_MINUTES: String(minutes) };
if (values.seed !== undefined) env.SLUICE_SOAK_SEED = values.seed;
const command = ['vitest', 'run', 'test/simulation/simulation.test.ts'];
const { status } = spawnSync('npx', command, { env, stdio: 'inherit' });
process.exitCode = status ?? 1;
