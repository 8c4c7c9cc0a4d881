// Runs random histories against the oracle for a time: npm run soak:model -- --minutes 60 [--seed 1]

import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new TypeError(`--minutes must be a positive number; got ${values.minutes}`);
const env = { ...process.env, SLUICE_SOAK_MINUTES: String(minutes) };
if (values.seed !== undefined) env.SLUICE_SOAK_SEED = values.seed;
const { status } = spawnSync('npx', ['vitest', 'run', 'test/model'], { env, stdio: 'inherit' });
process.exitCode = status ?? 1;
