/** Random histories read as the oracle says, whatever is flushed, ingested, rolled back or reopened between. */

import { afterAll, beforeAll, test } from 'vitest';
import { LENGTH } from '../base/length.ts';
import { SEED } from '../base/seed.ts';
import { checkHistories, TIMEOUT_MS } from './check.ts';
import { Run } from './run.ts';

const PARTS = [0, 1, 2, 3];
const HISTORIES = PARTS.length * Math.round(60 * LENGTH);

// The kernels' TypeScript twins: with them small tables are made quickest. All other tests use WebAssembly.
const { SLUICE_KERNELS: kernels } = process.env;
beforeAll(() => {
  process.env['SLUICE_KERNELS'] = 'js';
});
afterAll(() => {
  if (kernels === undefined) delete process.env['SLUICE_KERNELS'];
  else process.env['SLUICE_KERNELS'] = kernels;
});

// Side by side, as each waits for its files most of the time.
test.concurrent.each(PARTS)(
  `${HISTORIES / PARTS.length} random histories, part %d`,
  async (part) => {
    const seed = SEED + PARTS.length * part;
    await checkHistories(HISTORIES / PARTS.length, (history) => Run.history(history), seed);
  },
  TIMEOUT_MS,
);
