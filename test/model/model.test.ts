/**
 * Random histories read as the oracle says, whatever is flushed, ingested, rolled back or reopened between.
 *
 * A failing history is shrunk and printed as JSON: keep it as a file in test/regressions/. `npm run soak:model --
 * --minutes 60` runs until the time is up; `--seed N` repeats one.
 */

import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type History, history } from './history.ts';
import { Run } from './run.ts';

const REGRESSIONS = new URL('../regressions/', import.meta.url);
const MINUTE_MS = 60_000;
const soakMinutes = Number(process.env['SLUICE_SOAK_MINUTES'] ?? 0);
const seed = process.env['SLUICE_SOAK_SEED'];

const HISTORIES = 2000;
/** Each runs twice. */
const PAIRS = 100;

async function check(run: (history: History) => Promise<void>, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(history, run);
  const details = await fc.check(property, {
    numRuns: soakMinutes > 0 ? Number.MAX_SAFE_INTEGER : numRuns,
    ...(soakMinutes > 0 ? { interruptAfterTimeLimit: soakMinutes * MINUTE_MS } : {}),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  });
  if (soakMinutes > 0) process.stdout.write(`seed ${details.seed}: ${details.numRuns} histories\n`);
  if (!details.failed || details.interrupted) return;
  const message = `seed ${details.seed}, path ${details.counterexamplePath}: ${String(details.errorInstance)}`;
  throw new Error(`${message}\n${JSON.stringify(details.counterexample?.[0])}`);
}

describe('histories that failed once', () => {
  const names = readdirSync(REGRESSIONS).filter((name) => name.endsWith('.json'));
  test.each(names)('%s', async (name) => {
    const kept = JSON.parse(readFileSync(new URL(name, REGRESSIONS), 'utf8')) as History;
    await Run.history(kept);
    await Run.history(kept, { ingestAsPuts: true });
  });
  test('are kept as JSON', () => {
    expect(readdirSync(REGRESSIONS)).toContain('README.md');
  });
});

// The kernels' TypeScript twins here, for many small tables are made quickest with them; WebAssembly in all other tests.
test(
  `${HISTORIES} random histories read as the oracle says`,
  async () => {
    process.env['SLUICE_KERNELS'] = 'js';
    try {
      await check((ops) => Run.history(ops), HISTORIES);
    } finally {
      delete process.env['SLUICE_KERNELS'];
    }
  },
  (5 + soakMinutes) * MINUTE_MS,
);

test(
  `L7: ${PAIRS} histories read the same with every ingest replaced by puts`,
  () =>
    check(async (ops) => {
      await Run.history(ops);
      await Run.history(ops, { ingestAsPuts: true });
    }, PAIRS),
  (5 + soakMinutes) * MINUTE_MS,
);
